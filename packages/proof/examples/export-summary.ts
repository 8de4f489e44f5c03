// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whoever is given an export holds its bytes against the summary that the ledger signed: which question it answers, at
// which size of the tree. That nothing else matched, it does not show.

import { generateKeyPairSync, sign } from 'node:crypto'

import {
  ALG_ED25519,
  ed25519Verifier,
  formatExportSummary,
  formatNote,
  formatSignatureLine,
  formatVkey,
  isExportSummary,
  keyIdOf,
  openExportSummary,
  parseExportSummary,
  sha256,
  utf8,
} from '@stele/proof'

const origin = 'audit.example.com/k3v7q2m5x8r4t/main'
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
const vkey = formatVkey(origin, ALG_ED25519, raw)

const exported = utf8('{"index":17}\n')
const text = formatExportSummary({
  origin,
  size: 300,
  root: sha256(utf8('the root of the first 300 entries')),
  entries: 302,
  asked: '2026-03-01T09:30:00.000Z',
  format: 'ndjson',
  query: 'actor:alice',
  bytes: exported.length,
  sha256: sha256(exported),
  count: 1,
  first: 17,
  last: 17,
  leftOut: 0,
})
const note = utf8(
  formatNote(text, [
    formatSignatureLine(origin, keyIdOf(origin, ALG_ED25519, raw), sign(null, utf8(text), privateKey)),
  ]),
)

console.log('a summary:', isExportSummary(note), 'of', parseExportSummary(text).count, 'event')
const { summary } = await openExportSummary(note, [ed25519Verifier(vkey)])
console.log(summary.query, 'in the first', summary.size, 'of', summary.entries, 'entries')

// Prints:
// a summary: true of 1 event
// actor:alice in the first 300 of 302 entries
