// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Takes the beginning of a directory of which a part is sealed as the history that a log would have: which entries were
 * committed together is not known of segments, so the statements of `heads` say which were there before them.
 */
import { SALT_BYTES } from '@stele/proof'
import { publishedHead } from '../ledger/published-head.ts'
import { readSeal, type Seal } from '../ledger/seal.ts'
import { SegmentReader } from '../ledger/segment/segment-reader.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { ObjectMissing, type ObjectStore } from '../ledger/store/object-store.ts'
import { BLOCK_BYTES } from '../ledger/wal/format.ts'
import { isFlaw, readFrame } from '../ledger/wal/frame-reader.ts'
import type { Disk } from '../platform/disk.ts'
import { DrillFault } from './drill-fault.ts'
import { type History, type HistoryEvent, type HistoryFrame, takeApart } from './forge.ts'
import { openTogether, segmentsDirectory } from './open-log.ts'
import { coverParts, listed } from './sealed-source.ts'
import type { WalkedFile } from './wal-walk.ts'

/** Segments of a running server may be replaced while they are read. */
const MAX_TRIES = 20
const FRAME_EVENTS = 256

export interface Beginning {
  readonly history: History
  readonly copiedBytes: number
  readonly isWhole: boolean
}

/** Undefined where nothing is sealed. `fileId` is that of the log that will be made of it. */
export async function unsealedBeginning(
  disk: Disk,
  directory: string,
  capBytes: number,
  fileId: Buffer,
): Promise<Beginning | undefined> {
  const store = new DirectoryStore(disk, segmentsDirectory(directory))
  for (let tries = 1; ; tries++) {
    const { head, wal } = await openTogether(disk, directory, store)
    try {
      if (head === undefined) return undefined
      const read = readSeal(head)
      if (typeof read === 'string') throw new DrillFault(`the directory is not sound as it is: ${read}`)
      return await new Unsealing(store, read.seal, capBytes).run(wal.files, fileId)
    } catch (error) {
      if (!(error instanceof ObjectMissing) || tries === MAX_TRIES) throw error
    } finally {
      await wal.close()
    }
  }
}

class Unsealing {
  readonly #store: ObjectStore
  readonly #seal: Seal
  readonly #capBytes: number
  readonly #frames: HistoryFrame[] = []
  readonly #sizes = new Map<string, number>()
  readonly #cursors = new Map<string, AsyncGenerator<HistoryEvent>>()
  #bytes = 0

  constructor(store: ObjectStore, seal: Seal, capBytes: number) {
    this.#store = store
    this.#seal = seal
    this.#capBytes = capBytes
  }

  async run(files: readonly WalkedFile[], fileId: Buffer): Promise<Beginning> {
    const segments = await listed(this.#store)
    for (const { name, size } of this.#seal.ledgers) {
      this.#cursors.set(name, this.#events(segments.get(name) ?? [], size))
    }
    await this.#takeSystem(this.#events(segments.get('heads') ?? [], this.#sizeOf('heads')))
    const isSealedWhole = (await this.#takeHeads()) && (await this.#takeRest())
    const isWhole = isSealedWhole && (await this.#takeLog(files))
    const { originPrefix } = this.#seal
    const history = { originPrefix, files: [{ fileId, frames: this.#frames }] }
    return { history, copiedBytes: this.#bytes, isWhole }
  }

  get #isFull(): boolean {
    return this.#bytes > this.#capBytes
  }

  #sizeOf(name: string): number {
    return this.#seal.ledgers.find((ledger) => ledger.name === name)?.size ?? 0
  }

  /** All of `system` comes first, for it names the ledgers; a frame ends at each size that was published of it. */
  async #takeSystem(notes: AsyncGenerator<HistoryEvent>): Promise<void> {
    for await (const { content } of notes) {
      const said = publishedHead(content.subarray(SALT_BYTES))
      if (said.ledger === 'system') await this.#takeUpTo('system', said.size)
    }
    await this.#takeUpTo('system', this.#sizeOf('system'))
  }

  /** Each entry of `heads`, and before it what it speaks of. */
  async #takeHeads(): Promise<boolean> {
    for await (const event of this.#cursors.get('heads') ?? []) {
      if (this.#isFull) return false
      const { ledger, size } = publishedHead(event.content.subarray(SALT_BYTES))
      await this.#takeUpTo(ledger, size)
      this.#push('heads', [event])
    }
    return true
  }

  /** What was not published by then. */
  async #takeRest(): Promise<boolean> {
    for (const { name, size } of this.#seal.ledgers) {
      if (this.#isFull) return false
      if (name !== 'heads') await this.#takeUpTo(name, size)
    }
    return true
  }

  async #takeLog(files: readonly WalkedFile[]): Promise<boolean> {
    for (const { file, name, sizeBytes, header } of files) {
      if (header === undefined || header.firstCommit <= this.#seal.commit) continue
      for (let position = BLOCK_BYTES; ;) {
        const frame = await readFrame(file, sizeBytes, header.fileId, position)
        // What a running server writes now is left out.
        if (frame === undefined || isFlaw(frame)) break
        if (this.#isFull) return false
        this.#frames.push(takeApart(frame, name))
        this.#bytes += frame.header.frameBytes
        position += frame.header.frameBytes
      }
    }
    return true
  }

  async #takeUpTo(ledger: string, size: number): Promise<void> {
    const events: HistoryEvent[] = []
    for (let at = this.#sizes.get(ledger) ?? 0; at < size; at++) {
      const next = await this.#cursors.get(ledger)?.next()
      if (next === undefined || next.done === true) break
      events.push(next.value)
      if (events.length === FRAME_EVENTS) this.#push(ledger, events.splice(0))
    }
    if (events.length > 0) this.#push(ledger, events)
  }

  #push(ledger: string, events: readonly HistoryEvent[]): void {
    const size = (this.#sizes.get(ledger) ?? 0) + events.length
    this.#sizes.set(ledger, size)
    this.#frames.push({ sections: [{ ledger, events }], sizes: [[ledger, size]] })
    for (const { entry, content } of events) this.#bytes += entry.length + content.length
  }

  async *#events(segments: Parameters<typeof coverParts>[0], size: number): AsyncGenerator<HistoryEvent> {
    const { cover, gaps } = coverParts(segments, size)
    const [gap] = gaps
    if (gap !== undefined)
      throw new DrillFault(`the directory is not sound as it is: no segment has entry ${gap.first}`)
    let next = 0
    for (const segment of cover) {
      const reader = await SegmentReader.open(this.#store, segment)
      for await (const { index, entry, content } of reader.walk(next)) {
        next = index + 1
        yield { entry: Buffer.from(entry), content: Buffer.from(content), file: '', offset: 0 }
      }
    }
  }
}
