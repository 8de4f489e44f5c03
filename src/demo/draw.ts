// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A seeded source of choices: the same seed gives the same story and the same load on every machine.
 * Nothing secret may come from it.
 */
import assert from 'node:assert/strict'

const CODE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

export class Draw {
  // Four 32-bit words of Chris Doty-Humphrey's sfc32.
  #a: number
  #b = 0x9e3779b9
  #c = 0x243f6a88
  #counter = 1

  constructor(seed: number) {
    this.#a = seed | 0
    for (let round = 0; round < 12; round++) this.next()
  }

  /** In [0, 1). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return this.#at(from, this.below(from.length))
  }

  /** Favours the front of the list: the share of position p falls about as 1/(p+1), as users and applications do. */
  pickSkewed<T>(from: readonly T[]): T {
    return this.#at(from, Math.floor(Math.pow(from.length + 1, this.next())) - 1)
  }

  /** Lower-case hexadecimal digits. */
  hex(count: number): string {
    let digits = ''
    while (digits.length < count) digits += this.below(0x10000).toString(16).padStart(4, '0')
    return digits.slice(0, count)
  }

  guid(): string {
    const variant = '89ab'.charAt(this.below(4))
    return `${this.hex(8)}-${this.hex(4)}-4${this.hex(3)}-${variant}${this.hex(3)}-${this.hex(12)}`
  }

  /** Capital letters and digits. */
  code(count: number): string {
    return Array.from({ length: count }, () => CODE_CHARACTERS.charAt(this.below(CODE_CHARACTERS.length))).join('')
  }

  #at<T>(from: readonly T[], index: number): T {
    const item = from[index]
    assert(item !== undefined, 'the list has an item to draw')
    return item
  }
}
