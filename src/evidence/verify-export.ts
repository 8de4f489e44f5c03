// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies the export of a result with its signed summary, offline and in bounded memory: the ledger's key has signed the
 * summary, the file is the one that it is of, and each event is what its entry commits to, in the place that the summary
 * allows, and, where lines of NDJSON prove that, in the tree whose root it names. That nothing else matched is not
 * shown by any of it.
 */
import { createHash } from 'node:crypto'
import {
  contentHash,
  ed25519Verifier,
  equalBytes,
  type ExportSummary,
  fromBase64,
  fromBase64Url,
  hashLeaf,
  openExportSummary,
  parseEntry,
  parseExportSummary,
  parseNote,
  parseVkey,
  ProofError,
  utf8,
  verifyInclusion,
  verifyRotations,
} from '@stele/proof'
import { csvCells, type ExportedHit, ExportRecords, hitOfCells, hitOfLine, RecordFault } from './export-records.ts'
import { type KnownLog, type KnownLogs, type RetiredKey, retiredKeys } from './known-logs.ts'
import { readCheckpoint } from './signatures.ts'
import { NoKeyError } from './verify-receipt.ts'

interface ExportCheck {
  readonly what: string
  /** Undefined where it could not be checked. */
  readonly ok: boolean | undefined
  readonly detail: string
}

export interface ExportVerdict {
  readonly verdict: 'valid' | 'self-consistent' | 'invalid'
  readonly summary: ExportSummary | undefined
  readonly checks: readonly ExportCheck[]
  readonly trust: 'key' | 'pinned before' | 'seen before'
  /** The key was followed by another; nothing shows that the summary was made before. */
  readonly retired?: RetiredKey
}

export interface ExportOptions {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly note: Uint8Array
  readonly vkey: string | undefined
  /** Statements that lead on from that key, of the log of this origin. */
  readonly rotations: (origin: string) => readonly string[]
  readonly knownLogs: KnownLogs
}

/** Throws a NoKeyError where only the key is missing. */
export async function verifyExport({
  chunks,
  note,
  vkey,
  rotations,
  knownLogs,
}: ExportOptions): Promise<ExportVerdict> {
  const checks: ExportCheck[] = []
  const claimed = claimedSummary(note)
  const known = claimed === undefined ? undefined : await knownLogs.find(claimed.origin)
  const trust = vkey !== undefined ? 'key' : known?.pinned === true ? 'pinned before' : 'seen before'
  if (claimed !== undefined && vkey === undefined && known === undefined) throw new NoKeyError(claimed.origin)
  const { keys, former } = await keysOf(vkey, claimed === undefined ? [] : rotations(claimed.origin), known)
  const opened = await openSummary(note, keys)
  if ('fault' in opened) {
    const failed = { what: 'the summary', ok: false, detail: opened.fault }
    return { verdict: 'invalid', summary: undefined, checks: [failed], trust }
  }
  const { summary, signer } = opened
  checks.push({ what: 'the summary', ok: true, detail: `a key of ${summary.origin} has signed it` })
  checks.push(...headChecks(summary, known))
  checks.push(...(await fileChecks(chunks, summary)))
  const retired = former.find((key) => key.vkey === signer)
  const isInvalid = checks.some(({ ok }) => ok === false)
  const isVouchedFor = trust !== 'seen before' && retired === undefined
  const verdict = isInvalid ? 'invalid' : isVouchedFor ? 'valid' : 'self-consistent'
  return { verdict, summary, checks, trust, ...(retired === undefined ? {} : { retired }) }
}

/** The keys that may have signed, and which of them others have followed. */
async function keysOf(
  vkey: string | undefined,
  rotations: readonly string[],
  known: KnownLog | undefined,
): Promise<{ readonly keys: readonly string[]; readonly former: readonly RetiredKey[] }> {
  const led = vkey === undefined ? [] : await verifyRotations(vkey, rotations)
  const former = [...retiredKeys(led), ...(known?.retired ?? [])]
  if (vkey !== undefined) return { keys: led.map((period) => period.vkey), former }
  return { keys: [known?.vkey ?? '', ...former.map((key) => key.vkey)], former }
}

