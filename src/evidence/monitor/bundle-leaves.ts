// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The leaf hashes of a bundle's entries, by the platform, which is faster than the hash that runs anywhere. */
import { hash } from 'node:crypto'
import { HASH_BYTES } from '@stele/proof'

/** 32 bytes an entry: SHA-256(0x00 ‖ entry) of each. */
export function bundleLeaves(entries: readonly Uint8Array[]): Buffer {
  const leaves = Buffer.allocUnsafe(entries.length * HASH_BYTES)
  let leaf = Buffer.alloc(1 + 1024)
  for (const [position, entry] of entries.entries()) {
    if (entry.length >= leaf.length) leaf = Buffer.alloc(1 + 2 * entry.length)
    leaf.set(entry, 1)
    leaves.write(hash('sha256', leaf.subarray(0, 1 + entry.length), 'binary'), position * HASH_BYTES, 'latin1')
  }
  return leaves
}
