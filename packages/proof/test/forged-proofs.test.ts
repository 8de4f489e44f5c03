// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs that were made or altered to deceive, and trees too large for 32 bits.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  consistencyProof,
  EMPTY_ROOT,
  Frontier,
  frontierAt,
  hashLeaf,
  hashNode,
  inclusionProof,
  ProofError,
  rootAt,
  verifyConsistency,
  verifyInclusion,
  type HashReader,
} from '../src/index.ts'
import { oracle } from './proofs.ts'

/** A hash that is in none of the trees. */
const FOREIGN = hashLeaf(new TextEncoder().encode('of another log'))

const SIZES = [1, 2, 3, 6, 7, 8, 9, 31, 32, 33]

function flipped(hash: Uint8Array): Uint8Array {
  const copy = hash.slice()
  copy[31]! ^= 1
  return copy
}

/** Proofs of the same length or nearly, each wrong in one place. */
function forgeries(proof: readonly Uint8Array[], foreign: Uint8Array): Uint8Array[][] {
  const replaced = proof.flatMap((hash, i) => [proof.with(i, flipped(hash)), proof.with(i, foreign)])
  const swapped = proof.slice(1).map((hash, i) => proof.with(i, hash).with(i + 1, proof[i]!))
  const shorter = proof.map((_, i) => proof.toSpliced(i, 1))
  const longer = [...proof, foreign].flatMap((_, i) => [
    proof.toSpliced(i, 0, foreign),
    proof.toSpliced(i, 0, EMPTY_ROOT),
  ])
  const cut = proof.map((hash, i) => proof.with(i, hash.subarray(0, 31)))
  return [...replaced, ...swapped, ...shorter, ...longer, ...cut]
}

function assertRefused(name: string, run: () => void): void {
  assert.throws(run, ProofError, name)
}

test('immudb CVE-2022-36111: a proof that is altered anywhere, the middle too, is refused', async () => {
  const { log } = oracle(33)
  for (const size of SIZES) {
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(index, size, log.read)
      for (const forged of forgeries(proof, FOREIGN)) {
        assertRefused(`${index} of ${size}`, () =>
          verifyInclusion(log.leaves[index]!, index, size, forged, log.roots[size]!),
        )
      }
    }
    for (let oldSize = 1; oldSize <= size; oldSize++) {
      const proof = await consistencyProof(oldSize, size, log.read)
      for (const forged of forgeries(proof, FOREIGN)) {
        assertRefused(`${oldSize} to ${size}`, () =>
          verifyConsistency(oldSize, log.roots[oldSize]!, size, log.roots[size]!, forged),
        )
      }
    }
  }
})

test('immudb#2063: a right proof at a wrong index, for another leaf, size or root is refused', async () => {
  const { log } = oracle(33)
  for (const size of SIZES) {
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(index, size, log.read)
      for (let other = 0; other <= 33; other++) {
        if (other !== index) {
          assertRefused('index', () => verifyInclusion(log.leaves[index]!, other, size, proof, log.roots[size]!))
        }
        if (other !== index && other < 33) {
          assertRefused('leaf', () => verifyInclusion(log.leaves[other]!, index, size, proof, log.roots[size]!))
        }
        if (other !== size) {
          assertRefused('root', () => verifyInclusion(log.leaves[index]!, index, size, proof, log.roots[other]!))
        }
      }
    }
  }
})

test('the number of hashes is checked before anything is hashed', () => {
  const { log } = oracle(8)
  const poison = new Proxy(new Uint8Array(32), {
    get: (target, key) => {
      if (key === 'length') return target.length
      throw new Error('a hash was read')
    },
  })
  for (const count of [0, 1, 2, 4, 5]) {
    assert.throws(() => verifyInclusion(log.leaves[3]!, 3, 8, Array<Uint8Array>(count).fill(poison), log.roots[8]!), {
      name: 'ProofError',
      code: 'proof-length',
    })
  }
  assert.throws(() => verifyInclusion(poison, 8, 8, [poison, poison, poison], poison), { code: 'index-out-of-range' })
  assert.throws(() => verifyConsistency(3, poison, 8, poison, [poison, poison]), { code: 'proof-length' })
})

test('a consistency proof between roots of which one is another log’s is refused', async () => {
  const { log } = oracle(33)
  for (const size of SIZES) {
    for (let oldSize = 0; oldSize <= size; oldSize++) {
      const proof = await consistencyProof(oldSize, size, log.read)
      const [oldRoot, root] = [log.roots[oldSize]!, log.roots[size]!]
      assertRefused('old root', () => verifyConsistency(oldSize, flipped(oldRoot), size, root, proof))
      if (oldSize > 0) assertRefused('root', () => verifyConsistency(oldSize, oldRoot, size, flipped(root), proof))
      if (oldSize < size) assertRefused('swapped', () => verifyConsistency(oldSize, root, size, oldRoot, proof))
    }
  }
})

