// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Whether an event with its salt is the one that an entry of a ledger commits to. */
import { hash } from 'node:crypto'
import { parseEntry, ProofError, SALT_BYTES } from '@stele/proof'

export function fitsEntry(entry: Uint8Array, salt: Uint8Array, event: Uint8Array): boolean {
  try {
    return (
      salt.length === SALT_BYTES &&
      parseEntry(entry).sha256 === hash('sha256', Buffer.concat([salt, event]), 'base64url')
    )
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}
