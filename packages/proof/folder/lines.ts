// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Lines of a file, one at a time, in bounded memory: a line is no longer than its reader allows.

import type { OpenedFile } from './files.ts'

const PIECE_BYTES = 128 * 1024
const NEWLINE = 0x0a

/** A line without its newline; `bytes` are the reader's to change, and hold until the next line. */
export interface Line {
  readonly bytes: Uint8Array
  readonly offset: number
}

export class Lines {
  readonly #file: OpenedFile
  #bytes = new Uint8Array(PIECE_BYTES)
  /** What is read and not handed out: `start` to `end` of the memory. */
  #start = 0
  #end = 0
  /** Where in the file the memory's `end` is. */
  #position = 0

  constructor(file: OpenedFile) {
    this.#file = file
  }

  /** Where the next line begins. */
  get offset(): number {
    return this.#position - (this.#end - this.#start)
  }

  /** The next line; undefined at the end of the file, and `too long` or `cut off` where it is no line. */
  next(maxBytes: number): Line | undefined | 'too long' | 'cut off' {
    for (let searched = this.#start; ;) {
      const at = this.#bytes.indexOf(NEWLINE, searched)
      if (at !== -1 && at < this.#end) {
        const line = { bytes: this.#bytes.subarray(this.#start, at), offset: this.offset }
        if (line.bytes.length >= maxBytes) return 'too long'
        this.#start = at + 1
        return line
      }
      const waitingBytes = this.#end - this.#start
      if (waitingBytes >= maxBytes) return 'too long'
      if (!this.#readOn()) return waitingBytes === 0 ? undefined : 'cut off'
      searched = this.#start + waitingBytes
    }
  }

  close(): void {
    this.#file.close()
  }

  /** Reads more behind what waits, which is moved to the front; false at the end of the file. */
  #readOn(): boolean {
    const waiting = this.#bytes.subarray(this.#start, this.#end)
    const isFull = waiting.length > this.#bytes.length / 2
    const memory = isFull ? new Uint8Array(2 * this.#bytes.length) : this.#bytes
    if (isFull) memory.set(waiting)
    else memory.copyWithin(0, this.#start, this.#end)
    this.#bytes = memory
    this.#start = 0
    this.#end = waiting.length
    const count = this.#file.read(memory.subarray(this.#end), this.#position)
    this.#end += count
    this.#position += count
    return count > 0
  }
}
