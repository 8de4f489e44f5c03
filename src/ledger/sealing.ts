// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Seals one completed WAL file: all that is in it goes into segments, and what comes back is the seal that says so,
 * unsigned. The file is read twice: once to check it all, then ledger by ledger, so that of a thousand ledgers only a
 * few are being written at any time. Nothing is removed and no state is kept: whoever is killed begins the file again, and
 * makes the same objects, which may be there already. The writer believes none of it before it has read it again.
 */
import assert from 'node:assert/strict'
import { Frontier, frontierAt } from '@stele/proof'
import { platformNodeHasher } from './hash-nodes.ts'
import { type Disk, readExactly } from '../platform/disk.ts'
import { DataFault } from './data-fault.ts'
import type { Seal } from './seal.ts'
import { coverOf, listSegments } from './segment/cover.ts'
import { hashesOf } from './segment/hashes.ts'
import { type PlannedSegment, planSegments } from './segment/plan.ts'
import type { Segment } from './segment/segment.ts'
import { SegmentReader } from './segment/segment-reader.ts'
import { SegmentWriter } from './segment/segment-writer.ts'
import type { ObjectStore } from './store/object-store.ts'
import { walPath } from './wal/files.ts'
import { BLOCK_BYTES, decodeFileHeader, HASH_BYTES } from './wal/format.ts'
import { SectionCursor } from './wal/section-cursor.ts'
import { WalSurvey } from './wal/survey.ts'

export interface SealTask {
  /** First commit of the WAL file. */
  readonly file: number
  /** The seal that holds until then. */
  readonly before: Seal | undefined
  /** Entries of a whole segment. */
  readonly segmentEntries: number
  readonly originPrefix: string
}

export interface SealingParts {
  readonly disk: Disk
  readonly directory: string
  readonly store: ObjectStore
  /** Called with the bytes that were read, as they are. */
  readonly pace?: (bytes: number) => Promise<void>
}

/** A segment that is being written takes some megabytes, and two open files. */
const LEDGERS_AT_ONCE = 6

/** Rejects with a DataFault where the file, or the segments before it, are not as they must be. */
export async function sealWalFile(parts: SealingParts, task: SealTask): Promise<Seal> {
  const { disk, directory, pace = async () => {} } = parts
  const { before, originPrefix } = task
  const path = walPath(directory, task.file)
  const file = await disk.open(path, 'read')
  try {
    const header = decodeFileHeader(path, await readExactly(file, 0, BLOCK_BYTES))
    if (header.originPrefix !== originPrefix) {
      throw new DataFault(path, 72, 'a file of another directory', originPrefix, header.originPrefix)
    }
    const sealing = new FileSealing(parts, task)
    const start = {
      commit: before?.commit ?? 0,
      hash: before === undefined ? Buffer.alloc(HASH_BYTES) : Buffer.from(before.hash, 'hex'),
      lastMs: before?.lastMs ?? 0,
      published: new Map(before?.published.map(({ name, size, root }) => [name, { size, root }])),
      tree: async (ledger: string) => await sealing.tree(ledger),
    }
    const survey = await WalSurvey.of({ path, file, header }, start, pace)
    await eachOf(survey.ledgers, async ([ledger, { tree, places }]) => {
      await sealing.write(ledger, tree.size, new SectionCursor({ path, file, ledger, places, pace }))
    })
    return sealAfter(task, survey)
  } finally {
    await file.close()
  }
}

/** A few beside each other, so that they wait together for the disk; ends when none is under way any more. */
async function eachOf<T>(list: Iterable<T>, work: (one: T) => Promise<void>): Promise<void> {
  const todo = list[Symbol.iterator]()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let next = todo.next(); next.done !== true && failures.length === 0; next = todo.next()) {
      await work(next.value).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: LEDGERS_AT_ONCE }, worker))
  if (failures.length > 0) throw failures[0]
}

