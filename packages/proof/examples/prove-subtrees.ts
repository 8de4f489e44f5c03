// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A subtree is a part of a tree that somebody can sign or check alone: here the leaves 4 and 5 of 7.

import {
  frontierAt,
  hashLeaf,
  hashNode,
  hashNodeInto,
  rootAt,
  subtreeConsistencyProof,
  subtreeInclusionProof,
  toBase64,
  utf8,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from '@stele/proof'

const leaves = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map((entry) => hashLeaf(utf8(entry)))

async function read(level: number, start: number, count: number): Promise<Uint8Array> {
  if (level > 0) throw new Error('a tree of fewer than 256 leaves has level 0 only')
  return await new Blob(leaves.slice(start, start + count).map((leaf) => new Uint8Array(leaf))).bytes()
}

const root = await rootAt(7, read)
const frontier = await frontierAt(6, read, hashNodeInto)
frontier.append(leaves[6]!)
console.log(toBase64(frontier.root()) === toBase64(root))

const subtreeRoot = hashNode(leaves[4]!, leaves[5]!)
const inclusion = await subtreeInclusionProof(5, 4, 6, read)
verifySubtreeInclusion(leaves[5]!, 5, 4, 6, inclusion, subtreeRoot)
console.log('number 5 is in [4, 6):', inclusion.length, 'hash')

const consistency = await subtreeConsistencyProof(4, 6, 7, read)
verifySubtreeConsistency(4, 6, subtreeRoot, 7, root, consistency)
console.log('[4, 6) is part of the tree of 7:', consistency.length, 'hashes')

// Prints:
// true
// number 5 is in [4, 6): 1 hash
// [4, 6) is part of the tree of 7: 2 hashes
