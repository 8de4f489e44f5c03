// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Brings a directory back into memory after a start: from the anchor if the derived files agree with it, else from
 * what is sealed, else from the beginning; then the WAL behind that. Every root is recomputed, and nothing is changed on
 * the disk but derived files: a torn last frame is reported, and cut by the caller only after the head that is kept
 * outside has been compared. Anything else that is wrong is a DataFault that names file, offset, expected and found.
 */
import { join } from 'node:path'
import { type Anchor, anchorPath, readAnchor } from './anchor.ts'
import { DataFault } from './data-fault.ts'
import { headsSignersIn } from './keys.ts'
import { keysDirectory } from './keys-directory.ts'
import type { Log } from './log.ts'
import type { Published } from './published-head.ts'
import { Reader } from './read.ts'
import { recoverSealed, type SealedState, startBehind } from './recover-sealed.ts'
import { type LastFrame, logAt, type RecoveryOptions, Replay, type ReplayEnd, type TornTail } from './replay.ts'
import { fileBytes, listWalFiles, type LogStart, type WalFile, type WalFiles } from './wal/files.ts'
import { wholeFrames } from './wal/frame-sequence.ts'

export interface Recovered {
  /** What the segments hold instead of the log. */
  readonly sealed: SealedState | undefined
  /** Keys of `heads` whose signatures were believed; whether `system` names them is not known here. */
  readonly signedBy: readonly string[]
  /** Paths of WAL files that are sealed and still there. */
  readonly sealedFiles: readonly string[]
  readonly logs: Map<string, Log>
  readonly published: Map<string, Published>
  readonly lastMs: number
  readonly files: readonly WalFile[]
  /** The end of the WAL in the last file; undefined where there is no file yet. */
  readonly end: ReplayEnd | undefined
  readonly torn: TornTail | undefined
  readonly unborn: WalFiles['unborn']
  /** The last frame of the last file, if it was replayed. */
  readonly lastFrame: LastFrame | undefined
  /** Why the derived files had to be made again, where they had to. */
  readonly rederived: string | undefined
  readonly replayedBytes: number
}

export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { disk, directory, cache, store, readers, recent } = options
  const sealed = await recoverSealed(disk, directory, store, readers, options.keys)
  const listed = await listWalFiles(disk, directory, startBehind(sealed))
  const { files, unborn } = listed
  const signed = await signedAnchor(options)
  const anchor = typeof signed === 'string' ? signed : signed.anchor
  const usable = typeof anchor === 'string' ? anchor : await whyUnusable(options, anchor, files, sealed)
  const replay = new Replay(options, files, sealed, unborn === undefined)
  const from = typeof anchor !== 'string' && usable === undefined ? anchor : undefined
  if (from !== undefined) {
    await checkBefore(options, from, files, startBehind(sealed))
    await replay.startAt(from)
  } else {
    await dropDerived(options)
    await replay.startBehindSeal()
  }
  // What lies before the replay is read from what was derived of it; the rest passes by anyway.
  await recent?.restore(replay.logs.values(), new Reader(cache, directory), from?.recent)
  const torn = await replay.run()
  return {
    sealed,
    signedBy: [
      ...(sealed === undefined ? [] : [sealed.signedBy]),
      ...(from === undefined || typeof signed === 'string' ? [] : [signed.signedBy]),
    ],
    sealedFiles: listed.sealed,
    logs: replay.logs,
    published: replay.published,
    lastMs: replay.lastMs,
    files,
    end: replay.end,
    torn,
    unborn,
    lastFrame: replay.lastFrame,
    rederived: files.length > 0 ? usable : undefined,
    replayedBytes: replay.replayedBytes,
  }
}

async function signedAnchor({
  disk,
  directory,
  keys,
}: RecoveryOptions): Promise<{ readonly anchor: Anchor; readonly signedBy: string } | string> {
  const read = await readAnchor(disk, directory)
  if (typeof read === 'string') return read
  const { anchor } = read
  const signers = await headsSignersIn(disk, keys ?? (await keysDirectory(disk, directory)), anchor.originPrefix)
  const signer = signers.find((key) => read.isSignedBy(key))
  return signer === undefined ? 'the anchor is not signed by the key of heads' : { anchor, signedBy: signer.vkey }
}

