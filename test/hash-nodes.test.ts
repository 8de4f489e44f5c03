// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashNode } from '@stele/proof'
import { platformNodeHasher } from '../src/ledger/hash-nodes.ts'
import { SeededRandom } from './scratch.ts'

test("the platform's hash of a node is the package's, wherever its bytes lie and even in its own place", () => {
  const random = new SeededRandom(7)
  const hashInto = platformNodeHasher()
  for (let turn = 0; turn < 200; turn++) {
    const bytes = new Uint8Array(100)
    random.fill(bytes, 0, bytes.length)
    const expected = hashNode(bytes.slice(3, 35), bytes.slice(40, 72))
    const out = [0, 3, 20, 40, 60][turn % 5] ?? 0
    hashInto(bytes, out, bytes, 3, bytes, 40)
    assert.deepEqual(bytes.slice(out, out + 32), expected)
  }
})
