// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A disk in memory that loses power. What it may do to us: a write that no datasync of its file has followed may be
// there, be missing, or be there in some of its 512-byte sectors only, whatever became of other writes; a truncation
// likewise happened or not. Names (created, renamed, removed), those of folders too, become durable folder by folder
// (power-cut-names.ts). What it never does: change or lose what was synced. A process that dies without the power
// failing loses nothing. A datasync that fails leaves what it should have written readable, and does not write it at
// the next one either: so Linux does, which marks the pages clean.

import { basename, dirname, join } from 'node:path'

import type { Disk, DiskFile } from '../src/platform/disk.ts'
import {
  type Change,
  durableInode,
  folderInode,
  type Inode,
  type NameChange,
  PowerCutNames,
} from './power-cut-names.ts'
import type { SeededRandom } from './scratch.ts'

export const SECTOR_BYTES = 512
const PAGE_BYTES = 4_096

class PowerFailure extends Error {
  override readonly name = 'PowerFailure'
}

export class PowerCutDisk implements Disk {
  readonly #names: PowerCutNames
  /** Folders whose names this process made durable, or found to be. */
  readonly #durableFolders = new Set<string>()
  /** Operations that still succeed; then the power is off. */
  operationsLeft = Infinity
  /** Datasyncs until one fails; none does unless told. */
  datasyncsLeft = Infinity
  /** Whether others get their turn while the disk is busy; not where time is simulated. */
  yields = true

  /** Called within an operation that takes several steps, before each that changes something. */
  beforeStep: (step: string) => void = () => {}

  constructor(names = new PowerCutNames(new Map())) {
    this.#names = names
  }

