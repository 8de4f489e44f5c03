// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Cuts the events out of a body by offset and says of which source each is. An event is the bytes that arrived between
// two offsets: nothing is parsed and written again. One body is all or nothing: a fault anywhere in it throws a
// Problem. docs/design/containers.md has the reasons.

import { isUtf8 } from 'node:buffer'

import { MAX_BODY_BYTES, MAX_EVENT_BYTES } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import { figure } from './figure.ts'
import { JsonCut } from './json-cut.ts'
import { connectors, kindOf } from './registry.ts'
import { Slices } from './slices.ts'
import { wellFormedLength } from './utf8.ts'

export type BodyMedia = 'application/json' | 'application/x-ndjson' | 'text/plain' | 'application/octet-stream'

export interface Cut {
  readonly count: number
  /** Event i is `body.subarray(starts[i], ends[i])`. These arrays may be longer than `count`. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  /** The source type of event i is `sources[kinds[i]]`; a type is listed once, and only if an event has it. */
  readonly sources: readonly string[]
  readonly kinds: Uint8Array
  /**
   * The id that its source gave event i is `body.subarray(starts[i], ends[i])`, without quotes; nothing where it has
   * none. Absent where none has one.
   */
  readonly ids?: { readonly starts: Uint32Array; readonly ends: Uint32Array }
  readonly media: 'application/json' | 'text/plain' | 'application/octet-stream'
  /** The client named the source. */
  readonly asserted: boolean
}

/** Offsets are those of `body`. An empty array is no events and no fault; an empty body is `empty-body`. */
export function cut(body: Buffer, media: BodyMedia, source?: { readonly type: string }): Cut {
  const steps = cutInSteps(body, media, source)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Cuts with stops between events of a large body, so that others have their turn. */
export function* cutInSteps(
  body: Buffer,
  media: BodyMedia,
  source?: { readonly type: string },
): Generator<undefined, Cut> {
  const named = source === undefined ? undefined : kindOf(source.type)
  if (body.length > MAX_BODY_BYTES) {
    const detail = `the body has more than ${figure(MAX_BODY_BYTES)} bytes: send its events in several`
    throw new Problem('body-too-large', detail, { limit: MAX_BODY_BYTES })
  }
  const asserted = named !== undefined
  if (media === 'text/plain' || media === 'application/octet-stream') {
    return { ...listed(whole(body, media, named ?? 0)), media, asserted }
  }
  return { ...listed(yield* json(body, media, named)), media: 'application/json', asserted }
}

function* json(
  body: Buffer,
  media: 'application/json' | 'application/x-ndjson',
  named: number | undefined,
): Generator<undefined, Slices> {
  const lines = media === 'application/x-ndjson'
  const cutting = new JsonCut(body, lines, named)
  // A byte order mark at the very beginning is framing; anywhere else it is no JSON.
  const start = body.length >= 3 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0
  const found = yield* lines ? cutting.lines(start) : cutting.document(start)
  if (!found) throw emptyBody()
  if (!isUtf8(body)) {
    const offset = wellFormedLength(body)
    const event = cutting.slices.at(offset)
    const detail = `byte ${figure(offset)} is not UTF-8, in which JSON must be sent: encode the body as UTF-8`
    const line = lines ? { line: lineOf(body, offset) } : {}
    throw new Problem('malformed-json', detail, { offset, ...line, ...(event === undefined ? {} : { event }) })
  }
  return cutting.slices
}

/** What is not JSON is one event: nobody knows its lines to be events. */
function whole(body: Buffer, media: 'text/plain' | 'application/octet-stream', kind: number): Slices {
  const text = media === 'text/plain'
  if (body.length > MAX_EVENT_BYTES) {
    const detail = `a ${media} body is one event, of at most ${figure(MAX_EVENT_BYTES)} bytes: split it`
    throw new Problem('event-too-large', detail, { limit: MAX_EVENT_BYTES, event: 0 })
  }
  if (body.length === 0 || (text && body.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)))) {
    throw emptyBody()
  }
  if (text && !isUtf8(body)) {
    const offset = wellFormedLength(body)
    const detail = `byte ${figure(offset)} is not UTF-8: encode the text as UTF-8, or send application/octet-stream`
    throw new Problem('malformed-text', detail, { offset, event: 0 })
  }
  const slices = new Slices(1)
  slices.push(0, body.length, kind, 0, 0)
  return slices
}

/** The kinds that occur, renumbered in order of appearance. */
function listed(slices: Slices): Pick<Cut, 'count' | 'starts' | 'ends' | 'kinds' | 'sources' | 'ids'> {
  const { count, starts, ends, kinds, idStarts, idEnds } = slices
  const sources: string[] = []
  const places = new Map<number, number>()
  for (let position = 0; position < count; position++) {
    const kind = kinds[position]!
    let place = places.get(kind)
    if (place === undefined) {
      place = sources.push(connectors[kind]!.type) - 1
      places.set(kind, place)
    }
    kinds[position] = place
  }
  const ids = slices.idCount === 0 ? {} : { ids: { starts: idStarts, ends: idEnds } }
  return { count, starts, ends, kinds, sources, ...ids }
}

function lineOf(body: Buffer, offset: number): number {
  let line = 1
  for (let feed = body.indexOf(0x0a); feed !== -1 && feed < offset; feed = body.indexOf(0x0a, feed + 1)) line++
  return line
}

function emptyBody(): Problem {
  return new Problem('empty-body', 'the body holds no event: send at least one')
}