test('from nothing a proof must be empty and the root that of nothing; at one size the roots must be one', () => {
  const { log } = oracle(4)
  const root = log.roots[4]!
  verifyConsistency(0, EMPTY_ROOT, 4, root, [])
  verifyConsistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
  verifyConsistency(4, root, 4, root, [])
  assert.throws(() => verifyConsistency(0, root, 4, root, []), { code: 'root-mismatch' })
  assert.throws(() => verifyConsistency(0, EMPTY_ROOT, 4, root, [root]), { code: 'proof-length' })
  assert.throws(() => verifyConsistency(0, root, 0, root, []), { code: 'root-mismatch' })
  assert.throws(() => verifyConsistency(0, EMPTY_ROOT, 0, root, []), { code: 'root-mismatch' })
  assert.throws(() => verifyConsistency(4, root, 4, log.roots[3]!, []), { code: 'root-mismatch' })
  assert.throws(() => verifyConsistency(4, root, 4, root, [root]), { code: 'proof-length' })
  assert.throws(() => verifyConsistency(1, new Uint8Array(0), 1, new Uint8Array(0), []), { code: 'hash-length' })
})

test('an inner node passes neither for a leaf nor a leaf for an inner node', () => {
  const { log } = oracle(4)
  const [a, b, c, d] = log.leaves.slice(0, 4) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  const left = hashNode(a, b)
  const right = hashNode(c, d)
  assert.throws(() => verifyInclusion(left, 0, 4, [right], log.roots[4]!), { code: 'proof-length' })
  verifyInclusion(left, 0, 2, [right], log.roots[4]!)
  assert.notDeepEqual(hashLeaf(new Uint8Array([...a, ...b])), left, 'only the size of the checkpoint tells them apart')
})

/** A log of 2^53 - 1 entries that are all alike but for a few, so that the hash of any range is known. */
class HugeLog {
  static readonly special: readonly number[] = [0, 5, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 40 + 12_345, 2 ** 53 - 2]
  readonly #plain: Uint8Array[] = [hashLeaf(new Uint8Array([7]))]

  constructor() {
    for (let height = 0; height < 53; height++) this.#plain.push(hashNode(this.#plain[height]!, this.#plain[height]!))
  }

  /** RFC 6962 MTH(D[start:end]), which skips ranges of plain leaves that are a power of two. */
  root(start: number, end: number): Uint8Array {
    const height = Math.log2(end - start)
    const isPlain = !HugeLog.special.some((index) => index >= start && index < end)
    if (isPlain && 2 ** Math.round(height) === end - start) return this.#plain[Math.round(height)]!
    if (end - start === 1) return this.leaf(start)
    let split = 1
    while (split * 2 < end - start) split *= 2
    return hashNode(this.root(start, start + split), this.root(start + split, end))
  }

  leaf(index: number): Uint8Array {
    return HugeLog.special.includes(index) ? hashLeaf(new TextEncoder().encode(`${index}`)) : this.#plain[0]!
  }

  readonly read: HashReader = async (level, start, count) => {
    const leaves = 256 ** level
    const hashes = Array.from({ length: count }, (_, i) => [
      ...this.root((start + i) * leaves, (start + i + 1) * leaves),
    ])
    return await Promise.resolve(Uint8Array.from(hashes.flat()))
  }
}

test('sizes beyond 2^32: roots, inclusion and consistency hold, and an index wrapped to 32 bits is refused', async () => {
  const log = new HugeLog()
  const sizes = [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32 + 6, 2 ** 33 - 1, 2 ** 40 + 12_346, 2 ** 48, 2 ** 53 - 1]
  for (const size of sizes) {
    const root = log.root(0, size)
    assert.deepEqual(await rootAt(size, log.read), root)
    const edge = await frontierAt(size, log.read)
    assert.deepEqual(edge.root(), root)
    assert.deepEqual(Frontier.from(size, edge.hashes()).root(), root)
    for (const index of HugeLog.special.filter((index) => index < size)) {
      const proof = await inclusionProof(index, size, log.read)
      verifyInclusion(log.leaf(index), index, size, proof, root)
      for (const wrapped of [index % 2 ** 32, index + 2 ** 32]) {
        if (wrapped !== index) {
          assertRefused('wrapped', () => verifyInclusion(log.leaf(index), wrapped, size, proof, root))
        }
      }
    }
    for (const oldSize of sizes.filter((oldSize) => oldSize <= size)) {
      const proof = await consistencyProof(oldSize, size, log.read)
      verifyConsistency(oldSize, log.root(0, oldSize), size, root, proof)
      if (oldSize < size) {
        assertRefused('old size', () => verifyConsistency(oldSize - 1, log.root(0, oldSize), size, root, proof))
      }
    }
  }
})

test('an edge beyond 2^32 goes on, and stops at 2^53 - 1', async () => {
  const log = new HugeLog()
  const edge = await frontierAt(2 ** 32, log.read)
  for (let i = 0; i < 6; i++) edge.append(log.leaf(2 ** 32 + i))
  assert.equal(edge.size, 2 ** 32 + 6)
  assert.deepEqual(edge.root(), log.root(0, 2 ** 32 + 6))
  const last = await frontierAt(2 ** 53 - 2, log.read)
  last.append(log.leaf(2 ** 53 - 2))
  assert.deepEqual(last.root(), log.root(0, 2 ** 53 - 1))
  assert.throws(() => last.append(log.leaf(1)), { code: 'size-out-of-range' })
})
