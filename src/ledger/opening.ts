// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What has to hold before a data directory is written to: an empty one must not be one that lost its data, and one
 * with data must not be older than, or other than, what was published of it. Only then is a torn tail cut off, and
 * what the last process wrote made durable, for it may never have reached the disk.
 */
import { join } from 'node:path'
import type { KeyPeriod } from '@stele/proof'
import type { Clock } from '../platform/clock.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import type { Random } from '../platform/random.ts'
import type { WalEnd } from './commit.ts'
import { CUT_NOTE, type Cut, dropCutNote, noteCut } from './cut-note.ts'
import type { HeadStore } from './head-store.ts'
import type { FileCache } from './file-cache.ts'
import { KeyStore } from './keys.ts'
import { keyPeriodsOf } from './kept-keys.ts'
import { KEYS, KEYS_NOTE } from './keys-directory.ts'
import type { ClockJump } from './ledger-time.ts'
import { checkKeptHead, checkPublished, HeadFault } from './publish.ts'
import { Reader } from './read.ts'
import type { NativeIds } from './recent.ts'
import type { Recovered } from './recover.ts'
import type { SegmentCheck } from './sealed-log.ts'
import { RECENT_ENTRIES } from './recent.ts'
import { SEGMENTS } from './sealed-entries.ts'
import { SEGMENT_ENTRIES } from './segment/segment.ts'
import type { SpanReading } from './segment/span.ts'
import { KeyFault } from './signing.ts'
import { DirectoryStore } from './store/directory-store.ts'
import { checkWitnessedHead, readWitnessedHead, WITNESSED, WITNESSED_HEAD } from './witnessed-head.ts'
import { createWalFile, fileBytes, isWalName } from './wal/files.ts'
import { BLOCK_BYTES, encodeFileHeader, type WalFileHeader } from './wal/format.ts'

/** Another process holds the data directory. */
export class OwnedError extends Error {
  override readonly name = 'OwnedError'
}

/** What Stele itself puts into a data directory. */
export const OWN_NAMES: readonly string[] = [
  'LOCK',
  'admin.token',
  CUT_NOTE,
  'derived',
  'index',
  KEYS,
  KEYS_NOTE,
  'segments',
  'wal',
  WITNESSED,
]

/** Lies in a backup that is whole. */
export const MANIFEST = 'backup.json'
/** Lies in a backup that was begun and never finished, and in one that is being continued. */
export const BACKUP_BEGUN = 'backup.begun'
/** Lies in a directory that is being restored. */
export const RESTORE_BEGUN = 'restore.begun'

/** Whether a log was begun here; and if not, what lies here that is not Stele's. */
export async function lookAround(
  disk: Disk,
  directory: string,
): Promise<{ readonly isBegun: boolean; readonly strangers: readonly string[] }> {
  const walNames = await disk.list(join(directory, 'wal')).catch((error: unknown) => {
    // A file of that name is somebody else's.
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return ['']
    throw error
  })
  if (walNames.some(isWalName)) return { isBegun: true, strangers: [] }
  // The second is what `replaceFile` leaves after a crash, the third what a fresh file system has.
  const isOwn = (name: string) => OWN_NAMES.includes(name.replace(/\.new$/, '')) || name === 'lost+found'
  const strangers = (await disk.list(directory)).filter((name) => !isOwn(name))
  return { isBegun: false, strangers: [...strangers, ...walNames.map((name) => join('wal', name))] }
}

/** Sizes that bound how much a start replays, and what one WAL file holds. */
export interface LedgerSizes {
  readonly anchorEveryBytes: number
  readonly walFileBytes: number
  /** Entries of a whole segment, a multiple of 256: 65,536 but in tests. */
  readonly segmentEntries: number
  /** The last entries of a ledger whose ids and idempotency keys are remembered: 1,048,576 but in tests. */
  readonly recentEntries: number
}

export const DEFAULT_SIZES: LedgerSizes = {
  anchorEveryBytes: 64 * 1024 * 1024,
  walFileBytes: 256 * 1024 * 1024,
  segmentEntries: SEGMENT_ENTRIES,
  recentEntries: RECENT_ENTRIES,
}

