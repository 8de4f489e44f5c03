// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Bytes that gather behind each other, in room that is kept when they are taken. */
export class ByteRun {
  #bytes = Buffer.alloc(1_024)
  #lengthBytes = 0

  get lengthBytes(): number {
    return this.#lengthBytes
  }

  append(part: Uint8Array): void {
    const needed = this.#lengthBytes + part.length
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, this.#lengthBytes)
      this.#bytes = larger
    }
    this.#bytes.set(part, this.#lengthBytes)
    this.#lengthBytes = needed
  }

  /** A view that holds until the next append, and an empty run. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#lengthBytes)
    this.#lengthBytes = 0
    return taken
  }
}
