// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Receipts of ledgers that have one event, made for tests of what people read.

import {
  contentHash,
  formatCheckpoint,
  formatEntry,
  formatNote,
  formatReceipt,
  formatWitnessedReceipt,
  hashLeaf,
  parseReceipt,
  toBase64Url,
  utf8,
} from '../src/index.ts'
import { logSigner, mldsaSigner, type TestSigner, witnessSigner } from './signers.ts'

/** A witness, and when it saw the head, in Unix seconds. */
export type Sight = readonly [witness: TestSigner, time: number]

/** A receipt of `event` as the only one of the log `origin`, cosigned by those who saw its head. */
export function receiptOf(event: Uint8Array, origin: string, sights: readonly Sight[] = []): string {
  const salt = new Uint8Array(16).fill(7)
  const sha256 = toBase64Url(contentHash(salt, event))
  const at = '2026-01-02T03:04:05.678Z'
  const media = 'application/json'
  const entry = utf8(formatEntry({ at, source: 'generic', by: 'tok-1', media, size: event.length, sha256 }))
  const text = formatCheckpoint({ origin, size: 1, root: hashLeaf(entry) })
  const cosignatures = sights.map(([witness, time]) => witness.cosign(text, time))
  const checkpoint = formatNote(text, [logSigner(origin).sign(text), ...cosignatures])
  return formatReceipt({ salt, entry, index: 0, hashes: [], checkpoint })
}

/** The origin of the heads of the server that has the log `origin`. */
export function headsOf(origin: string): string {
  return `${origin.slice(0, origin.lastIndexOf('/'))}/heads`
}

/** The same with the receipt of its checkpoint in `heads`, whose head has an ML-DSA-44 signature as well. */
export function witnessedReceiptOf(event: Uint8Array, origin: string, sights: readonly Sight[]): string {
  const receipt = receiptOf(event, origin)
  const heads = headsOf(origin)
  const itself = [mldsaSigner(heads), 1_800_000_000] as const
  const headsReceipt = receiptOf(parseReceipt(receipt).checkpoint, heads, [itself, ...sights])
  return formatWitnessedReceipt({ receipt, headsReceipt })
}

/** A policy that trusts the log `origin` where all of `witnesses` have cosigned; they are called `<i>0</i>` and so on. */
export function policyOf(origin: string, witnesses: readonly TestSigner[]): string {
  const names = witnesses.map((_, i) => `<i>${i}</i>`)
  return [
    `log ${logSigner(origin).vkey}`,
    ...witnesses.map(({ vkey }, i) => `witness ${names[i]} ${vkey}`),
    names.length === 0 ? 'quorum none' : `group all all ${names.join(' ')}\nquorum all`,
    '',
  ].join('\n')
}

export function witness(number: number): TestSigner {
  return witnessSigner(`witness.example/<i>${number}</i>`)
}
