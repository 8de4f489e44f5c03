// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// SHA-256 (FIPS 180-4) and the two hashes of RFC 6962. Synchronous and in plain JavaScript, because WebCrypto's is
// asynchronous and a platform's call costs more than the 65 bytes of a tree node.

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32

/** A hash: 32 bytes. */
export type Hash = Uint8Array

const ROUND_CONSTANTS = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

const INITIAL_STATE = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

// Scratch space: each synchronous call fills it before it reads it, so nothing survives from one call to the next.
const schedule = new Int32Array(64)
const state = new Int32Array(8)
const block = new Uint8Array(64)

const LEAF_PREFIX = new Uint8Array([0])
const NO_PREFIX = new Uint8Array(0)

/** Root of the empty tree: the hash of nothing (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Hash = sha256(NO_PREFIX)

/** SHA-256 of `prefix ‖ data`. `prefix` (at most 63 bytes) saves the caller a copy. */
export function sha256(data: Uint8Array, prefix: Uint8Array = NO_PREFIX): Hash {
  state.set(INITIAL_STATE)
  block.set(prefix)
  let filled = prefix.length
  let read = 0
  while (data.length - read >= 64 - filled) {
    if (filled === 0) compress(data, read)
    else compress(fill(data, read, filled, 64), 0)
    read += 64 - filled
    filled = 0
  }
  fill(data, read, filled, filled + data.length - read)
  filled += data.length - read
  block[filled++] = 0x80
  if (filled > 56) compress(block.fill(0, filled), 0)
  block.fill(0, filled > 56 ? 0 : filled, 56)
  // The length in bits, big-endian, in two words; the bytes may be more than 2^29, so the upper word is a division.
  const totalBytes = prefix.length + data.length
  putWord(block, 56, Math.floor(totalBytes / 2 ** 29))
  putWord(block, 60, (totalBytes % 2 ** 29) * 8)
  compress(block, 0)
  return putState(new Uint8Array(HASH_BYTES), 0)
}

/** Hash of a leaf: SHA-256(0x00 ‖ entry) (RFC 6962 section 2.1). */
export function hashLeaf(entry: Uint8Array): Hash {
  return sha256(entry, LEAF_PREFIX)
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1). */
export function hashNode(left: Hash, right: Hash): Hash {
  const hash = new Uint8Array(HASH_BYTES)
  hashNodeInto(hash, 0, left, 0, right, 0)
  return hash
}

/**
 * Writes SHA-256(0x01 ‖ left ‖ right) to `out`, all 32 bytes at their offsets, which are the caller's to check; `out` may
 * overlap either. Where a platform has a faster one than this package, which runs on any, it can be injected.
 */
export type NodeHasher = (out: Hash, outAt: number, left: Hash, leftAt: number, right: Hash, rightAt: number) => void

/** `hashNode` without an allocation. */
export const hashNodeInto: NodeHasher = (out, outAt, left, leftAt, right, rightAt) => {
  state.set(INITIAL_STATE)
  // The prefix byte shifts every word by one byte: word i holds the last byte before it and three of its own.
  let carry = 0x01
  for (let i = 0; i < 16; i++) {
    const word = i < 8 ? getWord(left, leftAt + 4 * i) : getWord(right, rightAt + 4 * i - 32)
    schedule[i] = (carry << 24) | (word >>> 8)
    carry = word & 255
  }
  compressSchedule()
  // The second block is the last byte, the end mark, and the length: 65 bytes are 520 bits.
  schedule[0] = (carry << 24) | 0x800000
  schedule.fill(0, 1, 15)
  schedule[15] = 520
  compressSchedule()
  putState(out, outAt)
}

/** Whether two byte strings are equal. Not constant-time: nothing here is secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Copies `data` from `read` on into the block's [start, end). A `subarray` would cost more than this. */
function fill(data: Uint8Array, read: number, start: number, end: number): Uint8Array {
  for (let i = start; i < end; i++) block[i] = data[read + i - start]!
  return block
}

function getWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (24 - 8 * i)
}

function putState(out: Uint8Array, at: number): Uint8Array {
  for (let i = 0; i < 8; i++) putWord(out, at + 4 * i, state[i]!)
  return out
}

function compress(bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) schedule[i] = getWord(bytes, at + 4 * i)
  compressSchedule()
}

/** One compression of the block whose 16 words stand at the start of `schedule` (FIPS 180-4 section 6.2.2). */
function compressSchedule(): void {
  for (let i = 16; i < 64; i++) {
    const x = schedule[i - 15]!
    const y = schedule[i - 2]!
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    schedule[i] = (schedule[i - 16]! + s0 + schedule[i - 7]! + s1) | 0
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + ROUND_CONSTANTS[i]! + schedule[i]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
  state[5] = (state[5]! + f) | 0
  state[6] = (state[6]! + g) | 0
  state[7] = (state[7]! + h) | 0
}
