// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The entry: the line that is a leaf of a Stele ledger (docs/format.md, "Entry"). It commits to an event's content by a
// salted hash, so it can be shown to anybody. One entry has one serialisation, and only that one is read.

import { fromUtf8 } from './encoding.ts'
import { ProofError, within } from './error.ts'
import { sha256 } from './hash.ts'
import { MAX_ENTRY_BYTES } from './tile.ts'

/** Bytes of the salt that stands before the event in the content hash. */
export const SALT_BYTES = 16
/** Longest event. */
export const MAX_EVENT_BYTES: number = 16 * 1024 * 1024
/** Longest `ext`, as serialised. */
export const MAX_EXT_BYTES = 4_096

/** The media types in which an event is kept. */
export type MediaType = 'application/json' | 'text/plain' | 'application/octet-stream'

/** A JSON value, as `JSON.parse` makes it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Who received what, when and from where, and the hash that commits to the content. */
export interface Entry {
  /** Ledger time: RFC 3339 in UTC with milliseconds, `2026-01-02T03:04:05.678Z`. */
  readonly at: string
  /** `<type>[/<instance>[/<stream>]]`. */
  readonly source: string
  /** Id of the credential that appended. */
  readonly by: string
  /** Peer or TLS subject as received. */
  readonly via?: string
  /** False where the source's type was recognised by content and not named by the sender. */
  readonly asserted?: false
  readonly media: MediaType
  /** Bytes of the event. */
  readonly size: number
  /** base64url of `contentHash(salt, event)`. */
  readonly sha256: string
  /** For later versions. */
  readonly ext?: JsonObject
}

/** The parts of an entry's `source`. */
export interface EntrySource {
  readonly type: string
  readonly instance?: string
  readonly stream?: string
}

// The source's pattern with its parts in groups. `by`, `via` and the rest hold no quote and no backslash, so the whole
// line is one anchored expression in which no two ways of matching compete: its time is linear.
const SOURCE =
  '(?=[a-z0-9.-]{1,64}(?![a-z0-9.-]))([a-z0-9]+(?:[.-][a-z0-9]+)*)(?:/([A-Za-z0-9._~@:-]{1,128})(?:/([A-Za-z0-9._~@:-]{1,128}))?)?'
const SOURCE_PATTERN = new RegExp(`^${SOURCE}$`)
const ENTRY_PATTERN = new RegExp(
  '^\\{"v":1,"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z)"' +
    `,"source":"(${SOURCE.replaceAll(/\((?!\?)/g, '(?:')})"` +
    ',"by":"([A-Za-z0-9._:-]{1,64})"' +
    '(?:,"via":"([ !#-\\[\\]-~]{1,128})")?' +
    '(,"asserted":false)?' +
    ',"media":"(application/json|text/plain|application/octet-stream)"' +
    ',"size":(0|[1-9][0-9]{0,7})' +
    // 256 bits in 43 characters leave two bits over, which are zero.
    ',"sha256":"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"' +
    '(?:,"ext":(\\{[ -~]*\\}))?\\}$',
)

/** The line of an entry, without a newline. Throws `entry-malformed` where a field is not of its form. */
export function formatEntry(entry: Entry): string {
  const line =
    `{"v":1,"at":${JSON.stringify(entry.at)},"source":${JSON.stringify(entry.source)},"by":${JSON.stringify(entry.by)}` +
    (entry.via === undefined ? '' : `,"via":${JSON.stringify(entry.via)}`) +
    (entry.asserted === undefined ? '' : `,"asserted":${entry.asserted}`) +
    `,"media":${JSON.stringify(entry.media)},"size":${entry.size},"sha256":${JSON.stringify(entry.sha256)}` +
    (entry.ext === undefined ? '' : `,"ext":${canonicalJson(entry.ext)}`) +
    '}'
  readEntry(line)
  return line
}

/** Reads exactly what `formatEntry` writes. Throws `entry-version` for another version, else `entry-malformed`. */
export function parseEntry(bytes: Uint8Array): Entry {
  if (bytes.length > MAX_ENTRY_BYTES) throw malformed(`an entry has at most ${MAX_ENTRY_BYTES} bytes`)
  return readEntry(within('entry-malformed', {}, () => fromUtf8(bytes)))
}

/** Takes a source apart. Throws `entry-malformed`. */
export function entrySource(text: string): EntrySource {
  const match = SOURCE_PATTERN.exec(text)
  if (match === null) throw malformed('a source has the form type[/instance[/stream]]', 'source')
  const [, type = '', instance, stream] = match
  return { type, ...(instance === undefined ? {} : { instance }), ...(stream === undefined ? {} : { stream }) }
}

/**
 * SHA-256(salt ‖ event), 32 bytes: what `sha256` of the entry holds in base64url. `salt` has 16 bytes. Throws
 * `content-mismatch` for a salt of another length, which would let the boundary between the two move.
 */
export function contentHash(salt: Uint8Array, event: Uint8Array): Uint8Array {
  if (salt.length !== SALT_BYTES) throw new ProofError('content-mismatch', `a salt has ${SALT_BYTES} bytes`)
  return sha256(event, salt)
}

function readEntry(line: string): Entry {
  const match = ENTRY_PATTERN.exec(line)
  if (match === null) {
    if (/^\{"v":(?!1,)/.test(line))
      throw new ProofError('entry-version', 'the entry is of a version unknown here', { field: 'v' })
    throw malformed('the line is not an entry in its one serialisation')
  }
  const [, at = '', source = '', by = '', via, asserted, media, size = '', sha256 = '', ext] = match
  if (!isInstant(at)) throw malformed('the time is not an instant of the calendar', 'at')
  const entry = {
    at,
    source,
    by,
    ...(via === undefined ? {} : { via }),
    ...(asserted === undefined ? {} : { asserted: false as const }),
    media: media as MediaType,
    size: Number(size),
    sha256,
    ...(ext === undefined ? {} : { ext: readExt(ext) }),
  }
  if (entry.size > MAX_EVENT_BYTES) throw malformed(`an event has at most ${MAX_EVENT_BYTES} bytes`, 'size')
  return entry
}

function readExt(text: string): JsonObject {
  if (text.length > MAX_EXT_BYTES) throw malformed(`ext has at most ${MAX_EXT_BYTES} bytes`, 'ext')
  let value: JsonObject
  try {
    // The pattern lets only an object through.
    value = JSON.parse(text) as JsonObject
  } catch {
    throw malformed('ext is not JSON', 'ext')
  }
  if (canonicalJson(value) !== text) throw malformed('ext is not in its one serialisation', 'ext')
  return value
}

/** `JSON.stringify` in printable ASCII: a duplicate key, a space or another way to write a number does not survive it. */
function canonicalJson(value: JsonObject): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Whether the digits of a well-formed time name a real millisecond: no 30 February, no hour 24, no leap second. */
function isInstant(at: string): boolean {
  const year = Number(at.slice(0, 4))
  const month = Number(at.slice(5, 7))
  const day = Number(at.slice(8, 10))
  return (
    day >= 1 &&
    day <= daysIn(year, month) &&
    at.slice(11, 13) < '24' &&
    at.slice(14, 16) < '60' &&
    at.slice(17, 19) < '60'
  )
}

function daysIn(year: number, month: number): number {
  if (month < 1 || month > 12) return 0
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

function malformed(message: string, field?: string): ProofError {
  return new ProofError('entry-malformed', message, field === undefined ? {} : { field })
}
