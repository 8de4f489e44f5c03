// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A line of an export's contents (docs/format.md, "Export"): one event with its salt and its entry. An event that is
// JSON on one line stands in it as it is, byte for byte, so that ordinary tools read it and nothing is written again;
// any other is a JSON string, or base64 where it isn't UTF-8.

import { equalBytes, fromUtf8, ProofError, SALT_BYTES, utf8 } from '../src/index.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { isOneJsonValue } from './json-value.ts'

/** What an entry commits to. */
export interface Content {
  /** 16 bytes. */
  readonly salt: Uint8Array
  readonly event: Uint8Array
}

/** Most bytes that a byte of an event becomes in a line: a control character is written as six. */
const MAX_GROWTH = 6
/** Longest line but for its entry and its event. */
const FRAME_BYTES = 128
const NEWLINE = 0x0a
const BRACE = 0x7d
const START = utf8('{"index":')
const ENTRY = utf8(',"entry":')
const SALT = utf8(',"salt":"')
const SALT_CHARS = 24
const AFTER_SALT = utf8('",')
const JSON_EVENT = utf8('"event":')
const TEXT_EVENT = utf8('"text":')
const QUOTE = utf8('"')
const BYTES_EVENT = utf8('"base64":')

/** Longest line of an entry of `entryBytes` whose event has at most `eventBytes`, newline included. */
export function maxLineBytes(entryBytes: number, eventBytes: number): number {
  return entryBytes + MAX_GROWTH * eventBytes + FRAME_BYTES
}

/** The line of entry `index`, newline included. `isJson`: the event was taken as application/json. */
export function formatContentLine(index: number, entry: Uint8Array, isJson: boolean, content: Content): Uint8Array {
  const { salt, event } = content
  const value = isJson && isJsonLine(event) ? [JSON_EVENT, event] : quoted(event)
  const salted = [SALT, encodeBase64(salt), AFTER_SALT]
  return joined([START, utf8(String(index)), ENTRY, entry, ...salted, ...value, Uint8Array.of(BRACE, NEWLINE)])
}

/**
 * The content in a line, without its newline, of this index and entry. `salted` is salt ‖ event, what is hashed; where
 * it can be, it lies in the line itself, which is overwritten for it. Throws `content-line-malformed`.
 */
export function readContentLine(
  line: Uint8Array,
  index: number,
  entry: Uint8Array,
): { readonly salted: Uint8Array; readonly eventAt: number } {
  const indexAt = pass(line, 0, START, 'the line does not begin with its index')
  const entryAt = passIndex(line, indexAt, index)
  const entryEnd = pass(line, pass(line, entryAt, ENTRY, `the line is not of entry ${index}`), entry, OTHER_ENTRY)
  const saltAt = pass(line, entryEnd, SALT, 'the salt is missing')
  const salt = saltOf(line, saltAt)
  const formAt = pass(line, saltAt + SALT_CHARS, AFTER_SALT, 'the salt does not end where it must')
  const form = [JSON_EVENT, TEXT_EVENT, BYTES_EVENT].find((key) => startsAt(line, formAt, key))
  if (form === undefined || line.at(-1) !== BRACE) throw malformed('the event is missing', formAt)
  const eventAt = formAt + form.length
  const value = line.subarray(eventAt, -1)
  if (form !== JSON_EVENT) {
    const event = within(eventAt, () => (form === TEXT_EVENT ? textOf(value) : bytesOf(value)))
    return { salted: joined([salt, event]), eventAt }
  }
  if (!isOneJsonValue(value)) throw malformed('the event is not JSON on one line', eventAt)
  line.set(salt, eventAt - SALT_BYTES)
  return { salted: line.subarray(eventAt - SALT_BYTES, -1), eventAt }
}

const OTHER_ENTRY = 'the line has another entry than the log'

/** JSON without a control character, so that it is one line wherever it stands. */
function isJsonLine(bytes: Uint8Array): boolean {
  if (!isOneJsonValue(bytes)) return false
  try {
    JSON.parse(fromUtf8(bytes))
    return true
  } catch {
    return false
  }
}

function quoted(event: Uint8Array): [key: Uint8Array, value: Uint8Array] {
  try {
    return [TEXT_EVENT, utf8(JSON.stringify(fromUtf8(event)))]
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    return [BYTES_EVENT, joined([QUOTE, encodeBase64(event), QUOTE])]
  }
}

/** A text in the one way in which `JSON.stringify` writes it. */
function textOf(value: Uint8Array): Uint8Array {
  let text: unknown
  try {
    text = JSON.parse(fromUtf8(value))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  if (typeof text === 'string' && equalBytes(utf8(JSON.stringify(text)), value)) return utf8(text)
  throw new ProofError('text-malformed', 'the text is not a string of JSON in its one serialisation')
}

function bytesOf(value: Uint8Array): Uint8Array {
  const [first, last] = [value[0], value.at(-1)]
  if (value.length >= 2 && first === QUOTE[0] && last === QUOTE[0]) return decodeBase64(value.subarray(1, -1))
  throw new ProofError('text-malformed', 'a string of JSON is expected')
}

function saltOf(line: Uint8Array, at: number): Uint8Array {
  const salt = within(at, () => decodeBase64(line.subarray(at, at + SALT_CHARS)))
  if (salt.length !== SALT_BYTES) throw malformed(`a salt has ${SALT_BYTES} bytes`, at)
  return salt
}

/** Where the line goes on behind what must stand there. */
function pass(line: Uint8Array, at: number, expected: Uint8Array, otherwise: string): number {
  if (!startsAt(line, at, expected)) throw malformed(otherwise, at)
  return at + expected.length
}

function passIndex(line: Uint8Array, at: number, index: number): number {
  const digits = String(index)
  for (let i = 0; i < digits.length; i++) {
    if (line[at + i] !== digits.charCodeAt(i)) throw malformed(`the line is not of entry ${index}`, at)
  }
  return at + digits.length
}

function startsAt(line: Uint8Array, at: number, expected: Uint8Array): boolean {
  if (at + expected.length > line.length) return false
  for (let i = 0; i < expected.length; i++) if (line[at + i] !== expected[i]) return false
  return true
}

function within<T>(offset: number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ProofError ? malformed(error.message, offset) : error
  }
}

function malformed(message: string, offset: number): ProofError {
  return new ProofError('content-line-malformed', message, { offset })
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
