// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A piece of a file: the body of one request, and where in the file its bytes come from. The server stores a piece
// whole or not at all.

import { type BodyMedia, cut, type Cut } from '../../sources/cut.ts'
import { lineFeeds } from './byte-window.ts'

export interface Place {
  /** Byte offset into the file (decompressed), from 0. */
  readonly offset: number
  /** From 1. */
  readonly line: number
}

/** Bytes of the body from `at` on are those of the file from `offset` on. */
interface Span extends Place {
  readonly at: number
}

export interface Piece {
  readonly body: Buffer
  readonly media: BodyMedia
  /** Ordered by `at`; the first is at 0. */
  readonly spans: readonly Span[]
  /** Where in the body each value that stands by itself begins: a line, a document. */
  readonly units: readonly number[]
}

/** A piece as it is cut: all of the file before `end` is in it or in those before. */
export interface PlacedPiece extends Piece {
  readonly end: Place
}

/** A value, or a part of one, as it stands in the file. */
export function pieceOf(media: BodyMedia, body: Buffer, place: Place): Piece {
  return { body, media, spans: [{ at: 0, ...place }], units: [0] }
}

/** Where in the file a byte of the body is. */
export function placeIn({ body, spans }: Piece, at: number): Place {
  const span = spans.findLast((known) => known.at <= at) ?? spans[0]!
  return { offset: span.offset + at - span.at, line: span.line + lineFeeds(body, span.at, at) }
}

/** The events in it, as the server cuts them out. Throws the server's own Problem. */
export function cutPiece({ body, media }: Piece, source: string | undefined): Cut {
  const [type] = source?.split('/') ?? []
  return cut(body, media, type === undefined ? undefined : { type })
}

/** Two pieces with the same events; undefined where there is only one value. */
export function halves(piece: Piece): readonly [Piece, Piece] | undefined {
  const middle = piece.units[Math.floor(piece.units.length / 2)]
  if (middle === undefined || piece.units.length === 1) return undefined
  return [partOf(piece, 0, middle), partOf(piece, middle, piece.body.length)]
}

/** The same without its first `skipped` events; `found` says where they are, and there are more. */
export function withoutFirst(piece: Piece, skipped: number, found: Cut): Piece {
  const from = found.starts[skipped]!
  const unit = piece.units.findLast((start) => start <= from) ?? 0
  const firstOfUnit = found.starts.findIndex((start) => start >= unit)
  if (firstOfUnit === skipped) return partOf(piece, unit, piece.body.length)
  // The event stands in an array or a container: what is before its first event opens it again.
  return joinPieces(
    [partOf(piece, unit, found.starts[firstOfUnit]!), partOf(piece, from, piece.body.length)],
    'one value',
  )
}

/** `values`: one behind another, a line each. `one value`: parts that make one value together. */
export function joinPieces(pieces: readonly Piece[], as: 'values' | 'one value'): Piece {
  const [first] = pieces
  if (pieces.length === 1) return first!
  const gap = Buffer.from(as === 'values' ? '\n' : '')
  const spans: Span[] = []
  const units: number[] = []
  let at = 0
  for (const piece of pieces) {
    for (const span of piece.spans) spans.push({ ...span, at: span.at + at })
    for (const unit of piece.units) if (as === 'values' || at + unit === 0) units.push(unit + at)
    at += piece.body.length + gap.length
  }
  const body = Buffer.concat(pieces.flatMap((piece, position) => (position === 0 ? [piece.body] : [gap, piece.body])))
  return { body, media: first!.media, spans, units }
}

function partOf(piece: Piece, start: number, end: number): Piece {
  const { body, media, spans, units } = piece
  const inside = spans.filter(({ at }) => at > start && at < end).map((span) => ({ ...span, at: span.at - start }))
  return {
    body: body.subarray(start, end),
    media,
    spans: [{ at: 0, ...placeIn(piece, start) }, ...inside],
    units: units.filter((unit) => unit >= start && unit < end).map((unit) => unit - start),
  }
}
