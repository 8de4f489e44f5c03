// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { MAX_EVENTS_PER_BODY } from '../schema/limits.ts'

/** Where the events of one body lie and of which kind they are, as they are found. */
export class Slices {
  count = 0
  starts: Uint32Array
  ends: Uint32Array
  kinds: Uint8Array
  /** The id that its source gave event i is `body.subarray(idStarts[i], idEnds[i])`; nothing where it has none. */
  idStarts: Uint32Array
  idEnds: Uint32Array
  idCount = 0

  constructor(capacity: number) {
    this.starts = new Uint32Array(capacity)
    this.ends = new Uint32Array(capacity)
    this.kinds = new Uint8Array(capacity)
    this.idStarts = new Uint32Array(capacity)
    this.idEnds = new Uint32Array(capacity)
  }

  /** False where the limit of a body is reached. */
  push(start: number, end: number, kind: number, idStart: number, idEnd: number): boolean {
    const { count } = this
    if (count === MAX_EVENTS_PER_BODY) return false
    if (count === this.starts.length) this.#grow()
    this.starts[count] = start
    this.ends[count] = end
    this.kinds[count] = kind
    this.idStarts[count] = idStart
    this.idEnds[count] = idEnd
    if (idEnd > 0) this.idCount++
    this.count = count + 1
    return true
  }

  /** Takes back the events from `count` on. */
  dropFrom(count: number): void {
    for (let position = count; position < this.count; position++) if (this.idEnds[position]! > 0) this.idCount--
    this.count = count
  }

  /** Position of the event that holds this byte of the body, if any does. */
  at(offset: number): number | undefined {
    for (let position = 0; position < this.count; position++) {
      if (offset < this.ends[position]!) return offset < this.starts[position]! ? undefined : position
    }
    return undefined
  }

  #grow(): void {
    const { starts, ends, kinds, idStarts, idEnds } = this
    const capacity = Math.min(2 * starts.length, MAX_EVENTS_PER_BODY)
    this.starts = new Uint32Array(capacity)
    this.ends = new Uint32Array(capacity)
    this.kinds = new Uint8Array(capacity)
    this.idStarts = new Uint32Array(capacity)
    this.idEnds = new Uint32Array(capacity)
    this.starts.set(starts)
    this.ends.set(ends)
    this.kinds.set(kinds)
    this.idStarts.set(idStarts)
    this.idEnds.set(idEnds)
  }
}
