// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Evidence against a log: two checkpoints that it has signed, of one size and of two roots. Both notes are kept as they
 * came, so anybody who has the log's key can check it. There are at most so many files, one a pair.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Disk, replaceFile } from '../../platform/disk.ts'

const MAX_FILES = 1_000

export class Contradictions {
  readonly #disk: Disk
  readonly #folder: string

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  /** Keeps a pair; resolves to its file, or undefined where it is kept already or there are too many. */
  async keep(cosigned: Buffer, contradicting: Buffer): Promise<string | undefined> {
    const names = await this.#disk.list(this.#folder)
    // Who contradicts itself again and again is known by then.
    const digest = createHash('sha256').update(cosigned.subarray(0, textBytes(cosigned)))
    const text = contradicting.subarray(0, textBytes(contradicting))
    const name = `${digest.update(text).digest('hex').slice(0, 32)}.txt`
    if (names.includes(name) || names.length >= MAX_FILES) return undefined
    await this.#disk.makeDirectory(this.#folder)
    const path = join(this.#folder, name)
    await replaceFile(this.#disk, path, Buffer.concat([cosigned, Buffer.from('\n'), contradicting]))
    return path
  }
}

function textBytes(note: Buffer): number {
  return note.lastIndexOf('\n\n')
}