/** What it says, whoever has signed it. */
function claimedSummary(note: Uint8Array): ExportSummary | undefined {
  try {
    return parseExportSummary(parseNote(note).text)
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}

async function openSummary(
  note: Uint8Array,
  vkeys: readonly string[],
): Promise<{ readonly summary: ExportSummary; readonly signer: string } | { readonly fault: string }> {
  try {
    const verifiers = vkeys.filter((vkey) => vkey !== '').map((vkey) => ed25519Verifier(parseVkey(vkey)))
    const { summary, verifier } = await openExportSummary(note, verifiers)
    const signer = vkeys.find((vkey) => vkey !== '' && parseVkey(vkey).keyId === verifier.keyId)
    return { summary, signer: signer ?? '' }
  } catch (error) {
    if (error instanceof ProofError) return { fault: error.message }
    throw error
  }
}

/** The tree that the summary names must be the one that was seen of the log, where its size was seen. */
function headChecks({ size, root, origin }: ExportSummary, known: KnownLog | undefined): ExportCheck[] {
  const head = known?.head === undefined ? 'none' : readCheckpoint(Buffer.from(known.head))
  if (typeof head === 'string' || head.size !== size) return []
  const ok = equalBytes(head.root, root)
  const detail = ok ? 'is the one that was seen before' : `${origin} has signed two roots for ${size} entries`
  return [{ what: 'the tree head', ok, detail }]
}

async function fileChecks(chunks: AsyncIterable<Uint8Array>, summary: ExportSummary): Promise<ExportCheck[]> {
  const digest = createHash('sha256')
  const { format } = summary
  const events = format === 'ndjson' || format === 'csv' ? new Events(summary, format) : undefined
  let bytes = 0
  for await (const chunk of chunks) {
    digest.update(chunk)
    bytes += chunk.length
    events?.add(chunk)
  }
  const isSame = bytes === summary.bytes && equalBytes(digest.digest(), summary.sha256)
  const detail = isSame
    ? 'it is byte for byte what the server gave'
    : 'it is not what the server gave: it was changed or cut'
  return [{ what: 'the file', ok: isSame, detail }, ...(events?.end() ?? [unknownForm])]
}

const unknownForm: ExportCheck = {
  what: 'the events',
  ok: undefined,
  detail: 'this version of Stele does not know the format of the file',
}

/** The events of an export, checked as they come. */
class Events {
  readonly #summary: ExportSummary
  readonly #isCsv: boolean
  readonly #records: ExportRecords
  #header: readonly string[] | undefined
  #count = 0
  #provenCount = 0
  #first = Infinity
  #last = -1
  #before: Pick<ExportedHit, 'time' | 'index'> | undefined
  #fault: string | undefined

  constructor(summary: ExportSummary, format: 'ndjson' | 'csv') {
    this.#summary = summary
    this.#isCsv = format === 'csv'
    this.#records = new ExportRecords(format)
  }

  /** What is behind a fault is not looked at. */
  add(chunk: Uint8Array): void {
    if (this.#fault !== undefined) return
    try {
      for (const text of this.#records.add(chunk)) this.#record(text)
    } catch (error) {
      if (!(error instanceof RecordFault) && !(error instanceof ProofError)) throw error
      const isHeader = this.#isCsv && this.#header === undefined
      this.#fault = `${isHeader ? 'the header' : `${this.#isCsv ? 'row' : 'line'} ${this.#count + 1}`}: ${error.message}`
    }
  }

  end(): ExportCheck[] {
    const what = 'the events'
    const isHeaded = !this.#isCsv || this.#header !== undefined
    const { count, first = Infinity, last = -1, size } = this.#summary
    const isAll =
      this.#count === count && this.#first === first && this.#last === last && isHeaded && !this.#records.hasRest
    const fault = this.#fault ?? (isAll ? undefined : `there are ${this.#count}, and not those that the summary counts`)
    if (fault !== undefined) return [{ what, ok: false, detail: fault }]
    const held = { what, ok: true, detail: `each of the ${count} is what its entry commits to, in order, each once` }
    if (count === 0) return [held]
    const proven = `each entry is proven to be in the tree of ${size} entries`
    if (this.#provenCount === count) return [held, { what: 'the entries', ok: true, detail: proven }]
    const detail =
      'that they are in the tree is the word of its signer: no proofs stand beside them (export NDJSON with --receipts)'
    return [held, { what: 'the entries', ok: undefined, detail }]
  }

  #record(text: string): void {
    if (this.#isCsv && this.#header === undefined) this.#header = csvCells(text)
    else {
      this.#check(this.#header === undefined ? hitOfLine(text) : hitOfCells(this.#header, csvCells(text)))
      this.#count++
    }
  }

  #check(hit: ExportedHit): void {
    const { index, time, proof } = hit
    const entry = checkContent(hit)
    const before = this.#before
    const isBehind = before === undefined || time < before.time || (time === before.time && index < before.index)
    if (!isBehind) throw new RecordFault('it is not newest first, each once')
    if (index >= this.#summary.size) throw new RecordFault('its index is beyond what was searched')
    if (proof !== undefined) {
      const { size, root } = this.#summary
      verifyInclusion(hashLeaf(entry), index, size, proof.map(fromBase64), root)
      this.#provenCount++
    }
    this.#before = { time, index }
    this.#first = Math.min(this.#first, index)
    this.#last = Math.max(this.#last, index)
  }
}

/** The bytes of the entry, which commits to the event. */
function checkContent({ entry: text, at, source, salt, event, eventBase64 }: ExportedHit): Uint8Array {
  const bytes = utf8(text)
  const entry = parseEntry(bytes)
  if ((event === undefined) === (eventBase64 === undefined))
    throw new RecordFault('the event is there twice, or not at all')
  const content = event === undefined ? fromBase64(eventBase64 ?? '') : utf8(event)
  const isCommitted =
    entry.size === content.length && equalBytes(contentHash(fromBase64(salt), content), fromBase64Url(entry.sha256))
  if (!isCommitted) throw new RecordFault('the event is not what its entry commits to')
  if (entry.at !== at || entry.source !== source) throw new RecordFault('the event is not what its entry says')
  return bytes
}
