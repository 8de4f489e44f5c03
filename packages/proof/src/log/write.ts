// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a log or a witness writes: the opposite of every parser. Each text is read again by its parser before it is
// given out, so that nothing leaves that a verifier would refuse.

import { parseCheckpoint, type TreeHead } from '../checkpoint.ts'
import { parseCosignature, uint64, type Cosignature } from '../cosignature.ts'
import { concat, fromUtf8, toBase64, utf8 } from '../encoding.ts'
import {
  canonicalJson,
  MAX_ENTRY_BYTES,
  parseEntry,
  SALT_BYTES,
  SOURCE_PATTERN,
  type Entry,
  type EntrySource,
} from '../entry.ts'
import { type ExportSummary, parseExportSummary, summaryLines } from '../export/summary.ts'
import { demand, isKeyName, PROOF_HEADER, ROTATION_HEADER, SUMMARY_HEADER } from '../inner.ts'
import { keyIdOf, parseVkey } from '../key.ts'
import { noteMessage, parseNote } from '../note.ts'
import { parseProof, parseReceipt, splitWitnessedReceipt, type Proof, type Receipt } from '../receipt.ts'
import { readRotationText, type Rotation } from '../rotation.ts'

/** Takes a source apart. Throws `entry-malformed`. */
export function entrySource(text: string): EntrySource {
  const match = SOURCE_PATTERN.exec(text)
  const form = 'a source has the form type[/instance[/stream]]'
  demand(match !== null, 'entry-malformed', form, { field: 'source' })
  const [, type = '', instance, stream] = match
  return { type, ...(instance === undefined ? {} : { instance }), ...(stream === undefined ? {} : { stream }) }
}

/** base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The text form of a public key: `name+hex key id+base64(alg ‖ public key)`. Throws `key-malformed`. */
export function formatVkey(name: string, alg: number, publicKey: Uint8Array): string {
  const id = keyIdOf(name, alg, publicKey).toString(16).padStart(8, '0')
  const vkey = `${name}+${id}+${toBase64(concat(Uint8Array.of(alg), publicKey))}`
  parseVkey(vkey)
  return vkey
}

/** A signature line, newline included. Throws `key-malformed`, `note-malformed`. */
export function formatSignatureLine(name: string, keyId: number, signature: Uint8Array): string {
  demand(isKeyName(name), 'key-malformed', 'a key name is not empty and has no spaces and no plus sign')
  const id = new Uint8Array(4)
  new DataView(id.buffer).setUint32(0, keyId)
  const line = `— ${name} ${toBase64(concat(id, signature))}\n`
  parseNote(utf8(`text\n\n${line}`))
  return line
}

/** A whole note: `text`, a blank line, and lines made by `formatSignatureLine`. Throws `note-malformed`. */
export function formatNote(text: string, signatureLines: readonly string[]): string {
  noteMessage(text)
  demand(signatureLines.length > 0, 'note-malformed', 'a note has at least one signature')
  return `${text}\n${signatureLines.join('')}`
}

/** The text of a checkpoint, to be signed. Throws `checkpoint-malformed`. */
export function formatCheckpoint(head: TreeHead): string {
  const text = `${head.origin}\n${head.size}\n${toBase64(head.root)}\n`
  parseCheckpoint(text)
  return text
}

/**
 * The bytes of a cosignature as a signature line holds them behind the key id. Throws `signature-invalid`, and
 * `checkpoint-malformed` for a time that is none.
 */
export function formatCosignature({ time, signature }: Cosignature): Uint8Array {
  const bytes = concat(uint64(time), signature)
  parseCosignature(bytes)
  return bytes
}

/** The text of a rotation, to be signed by the old Ed25519 key and then by the new one. Throws `rotation-malformed`. */
export function formatRotation({ origin, end, vkey, mldsaVkey }: Rotation): string {
  const keys = mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]
  const text = `${[ROTATION_HEADER, origin, end.size, toBase64(end.root), ...keys].join('\n')}\n`
  readRotationText(text)
  return text
}

