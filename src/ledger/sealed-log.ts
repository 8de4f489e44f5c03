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
import type { Disk } from '../platform/disk.ts'
import { DataFault } from './data-fault.ts'
import type { Signer } from './keys.ts'
import type { Log } from './log.ts'
import { coverUpTo, type SealedState } from './recover-sealed.ts'
import { type Seal, sealText } from './seal.ts'
import { SealedEntries, SEGMENTS, type SegmentReaders } from './sealed-entries.ts'
import { checkSegment, type SegmentFlaw } from './segment/check-segment.ts'
import { listSegments } from './segment/cover.ts'
import type { Segment } from './segment/segment.ts'
import { DirectoryStore } from './store/directory-store.ts'
import type { ObjectStore } from './store/object-store.ts'
import { HASH_BYTES, type WalFileHeader } from './wal/format.ts'

/** Reads and hashes every byte of a segment: resolves to the first thing that is wrong. */
export type SegmentCheck = (segment: Segment) => Promise<SegmentFlaw | undefined>

/** Leaves whose hashes are computed at once, 3 ms: reading the next ones lets others have their turn. */
const LEAVES_AT_ONCE = 4_096

export interface SealedLogOptions {
  readonly store: ObjectStore
  readonly readers: SegmentReaders
  readonly logs: ReadonlyMap<string, Log>
  readonly originPrefix: string
  readonly check: SegmentCheck
}

export class SealedLog {
  readonly #options: SealedLogOptions
  readonly #checked = new Set<string>()
  #seal: Seal | undefined
  #version: string | undefined

  constructor(options: SealedLogOptions, recovered: SealedState | undefined) {
    this.#options = options
    this.#seal = recovered?.seal
    this.#version = recovered?.version
    for (const { cover } of recovered?.byLedger.values() ?? []) for (const { log } of cover) this.#checked.add(log.key)
  }

  get seal(): Seal | undefined {
    return this.#seal
  }

  /** Moves the seal to what is proposed, if all of it holds; throws a DataFault where anything does not. */
  async accept(proposed: Seal, next: WalFileHeader, signer: Signer): Promise<void> {
    const { store, logs, readers } = this.#options
    this.#demandChain(proposed, next)
    for (const log of logs.values()) await this.#demandHead(log, proposed, next.firstCommit)
    const listed = await listSegments(store)
    const covers = new Map<string, SealedEntries>()
    for (const { name, size } of proposed.ledgers) {
      const cover = coverUpTo(store, name, listed.get(name) ?? [], size)
      for (const segment of cover) await this.#demandSegment(segment)
      covers.set(name, new SealedEntries(readers, cover, size))
    }
    const version = await store.swapHead(this.#version, sealText(proposed, signer))
    if (version === undefined) {
      throw new DataFault(
        `${store.where}/_head`,
        0,
        'somebody else has moved the seal',
        'the one that is known',
        'another',
      )
    }
    this.#seal = proposed
    this.#version = version
    for (const [name, sealed] of covers) await logs.get(name)?.seal(sealed)
  }

  /** Removes the objects of which others hold everything, as far as it is sealed. */
  async dropSuperseded(): Promise<void> {
    const { store, logs } = this.#options
    for (const [name, segments] of await listSegments(store)) {
      const sealed = logs.get(name)?.sealed
      if (sealed === undefined) continue
      const kept = new Set(sealed.cover.map(({ log }) => log.key))
      for (const { first, count, log, content } of segments) {
        if (kept.has(log.key) || first + count > sealed.size) continue
        // The pair is none any more once the first is gone.
        await store.remove(log.key)
        await store.remove(content.key)
        this.#checked.delete(log.key)
      }
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