export interface LedgersOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly directory: string
  /** The folder that holds the keys; where it is not said, `keys/` in the directory. */
  readonly keys?: string
  readonly lock: (path: string) => Lock | undefined
  /** `<name>/<install id>` for a directory that is begun now. */
  readonly newOriginPrefix: () => string
  /** Where the head of `heads` is kept; asked once the origin is known. */
  readonly headStore: (originPrefix: string) => HeadStore
  readonly sizes?: Partial<LedgerSizes>
  /** Reads and hashes every byte of a segment; where nothing else is given, in this thread. */
  readonly checkSegment?: SegmentCheck
  /** Reads scattered entries and contents of segments; where nothing else is given, in this thread. */
  readonly spans?: SpanReading
  /** How the ids are found that sources gave to events; without it no event has one. */
  readonly nativeIds?: NativeIds
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  readonly onClockJump: (jump: ClockJump) => void
  /** Called once when the writer stops because of a failure. */
  readonly onFailure: (error: Error) => void
}

/** What the start found: recorded in `system` by the layer above. */
export interface Opening {
  /** The directory was empty and has been begun. */
  readonly begun: boolean
  /** A last frame, or the header of a last file, that a crash left unfinished was cut off. */
  readonly cut: Cut | undefined
  /** That, and what starts cut off that did not live to record it. */
  readonly unrecordedCuts: readonly Cut[]
  /** Why derived files were made again, if they were. */
  readonly rederived: string | undefined
  /** No head was kept outside although the directory has data: a rollback could not have been noticed. */
  readonly headMissing: boolean
  readonly replayedBytes: number
}

/** A WAL file that nothing is added to any more. */
export interface CompletedFile {
  readonly header: WalFileHeader
  readonly sizeBytes: number
}

/** A directory that may be written to. */
export interface Opened {
  readonly recovered: Recovered
  readonly end: WalEnd
  readonly store: HeadStore
  readonly kept: Buffer | undefined
  /** WAL files before the one that is written. */
  readonly completedFiles: CompletedFile[]
  readonly opening: Opening
}

export async function beginOrResume(options: LedgersOptions, recovered: Recovered, cache: FileCache): Promise<Opened> {
  if (recovered.end === undefined || recovered.end.commit === 0) return await begin(options, recovered)
  return await resume(options, recovered, recovered.end, cache)
}

/** Begins an empty directory, unless something says that it should not be empty. */
async function begin(options: LedgersOptions, recovered: Recovered): Promise<Opened> {
  const { disk, directory, random } = options
  const keys = new KeyStore(disk, random, directory, options.keys)
  const [orphan] = await keys.names()
  if (orphan !== undefined) {
    const mend = 'Bring the data back, or move the keys away to begin anew.'
    throw new KeyFault(`${keys.path(orphan)} is the key of a ledger whose data is not in ${directory}. ${mend}`)
  }
  const originPrefix = options.newOriginPrefix()
  const store = options.headStore(originPrefix)
  const kept = await readKept(store)
  if (kept !== undefined) {
    const mend = `Bring the data back, or remove ${store.where} to begin anew.`
    throw new HeadFault(`${store.where} keeps the head of ledgers whose data is not in ${directory}. ${mend}`)
  }
  await dropCutNote(disk, directory)
  for (const file of recovered.files) await disk.remove(file.path)
  if (recovered.unborn !== undefined) await disk.remove(recovered.unborn.path)
  await keys.dropPending()
  const header = { fileId: newFileId(random), firstCommit: 1, previousHash: Buffer.alloc(32), originPrefix }
  const file = await createWalFile(disk, directory, header)
  const opening = {
    begun: true,
    cut: undefined,
    unrecordedCuts: [],
    rederived: undefined,
    headMissing: false,
    replayedBytes: 0,
  }
  const end = { header, file, position: BLOCK_BYTES, commit: 0, hash: Buffer.alloc(32) }
  return { recovered, end, store, kept, completedFiles: [], opening }
}

