// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies a folder in the layout of tlog-tiles: an export, a mirror, or another log's. The check itself is the one of
 * the published package; here it runs over all cores, and what is remembered of the log is held against it.
 */
import type { Policy, Trust } from '@stele/proof'
import { checkFolder, checkUnit, type CheckedUnit, type FolderReport, UNIT_ENTRIES } from '@stele/proof/folder'
import { platformHasher } from '../ledger/hash-nodes.ts'
import { NodeFolderFiles } from '../platform/folder-files.ts'
import { WorkerPool } from '../platform/workers.ts'
import type { FolderJob } from './folder-worker.ts'
import { contradiction, type KnownLog, type KnownLogs } from './known-logs.ts'
import { readCheckpoint } from './signatures.ts'
import { toHex } from './ledger-replay.ts'

/** Below that a thread takes longer to begin than the check. */
const THREADED_ENTRIES = UNIT_ENTRIES

export interface VerifyFolderOptions {
  /** Absolute. */
  readonly folder: string
  readonly vkey?: string
  readonly policy?: Policy
  readonly knownLogs: KnownLogs
  readonly threadCount: number
  readonly onProgress?: (doneCount: number, totalCount: number) => void
}

/** `unchanged`: as what was seen before, too. `signed`: a trusted key or policy vouches. */
type FolderVerdict = 'unchanged' | 'signed' | 'self-consistent' | 'changed'

export interface VerifiedFolder extends FolderReport {
  readonly verdict: FolderVerdict
  /** Whose word the key is. */
  readonly trust: 'key' | 'policy' | 'pinned before' | 'seen before' | 'none'
  /** The head that was seen before and whose entries these begin with, or are. */
  readonly since?: { readonly size: number; readonly seen: string }
  /** Both heads are kept there: they contradict each other. */
  readonly evidence?: string
}

export async function verifyFolder(options: VerifyFolderOptions): Promise<VerifiedFolder> {
  const { folder, vkey, policy, knownLogs, threadCount, onProgress } = options
  const files = new NodeFolderFiles(folder)
  const head = files.read('checkpoint', 1_000_000)
  const read = head === undefined ? 'none' : readCheckpoint(head)
  const known = typeof read === 'string' ? undefined : await knownLogs.find(read.origin)
  const trust = trustOf(vkey, policy, known)
  const seen = seenHead(known)
  const isLarge = typeof read !== 'string' && read.size > THREADED_ENTRIES && threadCount > 1
  const pool = isLarge ? threadedPool(threadCount) : undefined
  const hasher = platformHasher()
  try {
    const report = await checkFolder({
      files,
      hasher,
      ...(trust === undefined ? {} : { trust }),
      check: async (unit) => {
        return pool === undefined ? checkUnit(files, hasher, unit) : await pool.run({ folder, unit }, [])
      },
      depth: pool === undefined ? 1 : 2 * threadCount,
      wanted: seen === undefined ? [] : [seen.size],
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return await held(report, options, known, seen)
  } finally {
    await pool?.close()
  }
}

function threadedPool(threadCount: number): WorkerPool<FolderJob, CheckedUnit> {
  return new WorkerPool(new URL('./folder-worker.ts', import.meta.url), threadCount)
}

function trustOf(vkey: string | undefined, policy: Policy | undefined, known: KnownLog | undefined): Trust | undefined {
  if (vkey !== undefined) return { vkey }
  if (policy !== undefined) return policy
  return known === undefined ? undefined : { vkey: known.vkey, pinned: known.pinned }
}

interface SeenHead {
  readonly size: number
  readonly root: string
  readonly seen: string
}

function seenHead(known: KnownLog | undefined): SeenHead | undefined {
  const checkpoint = known?.head === undefined ? 'none' : readCheckpoint(Buffer.from(known.head))
  if (known === undefined || typeof checkpoint === 'string') return undefined
  return { size: checkpoint.size, root: toHex(checkpoint.root), seen: known.lastSeen }
}

/** Holds the log against what is remembered of it, and remembers it; an older copy says nothing of what came later. */
async function held(
  report: FolderReport,
  { vkey, policy, knownLogs }: VerifyFolderOptions,
  known: KnownLog | undefined,
  seen: SeenHead | undefined,
): Promise<VerifiedFolder> {
  const pinned = known?.pinned === true ? 'pinned before' : 'seen before'
  const trust = vkey !== undefined ? 'key' : policy !== undefined ? 'policy' : known === undefined ? 'none' : pinned
  const objected = (what: string, evidence?: string): VerifiedFolder => ({
    ...report,
    verdict: 'changed',
    trust,
    findings: [...report.findings, { kind: 'root', file: 'checkpoint', what }],
    findingCount: report.findingCount + 1,
    ...(evidence === undefined ? {} : { evidence }),
  })
  const { origin, head, findingCount, signedBy } = report
  if (findingCount > 0 || origin === undefined || head === undefined) return { ...report, verdict: 'changed', trust }
  const otherKey = vkey === undefined ? undefined : knownLogs.keyObjection(known, vkey)
  if (otherKey !== undefined) return objected(otherKey)
  const root = seen === undefined ? undefined : report.rootsAt.get(seen.size)
  if (seen !== undefined && root !== undefined && root !== seen.root) {
    const evidence = await knownLogs.keepEvidence(origin, [known?.head ?? '', head])
    const what =
      contradiction(known, head) ?? `its first ${seen.size} entries are not those that were seen on ${seen.seen}`
    return objected(what, evidence)
  }
  const signer = vkey ?? known?.vkey ?? (policy === undefined ? report.vkey : undefined)
  if (signer !== undefined && signedBy !== 'nobody') {
    await knownLogs.remember({ origin, vkey: signer, pinned: vkey !== undefined, head })
  }
  const isTrusted = signedBy === 'trusted key' || signedBy === 'policy'
  const since = seen === undefined || root === undefined || seen.size === 0 ? undefined : seen
  return {
    ...report,
    verdict: since !== undefined ? 'unchanged' : isTrusted ? 'signed' : 'self-consistent',
    trust,
    ...(since === undefined ? {} : { since: { size: since.size, seen: since.seen } }),
  }
}
