// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What of the log is sealed, as the writer sees it. A follower makes segments and proposes a seal; the writer believes
 * none of it: it reads every byte of the new segments again, holds their roots and the proposed sizes against its own
 * tree, and the end of the chain against the next file's header. Only then does the seal move and may the log go.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Frontier, rootAt } from '@stele/proof'
import { platformNodeHasher } from './hash-nodes.ts'
import { type Disk, readExactly } from '../platform/disk.ts'
import { Turns } from '../platform/turns.ts'
import type { FileCache } from './file-cache.ts'
import { DataFault } from './data-fault.ts'
import type { Signer } from './signing.ts'
import type { Log } from './log.ts'
import type { CompletedFile, Opened } from './opening.ts'
import { coverUpTo } from './recover-sealed.ts'
import { type Seal, sealText } from './seal.ts'
import { SealedEntries, SEGMENTS, type SegmentParts } from './sealed-entries.ts'
import type { SealTask } from './sealing.ts'
import { checkSegment, type SegmentFlaw } from './segment/check-segment.ts'
import { listSegments } from './segment/cover.ts'
import type { Segment } from './segment/segment.ts'
import { DirectoryStore, HEAD_NAME } from './store/directory-store.ts'
import { walPath } from './wal/files.ts'
import { wholeFrames } from './wal/frame-sequence.ts'
import { BLOCK_BYTES, decodeFileHeader, HASH_BYTES, type WalFileHeader } from './wal/format.ts'

/** Reads and hashes every byte of a segment: resolves to the first thing that is wrong. */
export type SegmentCheck = (segment: Segment) => Promise<SegmentFlaw | undefined>

/** Leaves whose hashes are computed at once, 3 ms: reading the next ones lets others have their turn. */
const LEAVES_AT_ONCE = 4_096

/** Up to where the segments hold everything: the last commit, and how many entries of each ledger. */
export interface SealedSizes {
  readonly commit: number
  readonly sizes: Readonly<Record<string, number>>
}

export interface SealedLogOptions extends SegmentParts {
  readonly disk: Disk
  readonly directory: string
  readonly cache: FileCache
  readonly segmentEntries: number
  /** Writes an anchor of the log as it is now. */
  readonly anchor: () => Promise<void>
  /** Signs with the key of `heads`. */
  readonly signer: () => Signer
  readonly logs: ReadonlyMap<string, Log>
  readonly originPrefix: string
  readonly check: SegmentCheck
}

type Listed = ReadonlyMap<string, readonly Segment[]>

export class SealedLog {
  readonly #options: SealedLogOptions
  /** Segments of which this process has read every byte. */
  readonly #checked = new Set<string>()
  /** Paths of WAL files that are sealed; a crash came before they were removed. */
  readonly #leftovers: string[]
  /** WAL files before the one that is written, the oldest first. */
  readonly #files: CompletedFile[]
  /** The seal is moved, or signed again, by one at a time. */
  readonly #turns = new Turns(1)
  #seal: Seal | undefined
  #version: string | undefined

  constructor(options: SealedLogOptions, { recovered, completedFiles }: Opened) {
    this.#options = options
    this.#files = [...completedFiles]
    this.#leftovers = [...recovered.sealedFiles]
    this.#seal = recovered.sealed?.seal
    this.#version = recovered.sealed?.version
  }