/** Why the anchor does not fit what lies on the disk, or undefined where it does. */
async function whyUnusable(
  options: RecoveryOptions,
  anchor: Anchor,
  files: readonly WalFile[],
  sealed: SealedState | undefined,
): Promise<string | undefined> {
  const sealedCommit = sealed?.seal.commit ?? 0
  // One of the seal's own commit names a file that may be gone.
  if (sealed !== undefined && anchor.commit <= sealedCommit) return 'the anchor is older than the seal'
  const file = files.find((candidate) => candidate.header.firstCommit === anchor.file)
  if (file === undefined || file.header.originPrefix !== anchor.originPrefix) {
    throw new DataFault(
      anchorPath(options.directory),
      0,
      'the WAL ends before the anchor',
      `WAL file ${anchor.file}`,
      'none',
    )
  }
  const kept = anchor.files.filter(({ firstCommit }) => firstCommit > sealedCommit)
  for (const [position, { firstCommit, sizeBytes }] of kept.entries()) {
    const earlier = files[position]
    const found = earlier === undefined ? 0 : await fileBytes(options.disk, earlier.path)
    if (earlier?.header.firstCommit !== firstCommit || found !== sizeBytes) {
      const path = earlier?.path ?? join(options.directory, 'wal')
      throw new DataFault(
        path,
        found,
        `WAL file ${firstCommit} is missing or cut`,
        `${sizeBytes} bytes`,
        `${found} bytes`,
      )
    }
  }
  const sizeBytes = await fileBytes(options.disk, file.path)
  if (sizeBytes < anchor.position) {
    throw new DataFault(
      file.path,
      sizeBytes,
      'the WAL ends before the anchor',
      `${anchor.position} bytes`,
      `${sizeBytes}`,
    )
  }
  for (const ledger of anchor.ledgers) {
    try {
      const log = await logAt(options, ledger, sealed)
      if (Buffer.from(log.root).toString('hex') !== ledger.root)
        return `the tree files of ${ledger.name} have another root`
      if (!(await log.reachesItsEnd())) return `the places of ${ledger.name} do not lead to its last entry`
    } catch {
      return `the derived files of ${ledger.name} are cut`
    }
  }
  return undefined
}

/**
 * Reads the frames before an anchor, of which nothing is replayed: each must be whole and follow the one before, up to
 * the one that the anchor names. What is in them is held against the tree when somebody reads it.
 */
async function checkBefore(
  { disk }: RecoveryOptions,
  anchor: Anchor,
  files: readonly WalFile[],
  start: LogStart,
): Promise<void> {
  let { commit, hash } = start
  const follow = (path: string, offset: number, foundCommit: number, foundHash: Buffer) => {
    const expected = `commit ${commit + 1} after ${hash.toString('hex')}`
    const found = `commit ${foundCommit} after ${foundHash.toString('hex')}`
    if (expected !== found) throw new DataFault(path, offset, 'the chain of frames is broken', expected, found)
  }
  for (const { path, header } of files) {
    if (header.firstCommit > anchor.file) break
    follow(path, 32, header.firstCommit, header.previousHash)
    const file = await disk.open(path, 'read')
    const isLast = header.firstCommit === anchor.file
    try {
      const endBytes = isLast ? anchor.position : await file.sizeBytes()
      for await (const frame of wholeFrames(path, file, header.fileId, endBytes)) {
        follow(path, frame.position + 24, frame.header.commit, frame.header.previousHash)
        ;({ commit, hash } = frame.header)
      }
    } finally {
      await file.close()
    }
    if (!isLast || hash.toString('hex') === anchor.hash) continue
    const found = hash.toString('hex')
    throw new DataFault(path, anchor.position, 'the log does not lead to the anchor', anchor.hash, found)
  }
}

async function dropDerived(options: RecoveryOptions): Promise<void> {
  await options.cache.close()
  await options.disk.remove(join(options.directory, 'derived'))
}
