// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A thread that reads and decompresses for the writer. What it hands out is held against nothing; that is the writer's. */
import { join } from 'node:path'
import { WaitingFile } from '../../platform/waiting-file.ts'
import { answerJobs } from '../../platform/workers.ts'
import { checkKey } from '../store/object-key.ts'
import { decompressPart, partItems } from './part.ts'
import type { Span } from './span.ts'

/** What the thread is given, by threaded-spans.ts alone: spans of one object behind each other, by position. */
export interface SpanJob {
  readonly directory: string
  readonly spans: readonly Span[]
}

export interface SpanAnswer {
  /** All that was read, in order. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** For each span the lengths of what it holds; undefined where it could not be read. */
  readonly lengths: readonly (readonly number[] | undefined)[]
}

answerJobs(async (job) => {
  const answer = await read(job as SpanJob)
  return { answer, moved: [answer.bytes.buffer] }
})

async function read({ directory, spans }: SpanJob): Promise<SpanAnswer> {
  const objects = new OpenObjects(directory)
  const found: Buffer[] = []
  const lengths: (readonly number[] | undefined)[] = []
  for (const span of spans) {
    const items = await objects.items(span)
    lengths.push(items?.map(({ length }) => length))
    found.push(...(items ?? []))
  }
  objects.close()
  // Memory of its own, which is moved.
  const bytes = new Uint8Array(found.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const item of found) {
    bytes.set(item, at)
    at += item.length
  }
  return { bytes, lengths }
}

/** The object and the part that were read last: who comes next mostly asks for the same. */
class OpenObjects {
  readonly #directory: string
  #key: string | undefined
  #file: WaitingFile | undefined
  #position = -1
  #raw: Buffer = Buffer.alloc(0)

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Undefined where it cannot be read: whoever asked reads it itself then, and is told why. */
  async items(span: Span): Promise<readonly Buffer[] | undefined> {
    try {
      const { part } = span
      if (part === undefined) return [this.#bytes(span)]
      if (span.key !== this.#key || span.position !== this.#position) {
        this.#raw = await decompressPart(this.#bytes(span), part.rawBytes)
        this.#position = span.position
      }
      return partItems(part.kind, this.#raw, part.count, part.from, part.to)
    } catch {
      this.close()
      return undefined
    }
  }

  close(): void {
    this.#file?.close()
    this.#file = undefined
    this.#key = undefined
    this.#position = -1
  }

  #bytes({ key, position, lengthBytes }: Span): Buffer {
    if (key !== this.#key) {
      this.close()
      checkKey(key)
      this.#file = WaitingFile.open(join(this.#directory, key))
      this.#key = key
    }
    const bytes = Buffer.allocUnsafe(lengthBytes)
    if (this.#file?.read(bytes, position) !== lengthBytes)
      throw new Error(`${key} ends before ${position + lengthBytes}`)
    return bytes
  }
}
