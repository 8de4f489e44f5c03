// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Cuts a file into the bodies of requests, by what it holds and not by its name. Nothing is parsed and written again:
// bodies are made of the file's own bytes, with a line feed between values and, where one value is too large for one
// body, its own opening and closing around each part.

import { isUtf8 } from 'node:buffer'

import { MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_EVENTS_PER_BODY } from '../../schema/limits.ts'
import { Problem } from '../../schema/problem.ts'
import { bytesText, count } from '../display.ts'
import { BracketScan, isBlank, isSpace } from './bracket-scan.ts'
import type { ByteWindow } from './byte-window.ts'
import { FileFault } from './file-fault.ts'
import { largeDocument } from './large-document.ts'
import { cutPiece, joinPieces, type Piece, type PlacedPiece, pieceOf } from './piece.ts'

/** `lines`: NDJSON. `documents`: JSON values one behind another, mostly one, arrays opened. `bytes`: one event. */
export type Form = 'lines' | 'documents' | 'text' | 'bytes' | 'empty'

export interface Limits {
  /** A body is closed once it has so many bytes; a single value may have more. */
  readonly batchBytes: number
  readonly batchEvents: number
  /** Most events that the server takes in one body. */
  readonly maxEvents: number
  /** Values that are complete wait so long for more to join them. */
  readonly flushMs: number
}

export const LIMITS: Limits = {
  batchBytes: 4 * 1024 * 1024,
  batchEvents: 1_000,
  maxEvents: MAX_EVENTS_PER_BODY,
  flushMs: 100,
}

const LINE_FEED = 0x0a
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const SAMPLE_BYTES = 64 * 1024

/** Looks at the beginning; takes a byte order mark off, and white space before JSON. */
export async function formOf(window: ByteWindow, flushMs: number): Promise<Form> {
  while (window.held.length < 3 && (await window.more()));
  const [first, second, third] = window.held
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new FileFault('it is UTF-16, and events are UTF-8: convert it first, with iconv -f UTF-16 -t UTF-8')
  }
  if (first === 0xef && second === 0xbb && third === 0xbf) window.skip(3)
  for (;;) {
    const { held } = window
    const at = held.findIndex((byte) => !isSpace(byte))
    if (at !== -1 && (held[at] === OPEN_BRACE || held[at] === OPEN_BRACKET)) {
      window.skip(at)
      return held[at] === OPEN_BRACKET ? 'documents' : await formOfObjects(window, flushMs)
    }
    if (at !== -1) return await formOfOther(window, flushMs)
    if (held.length > SAMPLE_BYTES) window.skip(held.length)
    if (!(await window.more())) return 'empty'
  }
}

/** An object alone on its line is the first of a file of lines, if it is not the only one. */
async function formOfObjects(window: ByteWindow, flushMs: number): Promise<Form> {
  const scan = new BracketScan()
  let p = 0
  for (;;) {
    const { held } = window
    p = scan.next(held, p, held.length, 0)
    if (scan.found !== 0 && scan.depth === 0) break
    if (scan.found === 0 && held.length > MAX_BODY_BYTES) return 'documents'
    if (scan.found === 0 && !(await window.more())) return 'documents'
  }
  const feed = window.held.indexOf(LINE_FEED)
  if (feed !== -1 && feed < p) return 'documents'
  for (;;) {
    const { held } = window
    while (p < held.length && isSpace(held[p]!) && held[p] !== LINE_FEED) p++
    if (p < held.length) return held[p] === LINE_FEED ? 'lines' : 'documents'
    if (!(await window.more(flushMs))) return 'lines'
  }
}

async function formOfOther(window: ByteWindow, flushMs: number): Promise<Form> {
  while (window.held.length < SAMPLE_BYTES && (await window.more(flushMs)));
  const sample = window.held.subarray(0, SAMPLE_BYTES)
  return isText(sample) ? 'text' : 'bytes'
}

/** UTF-8 that may end in the middle of a character, without NUL. */
function isText(sample: Buffer): boolean {
  if (sample.includes(0)) return false
  return [0, 1, 2, 3].some((missing) => isUtf8(sample.subarray(0, Math.max(0, sample.length - missing))))
}

/** The bodies of a file of that form, in order. Throws a FileFault where it cannot be cut. */
export async function* pieces(
  window: ByteWindow,
  form: Form,
  source: string | undefined,
  limits: Limits = LIMITS,
): AsyncGenerator<PlacedPiece, void> {
  for await (const piece of cutIntoPieces(window, form, source, limits)) {
    const { offset, line } = window
    yield { ...piece, end: { offset, line } }
  }
}

async function* cutIntoPieces(
  window: ByteWindow,
  form: Form,
  source: string | undefined,
  limits: Limits,
): AsyncGenerator<Piece, void> {
  switch (form) {
    case 'lines':
      return yield* jsonLines(window, limits)
    case 'documents':
      return yield* documents(window, source, limits)
    case 'text':
      return yield* textLines(window)
    case 'bytes':
      return yield* wholeFile(window)
    case 'empty':
      return
  }
}

