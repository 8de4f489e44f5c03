// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which parts of a JSON body are events. The array that is a body, the lines of NDJSON and white space between values
// are transport and always taken off. An object that is a container is opened only where that loses nothing anybody
// could miss: every member is recognised as one family's, or the client said so, and beside the members stand only the
// connector's own framing keys.

import { MAX_EVENT_BYTES, MAX_EVENTS_PER_BODY } from '../schema/limits.ts'
import { figure } from './figure.ts'
import { Marks } from './marks.ts'
import { connectors, idTables, recognition } from './registry.ts'
import { type FrameWatch, Scanner } from './scan.ts'
import { Slices } from './slices.ts'

const GENERIC = 0
/** What is scanned at a stretch, where events allow. */
const STEP_BYTES = 512 * 1024
const LINE_FEED = 0x0a
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b

/** What is known of the object at the top of the body that is being scanned. */
interface Frame {
  /** Bits of the containers that it can still be. */
  possible: number
  /** Keys, repeated ones too, that could hold the members: it is a container if there is one. */
  arrayKeyCount: number
  /** All members so far are events of one source. */
  alike: boolean
  family: number
  memberCount: number
  /** First member that is recognised as another type than the named one: offset and position in the body. */
  mismatch: { readonly offset: number; readonly event: number } | undefined
  /** First bracket that is too deep where the object is one event. */
  deepAt: number
}

export class JsonCut implements FrameWatch {
  readonly slices: Slices
  readonly #body: Buffer
  readonly #scanner: Scanner
  readonly #named: number | undefined
  readonly #marks = new Marks(recognition)
  /** Of an event whose kind was named, only the id is looked for. */
  readonly #idMarks: Marks | null
  #memberMarks: Marks | undefined
  #frame = newFrame()
  #hasLine = false

  constructor(body: Buffer, lines: boolean, named: number | undefined) {
    this.slices = new Slices(Math.min(4 + (body.length >>> 9), MAX_EVENTS_PER_BODY))
    this.#body = body
    this.#scanner = new Scanner(body, lines)
    this.#named = named
    const table = named === undefined ? undefined : idTables[named]
    this.#idMarks = table === undefined ? null : new Marks(table)
  }

