// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  consistencyProof,
  Frontier,
  frontierAt,
  hashLeaf,
  inclusionProof,
  ProofError,
  rootAt,
  verifyConsistency,
  verifyInclusion,
  type HashReader,
  type ProofErrorCode,
} from '../src/index.ts'
import { NumberedLog } from './numbered-log.ts'
import { checkConsistency, checkInclusion, oracle, ORACLE_SIZE } from './proofs.ts'
import { fixture, hex, unhex } from './signers.ts'

interface Reference {
  readonly leaves: readonly string[]
  readonly roots: readonly string[]
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[]
  readonly consistency: readonly {
    readonly oldSize: number
    readonly size: number
    readonly proof: readonly string[]
  }[]
}

const reference = JSON.parse(fixture('rfc6962-reference.json').toString()) as Reference

function refusal(code: ProofErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ProofError && error.code === code
}

test('the roots are those of the reference implementation of RFC 6962', () => {
  const frontier = new Frontier()
  assert.equal(hex(frontier.root()), reference.roots[0])
  for (const [i, leaf] of reference.leaves.entries()) {
    frontier.append(hashLeaf(unhex(leaf)))
    assert.equal(hex(frontier.root()), reference.roots[i + 1])
  }
})

test('the proofs of the reference implementation of RFC 6962 verify', () => {
  const roots = reference.roots.map(unhex)
  for (const { index, size, proof } of reference.inclusion) {
    verifyInclusion(hashLeaf(unhex(reference.leaves[index]!)), index, size, proof.map(unhex), roots[size]!)
  }
  for (const { oldSize, size, proof } of reference.consistency) {
    verifyConsistency(oldSize, roots[oldSize]!, size, roots[size]!, proof.map(unhex))
  }
})

test('every root to size 1,024 is the naive tree’s, kept, read back from tiles, or taken up again', async () => {
  const { log, naive } = oracle(ORACLE_SIZE)
  for (let size = 0; size <= ORACLE_SIZE; size++) {
    const root = naive.root(0, size)
    assert.equal(hex(log.roots[size]!), root)
    assert.equal(hex(await rootAt(size, log.read)), root)
    const frontier = await frontierAt(size, log.read)
    assert.equal(hex(frontier.root()), root)
    assert.equal(hex(Frontier.from(size, frontier.hashes()).root()), root)
    if (size === ORACLE_SIZE) continue
    frontier.append(log.leaves[size]!)
    assert.equal(hex(frontier.root()), naive.root(0, size + 1), 'it goes on from there')
  }
})

test('every inclusion proof of the naive tree to size 400 verifies', () => {
  const { log, naive } = oracle(400)
  for (let size = 1; size <= 400; size++) {
    for (let index = 0; index < size; index++) {
      verifyInclusion(log.leaves[index]!, index, size, naive.path(index, 0, size).map(unhex), log.roots[size]!)
    }
  }
})

test('every inclusion proof to size 130, and of some sizes up to 1,024, is the naive tree’s', async () => {
  const { log, naive } = oracle(ORACLE_SIZE)
  for (let size = 1; size <= 130; size++) await checkInclusion(log, naive, size)
  for (const size of [255, 256, 257, 513, 1_024]) await checkInclusion(log, naive, size)
})

test('every consistency proof to size 130, and from every size to some up to 1,024, is the naive tree’s', async () => {
  const { log, naive } = oracle(ORACLE_SIZE)
  for (let size = 0; size <= 130; size++) await checkConsistency(log, naive, size)
  for (const size of [255, 256, 257, 513, 1_024]) await checkConsistency(log, naive, size)
})

test('a proof reads each tile once and at most two a level', async () => {
  const log = new NumberedLog(70_000)
  for (const [index, size] of [
    [0, 70_000],
    [69_999, 70_000],
    [65_535, 65_536],
    [31_234, 69_888],
    [300, 65_537],
  ] as const) {
    log.calls.length = 0
    const proof = await inclusionProof(index, size, log.read)
    verifyInclusion(log.leaves[index]!, index, size, proof, log.roots[size]!)
    await consistencyProof(index + 1, size, log.read)
    const half = log.calls.length
    assert.ok(half > 0)
    log.calls.length = 0
    await inclusionProof(index, size, log.read)
    assert.equal(new Set(log.calls).size, log.calls.length, 'no tile is read twice')
    for (const level of [0, 1, 2]) {
      assert.ok(log.calls.filter((call) => call.startsWith(`${level}/`)).length <= 2, log.calls.join(' '))
    }
  }
})

