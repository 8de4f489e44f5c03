// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A disk in memory that loses power. What it may do to us: a write that no datasync of its file has followed may be
// there, be missing, or be there in some of its 512-byte sectors only, whatever became of other writes; a truncation
// likewise happened or not. Names (created, renamed, removed) become durable in the order in which they were made, a
// prefix of them at any time, all of a folder's at the latest when it is synced. Folders are durable once made, as
// src/platform/disk.ts promises. What it never does: change or lose what was synced. A process that dies without the
// power failing loses nothing. A datasync that fails leaves what it should have written readable, and does not write it
// at the next one either: so Linux does, which marks the pages clean.

import { basename, dirname, join } from 'node:path'

import type { Disk, DiskFile } from '../src/platform/disk.ts'
import type { SeededRandom } from './scratch.ts'

export const SECTOR_BYTES = 512
const PAGE_BYTES = 4_096

export type Change =
  | { readonly kind: 'write'; readonly bytes: Buffer; readonly position: number }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

export interface Inode {
  durable: Buffer
  now: Buffer
  unsynced: Change[]
  /** What was under way when the process ended. */
  interrupted?: Change | undefined
}

export interface NameChange {
  readonly folders: readonly string[]
  /** Names that were given to files, and taken from them, in order. */
  readonly names: readonly (readonly [path: string, inode: Inode | undefined])[]
}

/** Notes what is done to it. */
class NotedNames extends Map<string, Inode> {
  readonly noted: (readonly [path: string, inode: Inode | undefined])[] = []

  override set(path: string, inode: Inode): this {
    this.noted.push([path, inode])
    return this
  }

  override delete(path: string): boolean {
    this.noted.push([path, undefined])
    return true
  }
}

function applyTo(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change.names) {
    if (inode === undefined) names.delete(path)
    else names.set(path, inode)
  }
}

class PowerFailure extends Error {
  override readonly name = 'PowerFailure'
}

export class PowerCutDisk implements Disk {
  readonly #folders: Set<string>
  readonly #names: Map<string, Inode>
  readonly #durableNames: Map<string, Inode>
  readonly #nameChanges: NameChange[]
  /** Operations that still succeed; then the power is off. */
  operationsLeft = Infinity
  /** Datasyncs until one fails; none does unless told. */
  datasyncsLeft = Infinity
  /** Whether others get their turn while the disk is busy; not where time is simulated. */
  yields = true

  constructor(
    folders: Iterable<string> = ['/'],
    durableNames: ReadonlyMap<string, Inode> = new Map(),
    names: ReadonlyMap<string, Inode> = durableNames,
    nameChanges: readonly NameChange[] = [],
  ) {
    this.#folders = new Set(folders)
    this.#names = new Map(names)
    this.#durableNames = new Map(durableNames)
    this.#nameChanges = [...nameChanges]
  }