async function* jsonLines(window: ByteWindow, limits: Limits): AsyncGenerator<Piece, void> {
  let units: number[] = []
  /** End of the complete lines, and of what has been searched for the end of the next one. */
  let whole = 0
  let searched = 0
  const takeWhole = function* (): Generator<Piece, void> {
    const { offset, line } = window
    const found = units
    const body = window.take(whole)
    units = []
    whole = 0
    searched = 0
    if (found.length > 0) yield { body, media: 'application/x-ndjson', spans: [{ at: 0, offset, line }], units: found }
  }
  for (;;) {
    const { held } = window
    const feed = held.indexOf(LINE_FEED, searched)
    if (feed === -1 && !window.ended) {
      searched = held.length
      demandRoom(window, held.length - whole, 'a line', MAX_BODY_BYTES)
      if (!(await window.more(whole > 0 ? limits.flushMs : undefined)) && !window.ended) yield* takeWhole()
      continue
    }
    const end = feed === -1 ? held.length : feed + 1
    if (whole > 0 && (end === whole || units.length >= limits.batchEvents || end > limits.batchBytes)) {
      yield* takeWhole()
      continue
    }
    if (end === 0) return
    if (!isBlank(held, whole, end)) units.push(whole)
    whole = end
    searched = end
  }
}

/** What is not JSON is taken for one event a line: the server takes one such event a request. */
async function* textLines(window: ByteWindow): AsyncGenerator<Piece, void> {
  let searched = 0
  for (;;) {
    const { held } = window
    const feed = held.indexOf(LINE_FEED, searched)
    if (feed === -1 && !window.ended) {
      searched = held.length
      demandRoom(window, held.length, 'a line of text', MAX_EVENT_BYTES)
      await window.more()
      continue
    }
    if (feed === -1 && held.length === 0) return
    const place = { offset: window.offset, line: window.line }
    const text = window.take(feed === -1 ? held.length : feed + 1)
    searched = 0
    const end = feed === -1 ? text.length : text[feed - 1] === 0x0d ? feed - 1 : feed
    if (!isBlankText(text.subarray(0, end))) yield pieceOf('text/plain', text.subarray(0, end), place)
  }
}

async function* wholeFile(window: ByteWindow): AsyncGenerator<Piece, void> {
  const place = { offset: window.offset, line: window.line }
  while (await window.more()) demandRoom(window, window.held.length, 'a file that is not text', MAX_EVENT_BYTES)
  if (window.held.length > 0) yield pieceOf('application/octet-stream', window.take(window.held.length), place)
}

async function* documents(window: ByteWindow, source: string | undefined, limits: Limits): AsyncGenerator<Piece, void> {
  let batch: Piece[] = []
  let batchBytes = 0
  const takeBatch = function* (): Generator<Piece, void> {
    if (batch.length > 0) yield joinPieces(batch, 'values')
    batch = []
    batchBytes = 0
  }
  for (;;) {
    if (!(await toNextValue(window, batch.length > 0 ? limits.flushMs : undefined))) {
      yield* takeBatch()
      if (window.ended) return
      continue
    }
    const length = await lengthOfValue(window)
    if (length === undefined || hasTooManyEvents(window.held.subarray(0, length), source, limits)) {
      yield* takeBatch()
      yield* largeDocument(window, source, limits)
      continue
    }
    if (batch.length >= limits.batchEvents || batchBytes + length > limits.batchBytes) yield* takeBatch()
    const place = { offset: window.offset, line: window.line }
    batch.push(pieceOf('application/json', window.take(length), place))
    batchBytes += length
  }
}

/** Takes white space; true where a value begins, false at the end or after that pause. */
async function toNextValue(window: ByteWindow, pauseMs: number | undefined): Promise<boolean> {
  for (;;) {
    const { held } = window
    let at = 0
    while (at < held.length && isSpace(held[at]!)) at++
    window.skip(at)
    if (at < held.length) return true
    if (!(await window.more(pauseMs))) return false
  }
}

/** Bytes of the value that begins here; undefined for one that is larger than a body. */
async function lengthOfValue(window: ByteWindow): Promise<number | undefined> {
  const [first] = window.held
  // Not the beginning of a document: the server says what is wrong with it.
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return await lengthOfLine(window)
  const scan = new BracketScan()
  let p = 0
  for (;;) {
    const { held } = window
    p = scan.next(held, p, Math.min(held.length, MAX_BODY_BYTES + 1), 0)
    if (scan.found !== 0 && scan.depth === 0) return p > MAX_BODY_BYTES ? undefined : p
    if (scan.found !== 0) continue
    if (held.length > MAX_BODY_BYTES) return undefined
    if (!(await window.more())) return held.length
  }
}

async function lengthOfLine(window: ByteWindow): Promise<number> {
  for (;;) {
    const { held } = window
    const feed = held.indexOf(LINE_FEED)
    if (feed !== -1) return feed + 1
    demandRoom(window, held.length, 'a line', MAX_BODY_BYTES)
    if (!(await window.more())) return held.length
  }
}

function hasTooManyEvents(body: Buffer, source: string | undefined, { maxEvents }: Limits): boolean {
  // The smallest event is a digit and a comma.
  if (body.length <= 2 * maxEvents) return false
  try {
    return cutPiece(pieceOf('application/json', body, { offset: 0, line: 1 }), source).count > maxEvents
  } catch (error) {
    return error instanceof Problem && error.code === 'too-many-events'
  }
}

function demandRoom({ offset, line }: ByteWindow, length: number, what: string, limit: number): void {
  if (length <= limit) return
  throw new FileFault(`${what} has more than ${bytesText(limit)} (${count(limit)} bytes), the most that is taken`, {
    offset,
    line,
  })
}

/** A text that has nothing else is none to the server. */
function isBlankText(text: Buffer): boolean {
  return text.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}