/** Goes on where the log ends. */
async function resume(
  options: LedgersOptions,
  recovered: Recovered,
  at: NonNullable<Recovered['end']>,
  cache: FileCache,
): Promise<Opened> {
  const { disk, directory } = options
  const { header } = at.file
  const store = options.headStore(header.originPrefix)
  const kept = await readKept(store)
  if (kept !== undefined) {
    const heads = recovered.logs.get('heads')
    if (heads === undefined) throw new HeadFault(`${store.where} keeps a head, but ${directory} has no ledger heads`)
    const periods = await periodsBefore(options, header.originPrefix, recovered.logs, kept, cache)
    await checkKeptHead(heads, periods, store, kept)
  }
  await holdAgainstWitnessed(options, recovered, header.originPrefix, cache)
  await checkPublished(recovered.logs, recovered.published)
  const { torn, unborn, rederived, replayedBytes } = recovered
  const unbornCut = unborn === undefined ? undefined : { file: unborn.path, position: 0, bytes: unborn.sizeBytes }
  const cut = torn === undefined ? unbornCut : { file: torn.path, position: torn.position, bytes: torn.bytes }
  const unrecordedCuts = await noteCut(disk, directory, at.commit, cut)
  const file = await disk.open(at.file.path, 'write')
  await settle(options, recovered, at, file)
  const completedFiles = []
  for (const { path, header: earlier } of recovered.files) {
    if (earlier.firstCommit === header.firstCommit) continue
    completedFiles.push({ header: earlier, sizeBytes: await fileBytes(disk, path) })
  }
  const opening = { begun: false, cut, unrecordedCuts, rederived, headMissing: kept === undefined, replayedBytes }
  const end = { header, file, position: at.position, commit: at.commit, hash: at.hash }
  return { recovered, end, store, kept, completedFiles, opening }
}

/** What witnesses have cosigned lies in the directory itself: it shows that only a part of it was rolled back. */
async function holdAgainstWitnessed(
  options: LedgersOptions,
  { logs }: Recovered,
  originPrefix: string,
  cache: FileCache,
): Promise<void> {
  const { disk, directory } = options
  const witnessed = await readWitnessedHead(disk, directory).catch(() => undefined)
  if (witnessed === undefined) return
  const periods = await periodsBefore(options, originPrefix, logs, witnessed, cache)
  await checkWitnessedHead(logs.get('heads'), periods, join(directory, WITNESSED_HEAD), witnessed)
}

/** The keys by which a head may be signed, as far as that is known before `system` has been replayed. */
async function periodsBefore(
  { disk, directory, random, keys }: LedgersOptions,
  originPrefix: string,
  logs: Recovered['logs'],
  head: Buffer,
  cache: FileCache,
): Promise<readonly KeyPeriod[]> {
  const signers = await new KeyStore(disk, random, directory, keys).candidates('heads', `${originPrefix}/heads`)
  return await keyPeriodsOf(head, signers, new Reader(cache, directory), logs.get('system'))
}

/**
 * Cuts off what a crash left unfinished, and writes again what was written last: only that can be in the page cache
 * without being on the disk, and after a failed fdatasync another one would not write it, though it succeeds. So too
 * with the seal, before the log that it stands for goes.
 */
async function settle(
  options: LedgersOptions,
  recovered: Recovered,
  at: NonNullable<Recovered['end']>,
  file: DiskFile,
): Promise<void> {
  const { torn, unborn, lastFrame, sealed, sealedFiles } = recovered
  if (sealed !== undefined && sealedFiles.length > 0) {
    const covers = [...sealed.byLedger].filter(([, { cover }]) => cover.length > 0)
    await new DirectoryStore(options.disk, join(options.directory, SEGMENTS)).settle(covers.map(([name]) => name))
  }
  if (torn !== undefined) await file.truncate(torn.position)
  if (unborn !== undefined) await options.disk.remove(unborn.path)
  if (at.position === BLOCK_BYTES) await file.write(encodeFileHeader(at.file.header), 0)
  else if (lastFrame !== undefined) await file.write(lastFrame.bytes, lastFrame.position)
  await file.datasync()
  await options.disk.syncDirectory(join(options.directory, 'wal'))
}

async function readKept(store: HeadStore): Promise<Buffer | undefined> {
  try {
    return await store.read()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const mend = 'A start needs it, to see that the data is not older than what was published.'
    throw new HeadFault(`the head in ${store.where} cannot be read: ${reason}. ${mend}`)
  }
}

/** The 16 random bytes of a new WAL file. */
export function newFileId(random: Random): Buffer {
  const id = Buffer.alloc(16)
  random.fill(id, 0, id.length)
  return id
}
