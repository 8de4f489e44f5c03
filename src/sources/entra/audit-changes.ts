// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What changed, in a few words for the end of a sentence: `state from enabled to disabled`.

import { decoded, objectOf } from '../json.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Change } from '../ocsf-base.ts'
import { spoken } from '../spoken.ts'
import { plain } from './audit-reading.ts'

const MAX_VALUE_CHARS = 56
const MAX_NAMED = 2
/** No more members of a document are looked at. */
const MAX_MEMBERS = 512
export const LIST = 'Included Updated Properties'

/** Properties that say nothing of what somebody did. */
function isNoise(name: string): boolean {
  return (
    noise.has(name) ||
    name.startsWith('TargetId.') ||
    name.startsWith('ActorId.') ||
    name.startsWith('MethodExecutionResult.') ||
    name.endsWith('.ObjectID')
  )
}

const noise: ReadonlySet<string> = new Set([
  LIST,
  'Action Client Name',
  'LastDirSyncTime',
  'Version',
  'createdDateTime',
  'id',
  'modifiedDateTime',
])

/** `: state from enabled to disabled, excludeUsers gained 1 and 2 more`; empty where nothing tells. */
export function changesText(changes: readonly Change[]): string {
  const phrases: string[] = []
  for (const { name, old: before, new: after } of changes) {
    if (!isNoise(name)) addPhrases(phrases, name, opened(before), opened(after))
  }
  if (phrases.length === 0) {
    const list = changes.find(({ name }) => name === LIST)
    const names = plain(list?.new) ?? plain(list?.old)
    return names === undefined ? '' : ` (${spoken(names, MAX_VALUE_CHARS)})`
  }
  // What switches a policy on or off comes first.
  const first = phrases.findIndex((phrase) => phrase.startsWith('state ') || phrase.startsWith('State '))
  if (first > 0) phrases.unshift(...phrases.splice(first, 1))
  const rest = phrases.length - MAX_NAMED
  return `: ${phrases.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** A list of one, and JSON inside such a list, as what it holds. */
export function opened(value: Json | undefined): Json | undefined {
  if (!Array.isArray(value) || value.length !== 1) return value
  const only = (value as readonly Json[])[0]
  return typeof only === 'string' ? decoded(only) : only
}

function addPhrases(phrases: string[], name: string, before: Json | undefined, after: Json | undefined): void {
  const [old, now] = [objectOf(before), objectOf(after)]
  if (old !== undefined && now !== undefined) {
    addMembers(phrases, old, now, { left: MAX_MEMBERS })
  } else phrases.push(phrase(name, before, after))
}

function addMembers(phrases: string[], before: JsonObject, after: JsonObject, budget: { left: number }): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (budget.left-- <= 0) return
    const old = Object.hasOwn(before, key) ? before[key] : undefined
    const now = Object.hasOwn(after, key) ? after[key] : undefined
    if (isNoise(key) || isEqual(old, now)) continue
    const [oldObject, newObject] = [objectOf(old), objectOf(now)]
    if (oldObject !== undefined && newObject !== undefined) addMembers(phrases, oldObject, newObject, budget)
    else phrases.push(phrase(key, old, now))
  }
}

export function isEqual(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object') return false
  return JSON.stringify(one) === JSON.stringify(other)
}

function phrase(property: string, before: Json | undefined, after: Json | undefined): string {
  const name = spoken(property, MAX_VALUE_CHARS)
  if (Array.isArray(before) || Array.isArray(after)) return listPhrase(name, listOf(before), listOf(after))
  const [old, now] = [plain(before), plain(after)]
  if (old !== undefined && now !== undefined) return fromTo(name, old, now)
  if (now !== undefined) return `${name} set to ${short(now)}`
  return old === undefined ? name : `${name} no longer ${short(old)}`
}

export function listOf(value: Json | undefined): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[]
  return value === undefined || value === null || value === '' ? [] : [value]
}

/** Long lists are not compared. */
function listPhrase(name: string, before: readonly Json[], after: readonly Json[]): string {
  if (before.length > MAX_MEMBERS || after.length > MAX_MEMBERS) return name
  const keys = [before, after].map((list) => new Set(list.map((member) => JSON.stringify(member))))
  const gained = after.filter((member) => !keys[0]!.has(JSON.stringify(member)))
  const lost = before.filter((member) => !keys[1]!.has(JSON.stringify(member)))
  const [gain, loss] = [membersText(gained), membersText(lost)]
  if (before.length === 0 && after.length === 1 && plain(after[0]) !== undefined) return `${name} set to ${gain}`
  if (before.length === 1 && after.length === 1 && plain(after[0]) !== undefined && plain(before[0]) !== undefined) {
    return gained.length === 0 ? name : fromTo(name, plain(before[0])!, plain(after[0])!)
  }
  if (gained.length > 0) return `${name} gained ${gain}${lost.length > 0 ? ` and lost ${loss}` : ''}`
  return lost.length > 0 ? `${name} lost ${loss}` : name
}

function membersText(members: readonly Json[]): string {
  const only = members.length === 1 ? plain(members[0]) : undefined
  if (only !== undefined) return short(only)
  return members.length === 1 ? 'an entry' : `${members.length} entries`
}

/** Of two long values that begin alike the beginning is left out, so that they still differ. */
function fromTo(name: string, old: string, now: string): string {
  const [before, after] = [valueText(old), valueText(now)]
  if (before.length <= MAX_VALUE_CHARS && after.length <= MAX_VALUE_CHARS)
    return `${name} from ${short(before)} to ${short(after)}`
  let shared = 0
  while (shared < before.length && before[shared] === after[shared]) shared++
  while (shared > 0 && /\w/.test(before[shared - 1]!)) shared--
  const ends = [before, after].map((value) => short(shared > 16 ? `…${value.slice(shared)}` : value))
  return `${name} from ${ends[0]} to ${ends[1]}`
}

/** Of a record written as text, `[SkuName=SPE_E3, SkuId=…]`, its first member. */
function valueText(value: string): string {
  const end = value.indexOf(',')
  return end > 1 && /^\[\w+=/.test(value) ? value.slice(1, end) : value
}

function short(text: string): string {
  return spoken(valueText(text), MAX_VALUE_CHARS)
}

/** `: added the secret HR sync 2026`; the keys of an application are text, one list before and one after. */
export function keysText(changes: readonly Change[]): string {
  const change = changes.find(({ name }) => name === 'KeyDescription')
  if (change === undefined) return changesText(changes)
  const [before, after] = [listOf(change.old), listOf(change.new)]
  if (before.length > MAX_MEMBERS || after.length > MAX_MEMBERS) return ''
  const phrases = [
    ...after.filter((key) => !before.includes(key)).map((key) => `added ${keyText(key)}`),
    ...before.filter((key) => !after.includes(key)).map((key) => `removed ${keyText(key)}`),
  ]
  if (phrases.length === 0) return ''
  const rest = phrases.length - MAX_NAMED
  return `: ${phrases.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** `[KeyIdentifier=…,KeyType=Password,KeyUsage=Verify,DisplayName=HR sync 2026]`. */
function keyText(key: Json): string {
  const text = plain(key) ?? ''
  const start = text.indexOf('DisplayName=')
  const name =
    start === -1
      ? text.startsWith('[')
        ? ''
        : text
      : text
          .slice(start + 12)
          .replace(/\]$/, '')
          .trim()
  const kind = text.includes('KeyType=Password') ? 'secret' : text.includes('X509') ? 'certificate' : 'key'
  return name === '' ? `a ${kind}` : `the ${kind} ${short(name)}`
}
