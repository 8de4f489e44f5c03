// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a log hands out: an entry that commits to an event, its proof, and both as a receipt. A second receipt, of the
// checkpoint in the log of heads, can follow in the same file.

import {
  concat,
  contentHash,
  entrySource,
  formatCheckpoint,
  formatEntry,
  formatProof,
  formatReceipt,
  formatWitnessedReceipt,
  fromBase64Url,
  fromUtf8,
  hashLeaf,
  parseEntry,
  parseProof,
  parseReceipt,
  splitWitnessedReceipt,
  toBase64Url,
  utf8,
  verifyCheckpoint,
  verifyProof,
  verifyReceipt,
} from '@stele/proof'

const signature = '— nobody AAAAAAA=\n'

function receiptOf(event: Uint8Array, origin: string) {
  const salt = new Uint8Array(16).fill(7)
  const entry = formatEntry({
    at: '2026-01-02T03:04:05.678Z',
    source: 'entra.audit/tenant-1',
    by: 'tok-1',
    media: 'text/plain',
    size: event.length,
    sha256: toBase64Url(contentHash(salt, event)),
  })
  const checkpoint = `${formatCheckpoint({ origin, size: 1, root: hashLeaf(utf8(entry)) })}\n${signature}`
  return formatReceipt({ salt, entry: utf8(entry), index: 0, hashes: [], checkpoint })
}

const event = utf8('{"activityDisplayName":"Add member to role"}')
const receipt = receiptOf(event, 'example.com/abc/main')
const { entry, checkpoint } = parseReceipt(receipt)
const { source, sha256 } = parseEntry(entry)
console.log(entrySource(source), fromBase64Url(sha256).length, 'bytes of hash')

const headsReceipt = receiptOf(checkpoint, 'example.com/abc/heads')
const file = utf8(formatWitnessedReceipt({ receipt, headsReceipt }))
const parts = splitWitnessedReceipt(file)
console.log(fromUtf8(concat(parts.receipt, parts.headsReceipt!)) === receipt + headsReceipt)
console.log((await verifyReceipt(event, file)).verdict, '-', 'nobody whom you trust has signed it')

// Other logs' proofs carry no entry; a head can be verified alone.
const { index, hashes } = parseProof(receipt)
console.log((await verifyProof(entry, formatProof({ index, hashes, checkpoint }))).verdict)
console.log((await verifyCheckpoint(checkpoint)).summary[1])

// Prints:
// { type: 'entra.audit', instance: 'tenant-1' } 32 bytes of hash
// true
// self-consistent - nobody whom you trust has signed it
// self-consistent
// If it is true: This is a head of the log example.com/abc/main, of 1 entry.
