// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A file that is read by a thread which has nothing else to do meanwhile: one call of the system, no turn of a loop. */
import * as fs from 'node:fs'
import { irregular, READ_FLAGS } from './disk.ts'

export class WaitingFile {
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** A regular file, no link to one. */
  static open(path: string): WaitingFile {
    const fd = fs.openSync(path, READ_FLAGS)
    const refused = irregular(path, fs.fstatSync(fd))
    if (refused === undefined) return new WaitingFile(fd)
    fs.closeSync(fd)
    throw refused
  }

  /** Reads until `into` is full or the file ends; returns the bytes read. */
  read(into: Uint8Array, position: number): number {
    let done = 0
    while (done < into.length) {
      const count = fs.readSync(this.#fd, into, done, into.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}