  get sizes(): SealedSizes {
    const sizes = [...this.#options.logs.values()].map((log) => [log.name, log.sealedSize] as const)
    return { commit: this.#seal?.commit ?? 0, sizes: Object.fromEntries(sizes) }
  }

  get files(): readonly CompletedFile[] {
    return this.#files
  }

  get completedBytes(): number {
    return this.#files.reduce((sum, file) => sum + file.sizeBytes, 0)
  }

  /** Nothing is added to this file any more. */
  complete(file: CompletedFile): void {
    this.#files.push(file)
  }

  /** What is to be sealed next. */
  get task(): SealTask | undefined {
    const [oldest] = this.#files
    if (oldest === undefined) return undefined
    const { originPrefix, segmentEntries } = this.#options
    return { file: oldest.header.firstCommit, before: this.#seal, segmentEntries, originPrefix }
  }

  /**
   * Moves the seal to what is proposed for the oldest completed file, and gives that up; throws a DataFault, and changes
   * nothing, where anything is not as it must be. `current` is the file that is written.
   */
  async accept(proposed: Seal, current: WalFileHeader): Promise<void> {
    await this.#turns.run(async () => await this.#accept(proposed, current))
  }

  /** Signs the seal again, with the key that `heads` has now. */
  async signAgain(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#seal !== undefined) this.#version = await this.#swap(sealText(this.#seal, this.#options.signer()))
    })
  }

  async #accept(proposed: Seal, current: WalFileHeader): Promise<void> {
    const { cache, disk, directory, anchor } = this.#options
    const [oldest, following] = this.#files
    assert(oldest !== undefined, 'nothing is to be sealed')
    const next = following?.header ?? current
    await this.dropLeftovers()
    // Once the seal has moved a start begins behind the file: so must the anchor, or all is derived again.
    await anchor()
    const listed = await listSegments(this.#options.store)
    await this.#move(proposed, next, listed)
    const path = walPath(directory, oldest.header.firstCommit)
    await cache.remove(path).catch((error: unknown) => {
      this.#leftovers.push(path)
      throw error
    })
    await disk.syncDirectory(join(directory, 'wal'))
    await this.#dropSuperseded(listed)
  }

  async #move(proposed: Seal, next: WalFileHeader, listed: Listed): Promise<void> {
    const { store, logs, readers, signer } = this.#options
    this.#demandChain(proposed, next)
    for (const log of logs.values()) await this.#demandHead(log, proposed, next.firstCommit)
    const moves: (() => void)[] = []
    for (const { name, size } of proposed.ledgers) {
      const cover = coverUpTo(store, name, listed.get(name) ?? [], size)
      const known = new Set(logs.get(name)?.sealed?.cover.map(({ log }) => log.key))
      for (const segment of cover) if (!known.has(segment.log.key)) await this.#demandSegment(segment)
      const move = await logs.get(name)?.preparedSeal(new SealedEntries(readers, cover, size))
      if (move !== undefined) moves.push(move)
    }
    this.#version = await this.#swap(sealText(proposed, signer()))
    // Nothing can fail from here: the seal, the files before it and each ledger's part move together or not at all.
    this.#seal = proposed
    this.#files.shift()
    for (const move of moves) move()
  }

  /**
   * An earlier swap to the same seal may have taken effect though it failed: then it is there, to the byte. It is swapped
   * once more, for it may not have become durable.
   */
  async #swap(text: Buffer): Promise<string> {
    const { store } = this.#options
    const swapped = await store.swapHead(this.#version, text)
    if (swapped !== undefined) return swapped
    const head = await store.readHead()
    const again = head?.bytes.equals(text) === true ? await store.swapHead(head.version, text) : undefined
    if (again !== undefined) return again
    const path = join(store.where, HEAD_NAME)
    throw new DataFault(path, 0, 'somebody else has moved the seal', 'the one that is known', 'another')
  }

