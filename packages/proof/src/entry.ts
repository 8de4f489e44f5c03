// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The entry: the line that is a leaf of a Stele ledger (docs/format.md, "Entry"). It commits to an event's content by a
// salted hash, so it can be shown to anybody. One entry has one serialisation, and only that one is read.

import { fromUtf8 } from './encoding.ts'
import { ProofError } from './error.ts'
import { sha256, type Hash } from './hash.ts'
import { demand, within } from './inner.ts'

/** Longest entry: in a bundle its length stands before it in 16 bits. */
export const MAX_ENTRY_BYTES = 65_535
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

const SOURCE =
  '(?=[a-z0-9.-]{1,64}(?![a-z0-9.-]))([a-z0-9]+(?:[.-][a-z0-9]+)*)(?:/([A-Za-z0-9._~@:-]{1,128})(?:/([A-Za-z0-9._~@:-]{1,128}))?)?'
export const SOURCE_PATTERN: RegExp = new RegExp(`^${SOURCE}$`)
// Days that the calendar has: no 30 February, and 29 February in leap years only. No hour 24, no leap second.
const LEAP = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)'
const SHORT = '(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])'
const DAY = `(?:[0-9]{4}-(?:${SHORT}|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|${LEAP}-02-29)`
// None holds a quote or a backslash within a value, so no two ways of matching compete: the whole takes linear time.
const FIELDS: readonly (readonly [field: string, pattern: string])[] = [
  ['v', '\\{"v":1'],
  ['at', `,"at":"(${DAY}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\\.[0-9]{3}Z)"`],
  ['source', `,"source":"(${SOURCE.replaceAll(/\((?!\?)/g, '(?:')})"`],
  ['by', ',"by":"([A-Za-z0-9._:-]{1,64})"'],
  ['via', '(?:,"via":"([ !#-\\[\\]-~]{1,128})")?'],
  ['asserted', '(,"asserted":false)?'],
  ['media', ',"media":"(application/json|text/plain|application/octet-stream)"'],
  ['size', ',"size":(0|[1-9][0-9]{0,7})'],
  // 256 bits in 43 characters leave two bits over, which are zero.
  ['sha256', ',"sha256":"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"'],
  ['ext', '(?:,"ext":(\\{[ -~]*\\}))?\\}$'],
]
const ENTRY_PATTERN = patternOf(FIELDS.length)

/**
 * Reads exactly what `formatEntry` writes. Throws `entry-version` for another version, else `entry-malformed`, with the
 * first field that is not as it must be.
 */
export function parseEntry(bytes: Uint8Array): Entry {
  demand(bytes.length <= MAX_ENTRY_BYTES, 'entry-malformed', `an entry has at most ${MAX_ENTRY_BYTES} bytes`)
  const line = within('entry-malformed', {}, () => fromUtf8(bytes))
  const match = ENTRY_PATTERN.exec(line)
  if (match === null) {
    const isOther = /^\{"v":(?!1,)/.test(line)
    demand(!isOther, 'entry-version', 'the entry is of a version unknown here', { field: 'v' })
    const [field = ''] = FIELDS.find((_, i) => !patternOf(i + 1).test(line)) ?? []
    throw new ProofError('entry-malformed', `the line is no entry in its one serialisation: ${field}`, { field })
  }
  const [, at = '', source = '', by = '', via, asserted, media, size = '', sha256 = '', ext] = match
  const isEvent = Number(size) <= MAX_EVENT_BYTES
  demand(isEvent, 'entry-malformed', `an event has at most ${MAX_EVENT_BYTES} bytes`, { field: 'size' })
  return {
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
}

/**
 * SHA-256(salt ‖ event): what `sha256` of the entry holds in base64url. `salt` has 16 bytes. Throws `content-mismatch`
 * for a salt of another length, which would let the boundary between the two move.
 */
export function contentHash(salt: Uint8Array, event: Uint8Array): Hash {
  demand(salt.length === SALT_BYTES, 'content-mismatch', `a salt has ${SALT_BYTES} bytes`, { field: 'salt' })
  return sha256(event, salt)
}

/** `JSON.stringify` in printable ASCII: a duplicate key, a space or another way to write a number does not survive it. */
export function canonicalJson(value: JsonObject): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The pattern of a line's first `count` fields. */
function patternOf(count: number): RegExp {
  return new RegExp(
    `^${FIELDS.slice(0, count)
      .map(([, pattern]) => pattern)
      .join('')}`,
  )
}

function readExt(text: string): JsonObject {
  const field = 'ext'
  demand(text.length <= MAX_EXT_BYTES, 'entry-malformed', `ext has at most ${MAX_EXT_BYTES} bytes`, { field })
  let value: JsonObject = {}
  try {
    // The pattern lets only an object through.
    value = JSON.parse(text) as JsonObject
  } catch {}
  demand(canonicalJson(value) === text, 'entry-malformed', 'ext is not JSON in its one serialisation', { field })
  return value
}
