// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Makes and verifies proofs over any store of tile hashes: here over an array of leaves, so there is level 0 alone.

import {
  consistencyProof,
  Frontier,
  hashLeaf,
  hashNode,
  inclusionProof,
  inclusionProofBySubtrees,
  type Subtree,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@stele/proof'

const leaves = ['one', 'two', 'three', 'four', 'five'].map((entry) => hashLeaf(utf8(entry)))
const frontier = new Frontier()
const roots = leaves.map((leaf) => {
  frontier.append(leaf)
  return frontier.root()
})

async function read(level: number, start: number, count: number): Promise<Uint8Array> {
  if (level > 0) throw new Error('a tree of fewer than 256 leaves has level 0 only')
  return await new Blob(leaves.slice(start, start + count).map((leaf) => new Uint8Array(leaf))).bytes()
}

const inclusion = await inclusionProof(2, 5, read)
verifyInclusion(hashLeaf(utf8('three')), 2, 5, inclusion, frontier.root())
console.log('number 2 of 5 is "three":', inclusion.length, 'hashes')

// The same proof, from a store that has every complete subtree's root.
const rootOf = ({ height, position }: Subtree): Uint8Array =>
  height === 0
    ? leaves[position]!
    : hashNode(
        rootOf({ height: height - 1, position: position * 2 }),
        rootOf({ height: height - 1, position: position * 2 + 1 }),
      )
const bySubtrees = await inclusionProofBySubtrees(2, 5, async (subtrees) => await Promise.resolve(subtrees.map(rootOf)))
verifyInclusion(hashLeaf(utf8('three')), 2, 5, bySubtrees, frontier.root())

const consistency = await consistencyProof(3, 5, read)
verifyConsistency(3, roots[2]!, 5, roots[4]!, consistency)
console.log('the first 3 of the 5 are those that there were:', consistency.length, 'hashes')

// Prints:
// number 2 of 5 is "three": 3 hashes
// the first 3 of the 5 are those that there were: 4 hashes
