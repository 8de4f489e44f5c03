// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One pass over the bytes of a body: it accepts as JSON exactly what JSON.parse accepts (within the limits), says where
// each value ends, and lets the connectors' tables see the keys and strings that they ask for. It trusts nothing and
// makes no string. That the bytes are UTF-8 is checked apart: to this scanner every byte above 0x7f is part of a
// string or an error.

import { MAX_JSON_DEPTH, MAX_NUMBER_BYTES } from '../schema/limits.ts'
import { Problem, type ProblemCode, type ProblemPlace } from '../schema/problem.ts'
import { figure } from './figure.ts'
import type { Marks } from './marks.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const LINE_FEED = 0x0a
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

const LINE_MEND = ': write each value on one line, or send pretty-printed JSON as application/json'

/** Frames may add this much depth around an event: an object and its array. */
const FRAME_DEPTH = 2

const byteTable = (holds: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (holds(byte) ? 1 : 0))

/** What a string holds as it is. */
const PLAIN = byteTable((byte) => byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH)
const SPACE = byteTable((byte) => ' \t\n\r'.includes(String.fromCharCode(byte)))
/** In NDJSON a line feed ends the value. */
const LINE_SPACE = byteTable((byte) => ' \t\r'.includes(String.fromCharCode(byte)))
/** What may stand behind a backslash, but for `u`. */
const ESCAPED = byteTable((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)))
const HEX = byteTable((byte) => /[0-9a-fA-F]/.test(String.fromCharCode(byte)))
const DIGIT = byteTable((byte) => byte >= 0x30 && byte <= 0x39)
const LITERALS = ['true', 'false', 'null'].map((word) => Buffer.from(word))

/**
 * Marks, by its highest bit, the first byte of four that a string does not hold as it is; 0 where there is none. A byte
 * less than n gives that bit in `(word - n) & ~word`, and so may bytes behind it, to which it lends.
 */
function notPlain(word: number): number {
  const quote = word ^ 0x22222222
  const backslash = word ^ 0x5c5c5c5c
  const lowered =
    ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash)
  return lowered & 0x80808080
}

/** An object at the top of a body may be a frame around events: who scans it is told of what lies at its top. */
export interface FrameWatch {
  /** The id of each key, 0 for an unknown one. */
  key(id: number): void
  /** The value of a key whose `arrays` is not 0 is an array; `p` is behind its bracket. Answers where it ends. */
  members(id: number, p: number): number
}

export class Scanner {
  readonly body: Buffer
  /** Place of what is being scanned, for problems: line from 1 (0 where lines do not matter) and event from 0. */
  line = 0
  event = 0
  /** First bracket, since somebody set this to -1, that would be too deep if a frame counted. */
  deepAt = -1
  readonly #space: Uint8Array
  readonly #words: DataView
  // A frame's members are scanned while the frame is: two stacks.
  readonly #outer: number[] = []
  readonly #inner: number[] = []

  constructor(body: Buffer, lines: boolean) {
    this.body = body
    this.#words = new DataView(body.buffer, body.byteOffset, body.length)
    this.line = lines ? 1 : 0
    this.#space = lines ? LINE_SPACE : SPACE
  }