/** The text of an export's summary, to be signed. Throws `summary-malformed`. */
export function formatExportSummary({ origin, size, root, sha256, ...rest }: ExportSummary): string {
  const lines = summaryLines({ ...rest, sha256: toBase64(sha256) })
  const text = `${[SUMMARY_HEADER, origin, size, toBase64(root), ...lines].join('\n')}\n`
  parseExportSummary(text)
  return text
}

/** The line of an entry, without a newline. Throws `entry-malformed` where a field is not of its form. */
export function formatEntry(entry: Entry): string {
  const line =
    `{"v":1,"at":${JSON.stringify(entry.at)},"source":${JSON.stringify(entry.source)},"by":${JSON.stringify(entry.by)}` +
    (entry.via === undefined ? '' : `,"via":${JSON.stringify(entry.via)}`) +
    (entry.asserted === undefined ? '' : `,"asserted":${entry.asserted}`) +
    `,"media":${JSON.stringify(entry.media)},"size":${entry.size},"sha256":${JSON.stringify(entry.sha256)}` +
    (entry.ext === undefined ? '' : `,"ext":${canonicalJson(entry.ext)}`) +
    '}'
  parseEntry(utf8(line))
  return line
}

/** An entry bundle: each entry behind its length as a big-endian uint16. Throws `bundle-malformed`. */
export function formatBundle(entries: readonly Uint8Array[]): Uint8Array {
  const framed = entries.map((entry, position) => {
    const { length } = entry
    const isEntry = length <= MAX_ENTRY_BYTES
    demand(isEntry, 'bundle-malformed', `an entry has at most ${MAX_ENTRY_BYTES} bytes`, { position })
    return concat(Uint8Array.of(length >>> 8, length), entry)
  })
  return concat(...framed)
}

/** The text of a proof; `checkpoint` is copied verbatim. Throws `proof-malformed`. */
export function formatProof(proof: Omit<Proof, 'checkpoint'> & { readonly checkpoint: Uint8Array | string }): string {
  const checkpoint = typeof proof.checkpoint === 'string' ? proof.checkpoint : fromUtf8(proof.checkpoint)
  const extra = proof.extra === undefined ? [] : [`extra ${toBase64(proof.extra)}`]
  const lines = [PROOF_HEADER, ...extra, `index ${proof.index}`, ...proof.hashes.map(toBase64)]
  const text = `${lines.join('\n')}\n\n${checkpoint}`
  parseProof(text)
  return text
}

/** The text of a receipt: a proof whose extra is `salt ‖ entry`. Throws `proof-malformed`, `receipt-malformed`. */
export function formatReceipt(
  receipt: Omit<Receipt, 'checkpoint'> & { readonly checkpoint: Uint8Array | string },
): string {
  const { salt, entry } = receipt
  demand(salt.length === SALT_BYTES, 'receipt-malformed', `a salt has ${SALT_BYTES} bytes`, { field: 'salt' })
  return formatProof({ ...receipt, extra: concat(salt, entry) })
}

/**
 * A witnessed receipt: the receipt of an event, directly followed by the receipt of its checkpoint in `heads`, whose event
 * is that checkpoint's bytes. Throws `proof-malformed`, `receipt-malformed`.
 */
export function formatWitnessedReceipt(parts: { readonly receipt: string; readonly headsReceipt: string }): string {
  const { receipt, headsReceipt } = parts
  const { headsReceipt: second } = splitWitnessedReceipt(utf8(receipt + headsReceipt))
  const isPair = second !== undefined && fromUtf8(second) === headsReceipt
  demand(isPair, 'receipt-malformed', 'these are not two receipts')
  parseReceipt(receipt)
  parseReceipt(headsReceipt)
  return receipt + headsReceipt
}
