// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A few words about an event, from fields that many sources have. They are a help to the eye; the event is the bytes.

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Beyond this an event is not read for the sake of a line. */
const MAX_READ_BYTES = 256 * 1024

const actors = [
  'initiatedBy.user.userPrincipalName',
  'initiatedBy.app.displayName',
  'userPrincipalName',
  'servicePrincipalName',
  'actor.alternateId',
  'actor.user.name',
  'actor.displayName',
  'userIdentity.userName',
  'userIdentity.arn',
  'userId',
  'user.username',
  'user.name',
  'user',
  'identity',
]
const verbs = [
  'activityDisplayName',
  'operationName',
  'riskEventType',
  'displayMessage',
  'eventName',
  'operation',
  'verb',
  'action',
  'eventType',
  'type',
  'message',
  'msg',
]
const objects = [
  'targetResources.0.userPrincipalName',
  'targetResources.0.displayName',
  'appDisplayName',
  'resourceDisplayName',
  'target.0.displayName',
  'requestParameters.roleName',
  'objectId',
  'objectRef.name',
  'target',
]
const outcomes = [
  'result',
  'outcome.result',
  'outcome',
  'resultType',
  'errorCode',
  'resultStatus',
  'conditionalAccessStatus',
]

/** `actor · verb · object · outcome`, as far as the event says; else its beginning. Not fit to be shown as it is. */
export function describeEvent(event: Uint8Array, text: string | undefined): string {
  if (text === undefined) return `${event.length} bytes that are not text`
  if (event.length > MAX_READ_BYTES) return text.slice(0, 200)
  const value = parsed(text)
  if (value === undefined) return text
  const outcome = firstOf(value, outcomes)
  const parts = [...[actors, verbs, objects].map((paths) => firstOf(value, paths)), outcomeText(outcome)]
  const said = [...new Set(parts.filter((part) => part !== undefined))]
  return said.length > 1 || parts[1] !== undefined ? said.join(' · ') : text
}

/** Sign-ins have a code, which is 0 where nothing went wrong. */
function outcomeText(outcome: string | undefined): string | undefined {
  if (outcome === undefined || !/^\d+$/.test(outcome)) return outcome
  return outcome === '0' ? 'success' : `error ${outcome}`
}

/** The first path under which there is a word or a number; the envelope of diagnostic settings is looked through. */
function firstOf(value: Json, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const found = wordsAt(value, path) ?? wordsAt(value, `properties.${path}`)
    if (found !== undefined) return found
  }
  return undefined
}

function wordsAt(value: Json, path: string): string | undefined {
  let found: Json | undefined = value
  for (const key of path.split('.')) found = memberOf(found, key)
  if (typeof found === 'number') return String(found)
  const words = typeof found === 'string' ? found.trim() : ''
  return words === '' || isJsonText(words) ? undefined : words
}

/** Log Analytics writes keys with a capital, and objects as JSON in strings. */
function memberOf(value: Json | undefined, key: string): Json | undefined {
  const object = typeof value === 'string' && isJsonText(value) ? parsed(value) : value
  if (typeof object !== 'object' || object === null) return undefined
  const members = object as { readonly [key: string]: Json }
  const capital = key.charAt(0).toUpperCase() + key.slice(1)
  return Object.hasOwn(members, key) ? members[key] : Object.hasOwn(members, capital) ? members[capital] : undefined
}

function isJsonText(text: string): boolean {
  return text.startsWith('{') || text.startsWith('[')
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
