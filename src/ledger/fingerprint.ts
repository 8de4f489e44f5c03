// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * 64 bits that stand for the id of an event of one source, in a table. They are begun with numbers that nobody outside
 * knows, so that ids which share a place cannot be made up; and nothing is concluded from two that are equal.
 */
export class Fingerprint {
  high = 0
  low = 0

  /** Of `bytes[start, end)`; `seedHigh` and `seedLow` have 32 bits each. */
  take(seedHigh: number, seedLow: number, bytes: Uint8Array, start: number, end: number): void {
    let high = seedHigh ^ (end - start)
    let low = seedLow
    let p = start
    for (; p + 4 <= end; p += 4) {
      const word = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)
      high = Math.imul(high ^ word, 0x9e3779b1)
      high ^= high >>> 15
      low = Math.imul(low + word, 0x85ebca77)
      low = (low << 13) | (low >>> 19)
    }
    for (; p < end; p++) {
      high = Math.imul(high ^ bytes[p]!, 0x9e3779b1)
      high ^= high >>> 15
      low = Math.imul(low + bytes[p]!, 0x85ebca77)
      low = (low << 13) | (low >>> 19)
    }
    high = mixed(high ^ low)
    this.high = high
    this.low = mixed(low + Math.imul(high, 0x27d4eb2f))
  }
}

/** Every bit of the number in every bit of the answer, which is not negative. */
function mixed(bits: number): number {
  let word = Math.imul(bits ^ (bits >>> 16), 0x7feb352d)
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b)
  return (word ^ (word >>> 16)) >>> 0
}