test('with the right edge at hand an inclusion proof reads at most one tile a level', async () => {
  const log = new NumberedLog(70_000)
  const frontier = new Frontier()
  for (const [size, leaf] of log.leaves.entries()) {
    if ([1, 2, 300, 65_536, 65_537, 69_888, 69_999].includes(size)) await check(size)
    frontier.append(leaf)
  }
  await check(70_000)

  async function check(size: number): Promise<void> {
    for (const index of [0, 1, 255, 256, 299, 31_234, 65_535, 65_536, 69_887, 69_999]) {
      if (index >= size) continue
      const expected = await inclusionProof(index, size, log.read)
      log.calls.length = 0
      assert.deepEqual(await inclusionProof(index, size, log.read, frontier), expected, `${index} of ${size}`)
      const levels = log.calls.map((call) => call.split('/')[0])
      assert.equal(new Set(levels).size, levels.length, `${index} of ${size}: ${log.calls.join(' ')}`)
      const other = new Frontier()
      assert.deepEqual(await inclusionProof(index, size, log.read, other), expected, 'another tree’s edge is not used')
    }
  }
})

test('append reports each complete subtree of 256^level leaves, once and in order', () => {
  const { log, naive } = oracle(ORACLE_SIZE)
  const seen: string[] = []
  const frontier = new Frontier()
  const padded = new Uint8Array(96)
  for (const leaf of log.leaves) {
    padded.set(leaf, 64)
    frontier.append(padded, 64, (level, hash, offset) =>
      seen.push(`${level} ${hex(hash.subarray(offset, offset + 32))}`),
    )
  }
  assert.deepEqual(
    seen,
    [0, 256, 512, 768].map((start) => `1 ${naive.root(start, start + 256)}`),
  )
  const large = new Frontier()
  const counts: Record<number, number> = {}
  for (let i = 0; i < 131_073; i++)
    large.append(log.leaves[0]!, 0, (level) => (counts[level] = (counts[level] ?? 0) + 1))
  assert.deepEqual(counts, { 1: 512, 2: 2 })
})

test('a snapshot of the edge does not move with it', () => {
  const log = new NumberedLog(300)
  const snapshot = log.frontier.snapshot()
  log.frontier.append(log.leaves[0]!)
  assert.equal(snapshot.size, 300)
  assert.deepEqual(snapshot.root(), log.roots[300])
  assert.notDeepEqual(log.frontier.root(), log.roots[300])
})

test('sizes and indexes that are no safe integers are refused, never rounded or wrapped', async () => {
  const { log } = oracle(8)
  const hash = log.leaves[0]!
  for (const bad of [-1, 0.5, Number.NaN, Infinity, 2 ** 53]) {
    await assert.rejects(rootAt(bad, log.read), refusal('size-out-of-range'))
    await assert.rejects(frontierAt(bad, log.read), refusal('size-out-of-range'))
    await assert.rejects(inclusionProof(0, bad, log.read), refusal('size-out-of-range'))
    await assert.rejects(inclusionProof(bad, 8, log.read), refusal('index-out-of-range'))
    await assert.rejects(consistencyProof(bad, 8, log.read), refusal('size-out-of-range'))
    assert.throws(() => verifyInclusion(hash, bad, 8, [], hash), refusal('index-out-of-range'))
    assert.throws(() => verifyConsistency(bad, hash, 8, hash, []), refusal('size-out-of-range'))
    assert.throws(() => verifyConsistency(1, hash, bad, hash, []), refusal('size-out-of-range'))
    assert.throws(() => Frontier.from(bad, new Uint8Array(0)), refusal('size-out-of-range'))
  }
  await assert.rejects(inclusionProof(8, 8, log.read), refusal('index-out-of-range'))
  await assert.rejects(consistencyProof(9, 8, log.read), refusal('size-out-of-range'))
  assert.throws(() => Frontier.from(3, new Uint8Array(32)), refusal('hashes-length'))
  assert.throws(() => new Frontier().append(new Uint8Array(31)), refusal('hash-length'))
  assert.throws(() => new Frontier().append(new Uint8Array(40), 9), refusal('hash-length'))
})

test('a reader that answers short or long is found out', async () => {
  const { log } = oracle(300)
  for (const wrong of [-32, -1, 1, 32]) {
    const read = async (level: number, start: number, count: number) => {
      const hashes = await log.read(level, start, count)
      return wrong < 0 ? hashes.slice(0, wrong) : new Uint8Array([...hashes, ...new Uint8Array(wrong)])
    }
    await assert.rejects(rootAt(300, read), refusal('hashes-length'))
    await assert.rejects(inclusionProof(5, 300, read), refusal('hashes-length'))
  }
})

test('Buffer.slice is a view: proofs over a reader of Node Buffers leave its bytes as they were', async () => {
  const { log, naive } = oracle(300)
  const level0 = Buffer.concat(log.leaves)
  const before = Buffer.from(level0)
  const read: HashReader = async (level, start, count) => {
    return level === 0 ? level0.subarray(start * 32, (start + count) * 32) : await log.read(level, start, count)
  }
  assert.deepEqual((await inclusionProof(7, 300, read)).map(hex), naive.path(7, 0, 300))
  assert.deepEqual((await consistencyProof(200, 300, read)).map(hex), naive.consistency(200, 300))
  assert.equal(hex(await rootAt(300, read)), naive.root(0, 300))
  assert.deepEqual(level0, before)
})
