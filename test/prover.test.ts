// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is kept of a tree for its proofs: right after every growth, bounded, and held against the segments' roots.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { type HashReader, rootAt, verifyInclusion } from '@stele/proof'

import { DataFault } from '../src/ledger/data-fault.ts'
import { FileCache } from '../src/ledger/file-cache.ts'
import { Log } from '../src/ledger/log.ts'
import { Prover } from '../src/ledger/prover.ts'
import { ProvenLeaves } from '../src/ledger/segment/proven-leaves.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { scratch, SeededRandom } from './scratch.ts'
import { replaced, rowsOf, writeSegment } from './segment-ground.ts'

const TILE_BYTES = 16 * 1024
const leafOf = (index: number) => createHash('sha256').update(`\0${index}`).digest()

interface Growing {
  readonly log: Log
  /** What was read since it was last emptied: level and tile. */
  readonly reads: string[]
  readonly leaves: readonly Buffer[]
  grow(count: number): void
}

function growing(context: TestContext, name = 'main'): Growing {
  const log = Log.empty(new FileCache(new NodeDisk()), join(scratch(context), name), name)
  const leaves: Buffer[] = []
  const reads: string[] = []
  const read = log.hashes
  const counted: HashReader = async (level, start, count) => {
    reads.push(`${level}/${Math.floor(start / 256)}`)
    return await read(level, start, count)
  }
  Object.defineProperty(log, 'hashes', { value: counted })
  const grow = (count: number) => {
    const first = leaves.length
    for (let index = first; index < first + count; index++) leaves.push(leafOf(index))
    const bytes = Buffer.concat(leaves.slice(first))
    const end = bytes.length
    const ends = { endsAt: end, entriesAt: end, contentsAt: end }
    const section = { ledger: name, first, count, at: 0, bytes, hashesAt: 0, ...ends }
    log.apply([section], log.advance([section]), 1, 0)
  }
  return { log, reads, leaves, grow }
}

async function demandProof(prover: Prover, { log, leaves }: Growing, index: number, size: number): Promise<void> {
  const proof = await prover.inclusion(log, index, size)
  const root = size === log.size ? log.root : await rootAt(size, log.hashes)
  verifyInclusion(leaves[index]!, index, size, proof, root)
}

test('proofs hold right after every growth, of the newest tree and of those before it, though tiles of them were kept', async (context) => {
  const random = new SeededRandom(5)
  const tree = growing(context)
  const prover = new Prover()
  const sizes = [1, 2, 255, 256, 257, 300, 511, 512, 640, 65_535, 65_536, 65_537, 65_793, 66_047, 66_048, 70_000]
  for (const size of sizes) {
    tree.grow(size - tree.log.size)
    const near = [0, size - 1, size >> 1, Math.max(0, size - 2), Math.max(0, size - 257)]
    for (const index of [...near, random.below(size), random.below(size)]) {
      await demandProof(prover, tree, index, size)
      const older = index + 1 + random.below(size - index)
      await demandProof(prover, tree, index, older)
    }
  }
})

test('a proof reads at most one tile a level, and the tiles above the leaves only once', async (context) => {
  const tree = growing(context)
  tree.grow(66_000)
  const prover = new Prover()
  for (const index of [7, 65_535, 65_536, 65_900, 65_999]) {
    tree.reads.length = 0
    await demandProof(prover, tree, index, 66_000)
    assert.equal(new Set(tree.reads.map((read) => read.split('/')[0])).size, tree.reads.length, tree.reads.join(' '))
  }
  tree.reads.length = 0
  for (const index of [112, 31_000, 65_000, 65_990]) await demandProof(prover, tree, index, 66_000)
  assert.deepEqual(
    tree.reads.filter((read) => !read.startsWith('0/')),
    [],
  )
})

test('what is kept is bounded, and what was let go is read again', async (context) => {
  const tree = growing(context)
  tree.grow(3_000)
  const prover = new Prover(3 * TILE_BYTES)
  for (let index = 0; index < 3_000; index += 97) {
    await demandProof(prover, tree, index, 3_000)
    assert(prover.heldBytes <= 3 * TILE_BYTES)
  }
  assert.equal(prover.heldBytes, 3 * TILE_BYTES)
  tree.reads.length = 0
  await demandProof(prover, tree, 0, 3_000)
  assert(tree.reads.includes('0/0'))
})

test('two ledgers never share a tile, and whoever changes a proof changes nothing that is kept', async (context) => {
  const prover = new Prover()
  const [one, other] = [growing(context, 'one'), growing(context, 'other')]
  one.grow(600)
  other.grow(300)
  for (const hash of await prover.inclusion(one.log, 3, 600)) hash.fill(0)
  await demandProof(prover, one, 3, 600)
  await demandProof(prover, other, 3, 300)
})

test('a tile that could not be read is not kept: it is read again', async (context) => {
  const tree = growing(context)
  tree.grow(600)
  const prover = new Prover()
  const read = tree.log.hashes
  const broken: HashReader = async () => await Promise.reject(new Error('EIO'))
  Object.defineProperty(tree.log, 'hashes', { value: broken, configurable: true, writable: true })
  await assert.rejects(prover.inclusion(tree.log, 3, 600), /EIO/)
  assert.equal(prover.heldBytes, 0)
  Object.defineProperty(tree.log, 'hashes', { value: read })
  await demandProof(prover, tree, 3, 600)
})

test('P5: subtrees of a segment are those of its leaves, and none is given where a hash beside or above it was changed', async () => {
  const random = new SeededRandom(9)
  const rows = rowsOf(
    random,
    Array.from({ length: 700 }, () => random.below(20)),
  )
  const store = new MemoryStore()
  const segment = await writeSegment(store, rows, 256)
  const leaves = Buffer.concat(rows.map(({ leaf }) => leaf))
  const rootOf = async (height: number, position: number) => {
    const start = position * 2 ** height - 256
    return await rootAt(2 ** height, async (level, first, count) => {
      assert.equal(level, 0)
      return leaves.subarray((start + first) * 32, (start + first + count) * 32)
    })
  }
  const reader = await SegmentReader.open(store, segment)
  const proven = new ProvenLeaves(reader)
  for (const tile of [1, 2]) {
    const all = Array.from({ length: 8 }, (_, height) => ({
      height,
      position: tile * 2 ** (8 - height) + random.below(2 ** (8 - height)),
    }))
    for (const asked of [all, all.toReversed(), all.slice(5), [all[0]!], [all[3]!, all[0]!]]) {
      const expected = await Promise.all(asked.map(async ({ height, position }) => await rootOf(height, position)))
      assert.deepEqual(
        (await proven.subtrees(tile, asked)).map((hash) => new Uint8Array(hash)),
        expected,
      )
    }
  }

  const bytes = await store.read(segment.log.key, 0, segment.log.sizeBytes)
  const twigsAt = reader.log.partsEnd + 700 * 32
  for (const [what, at] of [
    ['its own leaf', reader.log.partsEnd],
    ['a leaf beside it', reader.log.partsEnd + 15 * 32],
    ['a twig', twigsAt + 9 * 32],
  ] as const) {
    const changed = Buffer.from(bytes)
    changed[at] = changed[at]! ^ 1
    const opened = await SegmentReader.open(store, await replaced(store, segment, 'log', changed))
    const asked = [0, 1, 2, 3, 4, 5, 6, 7].map((height) => ({ height, position: 256 / 2 ** height + 1 }))
    await assert.rejects(new ProvenLeaves(opened).subtrees(1, asked), DataFault, what)
  }
})