function sealAfter({ before, originPrefix }: SealTask, survey: WalSurvey): Seal {
  const ledgers = new Map(before?.ledgers.map((ledger) => [ledger.name, ledger]))
  for (const [name, { tree }] of survey.ledgers) {
    ledgers.set(name, { name, size: tree.size, root: Buffer.from(tree.root()).toString('hex') })
  }
  return {
    v: 1,
    originPrefix,
    commit: survey.commit,
    hash: survey.hash.toString('hex'),
    lastMs: survey.lastMs,
    ledgers: byName([...ledgers.values()]),
    published: byName([...survey.published].map(([name, { size, root }]) => ({ name, size, root }))),
  }
}

/** The same file gives the same seal, to the byte. */
function byName<T extends { readonly name: string }>(list: T[]): T[] {
  return list.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

class FileSealing {
  readonly #store: ObjectStore
  readonly #task: SealTask

  constructor({ store }: SealingParts, task: SealTask) {
    this.#store = store
    this.#task = task
  }

  /** The tree of what is sealed of a ledger, out of its segments: it must be the seal's. */
  async tree(ledger: string): Promise<Frontier> {
    const sealed = this.#sealed(ledger)
    if (sealed.size === 0) return new Frontier(platformNodeHasher())
    const opened = new Map<string, Promise<SegmentReader>>()
    const open = async (segment: Segment): Promise<SegmentReader> => {
      const { key } = segment.log
      if (!opened.has(key)) opened.set(key, SegmentReader.open(this.#store, segment))
      return await opened.get(key)!
    }
    const tree = await frontierAt(sealed.size, hashesOf(await this.#cover(ledger), open), platformNodeHasher())
    const root = Buffer.from(tree.root()).toString('hex')
    if (root === sealed.root) return tree
    throw new DataFault(this.#where(ledger), 0, `the segments of ${ledger} are not the sealed ones`, sealed.root, root)
  }

  /** Writes the segments of a ledger up to `size`; those before stay until the writer removes them. */
  async write(ledger: string, size: number, events: SectionCursor): Promise<void> {
    const { segmentEntries } = this.#task
    const sealed = this.#sealed(ledger)
    const cover = sealed.size === 0 ? [] : await this.#cover(ledger)
    for (const planned of planSegments(cover, sealed.size, size, segmentEntries)) {
      await this.#writeSegment(ledger, planned, events)
    }
  }

  async #writeSegment(ledger: string, { first, end, absorbed }: PlannedSegment, events: SectionCursor): Promise<void> {
    const { originPrefix } = this.#task
    const writer = await SegmentWriter.begin({ store: this.#store, originPrefix, ledger, first })
    try {
      for (const { segment, start, end: absorbedEnd } of absorbed) {
        await writer.absorb(await SegmentReader.open(this.#store, segment), start, absorbedEnd)
      }
      const absorbedCount = absorbed.reduce((sum, part) => sum + part.end - part.start, 0)
      assert(writer.count === absorbedCount)
      await events.take(
        end - first - absorbedCount,
        async (entry, leaf, content) => await writer.add(entry, leaf, content),
      )
      await writer.finish()
    } catch (error) {
      await writer.abandon()
      throw error
    }
  }

  async #cover(ledger: string): Promise<readonly Segment[]> {
    const segments = (await listSegments(this.#store, ledger)).get(ledger) ?? []
    const { size } = this.#sealed(ledger)
    const { cover, missing } = coverOf(segments, size)
    if (missing === undefined) return cover
    const what = `segments of ${ledger} are missing`
    throw new DataFault(this.#where(ledger), 0, what, `entries ${missing.first} to ${missing.end - 1}`, 'none')
  }

  #sealed(ledger: string): { readonly size: number; readonly root: string } {
    return this.#task.before?.ledgers.find(({ name }) => name === ledger) ?? { size: 0, root: '' }
  }

  #where(ledger: string): string {
    return `${this.#store.where}/${ledger}`
  }
}
