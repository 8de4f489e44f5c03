// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a start learns of the segments: the seal, held against the key of `heads`, and for every ledger the segments that
 * leave no gap up to its sealed size, their outlines held against their names and the roots in their names against the
 * seal. Their contents are not read here: every entry is held against such a root when it is read, every byte by the
 * verification that runs behind the writer.
 */
import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import { DataFault } from './data-fault.ts'
import { headsSignersIn } from './keys.ts'
import { keysDirectory } from './keys-directory.ts'
import { readSeal, type Seal } from './seal.ts'
import { KeyFault } from './signing.ts'
import { SealedEntries, type SegmentReaders } from './sealed-entries.ts'
import { coverOf, listSegments } from './segment/cover.ts'
import { checkOutline } from './segment/segment-object.ts'
import type { Segment } from './segment/segment.ts'
import { HEAD_NAME } from './store/directory-store.ts'
import type { ObjectStore } from './store/object-store.ts'
import { LOG_BEGIN, type LogStart } from './wal/files.ts'

/** A billion entries are 30,000 objects, whose outlines take a start a few seconds. */
const OUTLINES_AT_ONCE = 32

export interface SealedState {
  readonly seal: Seal
  /** The key that signed it: one that lies in the keys' folder; whether `system` names it is not known here. */
  readonly signedBy: string
  /** Version of the store's head, for the next swap. */
  readonly version: string
  readonly byLedger: ReadonlyMap<string, SealedEntries>
}

/** What is sealed, or undefined where nothing is. */
export async function recoverSealed(
  disk: Disk,
  directory: string,
  store: ObjectStore,
  readers: SegmentReaders,
  keys?: string,
): Promise<SealedState | undefined> {
  const head = await store.readHead()
  if (head === undefined) return undefined
  const { seal, signedBy } = await signedSeal(disk, keys ?? (await keysDirectory(disk, directory)), store, head.bytes)
  const listed = await listSegments(store)
  const byLedger = new Map<string, SealedEntries>()
  for (const { name, size, root } of seal.ledgers) {
    const cover = await demandCover(store, seal, name, listed.get(name) ?? [], size)
    const sealed = new SealedEntries(readers, cover, size)
    const found = await sealed.root()
    if (found !== root) {
      throw new DataFault(
        join(store.where, name),
        0,
        `the segments of ${name} have another root than the seal`,
        root,
        found,
      )
    }
    byLedger.set(name, sealed)
  }
  return { seal, signedBy, version: head.version, byLedger }
}

export function startBehind(sealed: SealedState | undefined): LogStart {
  if (sealed === undefined) return LOG_BEGIN
  const { commit, hash, originPrefix } = sealed.seal
  return { commit, hash: Buffer.from(hash, 'hex'), originPrefix }
}

/** The segments of a ledger without a gap up to `size`; a DataFault names what is missing. */
export function coverUpTo(
  store: ObjectStore,
  ledger: string,
  segments: readonly Segment[],
  size: number,
): readonly Segment[] {
  const { cover, missing } = coverOf(segments, size)
  if (missing === undefined) return cover
  const entries = `entries ${missing.first} to ${missing.end - 1} of ${ledger}`
  throw new DataFault(join(store.where, ledger), 0, 'a segment is missing', entries, 'no segment that holds them')
}

async function demandCover(
  store: ObjectStore,
  { originPrefix }: Seal,
  ledger: string,
  segments: readonly Segment[],
  size: number,
): Promise<readonly Segment[]> {
  const cover = coverUpTo(store, ledger, segments, size)
  for (let at = 0; at < cover.length; at += OUTLINES_AT_ONCE) {
    const some = cover.slice(at, at + OUTLINES_AT_ONCE)
    await Promise.all(some.map(async (segment) => await checkOutline(store, segment, `${originPrefix}/${ledger}`)))
  }
  return cover
}

async function signedSeal(
  disk: Disk,
  keys: string,
  store: ObjectStore,
  bytes: Buffer,
): Promise<Pick<SealedState, 'seal' | 'signedBy'>> {
  const path = join(store.where, HEAD_NAME)
  const read = readSeal(bytes)
  if (typeof read === 'string') throw new DataFault(path, 0, read, 'what Stele wrote', 'something else')
  const { seal } = read
  const signers = await headsSignersIn(disk, keys, seal.originPrefix)
  const [first] = signers
  if (first === undefined) {
    const origin = `${seal.originPrefix}/heads`
    const mend = 'put it back from where it is kept, or name the folder that holds it with --keys DIR'
    throw new KeyFault(`${join(keys, 'heads.key')} is missing, or not the key of ${origin}: ${mend}`)
  }
  const signer = signers.find((key) => read.isSignedBy(key))
  if (signer !== undefined) return { seal, signedBy: signer.vkey }
  throw new DataFault(path, 0, 'the seal was not made by this directory', `a signature by ${first.vkey}`, 'another')
}
