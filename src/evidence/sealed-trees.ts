// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The trees of what is sealed, grown from the leaf hashes of segments to the sizes that `heads` speaks of. */
import { HASH_BYTES } from '../ledger/wal/format.ts'
import { DataFault } from '../ledger/data-fault.ts'
import type { Segment } from '../ledger/segment/segment.ts'
import { ObjectMissing } from '../ledger/store/object-store.ts'
import type { Findings } from './finding.ts'
import { toHex } from './ledger-replay.ts'
import type { HeadsEntry } from './published.ts'
import type { Replay } from './replay.ts'
import { fileOf, type SealedSource } from './sealed-source.ts'

/** Leaf hashes that are read at once, 256 KiB. */
const LEAVES_COUNT = 8_192

export class SealedTrees {
  readonly #source: SealedSource
  readonly #replay: Replay
  readonly #sizes: ReadonlyMap<string, number>
  readonly #findings: Findings

  /** `sizes`: how far each ledger is sealed. */
  constructor(source: SealedSource, replay: Replay, sizes: ReadonlyMap<string, number>, findings: Findings) {
    this.#source = source
    this.#replay = replay
    this.#sizes = sizes
    this.#findings = findings
  }

  /** Grows the trees to all sizes that these entries of `heads` speak of, and notes the roots there. */
  async meet(entries: readonly HeadsEntry[]): Promise<void> {
    const sizes = new Map<string, Set<number>>()
    for (const { note } of entries) {
      const head = this.#replay.headOf(note)
      if (head === undefined || head.size > (this.#sizes.get(head.ledger) ?? 0)) continue
      sizes.set(head.ledger, (sizes.get(head.ledger) ?? new Set()).add(head.size))
    }
    for (const [name, some] of sizes) {
      for (const size of [...some].toSorted((a, b) => a - b)) await this.growTo(name, size)
    }
  }

  async growTo(name: string, size: number): Promise<void> {
    const { published } = this.#replay
    const ledger = this.#replay.ledger(name)
    while (ledger.size < size) {
      const { gaps, cover } = this.#source.cover(name)
      const gap = gaps.find(({ first, end }) => first <= ledger.size && ledger.size < end)
      if (gap !== undefined) await ledger.missSealed(Math.min(gap.end, this.#sizes.get(name) ?? 0), `segments/${name}`)
      else {
        const next = gaps.find(({ first }) => first > ledger.size)?.first ?? size
        const count = Math.min(LEAVES_COUNT, size - ledger.size, next - ledger.size)
        const leaves = await this.#source.hashesOf(name).leaves(ledger.size, count)
        await this.#holdOverlap(cover, ledger.size, leaves)
        ledger.takeLeaves(leaves, (tile) => this.#source.provenTile(name, tile))
      }
      await ledger.compareDerivedIfMany()
    }
    if (ledger.root === undefined) published.giveUp(name)
    else if (ledger.size === size) published.noteRoot(name, size, ledger.root)
  }

  /** Where a segment begins within the one before, both must have the same entries there. */
  async #holdOverlap(cover: readonly Segment[], start: number, leaves: Buffer): Promise<void> {
    const end = start + leaves.length / HASH_BYTES
    for (const [position, segment] of cover.entries()) {
      const before = cover[position - 1]
      const [from, to] = [Math.max(segment.first, start), Math.min(before === undefined ? 0 : endOf(before), end)]
      if (before === undefined || from >= to) continue
      await this.#holdSame(before, from, leaves.subarray((from - start) * HASH_BYTES, (to - start) * HASH_BYTES))
    }
  }

  async #holdSame(segment: Segment, first: number, leaves: Buffer): Promise<void> {
    const found = await this.#leavesOf(segment, first, leaves.length / HASH_BYTES)
    if (found === undefined || found.equals(leaves)) return
    const at = found.findIndex((byte, offset) => byte !== leaves[offset])
    const begin = at - (at % HASH_BYTES)
    const index = first + begin / HASH_BYTES
    const [expected, other] = [leaves, found].map((bytes) => toHex(bytes.subarray(begin, begin + HASH_BYTES)))
    const what = 'two segments have different entries in the same place'
    const place = { file: fileOf(segment.log.key), ledger: segment.ledger, index }
    this.#findings.add({ kind: 'segment', ...place, what, expected: expected!, found: other! })
  }

  async #leavesOf(segment: Segment, first: number, count: number): Promise<Buffer | undefined> {
    try {
      return await (await this.#source.reader(segment)).leaves(first, count)
    } catch (error) {
      // What it lacks has been told; of a server that runs, another has taken its place.
      if (error instanceof DataFault || error instanceof ObjectMissing) return undefined
      throw error
    }
  }
}

function endOf({ first, count }: Segment): number {
  return first + count
}
