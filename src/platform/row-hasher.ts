// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * SHA-256 of many short messages at once. A call of the platform's hash costs 0.3 µs before the first byte; four lanes of
 * WebAssembly are quicker up to 440 bytes, and the platform, which has instructions for it, beyond. Where an engine has
 * no vectors, the platform hashes all: the hashes are the same.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { LANE_MEMORY, type LaneExports, laneProgram, type Sha256Constants, writeConstants } from './lane-program.ts'

const HASH_BYTES = 32
/** Seven blocks; where both take as long. */
const MAX_LANE_BYTES = 439
/** Of fewer the lanes that stay empty cost more than the calls. */
const MIN_LANE_MESSAGES = 3
/** What is folded at once. */
const FOLDED_BYTES = 128 * 1024

/** As much of it as is used; an engine that may not compile has none. */
declare const WebAssembly:
  | {
      readonly validate: (program: Uint8Array) => boolean
      readonly Module: new (program: Uint8Array) => object
      readonly Instance: new (module: object) => { readonly exports: unknown }
    }
  | undefined

/** Hashes, or what they are made of, side by side. */
export interface RowHasher {
  /** The hash of each range of bytes, `bounds[2i]` to `bounds[2i + 1]`; they are in order, and none overlaps another. */
  ranges(bytes: Uint8Array, bounds: Uint32Array): Uint8Array
  /** The root over each `width` hashes of a row, a power of two; what is left at its end has none. */
  fold(row: Uint8Array, width: number): Uint8Array
}

/** As quick as the engine allows. It has memory of its own, 320 KiB, so one does for a thread. */
export function rowHasher(constants = sha256Constants(), program = laneProgram()): RowHasher {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(program)) return platformRows
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program))
  return new LaneRows(exports as LaneExports, constants)
}

/** Through a text, which is the platform's quickest way to give a hash. */
export function hashInto(bytes: Uint8Array, into: Uint8Array, at: number): void {
  const digest = hash('sha256', bytes, 'binary')
  for (let i = 0; i < HASH_BYTES; i++) into[at + i] = digest.charCodeAt(i)
}

/** One call of the platform a hash. */
export const platformRows: RowHasher = {
  ranges: (bytes, bounds) => {
    checkBounds(bytes, bounds)
    const hashes = new Uint8Array((bounds.length / 2) * HASH_BYTES)
    for (let i = 0; i < bounds.length / 2; i++) {
      hashInto(bytes.subarray(bounds[2 * i], bounds[2 * i + 1]), hashes, i * HASH_BYTES)
    }
    return hashes
  },
  fold: (row, width) => {
    const node = new Uint8Array(1 + 2 * HASH_BYTES).fill(1)
    // Not by `slice`, which of a Buffer is no copy.
    let hashes = new Uint8Array(row.subarray(0, wholeBytes(row, width)))
    for (let left = width; left > 1; left /= 2) {
      for (let at = 0; at < hashes.length / 2; at += HASH_BYTES) {
        node.set(hashes.subarray(2 * at, 2 * at + 2 * HASH_BYTES), 1)
        hashInto(node, hashes, at)
      }
      hashes = hashes.subarray(0, hashes.length / 2)
    }
    return hashes
  },
}

class LaneRows implements RowHasher {
  readonly #exports: LaneExports
  readonly #memory: Uint8Array
  readonly #table: Uint32Array

  constructor(exports: LaneExports, constants: Sha256Constants) {
    writeConstants(exports.memory, constants)
    const { table, maxMessages } = LANE_MEMORY
    this.#exports = exports
    this.#memory = new Uint8Array(exports.memory.buffer)
    this.#table = new Uint32Array(exports.memory.buffer, table, 2 * maxMessages)
  }

  ranges(bytes: Uint8Array, bounds: Uint32Array): Uint8Array {
    checkBounds(bytes, bounds)
    const count = bounds.length / 2
    const hashes = new Uint8Array(count * HASH_BYTES)
    for (let from = 0; from < count;) {
      const end = runEnd(bounds, from)
      if (end - from >= MIN_LANE_MESSAGES) hashes.set(this.#run(bytes, bounds, from, end), from * HASH_BYTES)
      for (; from < end; from++) {
        if (end - from < MIN_LANE_MESSAGES)
          hashInto(bytes.subarray(bounds[2 * from], bounds[2 * from + 1]), hashes, from * HASH_BYTES)
      }
    }
    return hashes
  }

  fold(row: Uint8Array, width: number): Uint8Array {
    const { data } = LANE_MEMORY
    const whole = wholeBytes(row, width)
    const hashes = new Uint8Array(whole / width)
    const stepBytes = Math.max(FOLDED_BYTES, width * HASH_BYTES)
    assert(stepBytes <= LANE_MEMORY.dataBytes)
    for (let at = 0; at < whole; at += stepBytes) {
      const part = row.subarray(at, Math.min(at + stepBytes, whole))
      this.#memory.set(part, data)
      let count = part.length / HASH_BYTES
      for (let left = width; left > 1; left /= 2) {
        count /= 2
        this.#exports.nodes(data, count, data)
      }
      hashes.set(this.#memory.subarray(data, data + count * HASH_BYTES), at / width)
    }
    return hashes
  }

  /** Valid until the next call. */
  #run(bytes: Uint8Array, bounds: Uint32Array, from: number, end: number): Uint8Array {
    const { table, data, hashes } = LANE_MEMORY
    const first = bounds[2 * from]!
    this.#memory.set(bytes.subarray(first, bounds[2 * end - 1]), data)
    for (let i = from; i < end; i++) {
      const at = 2 * (i - from)
      this.#table[at] = data + bounds[2 * i]! - first
      this.#table[at + 1] = bounds[2 * i + 1]! - bounds[2 * i]!
    }
    const count = end - from
    // The lanes that are left are given nothing to hash.
    this.#table.fill(0, 2 * count, 8 * Math.ceil(count / 4))
    this.#exports.messages(table, count, hashes)
    return this.#memory.subarray(hashes, hashes + count * HASH_BYTES)
  }
}

/** Where the ranges end that are short enough and fit the memory together; behind the first in any case. */
function runEnd(bounds: Uint32Array, from: number): number {
  const most = Math.min(bounds.length / 2, from + LANE_MEMORY.maxMessages)
  let end = from
  for (; end < most; end++) {
    const lengthBytes = bounds[2 * end + 1]! - bounds[2 * end]!
    if (lengthBytes > MAX_LANE_BYTES || bounds[2 * end + 1]! - bounds[2 * from]! > LANE_MEMORY.dataBytes) break
  }
  return Math.max(end, from + 1)
}

function checkBounds(bytes: Uint8Array, bounds: Uint32Array): void {
  let before = 0
  for (const bound of bounds) {
    assert(bound >= before, 'the ranges are not in order')
    before = bound
  }
  assert(before <= bytes.length && bounds.length % 2 === 0, 'a range lies beyond the bytes')
}

function wholeBytes(row: Uint8Array, width: number): number {
  assert(Number.isInteger(Math.log2(width)), 'no perfect tree has so many leaves')
  return row.length - (row.length % (width * HASH_BYTES))
}

/** As FIPS 180-4 makes them: the first 32 bits behind the point of roots of the first primes. */
export function sha256Constants(): Sha256Constants {
  const primes: number[] = []
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  const fraction = (root: number) => Math.floor((root % 1) * 2 ** 32)
  return {
    rounds: primes.map((prime) => fraction(Math.cbrt(prime))),
    initial: primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime))),
  }
}
