// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Undoes gzip and Zstandard of a stream, known by its first bytes, not by the file's name. Several members or frames in
// a row are one stream; anything else behind them is an error, since node:zlib would pass it over in silence.

import { createGunzip, createZstdDecompress } from 'node:zlib'

import { count } from '../display.ts'
import { FileFault } from './file-fault.ts'

type Format = 'gzip' | 'zstd'
type Engine = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>

export const MAGIC_BYTES = 4

export async function* decompressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const input = new Input(chunks)
  try {
    const format = formatOf(await input.peek(MAGIC_BYTES))
    if (format === undefined) return yield* input.rest()
    for (let first = true; ; first = false) {
      const magic = await input.peek(MAGIC_BYTES)
      if (magic.length === 0) return
      if (!first && formatOf(magic) !== format) {
        throw new FileFault(
          `bytes that are not ${format} follow its end at byte ${count(input.taken)} of the compressed file`,
        )
      }
      yield* member(input, format)
    }
  } finally {
    await input.close()
  }
}

/** One gzip member (zlib goes on to the next by itself where it can) or one Zstandard frame. */
async function* member(input: Input, format: Format): AsyncGenerator<Uint8Array, void> {
  const before = input.taken
  const engine = format === 'gzip' ? createGunzip() : createZstdDecompress()
  const done = new AbortController()
  const feeding = feed(input, engine, before, done.signal)
  try {
    for await (const chunk of engine) yield chunk as Uint8Array
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (!/^Z(?:STD)?_/.test(code)) throw error
    const what = code === 'Z_BUF_ERROR' ? 'is cut off' : `is broken (${(error as Error).message})`
    throw new FileFault(
      `the ${format} data ${what} at about byte ${count(before + engine.bytesWritten)} of the compressed file`,
    )
  } finally {
    done.abort()
    engine.destroy()
    await feeding
  }
  input.giveBack(input.taken - before - engine.bytesWritten)
}

/** Writes to the engine until it has seen the end of its data, or the input ends. Never rejects: the engine tells. */
async function feed(input: Input, engine: Engine, before: number, done: AbortSignal): Promise<void> {
  const isDone = new Promise<void>((resolve) => done.addEventListener('abort', () => resolve(), { once: true }))
  try {
    while (!done.aborted) {
      const chunk = await input.next()
      if (chunk === undefined) return void engine.end()
      const taken = new Promise<void>((resolve) => engine.write(chunk, () => resolve()))
      await Promise.race([taken, isDone])
      // Its data ended within the chunk. It may say that it has taken the chunk all the same, or never say anything.
      if (engine.bytesWritten < input.taken - before) return
    }
  } catch (error) {
    engine.destroy(error as Error)
  }
}

/** What the first bytes say; undefined for what is not compressed. */
export function formatOf(magic: Uint8Array): Format | undefined {
  const [a, b, c, d] = magic
  if (a === 0x1f && b === 0x8b) return 'gzip'
  const isFrame = a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd
  const isSkippable = a !== undefined && a >= 0x50 && a <= 0x5f && b === 0x2a && c === 0x4d && d === 0x18
  return isFrame || isSkippable ? 'zstd' : undefined
}

/** Chunks of which the tail of the last one can be given back. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array, unknown>
  #held: Uint8Array = new Uint8Array(0)
  #last: Uint8Array = new Uint8Array(0)
  /** Bytes handed out and not given back. */
  taken = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async peek(length: number): Promise<Uint8Array> {
    while (this.#held.length < length) {
      const result = await this.#chunks.next()
      if (result.done === true) break
      this.#held = Buffer.concat([this.#held, result.value])
    }
    return this.#held.subarray(0, length)
  }

  async next(): Promise<Uint8Array | undefined> {
    await this.peek(1)
    if (this.#held.length === 0) return undefined
    this.#last = this.#held
    this.#held = new Uint8Array(0)
    this.taken += this.#last.length
    return this.#last
  }

  giveBack(length: number): void {
    this.#held = Buffer.concat([this.#last.subarray(this.#last.length - length), this.#held])
    this.taken -= length
  }

  async *rest(): AsyncGenerator<Uint8Array, void> {
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) yield chunk
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
