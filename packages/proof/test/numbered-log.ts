// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { Frontier, HASH_BYTES, hashLeaf, type HashReader } from '../src/index.ts'

/** A log whose entry i is the text "entry i", with its tile hashes as `Frontier` emits them. */
export class NumberedLog {
  readonly frontier: Frontier = new Frontier()
  readonly leaves: Uint8Array[] = []
  readonly roots: Uint8Array[] = [this.frontier.root()]
  /** The calls of `read`, as `level/tile`. */
  readonly calls: string[] = []
  readonly #levels: Uint8Array[] = []

  constructor(size: number) {
    for (let count = size; count > 0; count = Math.floor(count / 256)) {
      this.#levels.push(new Uint8Array(count * HASH_BYTES))
    }
    const written = this.#levels.map(() => 0)
    const write = (level: number, hash: Uint8Array, offset: number) => {
      this.#levels[level]!.set(hash.subarray(offset, offset + HASH_BYTES), written[level])
      written[level]! += HASH_BYTES
    }
    while (this.frontier.size < size) {
      const leaf = hashLeaf(NumberedLog.entry(this.frontier.size))
      this.leaves.push(leaf)
      write(0, leaf, 0)
      this.frontier.append(leaf, 0, write)
      this.roots.push(this.frontier.root())
    }
  }

  static entry(index: number): Uint8Array {
    return new TextEncoder().encode(`entry ${index}`)
  }

  readonly read: HashReader = async (level, start, count) => {
    this.calls.push(`${level}/${Math.floor(start / 256)}`)
    if (Math.floor(start / 256) !== Math.floor((start + count - 1) / 256)) throw new Error('the read leaves its tile')
    const hashes = this.#levels[level]?.subarray(start * HASH_BYTES, (start + count) * HASH_BYTES)
    if (hashes?.length !== count * HASH_BYTES) throw new Error('the read is beyond what is there')
    return await Promise.resolve(hashes)
  }
}