  /**
   * Scans one value, which may have white space before it, from `start` and answers the offset behind it, or one inside it
   * where `marks` have seen enough. Without `marks` nothing is recognised; `frame` goes with `marks`.
   */
  value(start: number, marks: Marks | null, frame: FrameWatch | null): number {
    const { body } = this
    const end = body.length
    const stack = frame === null ? this.#inner : this.#outer
    let p = start
    let depth = 0
    /** Bracket of the innermost object or array, 0 outside. */
    let inside = 0
    /** Keys at this depth are looked up, under the key `parent`; -1 for none. */
    let watched = marks === null ? -1 : 1
    let parent = 0
    /** Key, known to the tables, of the value that comes. */
    let known = 0
    marks?.begin()

    for (;;) {
      if (p < end && body[p]! <= 0x20) p = this.space(p)
      if (inside === OPEN_BRACE) {
        if (p >= end || body[p] !== QUOTE) this.expected('a key in double quotes', p)
        const from = ++p
        p = this.#plainEnd(p)
        p = p < end && body[p] === QUOTE ? p + 1 : this.#stringRest(p)
        if (depth === watched) {
          known = marks!.key(parent, body, from, p - 1)
          if (frame !== null && depth === 1) frame.key(known)
        }
        if (p < end && body[p]! <= 0x20) p = this.space(p)
        if (p >= end || body[p] !== COLON) this.expected("':' after a key", p)
        p++
        if (p < end && body[p]! <= 0x20) p = this.space(p)
      }

      const first = p < end ? body[p]! : 0
      if (first === QUOTE) {
        const from = ++p
        p = this.#plainEnd(p)
        p = p < end && body[p] === QUOTE ? p + 1 : this.#stringRest(p)
        if (known !== 0 && marks!.text(known, body, from, p - 1)) return p
      } else if (first === OPEN_BRACKET && known !== 0 && frame !== null && depth === 1 && marks!.isFrame(known)) {
        p = frame.members(known, p + 1)
      } else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
        if (first === OPEN_BRACE && known !== 0 && depth === 1 && marks!.looksInto(known)) {
          watched = 2
          parent = known
        }
        known = 0
        if (depth >= MAX_JSON_DEPTH - FRAME_DEPTH) this.#deep(depth, p)
        stack[depth++] = inside
        inside = first
        p++
        if (p < end && body[p]! <= 0x20) p = this.space(p)
        if (p >= end || body[p] !== first + 2) continue
      } else if (first === 0x2d || DIGIT[first] === 1) {
        p = this.#number(p)
      } else {
        p = this.#literal(p)
      }
      known = 0

      // Behind a value, or before the bracket that closes an empty object or array.
      for (;;) {
        if (depth === 0) return p
        if (p < end && body[p]! <= 0x20) p = this.space(p)
        const next = p < end ? body[p]! : 0
        p++
        if (next === COMMA) break
        if (next !== inside + 2) this.expected(`',' or '${inside === OPEN_BRACE ? '}' : ']'}' after a value`, p - 1)
        inside = stack[--depth]!
        if (depth === 1 && watched === 2) {
          watched = 1
          parent = 0
        }
      }
    }
  }

  /**
   * Scans the elements of an array from behind its bracket and answers the offset behind the closing one. `element`
   * scans one of them, from its first byte, and answers where it ends.
   */
  elements(open: number, element: (start: number) => number): number {
    const { body } = this
    let p = this.space(open)
    if (p < body.length && body[p] === CLOSE_BRACKET) return p + 1
    for (;;) {
      p = this.space(element(p))
      const next = p < body.length ? body[p] : 0
      if (next === CLOSE_BRACKET) return p + 1
      if (next !== COMMA) this.expected("',' or ']' after a value", p)
      p = this.space(p + 1)
    }
  }

  /** Like `elements`, stopping behind an element about each so many bytes, to go on where it was. */
  *elementsInSteps(open: number, element: (start: number) => number, stepBytes: number): Generator<undefined, number> {
    const { body } = this
    let p = this.space(open)
    if (p < body.length && body[p] === CLOSE_BRACKET) return p + 1
    let stopAt = p + stepBytes
    for (;;) {
      p = this.space(element(p))
      const next = p < body.length ? body[p] : 0
      if (next === CLOSE_BRACKET) return p + 1
      if (next !== COMMA) this.expected("',' or ']' after a value", p)
      p = this.space(p + 1)
      if (p < stopAt) continue
      yield
      stopAt = p + stepBytes
    }
  }

  /** Offset of the first byte from `p` that is not white space. */
  space(p: number): number {
    const { body } = this
    const table = this.#space
    while (p < body.length && table[body[p]!] === 1) p++
    return p
  }

  /** Refuses what stands at `p`. */
  expected(what: string, p: number): never {
    const found = this.body[p]
    const ended = found === undefined || (found === LINE_FEED && this.line !== 0)
    const where = ended
      ? `but the ${this.line === 0 ? 'body' : 'line'} ends at byte ${figure(p)}${this.line === 0 ? '' : LINE_MEND}`
      : `found 0x${found.toString(16).padStart(2, '0')} at byte ${figure(p)}`
    this.refuse('malformed-json', `expected ${what}, ${where}`, p)
  }

  refuse(code: ProblemCode, detail: string, offset: number, place: ProblemPlace = {}): never {
    const line = this.line === 0 ? {} : { line: this.line }
    throw new Problem(code, detail, { offset, ...line, event: this.event, ...place })
  }

  /** Offset of the first byte from `p` that a string does not hold as it is: four at a time, without a branch a byte. */
  #plainEnd(start: number): number {
    const { body } = this
    const words = this.#words
    const last = body.length - 4
    let p = start
    let marks = 0
    while (p <= last && (marks = notPlain(words.getInt32(p, true))) === 0) p += 4
    if (marks !== 0) return p + ((31 - Math.clz32(marks & -marks)) >> 3)
    while (p < body.length && PLAIN[body[p]!] === 1) p++
    return p
  }

  /** `p` is behind the opening quote; answers the offset behind the closing one. */
  #stringRest(p: number): number {
    const { body } = this
    const end = body.length
    for (;;) {
      p = this.#plainEnd(p)
      if (p >= end) this.expected("'\"' at the end of a string", p)
      const byte = body[p]!
      if (byte === QUOTE) return p + 1
      if (byte !== BACKSLASH) this.expected('a control character in a string to be escaped', p)
      if (p + 1 < end && ESCAPED[body[p + 1]!] === 1) p += 2
      else p = this.#unicode(p + 1)
    }
  }

  /** `p` is behind a backslash. Any four digits will do: lone surrogates are legal JSON. */
  #unicode(p: number): number {
    if (this.body[p] !== 0x75) this.expected('one of "\\/bfnrtu after a backslash', p)
    for (let digit = p + 1; digit <= p + 4; digit++) {
      if (HEX[this.body[digit]!] !== 1) this.expected('four hexadecimal digits after \\u', digit)
    }
    return p + 5
  }

  #number(start: number): number {
    const { body } = this
    const leading = body[start] === 0x2d ? start + 1 : start
    let p = this.#digits(leading)
    if (body[leading] === 0x30 && p > leading + 1) this.expected('no digit after a leading 0', leading + 1)
    if (p < body.length && body[p] === 0x2e) p = this.#digits(p + 1)
    if (p < body.length && (body[p]! | 0x20) === 0x65) {
      const sign = p + 1 < body.length ? body[p + 1] : 0
      p = this.#digits(sign === 0x2b || sign === 0x2d ? p + 2 : p + 1)
    }
    if (p - start > MAX_NUMBER_BYTES) {
      const detail = `a number of ${figure(p - start)} bytes, the limit is ${figure(MAX_NUMBER_BYTES)}: send it as a string`
      this.refuse('number-too-long', detail, start, { limit: MAX_NUMBER_BYTES })
    }
    return p
  }

  #digits(start: number): number {
    const { body } = this
    let p = start
    while (p < body.length && DIGIT[body[p]!] === 1) p++
    if (p === start) this.expected('a digit', p)
    return p
  }

  #literal(p: number): number {
    const { body } = this
    for (const word of LITERALS) {
      if (body[p] !== word[0]) continue
      for (let at = 1; at < word.length; at++) {
        if (body[p + at] !== word[at]) this.expected(`the literal ${word.toString()}`, p + at)
      }
      return p + word.length
    }
    this.expected('a JSON value', p)
  }

  #deep(depth: number, p: number): void {
    if (depth === MAX_JSON_DEPTH) this.tooDeep(p)
    if (this.deepAt === -1) this.deepAt = p
  }

  tooDeep(p: number): never {
    const detail = `nested deeper than ${MAX_JSON_DEPTH} levels at byte ${figure(p)}: flatten the event or send it as text/plain`
    this.refuse('depth-exceeded', detail, p, { limit: MAX_JSON_DEPTH })
  }
}
