// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A file that somebody else writes to, as `tail -F` sees it: its complete lines as they come, also after it was renamed
// away and begun anew, or emptied. Files that were renamed stay open, so what was written to them is read to the end,
// however long the reader takes and however often the name moves on meanwhile.

import type { Clock } from '../../platform/clock.ts'
import type { Files, OpenedFile } from '../../platform/files.ts'
import { MAX_BODY_BYTES } from '../../schema/limits.ts'
import { bytesText } from '../display.ts'
import { FileFault } from './file-fault.ts'

const LOOKED_EVERY_MS = 50
/** A writer that has not heard of the rotation goes on with the old file for a moment. */
const GRACE_MS = 1_000
const CHUNK_BYTES = 1024 * 1024
/** So many bytes before the place that was read to must still be there: else the file was written anew. */
const REMEMBERED_BYTES = 256
const LINE_FEED = 0x0a

export interface FollowOptions {
  readonly files: Files
  readonly clock: Clock
  /** Ends the following; what was read until then is handed out. */
  readonly signal: AbortSignal
}

/** Tells whoever waits. */
type Say = (text: string) => Promise<void>

/** The bytes of one file, from its beginning until it was replaced or emptied; always whole lines but for its last. */
export type Generation = AsyncGenerator<Uint8Array, void>

export class FollowedFile {
  readonly #path: string
  readonly #name: string
  readonly #options: FollowOptions
  readonly #opened: OpenedFile[] = []
  #fault: Error | undefined
  #looking = false
  #stopLooking = () => {}
  #isClosed = false

  constructor(path: string, name: string, options: FollowOptions) {
    this.#path = path
    this.#name = name
    this.#options = options
  }

  /** Opens the file, and from now on every file that gets its name. */
  async begin(): Promise<void> {
    this.#stopLooking = this.#options.clock.every(LOOKED_EVERY_MS, () => void this.#look())
    await this.#look()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopLooking()
    for (const file of this.#opened.splice(0)) await file.close()
  }

  /** One after another, as the name goes from file to file. Each must be read to its end before the next is asked for. */
  async *generations(say: Say): AsyncGenerator<Generation, void> {
    const { signal } = this.#options
    try {
      if (this.#opened.length === 0) await say(`${this.#name} is not there any more. Waiting for it …`)
      while (!signal.aborted) {
        const [file] = this.#opened
        if (file === undefined) {
          await this.#pause()
          continue
        }
        const state = { isEmptied: false }
        yield this.#linesOf(file, state, say)
        if (signal.aborted) return
        if (state.isEmptied) continue
        this.#opened.shift()
        await file.close()
      }
    } finally {
      await this.close()
    }
  }

  /** Opens the file that has the name now, if it is another one. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const status = await this.#options.files.status(this.#path, 'follow')
      if (status === undefined || status.identity === this.#opened.at(-1)?.identity) return
      const file = await this.#options.files.open(this.#path)
      // Between the two looks the name may have moved on.
      if (this.#isClosed || file.identity === this.#opened.at(-1)?.identity) await file.close()
      else this.#opened.push(file)
    } catch (error) {
      const fault = error instanceof Error ? error : new Error(String(error))
      const isGone = 'code' in fault && fault.code === 'ENOENT'
      if (!isGone) this.#fault = fault
    } finally {
      this.#looking = false
    }
  }

  async *#linesOf(file: OpenedFile, state: { isEmptied: boolean }, say: Say): Generation {
    const { clock, signal } = this.#options
    const reader = new LineReader(file, this.#name)
    let quietSinceMs = clock.monotonicMs()
    while (!signal.aborted) {
      if (await reader.wasRewritten()) {
        state.isEmptied = true
        if (reader.restBytes > 0) await say(this.#lostText(reader.restBytes))
        return
      }
      const lines = await reader.next()
      const nowMs = clock.monotonicMs()
      if (lines !== undefined) {
        quietSinceMs = nowMs
        if (lines.length > 0) yield lines
        continue
      }
      if (this.#opened.length > 1 && nowMs - quietSinceMs >= GRACE_MS) {
        if (reader.restBytes > 0) yield reader.rest()
        return
      }
      await this.#pause()
    }
  }

  #lostText(bytes: number): string {
    return `${this.#name} was emptied when its last line was not finished: its ${bytesText(bytes)} are not stored.`
  }

  async #pause(): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault
    const { clock, signal } = this.#options
    await clock.sleep(LOOKED_EVERY_MS, signal).catch(() => {})
  }
}

/** Reads one file on, line by line, and notices when it is not the file that it was. */
class LineReader {
  readonly #file: OpenedFile
  readonly #name: string
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #position = 0
  #rest: Buffer[] = []
  restBytes = 0
  #tail = Buffer.alloc(0)

  constructor(file: OpenedFile, name: string) {
    this.#file = file
    this.#name = name
  }

  /** Whole lines, none where only a part of one came; undefined where nothing came. */
  async next(): Promise<Buffer | undefined> {
    const length = await this.#file.read(this.#chunk, this.#position)
    if (length === 0) return undefined
    this.#position += length
    const bytes = Buffer.from(this.#chunk.subarray(0, length))
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-REMEMBERED_BYTES)
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    const whole = end === 0 ? Buffer.alloc(0) : Buffer.concat([...this.#rest, bytes.subarray(0, end)])
    if (end > 0) this.#rest = []
    this.#rest.push(bytes.subarray(end))
    this.restBytes = this.#rest.reduce((sum, part) => sum + part.length, 0)
    if (this.restBytes > MAX_BODY_BYTES)
      throw new FileFault(`a line of ${this.#name} has more than ${bytesText(MAX_BODY_BYTES)}`)
    return whole
  }

  rest(): Buffer {
    return Buffer.concat(this.#rest)
  }

  /** Whether the file is shorter than what was read of it, or has other bytes there. */
  async wasRewritten(): Promise<boolean> {
    if (this.#position === 0) return false
    if ((await this.#file.sizeBytes()) < this.#position) return true
    const found = Buffer.alloc(this.#tail.length)
    await this.#file.read(found, this.#position - found.length)
    return !found.equals(this.#tail)
  }
}
