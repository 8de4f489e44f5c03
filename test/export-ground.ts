// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What tests of exports stand on: entries of a ledger with events of every kind, and a folder that is written of them.

import { hash } from 'node:crypto'

import { formatEntry, Frontier, type MediaType } from '@stele/proof'

import { logSigner, signCheckpoint } from '../packages/proof/test/signers.ts'
import { ExportFolder, type ExportedEntry } from '../src/evidence/export-folder.ts'
import type { Disk } from '../src/platform/disk.ts'
import type { FolderFiles } from '@stele/proof/folder'
import type { MemoryDisk } from './memory-disk.ts'
import { SeededRandom } from './scratch.ts'

export const origin = 'stele.test/abcdefghijklm/main'
export const signer = logSigner(origin)

/** Events that a careless format would change: their bytes, and the media types under which they came. */
export const hostileEvents: readonly (readonly [MediaType, Buffer])[] = [
  ['application/json', Buffer.from('{"a": 1, "a": 2.50, "big": 12345678901234567890}')],
  ['application/json', Buffer.from('{\n\t"pretty": true\r\n}')],
  ['application/json', Buffer.from('{"separators":"\u2028\u2029\u0085","bidi":"\u202e","escaped":"\\u0000\\ud800"}')],
  ['application/json', Buffer.from('"\u{1f5ff}"')],
  ['application/json', Buffer.from('{"index":7,"entry":{},"salt":"","event":{}}')],
  ['text/plain', Buffer.from('line 1\nline 2\r\n\u0000\u001b[2J\u007f')],
  ['text/plain', Buffer.from('{"looks":"like JSON"}')],
  ['text/plain', Buffer.from('\ufeffwith a byte order mark')],
  ['text/plain', Buffer.from('"}\n{"index":0,"entry":')],
  ['application/octet-stream', Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x22, 0x7d])],
  ['application/octet-stream', Buffer.from([0xed, 0xa0, 0x80])],
  ['application/octet-stream', Buffer.from('plain after all')],
  ['application/octet-stream', Buffer.alloc(0)],
]

/** `count` entries: the hostile events first, small ones of JSON then. `withContent` is asked with an index. */
export function exported(count: number, withContent: (index: number) => boolean = () => true): ExportedEntry[] {
  const random = new SeededRandom(count + 1)
  return Array.from({ length: count }, (_, index) => {
    const [media, event] = hostileEvents[index] ?? ['application/json', Buffer.from(`{"number":${index}}`)]
    return entryOf(index, media, event, random.bytes(16), withContent(index))
  })
}

export function entryOf(
  index: number,
  media: MediaType,
  event: Uint8Array,
  salt: Uint8Array,
  withContent = true,
): ExportedEntry {
  const seconds = String(Math.floor(index / 1000) % 60).padStart(2, '0')
  const line = formatEntry({
    at: `2026-01-02T03:04:${seconds}.${String(index % 1000).padStart(3, '0')}Z`,
    source: 'generic',
    by: 'x5dowcyt2hwt',
    media,
    size: event.length,
    sha256: hash('sha256', Buffer.concat([salt, event]), 'base64url'),
  })
  const content = { salt, event, isJson: media === 'application/json' }
  return { entry: Buffer.from(line), ...(withContent ? { content } : {}) }
}

/** The signed checkpoint of these entries. */
export function checkpointOf(entries: readonly ExportedEntry[]): string {
  const tree = new Frontier()
  for (const { entry } of entries) tree.append(hash('sha256', Buffer.concat([Buffer.of(0), entry]), 'buffer'))
  return signCheckpoint({ origin, size: tree.size, root: tree.root() }, signer)
}

/** Writes a folder; of `stops` each is a size at which it was made whole on the way. */
export async function writeFolder(
  disk: Disk,
  path: string,
  entries: readonly ExportedEntry[],
  stops: readonly number[] = [],
): Promise<void> {
  for (const stop of [...stops, entries.length]) {
    const folder = await ExportFolder.open(disk, path)
    await folder.append(entries.slice(folder.size, stop))
    await folder.finish({ checkpoint: checkpointOf(entries.slice(0, stop)), vkey: signer.vkey })
    await folder.close()
  }
}

/** A folder on a disk in memory, as a check reads one. */
export class FolderOnDisk implements FolderFiles {
  readonly #disk: MemoryDisk
  readonly #folder: string

  constructor(disk: MemoryDisk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  read(path: string, maxBytes: number): Uint8Array | undefined {
    const file = `${this.#folder}/${path}`
    return this.#disk.paths.includes(file) ? Buffer.from(this.#disk.bytesOf(file).subarray(0, maxBytes)) : undefined
  }

  open(path: string) {
    const bytes = this.read(path, Infinity)
    if (bytes === undefined) return undefined
    return { read: (into: Uint8Array, at: number) => Buffer.from(bytes).copy(into, 0, at), close: () => {} }
  }

  list(path: string): readonly string[] {
    const prefix = `${this.#folder}/${path}/`
    const below = this.#disk.paths.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length))
    return [...new Set(below.map((file) => file.split('/')[0]!))].toSorted()
  }
}
