// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Opens a log, sealed part and all, so that what is read belongs together although a server may run. It moves the seal,
 * and only then removes files of the log and segments that others have replaced: so files that were opened between two
 * looks at the same seal are all that follow it.
 */
import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import { sameBytes } from '../ledger/head-store.ts'
import { type ReadSeal, readSeal, type Seal } from '../ledger/seal.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import type { ObjectStore } from '../ledger/store/object-store.ts'
import type { Beside } from './beside.ts'
import type { Findings } from './finding.ts'
import { coverParts, listed } from './sealed-source.ts'
import { lyingSigners } from './sealed-by.ts'
import type { Signatures } from './signatures.ts'
import { openWal, type WalkedFile, type WalkedLog } from './wal-walk.ts'

const MAX_TRIES = 1_000
/** The head of the store of segments. */
export const SEAL_FILE = 'segments/_head'

export interface OpenedLog {
  readonly store: ObjectStore
  /** Undefined where nothing is sealed. */
  readonly sealed: SealedPart | undefined
  /** Files that follow the seal. */
  readonly files: readonly WalkedFile[]
  /** Files of the log that the seal made superfluous. */
  readonly leftovers: readonly WalkedFile[]
  readonly strangers: readonly string[]
  readonly close: () => Promise<void>
}

export interface SealedPart {
  readonly seal: Seal
  /** It is what Stele wrote; else it was made up from the segments that are there, for a seal that is lost. */
  readonly isReal: boolean
  /** With its signature, where it is what Stele wrote. */
  readonly read?: ReadSeal
}

export function segmentsDirectory(directory: string): string {
  return join(directory, 'segments')
}

interface Parts {
  readonly disk: Disk
  readonly directory: string
  readonly beside: Beside
  readonly signatures: Signatures
  readonly findings: Findings
  readonly isRunning: boolean
}

export async function openLog(parts: Parts): Promise<OpenedLog> {
  const { disk, directory } = parts
  const store = new DirectoryStore(disk, segmentsDirectory(directory))
  const { head, wal } = await openTogether(disk, directory, store)
  try {
    const read = head === undefined ? undefined : readSeal(head)
    const seal = believedSeal(read, wal, parts)
    const sealed =
      seal === undefined ? await madeUpSeal(parts, store, wal, read) : { seal: seal.seal, isReal: true, read: seal }
    const commit = sealed?.seal.commit ?? 0
    const files = wal.files.filter((file) => Number(file.name.slice(-16)) > commit)
    return {
      store,
      sealed,
      files,
      leftovers: wal.files.filter((file) => !files.includes(file)),
      strangers: wal.strangers,
      close: wal.close,
    }
  } catch (error) {
    await wal.close()
    throw error
  }
}

/** The head of the segments, and the files of the log, all of a moment between two seals. */
export async function openTogether(
  disk: Disk,
  directory: string,
  store: ObjectStore,
): Promise<{ head: Buffer | undefined; wal: WalkedLog }> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const head = (await store.readHead())?.bytes
    const wal = await openWal(disk, directory)
    if (!wal.isTorn && sameBytes(head, (await store.readHead())?.bytes)) return { head, wal }
    await wal.close()
  }
  throw new Error(`files of the log in ${directory} come and go while they are opened`)
}

/** The seal, where the key of `heads` signed it; what is wrong with it is a finding. */
function believedSeal(read: ReadSeal | string | undefined, wal: WalkedLog, parts: Parts): ReadSeal | undefined {
  const { beside, signatures, findings, isRunning } = parts
  if (read === undefined) return undefined
  if (typeof read === 'string') {
    findings.add({ kind: 'seal', file: SEAL_FILE, offset: 0, what: read, expected: 'a seal', found: 'something else' })
    return undefined
  }
  const expected = wal.files.find(({ header }) => header !== undefined)?.header?.originPrefix
  const found = read.seal.originPrefix
  if (expected !== undefined && found !== expected) {
    const what = 'the seal is of another directory than the log'
    findings.add({ kind: 'seal', file: SEAL_FILE, offset: 0, what, expected, found })
    return undefined
  }
  // Whether `system` names the key is seen when that has been read.
  const signers = lyingSigners(beside, read.seal.originPrefix, signatures)
  const [first] = signers
  if (first === undefined || isRunning || signers.some((signer) => read.isSignedBy(signer))) return read
  const what = 'the seal is not signed by the key of heads'
  const other = `another signature of commit ${read.seal.commit}`
  findings.add({ kind: 'seal', file: SEAL_FILE, what, expected: `one by ${first.vkey}`, found: other })
  return undefined
}

/**
 * Where the log does not begin with its first commit, there was a seal. What it said is made up from what is there, so
 * that the segments can be read, and the heads outside tell whether it is all.
 */
async function madeUpSeal(
  { findings }: Parts,
  store: ObjectStore,
  wal: WalkedLog,
  read: ReadSeal | string | undefined,
): Promise<SealedPart | undefined> {
  const [first] = wal.files
  const firstCommit = first === undefined ? 1 : Number(first.name.slice(-16))
  if (firstCommit === 1) return undefined
  const segments = await listed(store)
  if (read === undefined) {
    const what = `the seal is missing, and the log begins with commit ${firstCommit}`
    findings.add({
      kind: 'seal',
      file: SEAL_FILE,
      what,
      expected: `a seal of commit ${firstCommit - 1}`,
      found: 'none',
    })
  }
  const ledgers = [...segments].map(([name, some]) => {
    const ends = some.map((segment) => segment.first + segment.count)
    const reach = Math.max(...ends)
    const { gaps } = coverParts(some, reach)
    return { name, size: gaps[0]?.first ?? reach, root: '' }
  })
  const seal: Seal = {
    v: 1,
    originPrefix: first?.header?.originPrefix ?? '',
    commit: firstCommit - 1,
    hash: first?.header?.previousHash.toString('hex') ?? '0'.repeat(64),
    lastMs: 0,
    ledgers,
    published: [],
  }
  return { seal, isReal: false }
}
