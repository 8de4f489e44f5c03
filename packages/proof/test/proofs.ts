// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'

import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from '../src/index.ts'
import { NaiveTree } from './naive-tree.ts'
import { NumberedLog } from './numbered-log.ts'
import { hex } from './signers.ts'

/** The largest tree over which proofs are compared with the naive oracle. */
export const ORACLE_SIZE = 1_024

/** A log and the oracle over the same entries. */
export function oracle(size: number): { log: NumberedLog; naive: NaiveTree } {
  const log = new NumberedLog(size)
  return { log, naive: new NaiveTree(log.leaves.map((_, i) => NumberedLog.entry(i))) }
}

/** For every index below `size`: the proof is the oracle's, and it verifies. */
export async function checkInclusion(log: NumberedLog, naive: NaiveTree, size: number): Promise<void> {
  for (let index = 0; index < size; index++) {
    const proof = await inclusionProof(index, size, log.read)
    assert.deepEqual(proof.map(hex), naive.path(index, 0, size), `the proof of ${index} in ${size}`)
    verifyInclusion(log.leaves[index]!, index, size, proof, log.roots[size]!)
  }
}

/** For every old size up to `size`: the proof is the oracle's, and it verifies. */
export async function checkConsistency(log: NumberedLog, naive: NaiveTree, size: number): Promise<void> {
  for (let oldSize = 0; oldSize <= size; oldSize++) {
    const proof = await consistencyProof(oldSize, size, log.read)
    assert.deepEqual(proof.map(hex), naive.consistency(oldSize, size), `the proof from ${oldSize} to ${size}`)
    verifyConsistency(oldSize, log.roots[oldSize]!, size, log.roots[size]!, proof)
  }
}