  /** The disk that the next start finds when the process was killed: all that it wrote, durable or not. */
  afterKill(random: SeededRandom): PowerCutDisk {
    this.operationsLeft = 0
    for (const inode of this.#names.now.values()) finishSome(inode, random)
    const { durable, now, changes } = this.#names
    return new PowerCutDisk(new PowerCutNames(durable, now, changes))
  }

  /** One of the disks that the next start may find when the power was cut. */
  afterPowerCut(random: SeededRandom): PowerCutDisk {
    this.operationsLeft = 0
    const left = new PowerCutNames(this.#names.after(this.#names.drawn(random)))
    return new PowerCutDisk(left.copied(onceEach((inode) => settled(inode, random))))
  }

  /** The same disk at this moment, durable or not as it is here. */
  fork(): PowerCutDisk {
    return new PowerCutDisk(this.#names.copied(onceEach((inode) => ({ ...inode, unsynced: [...inode.unsynced] }))))
  }

  /** Names that no power cut takes away any more, and those that it may or may not. */
  get atStake(): Pick<PowerCutNames, 'durable' | 'changes'> {
    return this.#names
  }

  /** The disk after a power cut that left these changes of names, and of each file what `contents` says. */
  image(kept: readonly NameChange[], contents: (inode: Inode) => Buffer): PowerCutDisk {
    const left = new PowerCutNames(this.#names.after(kept))
    return new PowerCutDisk(left.copied(onceEach((inode) => (inode.isFolder ? inode : durableInode(contents(inode))))))
  }

  /** The same disk once more, all of it durable: to be changed without changing this one. */
  copy(): PowerCutDisk {
    const names = new PowerCutNames(this.#names.now)
    return new PowerCutDisk(names.copied(onceEach((inode) => (inode.isFolder ? inode : durableInode(inode.now)))))
  }

  /** Paths of all files. */
  get paths(): string[] {
    return [...this.#names.now].flatMap(([path, inode]) => (inode.isFolder ? [] : [path])).toSorted()
  }

  has(path: string): boolean {
    return this.#names.now.has(path)
  }

  bytes(path: string): Buffer {
    const inode = this.#names.now.get(path)
    if (inode === undefined) throw failure('ENOENT', path)
    return Buffer.from(inode.now)
  }

  /** Changes a file behind everybody's back, or removes it. */
  tamper(path: string, bytes: Buffer | undefined): void {
    for (const names of [this.#names.now, this.#names.durable]) {
      for (let folder = dirname(path); folder !== '/' && !names.has(folder); folder = dirname(folder))
        names.set(folder, folderInode())
      if (bytes === undefined) names.delete(path)
      else names.set(path, durableInode(bytes))
    }
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    this.#operate()
    let inode = this.#names.now.get(path)
    if (inode !== undefined && how === 'create') throw failure('EEXIST', path)
    if (inode === undefined) {
      if (how === 'read' || !this.#names.isFolder(dirname(path))) throw failure('ENOENT', path)
      inode = durableInode(Buffer.alloc(0))
      this.#names.change([dirname(path)], [path, inode])
    }
    const yielding = async () => {
      if (this.yields) await new Promise(setImmediate)
    }
    return new PowerCutFile(inode, (kind) => this.#operate(kind), yielding)
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    this.#operate()
    const inode = this.#names.now.get(path)
    return inode === undefined ? undefined : Buffer.from(inode.now)
  }

  async regularBytes(path: string): Promise<number | undefined> {
    this.#operate()
    return this.#names.now.get(path)?.now.length
  }

  async list(path: string): Promise<string[]> {
    this.#operate()
    const inside = [...this.#names.now.keys()].filter((name) => dirname(name) === path)
    return inside.map((name) => basename(name)).toSorted()
  }

  /** As NodeDisk does: what another process made may not be durable yet, so each folder's name is synced once. */
  async makeDirectory(path: string): Promise<void> {
    this.#operate()
    this.makeFolders(path)
    for (let folder = path; folder !== '/' && !this.#durableFolders.has(folder); folder = dirname(folder)) {
      if (!this.#names.isUnsynced(dirname(folder))) continue
      this.beforeStep(`syncDirectory ${dirname(folder)}`)
      this.#names.sync(dirname(folder))
    }
    for (let folder = path; folder !== '/'; folder = dirname(folder)) this.#durableFolders.add(folder)
  }

  /** The first half of it: folders that are there, and may be lost. */
  makeFolders(path: string): void {
    if (this.#names.isFolder(path)) return
    this.makeFolders(dirname(path))
    this.#durableFolders.delete(path)
    this.beforeStep(`mkdir ${path}`)
    this.#names.change([dirname(path)], [path, folderInode()])
  }

  async rename(from: string, to: string): Promise<void> {
    this.#operate()
    const inode = this.#names.now.get(from)
    if (inode === undefined) throw failure('ENOENT', from)
    if (!this.#names.isFolder(dirname(to))) throw failure('ENOENT', to)
    const folders = [...new Set([dirname(from), dirname(to)])]
    this.#names.change(folders, [to, inode], [from, undefined])
  }

  async link(from: string, to: string): Promise<boolean> {
    this.#operate()
    const inode = this.#names.now.get(from)
    if (inode === undefined || !this.#names.isFolder(dirname(to))) throw failure('ENOENT', from)
    if (this.#names.now.has(to)) return false
    this.#names.change([dirname(to)], [to, inode])
    return true
  }

  async remove(path: string): Promise<void> {
    this.#operate()
    const below = [...this.#names.now.keys()].filter((name) => name === path || name.startsWith(`${path}/`))
    // A folder is removed when it is empty, and only then: both its own names and its parent's are concerned.
    for (const [step, name] of below.toSorted((a, b) => b.length - a.length).entries()) {
      if (step > 0) this.beforeStep(`remove ${name}`)
      const folders = this.#names.isFolder(name) ? [dirname(name), name] : [dirname(name)]
      this.#names.change(folders, [name, undefined])
    }
  }

  async syncDirectory(path: string): Promise<void> {
    this.#operate()
    if (!this.#names.isFolder(path)) throw failure('ENOENT', path)
    this.#names.sync(path)
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 2 ** 40, totalBytes: 2 ** 41 }
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

/** Two names of one file have one copy. */
function onceEach(copyOf: (inode: Inode) => Inode): (inode: Inode) => Inode {
  const copies = new Map<Inode, Inode>()
  return (inode) => {
    const copy = copies.get(inode) ?? copyOf(inode)
    copies.set(inode, copy)
    return copy
  }
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
  if (inode.isFolder) return inode
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