  /** Removes the objects of which others hold everything, as far as it is sealed. */
  async #dropSuperseded(listed: Listed): Promise<void> {
    const { store, logs } = this.#options
    for (const [name, segments] of listed) {
      const sealed = logs.get(name)?.sealed
      if (sealed === undefined) continue
      const kept = new Set(sealed.cover.map(({ log }) => log.key))
      for (const { first, count, log, content } of segments) {
        if (kept.has(log.key) || first + count > sealed.size) continue
        await this.#demandRange(name, first, first + count)
        // The pair is none any more once the first is gone.
        await store.remove(log.key)
        await store.remove(content.key)
        this.#checked.delete(log.key)
      }
    }
  }

  /** A file that was sealed before a crash may be the last good copy: its segments are read again before it goes. */
  async dropLeftovers(): Promise<void> {
    const { disk, cache } = this.#options
    for (const path of this.#leftovers.slice()) {
      // A removal that was said to have failed may have taken effect.
      const isThere = (await disk.regularBytes(path)) !== undefined
      const ranges = isThere ? await rangesIn(disk, path) : []
      for (const [ledger, { first, end }] of ranges) await this.#demandRange(ledger, first, end)
      await cache.remove(path)
      this.#leftovers.shift()
    }
  }

  /** Every byte of the segments that are read for these entries must have been read, and found good, by this process. */
  async #demandRange(ledger: string, from: number, to: number): Promise<void> {
    for (const segment of this.#options.logs.get(ledger)?.sealed?.cover ?? []) {
      if (segment.first < to && segment.first + segment.count > from) await this.#demandSegment(segment)
    }
  }

  #demandChain({ originPrefix, commit, hash }: Seal, next: WalFileHeader): void {
    const expected = `commit ${next.firstCommit - 1} ${next.previousHash.toString('hex')} of ${next.originPrefix}`
    const found = `commit ${commit} ${hash} of ${originPrefix}`
    this.#demand(expected, found, 'the proposed seal does not lead to the next WAL file')
  }

  /** The proposal must have this ledger up to where the kept log has it. */
  async #demandHead(log: Log, { ledgers, published }: Seal, nextFile: number): Promise<void> {
    const head = ledgers.find(({ name }) => name === log.name)
    const size = head?.size ?? 0
    const follows = size < log.size ? (await log.place(Math.max(size, log.sealedSize))).file >= nextFile : true
    if (size > log.size || size < log.sealedSize || !follows) {
      this.#demand(
        `all entries of ${log.name} before commit ${nextFile}`,
        `${size}`,
        'the proposed seal leaves entries out',
      )
    }
    if (head !== undefined) await demandRoot(log, head)
    const said = published.find(({ name }) => name === log.name)
    if (said !== undefined && said.size <= log.size) await demandRoot(log, said)
  }

  async #demandSegment(segment: Segment): Promise<void> {
    const { key } = segment.log
    if (this.#checked.has(key)) return
    const { store, logs, check } = this.#options
    const flaw = await check(segment)
    if (flaw !== undefined) {
      throw new DataFault(`${store.where}/${flaw.key}`, flaw.offset ?? 0, flaw.what, flaw.expected, flaw.found)
    }
    const log = logs.get(segment.ledger)
    assert(log !== undefined)
    const root = await rootOfRun(log, segment.first, segment.count)
    if (root !== segment.root) {
      throw new DataFault(`${store.where}/${key}`, 0, 'the segment is not of this ledger’s tree', root, segment.root)
    }
    this.#checked.add(key)
  }

  #demand(expected: string, found: string, what: string): void {
    if (expected !== found) throw new DataFault(this.#options.store.where, 0, what, expected, found)
  }
}

/** Which entries of which ledger a WAL file holds. */
async function rangesIn(disk: Disk, path: string): Promise<Map<string, { first: number; end: number }>> {
  const ranges = new Map<string, { first: number; end: number }>()
  const file = await disk.open(path, 'read')
  try {
    const { fileId } = decodeFileHeader(path, await readExactly(file, 0, BLOCK_BYTES))
    for await (const { sections } of wholeFrames(path, file, fileId, await file.sizeBytes())) {
      for (const { ledger, first, count } of sections) {
        ranges.set(ledger, { first: ranges.get(ledger)?.first ?? first, end: first + count })
      }
    }
    return ranges
  } finally {
    await file.close()
  }
}

async function demandRoot(log: Log, { size, root }: { readonly size: number; readonly root: string }): Promise<void> {
  const expected = Buffer.from(await rootAt(size, log.hashes)).toString('hex')
  if (expected !== root)
    throw new DataFault(log.name, 0, `the proposed seal has another root at ${size}`, expected, root)
}

/** Hex: root of a tree of just these entries, from the hashes that the writer's own tree has. */
async function rootOfRun(log: Log, first: number, count: number): Promise<string> {
  const frontier = new Frontier(platformNodeHasher())
  for (let at = 0; at < count; at += LEAVES_AT_ONCE) {
    const part = Math.min(LEAVES_AT_ONCE, count - at)
    const leaves = await log.hashes(0, first + at, part)
    for (let leaf = 0; leaf < part; leaf++) frontier.append(leaves, leaf * HASH_BYTES)
  }
  return Buffer.from(frontier.root()).toString('hex')
}

/** The check in this thread, of objects that are opened anew each time. */
export function segmentCheckIn(disk: Disk, directory: string): SegmentCheck {
  const store = new DirectoryStore(disk, join(directory, SEGMENTS))
  return async (segment) => {
    for await (const flaw of checkSegment(store, segment)) return flaw
    return undefined
  }
}
