// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The names of a disk that loses power, each folder's by itself: a folder's sync makes its own names durable and nobody
// else's, and before it any beginning of its changes may be. A rename across two folders happened in both or in
// neither; a folder's own name lies in its parent, and what is in a folder whose name is lost is lost with it.

import { dirname } from 'node:path'

import type { SeededRandom } from './scratch.ts'

export type Change =
  | { readonly kind: 'write'; readonly bytes: Buffer; readonly position: number }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

export interface Inode {
  readonly isFolder?: boolean
  durable: Buffer
  now: Buffer
  unsynced: Change[]
  /** What was under way when the process ended. */
  interrupted?: Change | undefined
}

export interface NameChange {
  readonly folders: readonly string[]
  /** Names that were given to files and folders, and taken from them, in order. */
  readonly names: readonly (readonly [path: string, inode: Inode | undefined])[]
}

export function durableInode(bytes: Buffer): Inode {
  return { durable: bytes, now: bytes, unsynced: [] }
}

export function folderInode(): Inode {
  return { isFolder: true, ...durableInode(Buffer.alloc(0)) }
}

export class PowerCutNames {
  readonly now: Map<string, Inode>
  readonly durable: Map<string, Inode>
  /** Changes that no sync of their folder has followed. */
  readonly changes: NameChange[]

  constructor(
    durable: ReadonlyMap<string, Inode>,
    now: ReadonlyMap<string, Inode> = durable,
    changes: readonly NameChange[] = [],
  ) {
    this.durable = new Map(durable)
    this.now = new Map(now)
    this.changes = [...changes]
  }

  isFolder(path: string): boolean {
    return path === '/' || this.now.get(path)?.isFolder === true
  }

  change(folders: readonly string[], ...names: NameChange['names']): void {
    const change = { folders, names }
    applyTo(this.now, change)
    this.changes.push(change)
  }

  /** Whether a sync of this folder would change anything. */
  isUnsynced(folder: string): boolean {
    return this.changes.some(({ folders }) => folders.includes(folder))
  }

  sync(folder: string): void {
    const concerned = new Set([folder])
    const synced: NameChange[] = []
    // What a change of two folders follows in the other one has happened as well.
    for (let at = this.changes.length - 1; at >= 0; at--) {
      const { folders } = this.changes[at]!
      if (!folders.some((name) => concerned.has(name))) continue
      for (const name of folders) concerned.add(name)
      synced.unshift(...this.changes.splice(at, 1))
    }
    for (const change of synced) applyTo(this.durable, change)
  }

  /** Of each folder's changes some beginning, drawn. */
  drawn(random: SeededRandom): readonly NameChange[] {
    const left = new Map<string, number>()
    for (const { folders } of this.changes) for (const folder of folders) left.set(folder, (left.get(folder) ?? 0) + 1)
    for (const [folder, count] of left) left.set(folder, random.below(count + 1))
    return this.changes.filter(({ folders }) => {
      const isKept = folders.every((folder) => left.get(folder)! > 0)
      for (const folder of folders) left.set(folder, isKept ? left.get(folder)! - 1 : 0)
      return isKept
    })
  }

  /** The names after a power cut that left these changes. */
  after(kept: readonly NameChange[]): Map<string, Inode> {
    const names = new Map(this.durable)
    for (const change of kept) applyTo(names, change)
    const isReachable = (path: string): boolean =>
      dirname(path) === '/' || (names.get(dirname(path))?.isFolder === true && isReachable(dirname(path)))
    return new Map([...names].filter(([path]) => isReachable(path)))
  }

  /** The same with other inodes in place of these. */
  copied(copyOf: (inode: Inode) => Inode): PowerCutNames {
    const copies = (names: ReadonlyMap<string, Inode>) =>
      new Map([...names].map(([path, inode]) => [path, copyOf(inode)]))
    const changes = this.changes.map(({ folders, names }) => ({
      folders,
      names: names.map(([path, inode]) => [path, inode && copyOf(inode)] as const),
    }))
    return new PowerCutNames(copies(this.durable), copies(this.now), changes)
  }
}

function applyTo(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change.names) {
    if (inode === undefined) names.delete(path)
    else names.set(path, inode)
  }
}
