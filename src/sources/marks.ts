// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { type CompiledShape, type Key, lower, type Pattern, type Recognition } from './recognition.ts'

/** A longer one is none. */
const MAX_ID_BYTES = 256

/** What one event shows, in marks. Reused from event to event: a mark holds where it bears the event's number. */
export class Marks {
  readonly recognition: Recognition
  /** Of each key that may hold the id, what must not stand behind its value for it to be the id; undefined otherwise. */
  readonly #unsettling: readonly (readonly Buffer[] | undefined)[]
  readonly #isHasty: boolean
  readonly #seen: number[]
  readonly #entered: number[]
  readonly #idSeen: number[]
  readonly #idStarts: number[]
  readonly #idEnds: number[]
  #event = 0
  /** The id that `findId` found is `body.subarray(idStart, idEnd)`; both are 0 where there is none. */
  idStart = 0
  idEnd = 0
  /** Where the event ends; only who is hasty asks. */
  eventEnd = 0

  /** `until` says how far the scanner is to go in an event of which nothing but the id is asked for. */
  constructor(recognition: Recognition, until: 'its end' | 'as soon as it is found' = 'its end') {
    this.recognition = recognition
    this.#isHasty = until !== 'its end'
    this.#unsettling = this.#isHasty ? unsettling(recognition) : []
    this.#seen = recognition.noMarks.slice()
    this.#entered = recognition.noKeys.slice()
    this.#idSeen = recognition.noKeys.slice()
    this.#idStarts = recognition.noKeys.slice()
    this.#idEnds = recognition.noKeys.slice()
  }

  begin(): void {
    this.#event++
  }

  /** A key was scanned: its id, 0 if it matters to nobody. */
  key(parent: number, body: Uint8Array, start: number, end: number): number {
    const id = this.recognition.find(parent, body, start, end)
    if (id === 0) return 0
    const key = this.recognition.keys[id]!
    const { marks } = key
    for (let at = 0; at < marks.length; at++) this.#seen[marks[at]!] = this.#event
    if (this.#entered[id] === this.#event) this.#forget(id, key)
    this.#entered[id] = this.#event
    return id
  }

  /** Whether tables look into an object under the key `id`, and it can still change the verdict or hold the event's id. */
  looksInto(id: number): boolean {
    const { isParent, idChildren } = this.recognition.keys[id]!
    if (idChildren.length > 0) return true
    if (!isParent) return false
    const { shapes, plainShapeCount } = this.recognition
    for (let at = 0; at < plainShapeCount; at++) if (this.#fits(shapes[at]!)) return false
    return true
  }

  /** Whether an array under the key `id` may be the members of a container. */
  isFrame(id: number): boolean {
    return this.recognition.keys[id]!.arrays !== 0
  }

  /** The value of the key `id` is a string with the bytes `body[start, end)`; answers whether the rest does not matter. */
  text(id: number, body: Buffer, start: number, end: number): boolean {
    const { patterns, isId } = this.recognition.keys[id]!
    if (isId && end > start && end - start <= MAX_ID_BYTES) {
      this.#idSeen[id] = this.#event
      this.#idStarts[id] = start
      this.#idEnds[id] = end
    }
    for (let at = 0; at < patterns.length; at++) {
      const pattern = patterns[at]!
      if (matches(pattern, body, start, end)) for (const mark of pattern.marks) this.#seen[mark] = this.#event
    }
    return this.#isHasty && this.#idSeen[id] === this.#event && this.#isSettled(id, body, end)
  }

  /** Whether no key that would count more can come, as long as none is repeated. */
  #isSettled(id: number, body: Buffer, end: number): boolean {
    const names = this.#unsettling[id]
    if (names === undefined) return false
    if (names.length === 0) return true
    const rest = body.subarray(end, this.eventEnd)
    return !names.some((name) => rest.includes(name))
  }

  /** Kind of the event that ended, 0 (generic) where no shape fits. */
  verdict(): number {
    const { shapes } = this.recognition
    for (let at = 0; at < shapes.length; at++) if (this.#fits(shapes[at]!)) return shapes[at]!.kind
    return 0
  }

  /** Finds the id of the event that ended, as a source of this kind writes it. */
  findId(kind: number): void {
    const keys = this.recognition.ids[kind]!
    for (let at = 0; at < keys.length; at++) {
      const id = keys[at]!
      if (this.#idSeen[id] !== this.#event) continue
      this.idStart = this.#idStarts[id]!
      this.idEnd = this.#idEnds[id]!
      return
    }
    this.idStart = this.idEnd = 0
  }

  #fits({ all, none }: CompiledShape): boolean {
    for (let at = 0; at < all.length; at++) if (this.#seen[all[at]!] !== this.#event) return false
    for (let at = 0; at < none.length; at++) if (this.#seen[none[at]!] === this.#event) return false
    return true
  }

  /** As for `JSON.parse`, the last of repeated keys counts. */
  #forget(id: number, key: Key): void {
    this.#idSeen[id] = 0
    for (const child of key.idChildren) this.#idSeen[child] = 0
    for (const pattern of key.patterns) for (const mark of pattern.marks) this.#seen[mark] = 0
    for (const mark of key.children) this.#seen[mark] = 0
  }
}

/** By key, in quotes: where the keys stand at the top of an event that count more, or what they are in does. */
function unsettling({ ids, keys }: Recognition): (Buffer[] | undefined)[] {
  const names: (Buffer[] | undefined)[] = keys.map(() => undefined)
  const [ranked = []] = ids
  for (const [rank, id] of ranked.entries()) {
    names[id] = ranked.slice(0, rank).map((other) => {
      const { parent, bytes } = keys[other]!
      return Buffer.from(`"${Buffer.from(parent === 0 ? bytes : keys[parent]!.bytes).toString()}"`)
    })
  }
  return names
}

function matches({ bytes, anyBefore, anyBehind }: Pattern, body: Uint8Array, start: number, end: number): boolean {
  const slack = end - start - bytes.length
  if (slack < 0 || (slack > 0 && !anyBefore && !anyBehind)) return false
  const last = anyBefore ? start + slack : start
  for (let from = anyBehind ? start : last; from <= last; from++) if (equalFolded(bytes, body, from)) return true
  return false
}

function equalFolded(bytes: Uint8Array, body: Uint8Array, start: number): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== lower(body[start + at]!)) return false
  return true
}
