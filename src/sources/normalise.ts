// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Any event in OCSF. Events are hostile and mappings are many, so whatever goes wrong in one becomes a Base Event that
 * says why: nothing that reads a ledger ever stops at an event. The result is derived from the entry and the event's
 * bytes alone, so it is the same whenever it is made again.
 */
import type { Entry } from '@stele/proof'
import type { BaseEvent, OcsfEvent } from '../schema/ocsf.ts'
import { type MapContext, MappingFault } from './connector.ts'
import { clip, type Json, objectOf, text } from './json.ts'
import { metadataOf, outcomeOf, sentence } from './ocsf-base.ts'
import { baseEvent } from './ocsf-event.ts'
import { connectors } from './registry.ts'
import { ownMappings } from './stele.ts'
import { parseTime } from './time.ts'

/** Raised whenever a mapping changes what it gives for any event: an index of another version is made anew. */
export const MAPPER_VERSION = 1

/** More than that would take hundreds of megabytes once parsed: such an event is found by its text alone. */
const MAX_VALUES = 500_000
const MAX_REASON_CHARS = 300
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const MAX_FIRST_LINE_CHARS = 200

export interface Normalised {
  readonly ocsf: OcsfEvent
  /** The event as parsed: a JSON value, or the text of a text event; undefined where it is neither. */
  readonly value: Json | undefined
}

/** Clients cannot name Stele's own types (`kindOf` refuses them), so an entry that has one is Stele's. */
const mappings = new Map([...connectors.map(({ type, map }) => [type, map] as const), ...ownMappings])

/** Never throws: what a mapping cannot do, or a bug in it, becomes a Base Event with the reason in `status_detail`. */
export function normalise(entry: Entry, event: Uint8Array): Normalised {
  const context = { receivedMs: parseTime(entry.at) ?? 0, source: entry.source }
  if (entry.media === 'application/octet-stream') {
    return {
      ocsf: unmapped(context, 'the event is not text', `${event.length} bytes that are no text`),
      value: undefined,
    }
  }
  const bytes = Buffer.isBuffer(event) ? event : Buffer.from(event.buffer, event.byteOffset, event.byteLength)
  const content = bytes.toString('utf8')
  if (entry.media === 'text/plain') {
    return { ocsf: unmapped(context, 'the event is text without a form', firstLine(content)), value: content }
  }
  if (hasTooManyValues(bytes)) {
    const reason = `the event has more than ${MAX_VALUES.toLocaleString('en-US')} values`
    return { ocsf: unmapped(context, reason, firstLine(content)), value: content }
  }
  let value: Json
  try {
    value = JSON.parse(content) as Json
  } catch {
    return { ocsf: unmapped(context, 'the event is not JSON', firstLine(content)), value: content }
  }
  return { ocsf: mapped(value, context), value }
}

/** Commas outside of texts are one fewer than the values of each list and object. */
function hasTooManyValues(bytes: Buffer): boolean {
  if (bytes.length <= 2 * MAX_VALUES) return false
  let count = 0
  let isText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) isText = !isText
    else if (isText && byte === BACKSLASH) at++
    else if (!isText && byte === COMMA && ++count > MAX_VALUES) return true
  }
  return false
}

function mapped(value: Json, context: MapContext): OcsfEvent {
  const event = objectOf(value)
  if (event === undefined) return unmapped(context, 'the event is JSON but not an object')
  const slash = context.source.indexOf('/')
  const type = slash === -1 ? context.source : context.source.slice(0, slash)
  const map = mappings.get(type)
  if (map === undefined) return unmapped(context, `there is no mapping for ${type}`, text(event['message']))
  try {
    const ocsf = map(event, context)
    if (Number.isSafeInteger(ocsf.time) && ocsf.time >= 0) return ocsf
    return unmapped(context, `the mapping of ${type} gave no time`, text(event['message']))
  } catch (error) {
    return unmapped(context, reasonOf(error, type), text(event['message']))
  }
}

function reasonOf(error: unknown, type: string): string {
  if (error instanceof MappingFault) return error.message
  return `the mapping of ${type} failed: ${error instanceof Error ? `${error.name}: ${error.message}` : 'no error'}`
}

function unmapped(context: MapContext, reason: string, message = ''): BaseEvent {
  return baseEvent(
    {
      metadata: metadataOf({ name: context.source }, {}),
      time: context.receivedMs,
      severity_id: 1,
      outcome: outcomeOf(0),
      message: sentence(message) || `An event from ${context.source}`,
    },
    clip(reason, MAX_REASON_CHARS),
  )
}

function firstLine(content: string): string {
  const start = content.slice(0, 4 * MAX_FIRST_LINE_CHARS).trimStart()
  const end = start.search(/[\r\n]/)
  return clip(end === -1 ? start : start.slice(0, end), MAX_FIRST_LINE_CHARS)
}
