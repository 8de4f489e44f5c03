// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Hundreds of thousands of proofs, a minute or two. The quick tests take a part of these.

import { test } from 'node:test'

import { checkConsistency, checkInclusion, oracle, ORACLE_SIZE } from '../proofs.ts'

test('every inclusion and every consistency proof to size 512, and of every 16th size to 1,024, is the naive tree’s', async () => {
  const { log, naive } = oracle(ORACLE_SIZE)
  for (let size = 0; size <= ORACLE_SIZE; size += size < 512 ? 1 : 16) {
    await checkInclusion(log, naive, size)
    await checkConsistency(log, naive, size)
  }
})
