// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Hashes by the platform, in half the time of the ones that run anywhere. */
import { hash } from 'node:crypto'
import type { NodeHasher } from '@stele/proof'
import { hashInto, type RowHasher } from '../platform/row-hasher.ts'
import { HASH_BYTES } from './wal/format.ts'

/** One for each tree: it has a node's bytes in a place of its own. */
export function platformNodeHasher(): NodeHasher {
  const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1)
  const digest = Buffer.alloc(HASH_BYTES)
  return (out, outOffset, left, leftOffset, right, rightOffset) => {
    // For so few bytes a call of `set` would cost more.
    for (let at = 0; at < HASH_BYTES; at++) node[1 + at] = left[leftOffset + at]!
    for (let at = 0; at < HASH_BYTES; at++) node[1 + HASH_BYTES + at] = right[rightOffset + at]!
    digest.write(hash('sha256', node, 'binary'), 'latin1')
    for (let at = 0; at < HASH_BYTES; at++) out[outOffset + at] = digest[at]!
  }
}

/** SHA-256, as the check of a folder asks for it. */
export interface PlatformHasher {
  into(bytes: Uint8Array, into: Uint8Array, at: number): void
  text(bytes: Uint8Array): string
  readonly rows?: RowHasher
}

/** `rows` is worth its start for many entries. */
export function platformHasher(rows?: RowHasher): PlatformHasher {
  return {
    ...(rows === undefined ? {} : { rows }),
    into: hashInto,
    text: (bytes) => hash('sha256', bytes, 'base64url'),
  }
}