  /** The disk that the next start finds when the process was killed: all that it wrote, durable or not. */
  afterKill(random: SeededRandom): PowerCutDisk {
    this.operationsLeft = 0
    for (const inode of this.#names.values()) finishSome(inode, random)
    return new PowerCutDisk(this.#folders, this.#durableNames, this.#names, this.#nameChanges)
  }

  /** One of the disks that the next start may find when the power was cut. */
  afterPowerCut(random: SeededRandom): PowerCutDisk {
    this.operationsLeft = 0
    const names = new Map(this.#durableNames)
    for (const change of this.#nameChanges.slice(0, random.below(this.#nameChanges.length + 1))) applyTo(names, change)
    const images = new Map<Inode, Inode>()
    for (const inode of new Set(names.values())) images.set(inode, settled(inode, random))
    return new PowerCutDisk(this.#folders, new Map([...names].map(([path, inode]) => [path, images.get(inode)!])))
  }

  /** The same disk at this moment, durable or not as it is here. */
  fork(): PowerCutDisk {
    const copies = new Map<Inode, Inode>()
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? { ...inode, unsynced: [...inode.unsynced] }
      copies.set(inode, copy)
      return copy
    }
    const copied = (names: ReadonlyMap<string, Inode>) =>
      new Map([...names].map(([path, inode]) => [path, copyOf(inode)]))
    const changes = this.#nameChanges.map(({ folders, names }) => ({
      folders,
      names: names.map(([path, inode]) => [path, inode && copyOf(inode)] as const),
    }))
    return new PowerCutDisk(this.#folders, copied(this.#durableNames), copied(this.#names), changes)
  }

  /** Names that no power cut takes away any more, and those that it may or may not. */
  get atStake(): { readonly durable: ReadonlyMap<string, Inode>; readonly changes: readonly NameChange[] } {
    return { durable: this.#durableNames, changes: this.#nameChanges }
  }

  /** The disk after a power cut that left these changes of names, and of each file what `contents` says. */
  image(kept: readonly NameChange[], contents: (inode: Inode) => Buffer): PowerCutDisk {
    const names = new Map(this.#durableNames)
    for (const change of kept) applyTo(names, change)
    return new PowerCutDisk(
      this.#folders,
      new Map([...names].map(([path, inode]) => [path, durableInode(contents(inode))])),
    )
  }

  /** The same disk once more, all of it durable: to be changed without changing this one. */
  copy(): PowerCutDisk {
    const copies = [...this.#names].map(([path, { now }]) => [path, durableInode(now)] as const)
    return new PowerCutDisk(this.#folders, new Map(copies))
  }

  /** Paths of all files. */
  get paths(): string[] {
    return [...this.#names.keys()].toSorted()
  }

  bytes(path: string): Buffer {
    const inode = this.#names.get(path)
    if (inode === undefined) throw failure('ENOENT', path)
    return Buffer.from(inode.now)
  }

  /** Changes a file behind everybody's back, or removes it. */
  tamper(path: string, bytes: Buffer | undefined): void {
    for (const names of [this.#names, this.#durableNames]) {
      if (bytes === undefined) names.delete(path)
      else names.set(path, durableInode(bytes))
    }
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    this.#operate()
    let inode = this.#names.get(path)
    if (inode !== undefined && how === 'create') throw failure('EEXIST', path)
    if (inode === undefined) {
      if (how === 'read' || !this.#folders.has(dirname(path))) throw failure('ENOENT', path)
      const made: Inode = { durable: Buffer.alloc(0), now: Buffer.alloc(0), unsynced: [] }
      inode = made
      this.#rename([dirname(path)], (names) => names.set(path, made))
    }
    const yielding = async () => {
      if (this.yields) await new Promise(setImmediate)
    }
    return new PowerCutFile(inode, (kind) => this.#operate(kind), yielding)
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    this.#operate()
    const inode = this.#names.get(path)
    return inode === undefined ? undefined : Buffer.from(inode.now)
  }

  async list(path: string): Promise<string[]> {
    this.#operate()
    const inside = [...this.#names.keys(), ...this.#folders].filter((name) => name !== '/' && dirname(name) === path)
    return inside.map((name) => basename(name)).toSorted()
  }

  async makeDirectory(path: string): Promise<void> {
    this.#operate()
    for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) this.#folders.add(folder)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#operate()
    const inode = this.#names.get(from)
    if (inode === undefined) throw failure('ENOENT', from)
    this.#rename([dirname(from), dirname(to)], (names) => names.set(to, inode).delete(from))
  }

  async link(from: string, to: string): Promise<boolean> {
    this.#operate()
    const inode = this.#names.get(from)
    if (inode === undefined || !this.#folders.has(dirname(to))) throw failure('ENOENT', from)
    if (this.#names.has(to) || this.#folders.has(to)) return false
    this.#rename([dirname(to)], (names) => names.set(to, inode))
    return true
  }

  async remove(path: string): Promise<void> {
    this.#operate()
    for (const name of [...this.#names.keys()].filter((name) => name === path || name.startsWith(`${path}/`))) {
      this.#rename([dirname(name)], (names) => names.delete(name))
    }
  }

  async syncDirectory(path: string): Promise<void> {
    this.#operate()
    if (!this.#folders.has(path)) throw failure('ENOENT', path)
    const last = this.#nameChanges.findLastIndex(({ folders }) => folders.includes(path))
    for (const change of this.#nameChanges.splice(0, last + 1)) applyTo(this.#durableNames, change)
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 2 ** 40, totalBytes: 2 ** 41 }
  }

  #rename(folders: readonly string[], apply: (names: Map<string, Inode>) => void): void {
    const noting = new NotedNames()
    apply(noting)
    const change = { folders, names: noting.noted }
    applyTo(this.#names, change)
    this.#nameChanges.push(change)
  }

  #operate(kind?: 'datasync'): void {
    if (this.operationsLeft <= 0) throw new PowerFailure('the power is off')
    this.operationsLeft--
    if (kind === 'datasync' && this.datasyncsLeft-- === 0) throw failure('EIO', 'datasync')
  }
}

class PowerCutFile implements DiskFile {
  readonly #inode: Inode
  readonly #operate: (kind?: 'datasync') => void
  readonly #yield: () => Promise<void>

  constructor(inode: Inode, operate: (kind?: 'datasync') => void, yielding: () => Promise<void>) {
    this.#inode = inode
    this.#operate = operate
    this.#yield = yielding
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const part = this.#inode.now.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#change({ kind: 'write', bytes: Buffer.from(bytes), position })
    await this.#yield()
  }

  async datasync(): Promise<void> {
    const { unsynced } = this.#inode
    try {
      this.#operate('datasync')
    } catch (error) {
      if (!(error instanceof PowerFailure)) this.#inode.unsynced = []
      throw error
    }
    this.#inode.unsynced = []
    for (const change of unsynced) this.#inode.durable = changed(this.#inode.durable, change)
    await this.#yield()
  }

  async sizeBytes(): Promise<number> {
    return this.#inode.now.length
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#change({ kind: 'truncate', sizeBytes })
  }

  async close(): Promise<void> {}

  #change(change: Change): void {
    try {
      this.#operate()
    } catch (error) {
      this.#inode.interrupted = change
      throw error
    }
    this.#inode.unsynced.push(change)
    this.#inode.now = changed(this.#inode.now, change)
  }
}

function durableInode(bytes: Buffer): Inode {
  return { durable: bytes, now: bytes, unsynced: [] }
}

export function changed(before: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') return resized(before, change.sizeBytes)
  const after = resized(before, Math.max(before.length, change.position + change.bytes.length))
  change.bytes.copy(after, change.position)
  return after
}

function resized(bytes: Buffer, sizeBytes: number): Buffer {
  const after = Buffer.alloc(sizeBytes)
  bytes.copy(after, 0, 0, sizeBytes)
  return after
}

/** What a kill leaves of the write that it interrupted: some of its first pages. */
function finishSome(inode: Inode, random: SeededRandom): void {
  const { interrupted } = inode
  inode.interrupted = undefined
  if (interrupted?.kind !== 'write') return
  const bytes = interrupted.bytes.subarray(
    0,
    random.below(Math.ceil(interrupted.bytes.length / PAGE_BYTES) + 1) * PAGE_BYTES,
  )
  if (bytes.length === 0) return
  const part = { ...interrupted, bytes }
  inode.unsynced.push(part)
  inode.now = changed(inode.now, part)
}

/** One of the contents that a file may have after the power was cut. */
function settled(inode: Inode, random: SeededRandom): Inode {
  let bytes = inode.durable
  for (const change of [...inode.unsynced, ...(inode.interrupted === undefined ? [] : [inode.interrupted])]) {
    const fate = random.below(4)
    if (fate === 0) continue
    if (fate === 1 || change.kind === 'truncate') bytes = changed(bytes, change)
    else bytes = torn(bytes, change, random, fate === 2)
  }
  return durableInode(bytes)
}

/** Some sectors of a write: the first ones (`ordered`), or any. */
function torn(before: Buffer, write: Change & { kind: 'write' }, random: SeededRandom, ordered: boolean): Buffer {
  const sectorCount = Math.ceil(write.bytes.length / SECTOR_BYTES)
  const last = random.below(sectorCount + 1)
  let bytes = before
  for (let sector = 0; sector < sectorCount; sector++) {
    if (ordered ? sector >= last : random.below(2) === 0) continue
    const part = write.bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
    bytes = changed(bytes, { kind: 'write', bytes: part, position: write.position + sector * SECTOR_BYTES })
  }
  return bytes
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

/** The path of a data directory on such a disk. */
export const powerCutDirectory = join('/', 'data')
