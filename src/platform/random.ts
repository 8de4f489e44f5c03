// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Randomness for salts, ids and keys, from the operating system; drawn in blocks because a draw costs more than it yields. */
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** Overwrites `length` bytes of `into` from `offset` on. */
  fill(into: Uint8Array, offset: number, length: number): void
}

const BLOCK_BYTES = 16_384

export class SystemRandom implements Random {
  readonly #block = Buffer.alloc(BLOCK_BYTES)
  #used = BLOCK_BYTES

  fill(into: Uint8Array, offset: number, length: number): void {
    if (length > 1_024) {
      randomFillSync(into, offset, length)
      return
    }
    if (this.#used + length > BLOCK_BYTES) {
      randomFillSync(this.#block)
      this.#used = 0
    }
    into.set(this.#block.subarray(this.#used, this.#used + length), offset)
    this.#block.fill(0, this.#used, this.#used + length)
    this.#used += length
  }
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** `count` characters of lower-case base32 (RFC 4648 alphabet), 5 bits each. */
export function randomBase32(random: Random, count: number): string {
  const bytes = new Uint8Array(count)
  random.fill(bytes, 0, count)
  return Array.from(bytes, (byte) => BASE32[byte & 31]).join('')
}
