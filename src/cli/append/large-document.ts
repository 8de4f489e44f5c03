// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A JSON array, or a container of events, that is too large for one body: it is cut between its elements into several
// bodies, each with the document's own opening around a run of elements as they stand in the file.

import { MAX_BODY_BYTES, MAX_EVENT_BYTES } from '../../schema/limits.ts'
import { Problem } from '../../schema/problem.ts'
import { connectors } from '../../sources/registry.ts'
import { bytesText } from '../display.ts'
import { BracketScan, isBlank } from './bracket-scan.ts'
import type { ByteWindow } from './byte-window.ts'
import { FileFault } from './file-fault.ts'
import { cutPiece, joinPieces, type Piece, pieceOf, type Place } from './piece.ts'
import type { Limits } from './pieces.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
/** Of a container before its events, and behind them. */
const MAX_FRAME_BYTES = 64 * 1024
const MEDIA = 'application/json'

interface Opening {
  readonly piece: Piece
  /** Depth at which the commas between elements are. */
  readonly depth: number
  /** Closes what the opening opens. */
  readonly closing: string
}

export async function* largeDocument(
  window: ByteWindow,
  source: string | undefined,
  limits: Limits,
): AsyncGenerator<Piece, void> {
  const scan = new BracketScan()
  const opening = await readOpening(window, scan)
  let p = 0
  let elements = 0
  for (let isFirst = true; ;) {
    const { held } = window
    p = scan.next(held, p, held.length, opening.depth)
    if (scan.found === 0) {
      if (held.length > MAX_BODY_BYTES) throw tooLarge(placeOf(window))
      if (await window.more()) continue
      // It breaks off: the server says so.
      yield joinPieces([opening.piece, take(window, window.held.length)], 'one value')
      return
    }
    const isEnd = scan.depth < opening.depth
    if (scan.found === COMMA && scan.depth === opening.depth) elements++
    else if (!isEnd) continue
    if (!isEnd && p <= limits.batchBytes && elements < Math.min(limits.batchEvents, limits.maxEvents)) continue

    if (isBlank(held, isFirst ? 0 : 1, p - 1) && !(isFirst && isEnd)) {
      // A comma without an element: the server says so, of a part that ends behind it.
      yield joinPieces([opening.piece, take(window, p)], 'one value')
      return
    }
    if (!isFirst) window.skip(1)
    const content = take(window, isFirst ? p - 1 : p - 2)
    isFirst = false
    const ending = isEnd ? await takeEnding(window, scan) : closingPiece(opening.closing, placeOf(window))
    yield checked(joinPieces([opening.piece, content, ending], 'one value'), opening.piece.body.length, source)
    if (isEnd) return
    // The comma stays before the next part, so that one without an element is noticed.
    p = 1
    elements = 0
  }
}

/** Reads up to the bracket that opens the elements; the scan stands behind it. */
async function readOpening(window: ByteWindow, scan: BracketScan): Promise<Opening> {
  const keys = new Set(connectors.flatMap(({ containers }) => containers.map(({ key }) => key)))
  const isArray = window.held[0] === OPEN_BRACKET
  let p = 0
  let stringEnd = 0
  let key = ''
  for (;;) {
    const { held } = window
    p = scan.next(held, p, Math.min(held.length, MAX_FRAME_BYTES), 1)
    if (scan.found === 0) {
      if (held.length >= MAX_FRAME_BYTES || !(await window.more())) throw noContainer(placeOf(window))
      continue
    }
    if (scan.depth === 0) throw noContainer(placeOf(window))
    if (scan.found === OPEN_BRACKET && isArray) return { piece: take(window, p), depth: 1, closing: ']' }
    if (scan.found === OPEN_BRACKET && scan.depth === 2 && keys.has(key)) {
      return { piece: take(window, p), depth: 2, closing: ']}' }
    }
    if (scan.depth !== 1) continue
    if (scan.found === QUOTE) stringEnd = p
    if (scan.found === COLON) key = keyBefore(held, stringEnd)
  }
}

/** The string that ends there. Keys of containers have no escapes, so another quote can't be in one. */
function keyBefore(held: Buffer, end: number): string {
  const start = held.lastIndexOf(QUOTE, end - 2)
  return held.toString('utf8', start + 1, end - 1)
}

/** From the bracket that closes the elements to the end of the document. */
async function takeEnding(window: ByteWindow, scan: BracketScan): Promise<Piece> {
  let p = 1
  while (scan.depth > 0) {
    const { held } = window
    p = scan.next(held, p, Math.min(held.length, MAX_FRAME_BYTES), 0)
    if (scan.found !== 0) continue
    if (held.length >= MAX_FRAME_BYTES) {
      throw new FileFault(
        `behind the events of the container there are more than ${bytesText(MAX_FRAME_BYTES)}`,
        placeOf(window),
      )
    }
    if (!(await window.more())) break
  }
  return take(window, Math.min(p, window.held.length))
}

/** Only what the server will open may be cut; else each part would become one event of its own. */
function checked(piece: Piece, openingBytes: number, source: string | undefined): Piece {
  if (piece.body[0] === OPEN_BRACKET) return piece
  try {
    if (cutPiece(piece, source).starts[0]! >= openingBytes) return piece
  } catch (error) {
    // The server refuses it with the same words.
    if (error instanceof Problem) return piece
    throw error
  }
  throw noContainer(piece.spans[0]!)
}

function take(window: ByteWindow, length: number): Piece {
  const place = placeOf(window)
  return pieceOf(MEDIA, window.take(length), place)
}

function placeOf({ offset, line }: ByteWindow): Place {
  return { offset, line }
}

function closingPiece(closing: string, place: Place): Piece {
  return pieceOf(MEDIA, Buffer.from(closing), place)
}

function tooLarge(place: Place): FileFault {
  return new FileFault(`an element has more than ${bytesText(MAX_EVENT_BYTES)}, the most that an event may have`, place)
}

function noContainer(place: Place): FileFault {
  return new FileFault(
    'the JSON object that begins there is too large for one event, and is no container whose events are all of one ' +
      'known source: send its events one a line, or as an array',
    place,
  )
}
