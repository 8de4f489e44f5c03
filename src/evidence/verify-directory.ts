// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies a data directory, offline and without changing it: every byte in it is either recomputed from the entries,
 * held against a hash or a signature, or named as not looked at. It trusts the heads that were kept outside and the
 * keys that were pinned; without either it can show that all fits together, and says that this is all that it shows.
 */
import { EMPTY_ROOT, type Policy, toBase64 } from '@stele/proof'
import type { Disk } from '../platform/disk.ts'
import { FileCache } from '../ledger/file-cache.ts'
import { readBeside } from './beside.ts'
import { checkBeside } from './beside-check.ts'
import { type AnchorState, anchorState, checkDerived } from './derived-check.ts'
import { concernsEntries, type Finding, Findings, firstBadEntry, type FirstBad } from './finding.ts'
import { coverage, type HeldHead, holdHead, type KeptHead, readHeads, wantedSizes } from './kept-heads.ts'
import type { LedgerReplay } from './ledger-replay.ts'
import { openLog } from './open-log.ts'
import { Replay, type Unfinished } from './replay.ts'
import { type Progress, replayLog } from './replay-log.ts'
import { Signatures } from './signatures.ts'
import { checkSealedBy } from './sealed-by.ts'
import { checkLedgers, checkPinned, checkRotations } from './system-check.ts'
import type { Tail } from './verify-wal.ts'
import type { WalkedFile } from './wal-walk.ts'
import { holdWitnessed, readWitnessed, type WitnessedReport, witnessedRemarks } from './witnessed.ts'

export interface DirectoryOptions {
  readonly disk: Disk
  readonly directory: string
  /** Heads kept outside; read before this is called, so that a running server cannot have moved them past the log. */
  readonly heads?: readonly KeptHead[]
  /** Keys that the caller trusts: each must be the one of its ledger. */
  readonly vkeys?: readonly string[]
  /** What the signatures of kept heads must satisfy. Its logs are trusted keys. */
  readonly policy?: Policy
  /** A server writes to the directory now. */
  readonly isRunning?: boolean
  /** Threads that check frames; 0 does it in this one. */
  readonly threadCount?: number
  /** Whether the events in segments are read; true. Those of `system` and `heads`, and of the log, are in any case. */
  readonly withContent?: boolean
  /** Remembered signatures, for whoever verifies copies of one directory. */
  readonly signatures?: Signatures
  readonly onProgress?: (progress: Progress) => void
  /** Called as bytes are read; what waits in it slows the reading down. */
  readonly pace?: (bytes: number) => Promise<void>
}

/**
 * `unchanged`: nothing differs, and kept heads vouch for the entries that they cover. `signed`: nothing differs, and a
 * pinned key has signed, so only its holder can have changed what it covers. `self-consistent`: nothing differs, and
 * nobody outside vouches. `changed`: something is not as it must be.
 */
export type Verdict = 'unchanged' | 'signed' | 'self-consistent' | 'changed'

interface LedgerReport {
  readonly name: string
  readonly size: number
  /** base64; undefined where some leaf is lost. */
  readonly root?: string
  readonly origin?: string
  readonly vkey?: string
  /** Somebody pinned the key. */
  readonly isPinned: boolean
  /** Entries that kept heads cover. */
  readonly covered: number
  /** Entries whose tree head is signed in `heads`. */
  readonly published: number
}

export interface DirectoryReport {
  readonly verdict: Verdict
  /** Whatever was found, it lies beside the entries: all of them are as they must be. */
  readonly entriesFit: boolean
  /** All that was found is that kept heads count more than is here: what is here fits together. */
  readonly isOlder: boolean
  readonly directory: string
  readonly originPrefix: string
  readonly entryCount: number
  /** Entries that kept heads cover, of `entryCount`. */
  readonly coveredCount: number
  readonly contentBytes: number
  readonly walBytes: number
  /** Segments that were read, and their bytes. */
  readonly segmentCount: number
  readonly segmentBytes: number
  /** Of the part of the log that is not sealed. */
  readonly commitCount: number
  readonly ledgers: readonly LedgerReport[]
  readonly heads: readonly HeldHead[]
  readonly witnessed: WitnessedReport
  readonly isRunning: boolean
  readonly unfinished?: Unfinished
  readonly firstBad?: FirstBad
  readonly findings: readonly Finding[]
  /** All findings; `findings` holds the first ones. */
  readonly findingCount: number
  readonly remarks: readonly string[]
}

/** There is no data directory of Stele at the path. */
export class NoDirectoryError extends Error {
  override readonly name = 'NoDirectoryError'
}

