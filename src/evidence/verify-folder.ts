// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies a folder in the layout of tlog-tiles: an export, a mirror, or another log's. The check itself is the one of
 * the published package; here it runs over all cores, and what is remembered of the log is held against it.
 */
import { MAX_NOTE_BYTES, type Policy, type Trust } from '@stele/proof'
import { checkFolder, checkUnit, type CheckedUnit, type FolderReport, PATHS, UNIT_ENTRIES } from '@stele/proof/folder'
import { NodeFolderFiles } from '@stele/proof/node-files'
import { platformHasher } from '../ledger/hash-nodes.ts'
import { rowHasher } from '../platform/row-hasher.ts'
import { WorkerPool } from '../platform/workers.ts'
import type { FolderJob } from './folder-worker.ts'
import { keyChain, retiredSigner, secondSuccessor } from './key-chain.ts'
import { contradiction, type KnownLog, type KnownLogs, type RetiredKey } from './known-logs.ts'
import { readCheckpoint } from './signatures.ts'
import { toHex } from './ledger-replay.ts'

/** Below that a thread takes longer to begin than the check. */
const THREADED_ENTRIES = 2 * UNIT_ENTRIES

export interface VerifyFolderOptions {
  /** Absolute. */
  readonly folder: string
  readonly vkey?: string
  /** Statements that lead on from that key, or from the one that is remembered, in place of the folder's. */
  readonly rotations?: (origin: string) => readonly string[]
  readonly policy?: Policy
  readonly knownLogs: KnownLogs
  readonly threadCount: number
  readonly onProgress?: (doneCount: number, totalCount: number) => void
  /** Called before each unit of entries; what it rejects with ends the check. */
  readonly beforeUnit?: () => Promise<void>
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

/** The policy says nothing of the log in the folder, so nothing can be said of the folder by it. */
export class UnlistedLogError extends Error {
  override readonly name = 'UnlistedLogError'
  readonly origin: string
  readonly listed: readonly string[]

  constructor(origin: string, { logs }: Policy) {
    super(`the policy lists no log with the origin ${origin}`)
    this.origin = origin
    this.listed = [...new Set(logs.map(({ key }) => key.name))]
  }
}

/** Throws an UnlistedLogError before it reads what the policy cannot vouch for. */
export async function verifyFolder(options: VerifyFolderOptions): Promise<VerifiedFolder> {
  const { folder, policy, knownLogs, threadCount, onProgress, beforeUnit } = options
  const files = new NodeFolderFiles(folder)
  const head = files.read(PATHS.checkpoint, MAX_NOTE_BYTES)
  const read = head === undefined ? 'none' : readCheckpoint(head)
  if (policy !== undefined && typeof read !== 'string' && !policy.logs.some(({ key }) => key.name === read.origin)) {
    throw new UnlistedLogError(read.origin, policy)
  }
  const known = typeof read === 'string' ? undefined : await knownLogs.find(read.origin)
  // Whoever trusts a key, or names it in a policy, may not know that it was retired, and whoever stole it hopes so.
  const retired = head === undefined || known === undefined ? undefined : await retiredSigner(head, known)
  const trust = trustOf(options, typeof read === 'string' ? undefined : read.origin, known, retired)
  const seen = seenHead(known)
  const isLarge = typeof read !== 'string' && read.size > THREADED_ENTRIES
  // This thread does its share.
  const pool = isLarge && threadCount > 1 ? threadedPool(threadCount - 1) : undefined
  const hasher = platformHasher(isLarge ? rowHasher() : undefined)
  try {
    const report = await checkFolder({
      files,
      hasher,
      ...(trust === undefined ? {} : { trust }),
      check: async (unit) => {
        await beforeUnit?.()
        const here = () => checkUnit(files, hasher, unit)
        return pool === undefined ? here() : await pool.share({ folder, unit }, here)
      },
      depth: pool === undefined ? 1 : 4 * threadCount,
      wanted: seen === undefined ? [] : [seen.size],
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return await held(report, options, known, seen, retired)
  } finally {
    await pool?.close()
  }
}

function threadedPool(threadCount: number): WorkerPool<FolderJob, CheckedUnit> {
  return new WorkerPool(new URL('./folder-worker.ts', import.meta.url), threadCount)
}

function trustOf(
  { vkey, rotations, policy }: VerifyFolderOptions,
  origin: string | undefined,
  known: KnownLog | undefined,
  retired: RetiredKey | undefined,
): Trust | undefined {
  const led = rotations === undefined || origin === undefined ? {} : { rotations: rotations(origin) }
  if (vkey !== undefined) return { vkey, ...led }
  if (policy !== undefined) return policy
  if (known === undefined) return undefined
  const { pinned } = known
  return retired === undefined ? { vkey: known.vkey, pinned, ...led } : { vkey: retired.vkey, pinned }
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
  retired: RetiredKey | undefined,
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
  const second = await secondSuccessor(known, report.rotations)
  if (second !== undefined) return objected(second)
  if (findingCount > 0 || origin === undefined || head === undefined) return { ...report, verdict: 'changed', trust }
  const own = vkey ?? (policy === undefined ? (report.vkey ?? known?.vkey) : known?.vkey)
  const chain = own === undefined ? undefined : await keyChain(knownLogs, known, own, report.rotations)
  if (chain?.objection !== undefined) return objected(chain.objection)
  const isPast = retired !== undefined && report.size > retired.size
  const isOther = retired?.size === report.size && retired.root !== report.root
  if (isPast) return objected(`its key was retired at ${retired.size} entries, and it has ${report.size}`)
  if (isOther) return objected(`its key was retired at these ${retired.size} entries with another root`)
  const root = seen === undefined ? undefined : report.rootsAt.get(seen.size)
  if (seen !== undefined && root !== undefined && root !== seen.root) {
    const evidence = await knownLogs.keepEvidence(origin, [known?.head ?? '', head])
    const what =
      contradiction(known, head) ?? `its first ${seen.size} entries are not those that were seen on ${seen.seen}`
    return objected(what, evidence)
  }
  // Of a smaller head of a retired key the folder alone cannot show that it is the beginning of the log.
  const isOld = retired !== undefined && report.size < retired.size
  if (chain !== undefined && signedBy !== 'nobody' && !isOld) {
    const { objection: _, ...keys } = chain
    await knownLogs.remember({ origin, ...keys, pinned: vkey !== undefined, head })
  }
  const isTrusted = !isOld && (signedBy === 'trusted key' || signedBy === 'policy')
  const since = seen === undefined || root === undefined || seen.size === 0 ? undefined : seen
  return {
    ...report,
    verdict: since !== undefined ? 'unchanged' : isTrusted ? 'signed' : 'self-consistent',
    trust,
    ...(since === undefined ? {} : { since: { size: since.size, seen: since.seen } }),
  }
}
