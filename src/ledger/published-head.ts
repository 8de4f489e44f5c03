// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { parseCheckpoint } from '@stele/proof'

/** What `heads` last said of a ledger. */
export interface Published {
  readonly size: number
  readonly root: string
}

/** Which ledger a checkpoint in `heads` speaks of, and what it says; signatures are not looked at here. */
export function publishedHead(note: Uint8Array): { ledger: string; size: number; root: string } {
  const text = Buffer.from(note).toString('utf8')
  const checkpoint = parseCheckpoint(text.slice(0, text.lastIndexOf('\n\n') + 1))
  const ledger = checkpoint.origin.slice(checkpoint.origin.lastIndexOf('/') + 1)
  return { ledger, size: checkpoint.size, root: Buffer.from(checkpoint.root).toString('hex') }
}