export async function verifyDirectory(options: DirectoryOptions): Promise<DirectoryReport> {
  const { disk, directory, isRunning = false, signatures = new Signatures() } = options
  const findings = new Findings()
  const remarks: string[] = []
  const beside = await readBeside(disk, directory, isRunning)
  if (beside.names.length === 0) throw new NoDirectoryError(`${directory} is empty, or not there.`)
  const heads = readHeads(options.heads ?? [], findings)
  const witnessedHead = readWitnessed(beside.witnessed, findings)
  const watched = witnessedHead === undefined ? heads : [...heads, witnessedHead]
  const cache = new FileCache(disk)
  let atAnchor: AnchorState | undefined
  const anchor = typeof beside.anchor === 'string' ? beside.anchor : beside.anchor.anchor
  const reached = (at: Replay) => (atAnchor = anchorState(at))
  const mark = typeof anchor === 'string' ? undefined : { commit: anchor.commit, reached }
  const replay = new Replay({ directory, files: cache, findings, signatures, wanted: wantedSizes(watched), mark })
  const log = await openLog({ disk, directory, beside, signatures, findings, isRunning })
  try {
    for (const file of log.strangers) findings.add({ kind: 'unexpected', file, what: 'not a file of the log' })
    const run = { ...options, log, replay, findings, remarks, anchor, isRunning }
    const { tail, ...segments } = await replayLog(run)
    await replay.published.finish()
    const held: HeldHead[] = []
    for (const head of heads) held.push(await holdHead(head, replay, signatures, options.policy, findings))
    const witnessed = await holdWitnessed(witnessedHead, replay, signatures, options.policy, findings)
    if (witnessed.isVouchedFor && witnessed.head !== undefined) held.push(witnessed.head)
    const { state, originPrefix } = replay
    if (replay.systemKnown) checkLedgers(replay, findings)
    await checkRotations(replay, findings)
    const isPinned = checkPinned(options, replay, findings, remarks)
    checkSealedBy({ beside, replay, seal: log.sealed?.read, isRunning, signatures, findings, remarks })
    const derived = { names: beside.derived, anchor, state: atAnchor, sealedCommit: log.sealed?.seal.commit ?? 0 }
    await checkDerived({ disk, directory, replay, files: log.files, ...derived, isRunning, findings, remarks })
    if (replay.systemKnown) checkBeside({ beside, state, originPrefix, isRunning, signatures, findings, remarks })
    else remarks.push('What system says is not known to its end, so keys and tokens were not held against it.')
    remarks.push(...witnessedRemarks(witnessed))
    if (tail !== undefined) judgeTail(tail, isRunning, findings, remarks)
    return report(options, { replay, files: log.files, segments, held, witnessed, tail, findings, remarks, isPinned })
  } finally {
    await log.close()
    await cache.close()
  }
}

/**
 * A crash leaves a last frame that is not whole, of which nothing was acknowledged. Where a kept head or the anchor
 * says that more was durable, it is no crash's, and what is wrong with the frame is told.
 */
function judgeTail(tail: Tail, isRunning: boolean, findings: Findings, remarks: string[]): void {
  const { file, position, bytes, why } = tail
  const isMissed = findings.sorted().some(({ kind }) => kind === 'kept-head' || kind === 'missing')
  if (isMissed) for (const finding of tail.findings) findings.add(finding)
  else if (isRunning) remarks.push(`The log was read up to its last whole frame, at byte ${position} of ${file}.`)
  else {
    const mend = 'A crash leaves such a frame, of which nothing was acknowledged; the next start cuts it off.'
    remarks.push(`The last frame, ${bytes} bytes at byte ${position} of ${file}, is not whole: ${why}. ${mend}`)
  }
}

interface Results {
  readonly replay: Replay
  readonly files: readonly WalkedFile[]
  readonly segments: { readonly segmentCount: number; readonly segmentBytes: number }
  readonly held: readonly HeldHead[]
  readonly witnessed: WitnessedReport
  readonly tail: Tail | undefined
  readonly findings: Findings
  readonly remarks: readonly string[]
  readonly isPinned: ReadonlySet<string>
}

/** base64, as checkpoints write it. */
function rootOf(data: LedgerReplay | undefined): { root?: string } {
  if (data === undefined) return { root: toBase64(EMPTY_ROOT) }
  return data.root === undefined ? {} : { root: Buffer.from(data.root, 'hex').toString('base64') }
}

function report(options: DirectoryOptions, results: Results): DirectoryReport {
  const { replay, files, segments, held, witnessed, tail, findings, remarks, isPinned } = results
  const covered = coverage(held, replay)
  const ledgers = [...new Set([...replay.state.ledgers.keys(), ...replay.ledgers.keys()])].toSorted().map((name) => {
    const data = replay.ledgers.get(name)
    const { origin, vkey } = replay.state.ledgers.get(name) ?? {}
    return {
      name,
      size: data?.size ?? 0,
      ...rootOf(data),
      ...(origin === undefined || vkey === undefined ? {} : { origin, vkey }),
      isPinned: isPinned.has(name),
      covered: covered.get(name) ?? 0,
      published: replay.published.latest.get(name)?.size ?? 0,
    }
  })
  const sorted = findings.sorted()
  const ahead = [...held, ...(witnessed.head === undefined ? [] : [witnessed.head])]
  const isOlder = findings.count > 0 && ahead.filter(({ missing = 0 }) => missing > 0).length === findings.count
  const firstBad = firstBadEntry(sorted)
  const isSigned = ledgers.some((ledger) => ledger.isPinned && ledger.published > 0)
  const vouched = held.some((head) => head.holds && head.size > 0)
  return {
    verdict: findings.count > 0 ? 'changed' : vouched ? 'unchanged' : isSigned ? 'signed' : 'self-consistent',
    entriesFit: findings.count <= sorted.length && !sorted.some(concernsEntries),
    isOlder,
    directory: options.directory,
    originPrefix: replay.originPrefix,
    entryCount: replay.entryCount,
    coveredCount: ledgers.reduce((sum, ledger) => sum + ledger.covered, 0),
    contentBytes: [...replay.ledgers.values()].reduce((sum, ledger) => sum + ledger.contentBytes, 0),
    walBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    ...segments,
    commitCount: replay.frameCount,
    ledgers,
    heads: held,
    witnessed,
    isRunning: options.isRunning ?? false,
    ...(tail === undefined
      ? {}
      : { unfinished: { file: tail.file, position: tail.position, bytes: tail.bytes, why: tail.why } }),
    ...(firstBad === undefined ? {} : { firstBad }),
    findings: sorted,
    findingCount: findings.count,
    remarks,
  }
}
