// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Replays a log for a verification: what is sealed first, then the files that follow the seal. */
import { type Disk, NodeDisk } from '../platform/disk.ts'
import type { Anchor } from '../ledger/anchor.ts'
import type { Findings } from './finding.ts'
import { DirectoryThreads } from './directory-threads.ts'
import { LocalChecker, ThreadedChecker } from './frame-checker.ts'
import { type OpenedLog, segmentsDirectory } from './open-log.ts'
import type { Replay } from './replay.ts'
import { SealedReplay } from './sealed-replay.ts'
import { SealedSource } from './sealed-source.ts'
import { LocalSegmentChecker, type SegmentChecker, ThreadedSegmentChecker } from './segment-check.ts'
import { checkSpare } from './spare-segments.ts'
import { type Tail, verifyWal } from './verify-wal.ts'

export interface Progress {
  readonly doneBytes: number
  readonly totalBytes: number
  readonly entryCount: number
}

export interface LogRun {
  readonly disk: Disk
  readonly directory: string
  readonly log: OpenedLog
  readonly replay: Replay
  readonly findings: Findings
  readonly remarks: string[]
  readonly anchor: Anchor | string
  readonly isRunning: boolean
  readonly threadCount?: number
  readonly withContent?: boolean
  readonly onProgress?: (progress: Progress) => void
  readonly pace?: (bytes: number) => Promise<void>
}

interface Replayed {
  readonly tail: Tail | undefined
  readonly segmentCount: number
  readonly segmentBytes: number
}

/** Less than this is checked before a thread has started. */
const THREADED_BYTES = 16 * 1024 * 1024

type OnBytes = (bytes: number) => Promise<void>

export async function replayLog(run: LogRun): Promise<Replayed> {
  const { log, replay, isRunning } = run
  const seal = log.sealed?.seal
  const source = seal === undefined ? undefined : await SealedSource.open(log.store, seal, isRunning)
  const segmentsBytes = source?.coverBytes ?? 0
  const walBytes = log.files.reduce((sum, file) => sum + file.sizeBytes, 0)
  let doneBytes = 0
  const onBytes: OnBytes = async (bytes) => {
    doneBytes += bytes
    run.onProgress?.({ doneBytes, totalBytes: segmentsBytes + walBytes, entryCount: replay.entryCount })
    await run.pace?.(bytes)
  }
  const isLarge = segmentsBytes >= THREADED_BYTES || walBytes >= THREADED_BYTES
  const { threadCount = 0 } = run
  const threads = isLarge && threadCount > 0 ? new DirectoryThreads(threadCount) : undefined
  try {
    return await replayParts(run, source, threads, onBytes)
  } finally {
    await threads?.close()
  }
}

async function replayParts(
  run: LogRun,
  source: SealedSource | undefined,
  threads: DirectoryThreads | undefined,
  onBytes: OnBytes,
): Promise<Replayed> {
  const { log, findings, remarks } = run
  const seal = log.sealed?.seal
  let counts = { segmentCount: 0, segmentBytes: 0 }
  if (source !== undefined) counts = await replaySealed(run, source, threads, onBytes)
  await checkSpare({ ...run, source, pace: onBytes })
  if (log.files.length === 0) {
    const file = seal === undefined ? 'wal' : `wal/${String(seal.commit + 1).padStart(16, '0')}`
    const what = seal === undefined ? 'there is no log' : 'the log behind the seal is missing'
    findings.add({
      kind: 'missing',
      file,
      what,
      expected: `a file of commit ${(seal?.commit ?? 0) + 1}`,
      found: 'none',
    })
  }
  for (const { name } of log.leftovers) {
    remarks.push(`${name} is left over from before the seal, which holds all of it; it was not looked at.`)
  }
  const checker = threads === undefined ? new LocalChecker() : new ThreadedChecker(threads)
  return { tail: await verifyWal(log.files, checker, run.replay, onBytes), ...counts }
}

async function replaySealed(run: LogRun, source: SealedSource, threads: DirectoryThreads | undefined, pace: OnBytes) {
  const { disk, directory, log, replay, findings, anchor, isRunning, withContent = true } = run
  const { sealed } = log
  // Threads open segments by themselves, which they can on the machine's own disk alone.
  const isThreaded = threads !== undefined && disk instanceof NodeDisk
  const checker: SegmentChecker = isThreaded
    ? new ThreadedSegmentChecker(threads, segmentsDirectory(directory), withContent, pace)
    : new LocalSegmentChecker(log.store, withContent, pace)
  if (!withContent) {
    run.remarks.push(
      'The events in segments were not looked at, but for those of system and heads: what is said of them holds for entries and trees.',
    )
  }
  const replayed = new SealedReplay({ sealed: sealed!, source, checker, replay, findings, pace })
  await replayed.run()
  await findPlaces(replay, anchor, sealed!.seal.commit, findings, isRunning)
  return replayed.counts
}

/** Places of what is not sealed are held against those that the anchor counts on. */
async function findPlaces(
  replay: Replay,
  anchor: Anchor | string,
  sealedCommit: number,
  findings: Findings,
  isRunning: boolean,
): Promise<void> {
  for (const ledger of replay.ledgers.values()) {
    if (ledger.sealedSize === 0) continue
    const isCounted = typeof anchor !== 'string' && anchor.commit > sealedCommit
    const row = isCounted ? anchor.ledgers.find(({ name }) => name === ledger.name) : undefined
    const run = row === undefined ? undefined : { from: row.placesFrom, count: row.places }
    if ((await ledger.findPlaces(run)) || isRunning) continue
    const what = `places that the anchor counts of ${ledger.name} cannot be read`
    const file = `derived/${ledger.name}`
    findings.add({ kind: 'derived', file, what, expected: `${row?.places} places`, found: 'fewer' })
  }
}