  /** Values one behind the other, with white space between: mostly there is one. False if there is none. */
  *document(start: number): Generator<undefined, boolean> {
    const scanner = this.#scanner
    const end = this.#body.length
    let p = scanner.space(start)
    if (p === end) return false
    let stopAt = p + STEP_BYTES
    while (p < end) {
      const stop =
        this.#body[p] === OPEN_BRACKET
          ? yield* scanner.elementsInSteps(p + 1, (element) => this.#plain(element), STEP_BYTES)
          : this.#value(p)
      p = scanner.space(stop)
      scanner.event = this.slices.count
      if (p === stop && p < end) scanner.expected('white space or the end of the body after a value', p)
      if (p < stopAt) continue
      yield
      stopAt = p + STEP_BYTES
    }
    return true
  }

  /** One value a line; blank lines do not count. False if there is no other. */
  *lines(start: number): Generator<undefined, boolean> {
    for (let p = this.#scanner.space(start); p < this.#body.length;) {
      p = this.#linesTo(p, p + STEP_BYTES)
      if (p < this.#body.length) yield
    }
    return this.#hasLine
  }

  /** Lines from `start` on, up to the first that begins at `stopAt` or behind it: answers where. */
  #linesTo(start: number, stopAt: number): number {
    const scanner = this.#scanner
    const end = this.#body.length
    let p = start
    for (; p < end && p < stopAt; p = scanner.space(p + 1)) {
      if (this.#body[p] !== LINE_FEED) {
        this.#hasLine = true
        p = scanner.space(this.#value(p))
        if (p < end && this.#body[p] !== LINE_FEED) scanner.expected('the end of the line after a value', p)
      }
      scanner.line++
    }
    return p
  }

  key(id: number): void {
    const frame = this.#frame
    const { framing, arrays } = recognition.keys[id]!
    frame.possible &= framing
    if (arrays !== 0) frame.arrayKeyCount++
  }

  members(id: number, p: number): number {
    const scanner = this.#scanner
    const frame = this.#frame
    const before = this.slices.count
    const marks = (this.#memberMarks ??= new Marks(recognition))
    frame.possible &= recognition.keys[id]!.arrays
    if (this.#named !== undefined) frame.possible &= recognition.containers[this.#named]!
    frame.alike = frame.possible !== 0 && frame.arrayKeyCount === 1
    scanner.deepAt = -1
    const stop = scanner.elements(p, (start) => {
      scanner.event = before + frame.memberCount++
      const stop = scanner.value(start, frame.alike ? marks : null, null)
      if (frame.alike) frame.alike = this.#isMember(start, stop, marks)
      return stop
    })
    frame.deepAt = scanner.deepAt
    return stop
  }

  /** Takes a member as an event, for as long as it looks as if the object were a container. */
  #isMember(start: number, stop: number, marks: Marks): boolean {
    const frame = this.#frame
    if (this.#body[start] !== OPEN_BRACE) return false
    const kind = marks.verdict()
    if (this.#named === undefined) {
      const family = recognition.families[kind]!
      if (kind === GENERIC || (frame.memberCount > 1 && family !== frame.family)) return false
      frame.family = family
      frame.possible &= recognition.containers[kind]!
    } else if (kind !== GENERIC && kind !== this.#named && connectors[kind]!.catchAll !== true) {
      frame.mismatch ??= { offset: start, event: this.#scanner.event }
    }
    this.#limitSize(start, stop)
    marks.findId(this.#named ?? kind)
    this.slices.push(start, stop, this.#named ?? kind, marks.idStart, marks.idEnd)
    return true
  }

  /** A value at the top of the body, which may be a container. */
  #value(start: number): number {
    if (this.#body[start] !== OPEN_BRACE || this.#named === GENERIC) return this.#plain(start)
    const before = this.slices.count
    const frame = (this.#frame = newFrame())
    this.#scanner.event = before
    const stop = this.#scanner.value(start, this.#marks, this)
    if (this.#opens(frame)) {
      this.#keepMembers(frame, before)
    } else {
      this.slices.dropFrom(before)
      this.#scanner.event = before
      if (frame.deepAt !== -1) this.#scanner.tooDeep(frame.deepAt)
      this.#push(start, stop, this.#named ?? this.#marks.verdict(), this.#marks)
    }
    return stop
  }

  #opens(frame: Frame): boolean {
    if (!frame.alike || frame.possible === 0 || frame.arrayKeyCount !== 1) return false
    // An array without members says nothing of its source: only a name does.
    return frame.memberCount > 0 || this.#named !== undefined
  }

  #keepMembers({ mismatch, memberCount }: Frame, before: number): void {
    if (mismatch !== undefined) {
      const detail =
        `event ${figure(mismatch.event)} of the body is recognised as another source than the named one: ` +
        'send the container without a name, or its members outside of it'
      this.#scanner.refuse('source-mismatch', detail, mismatch.offset, { event: mismatch.event })
    }
    if (before + memberCount > MAX_EVENTS_PER_BODY) this.#tooMany(this.slices.ends[this.slices.count - 1]!)
  }

  /** A value that is one event. */
  #plain(start: number): number {
    this.#scanner.event = this.slices.count
    const named = this.#named
    const marks = named === undefined ? this.#marks : this.#idMarks
    const stop = this.#scanner.value(start, marks, null)
    this.#push(start, stop, named ?? this.#marks.verdict(), marks)
    return stop
  }

  #push(start: number, stop: number, kind: number, marks: Marks | null): void {
    this.#limitSize(start, stop)
    // A table of ids alone knows one kind.
    marks?.findId(marks === this.#idMarks ? 0 : kind)
    if (!this.slices.push(start, stop, kind, marks?.idStart ?? 0, marks?.idEnd ?? 0)) this.#tooMany(start)
  }

  #limitSize(start: number, stop: number): void {
    if (stop - start <= MAX_EVENT_BYTES) return
    const detail =
      `an event of ${figure(stop - start)} bytes at byte ${figure(start)}, the limit is ${figure(MAX_EVENT_BYTES)}: ` +
      'split it; or, if it is a container of events, name its source or send them as NDJSON'
    this.#scanner.refuse('event-too-large', detail, start, { limit: MAX_EVENT_BYTES })
  }

  #tooMany(offset: number): never {
    const detail = `the body has more than ${figure(MAX_EVENTS_PER_BODY)} events: send them in several bodies`
    const place = { event: MAX_EVENTS_PER_BODY, limit: MAX_EVENTS_PER_BODY }
    this.#scanner.refuse('too-many-events', detail, offset, place)
  }
}

function newFrame(): Frame {
  return {
    possible: -1,
    arrayKeyCount: 0,
    alike: false,
    family: GENERIC,
    memberCount: 0,
    mismatch: undefined,
    deepAt: -1,
  }
}
