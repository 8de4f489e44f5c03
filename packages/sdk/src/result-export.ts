// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The export of a result, and its signed summary, which is held against the bytes that came and the question that was
// asked. That no other event matches, nothing here can show.

import { ed25519Verifier, equalBytes, type ExportSummary, fromUtf8, openExportSummary } from '@stele/proof'

import { held } from './answers.ts'
import { untrustworthy } from './error.ts'
import type { SearchQuestion } from './search.ts'

export interface ExportOptions extends SearchQuestion {
  readonly format?: 'ndjson' | 'csv'
  /** NDJSON alone: whether each line proves its entry in the tree that the summary names. */
  readonly receipts?: boolean
  /** By which its summary is asked for: 1 to 64 letters, digits, dashes and underscores. */
  readonly name?: string
  readonly signal?: AbortSignal | undefined
}

/** What was asked for, and what came. */
export interface ExportReceived {
  readonly name: string
  readonly q: string
  readonly format: 'ndjson' | 'csv'
  /** Length and SHA-256 of the bytes that came. */
  readonly bytes: number
  readonly sha256: Uint8Array
  /** The ledger's Ed25519 key. */
  readonly vkey: string
}

export interface CheckedSummary extends ExportSummary {
  /** The signed note. */
  readonly note: string
}

/** Reads a summary: the key has signed it, and it is of what was asked and of what came. */
export async function readSummary(note: Uint8Array, received: ExportReceived): Promise<CheckedSummary> {
  return await held('the summary of the export', async () => {
    const { summary } = await openExportSummary(note, [ed25519Verifier(received.vkey)])
    const { bytes, sha256, query, format } = summary
    if (bytes !== received.bytes || !equalBytes(sha256, received.sha256)) {
      throw untrustworthy('the summary is of other bytes than those that came')
    }
    if (query !== received.q || format !== received.format) throw untrustworthy('the summary is of another question')
    return { ...summary, note: fromUtf8(note) }
  })
}
