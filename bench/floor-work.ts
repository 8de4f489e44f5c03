// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The least work that an event of 1 KB is: two hashes, and its share of one write. */

/** Salt and event, without its line feed. */
export const CONTENT_BYTES = 1_024
/** The entry of an Entra audit event, with the 0x00 before it. */
export const LEAF_BYTES = 256
/** Leaf hash, and where entry and content end. */
const RECORD_BYTES = 40

/** Bytes that bodies of so many bytes take on the disk. */
export function frameBytes(bodyBytes: number): number {
  return bodyBytes + Math.ceil(bodyBytes / CONTENT_BYTES) * (LEAF_BYTES + RECORD_BYTES)
}
