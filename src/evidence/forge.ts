// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The attacker of the drill: takes the whole log apart into events, and writes a changed history as a log in which
 * every checksum, hash, leaf, root and link is right again. Of all that it writes only signatures need a key. It is
 * handed copies, and writes where the drill says.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { contentHash, type Entry, formatEntry, Frontier, hashLeaf, parseEntry, SALT_BYTES } from '@stele/proof'
import type { Signer } from '../ledger/signing.ts'
import { publishedHead } from '../ledger/published-head.ts'
import { walPath } from '../ledger/wal/files.ts'
import { DataFault } from '../ledger/data-fault.ts'
import { BLOCK_BYTES, decodeFileHeader, encodeFileHeader, HASH_BYTES } from '../ledger/wal/format.ts'
import { FrameBuilder } from '../ledger/wal/frame-builder.ts'
import { eventBounds, isFlaw, readFrame, type ReadFrame } from '../ledger/wal/frame-reader.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'

export interface HistoryEvent {
  /** The line that the leaf is made of. */
  readonly entry: Buffer
  /** Salt and event. */
  readonly content: Buffer
  /** Where the event's own bytes were read: path below the directory, and position. */
  readonly file: string
  readonly offset: number
}

interface HistorySection {
  readonly ledger: string
  readonly events: readonly HistoryEvent[]
}

export interface HistoryFrame {
  readonly sections: readonly HistorySection[]
  /** Sizes of its ledgers after it, as first written: published heads speak of these. */
  readonly sizes: readonly (readonly [ledger: string, size: number])[]
}

export interface History {
  readonly originPrefix: string
  readonly files: readonly { readonly fileId: Buffer; readonly frames: readonly HistoryFrame[] }[]
}

/** A ledger's size and root in the history that is written. */
export interface Head {
  readonly ledger: string
  readonly size: number
  readonly root: Uint8Array
}

/** What becomes of an entry of `heads` whose ledger has another head now, or of every one; undefined leaves it out. */
export type Renote = (note: Buffer, head: Head) => Buffer | undefined

/** Reads all frames of a log that was left whole. */
export async function readHistory(disk: Disk, directory: string): Promise<History> {
  const files = []
  let originPrefix = ''
  for (const name of await disk.list(join(directory, 'wal'))) {
    const path = join(directory, 'wal', name)
    const file = await disk.open(path, 'read')
    try {
      const sizeBytes = await file.sizeBytes()
      const block = Buffer.alloc(BLOCK_BYTES)
      const header = decodeFileHeader(path, block.subarray(0, await file.read(block, 0)))
      originPrefix = header.originPrefix
      const frames = []
      for await (const frame of wholeFrames(file, sizeBytes, header.fileId, path)) {
        frames.push(takeApart(frame, `wal/${name}`))
      }
      files.push({ fileId: header.fileId, frames })
    } finally {
      await file.close()
    }
  }
  return { originPrefix, files }
}

async function* wholeFrames(
  file: DiskFile,
  sizeBytes: number,
  fileId: Buffer,
  path: string,
): AsyncGenerator<ReadFrame> {
  for (let position = BLOCK_BYTES; position < sizeBytes;) {
    const frame = await readFrame(file, sizeBytes, fileId, position)
    assert(frame !== undefined)
    if (isFlaw(frame)) throw new DataFault(path, position + frame.at, frame.what, frame.expected, frame.found)
    yield frame
    position += frame.header.frameBytes
  }
}

/** The events of a frame, and where they lie. */
export function takeApart({ sections, rows, position, bytes }: ReadFrame, file: string): HistoryFrame {
  return {
    sections: sections.map((section) => ({
      ledger: section.ledger,
      events: Array.from({ length: section.count }, (_, number) => {
        const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, number)
        const offset = position + contentStart + SALT_BYTES
        return {
          entry: bytes.subarray(entryStart, entryEnd),
          content: bytes.subarray(contentStart, contentEnd),
          file,
          offset,
        }
      }),
    })),
    sizes: rows.map(({ ledger, size }) => [ledger, size] as const),
  }
}

/** The events of a ledger in order. */
export function eventsOf(history: History, ledger: string): HistoryEvent[] {
  return history.files.flatMap(({ frames }) =>
    frames.flatMap(({ sections }) => sections.flatMap((section) => (section.ledger === ledger ? section.events : []))),
  )
}

/** Another history: each event of a ledger becomes what `change` gives for it. */
export function changedHistory(
  history: History,
  ledger: string,
  change: (event: HistoryEvent, index: number) => readonly HistoryEvent[],
): History {
  let index = 0
  const changeSection = (section: HistorySection): HistorySection =>
    section.ledger === ledger ? { ledger, events: section.events.flatMap((event) => change(event, index++)) } : section
  const files = history.files.map(({ fileId, frames }) => ({
    fileId,
    frames: frames.map(({ sections, sizes }) => ({ sections: sections.map(changeSection), sizes })),
  }))
  return { ...history, files }
}

/** Another event in the place of this one, under an entry that commits to it. */
export function committed(place: HistoryEvent, salt: Uint8Array, event: Uint8Array): HistoryEvent {
  const entry: Entry = {
    ...parseEntry(place.entry),
    size: event.length,
    sha256: Buffer.from(contentHash(salt, event)).toString('base64url'),
  }
  return { ...place, entry: Buffer.from(formatEntry(entry)), content: Buffer.concat([salt, event]) }
}

/** Puts the new size and root under the signatures of the old ones: all that can be done without the key. */
export const underOldSignatures: Renote = (note, { size, root }) => {
  const text = note.toString('utf8')
  const end = text.indexOf('\n\n')
  const lines = text.slice(0, end).split('\n')
  lines.splice(1, 2, String(size), Buffer.from(root).toString('base64'))
  return Buffer.from(lines.join('\n') + text.slice(end))
}

/** Leaves out whatever was published of what has changed. */
export const leftOut: Renote = () => undefined

/** Signs again with the real keys. */
export function signedAgain(signers: ReadonlyMap<string, Signer>): Renote {
  return (_, { ledger, size, root }) => {
    const signer = signers.get(ledger)
    assert(signer !== undefined, `no key of ${ledger}`)
    return Buffer.from(signer.checkpoint(size, root))
  }
}

/** Writes the log of a history and returns the heads of its ledgers. */
export async function writeHistory(
  disk: Disk,
  directory: string,
  history: History,
  renote: Renote,
  renoted: 'changed' | 'all' = 'changed',
): Promise<ReadonlyMap<string, Head>> {
  await disk.makeDirectory(join(directory, 'wal'))
  const forge = new Forge(renote, renoted)
  for (const { fileId, frames } of history.files) {
    const { originPrefix } = history
    const header = { fileId, firstCommit: forge.commit + 1, previousHash: forge.previousHash, originPrefix }
    const file = await disk.open(walPath(directory, header.firstCommit), 'create')
    try {
      await file.write(encodeFileHeader(header), 0)
      let position = BLOCK_BYTES
      for (const frame of frames) {
        const bytes = forge.build(fileId, frame)
        await file.write(bytes, position)
        position += bytes.length
      }
    } finally {
      await file.close()
    }
  }
  return forge.heads()
}

class Forge {
  commit = 0
  previousHash: Buffer = Buffer.alloc(HASH_BYTES)
  readonly #renote: Renote
  readonly #isAll: boolean
  readonly #builder = new FrameBuilder()
  readonly #trees = new Map<string, Frontier>()
  /** By ledger and size as first written: the head that stands there now. */
  readonly #headAt = new Map<string, Head>()

  constructor(renote: Renote, renoted: 'changed' | 'all') {
    this.#renote = renote
    this.#isAll = renoted === 'all'
  }

  heads(): ReadonlyMap<string, Head> {
    return new Map([...this.#trees.keys()].map((ledger) => [ledger, this.#head(ledger)]))
  }

  /** The next frame; empty where nothing is left in it. Valid until the next call. */
  build(fileId: Buffer, { sections, sizes }: HistoryFrame): Buffer {
    this.#builder.reset()
    for (const { ledger, events } of sections) {
      const left = ledger === 'heads' ? events.flatMap((event) => this.#published(event)) : events
      if (left.length > 0) this.#add(ledger, left)
    }
    for (const [ledger, size] of sizes) this.#headAt.set(`${ledger} ${size}`, this.#head(ledger))
    const rows = [...this.#builder.ledgers].map((ledger) => this.#head(ledger))
    if (rows.length === 0) return Buffer.alloc(0)
    this.commit++
    const sealed = this.#builder.seal(fileId, this.commit, this.previousHash, rows)
    this.previousHash = sealed.hash
    return sealed.bytes
  }

  #head(ledger: string): Head {
    const tree = this.#trees.get(ledger) ?? new Frontier()
    return { ledger, size: tree.size, root: tree.root() }
  }

  /** An entry of `heads` as it has to be now. */
  #published(event: HistoryEvent): HistoryEvent[] {
    const note = event.content.subarray(SALT_BYTES)
    const said = publishedHead(note)
    const head = this.#headAt.get(`${said.ledger} ${said.size}`)
    if (head === undefined) return [event]
    const isSame = head.size === said.size && Buffer.from(head.root).toString('hex') === said.root
    if (isSame && !this.#isAll) return [event]
    const another = this.#renote(note, head)
    return another === undefined ? [] : [committed(event, event.content.subarray(0, SALT_BYTES), another)]
  }

  #add(ledger: string, events: readonly HistoryEvent[]): void {
    const tree = this.#trees.get(ledger) ?? new Frontier()
    this.#trees.set(ledger, tree)
    const entriesBytes = events.reduce((sum, { entry }) => sum + 1 + entry.length, 0)
    const contentsBytes = events.reduce((sum, { content }) => sum + content.length, 0)
    const section = this.#builder.addSection(ledger, tree.size, events.length, entriesBytes, contentsBytes)
    const { bytes, hashesAt, endsAt, entriesAt, contentsAt } = section
    let [entryEnd, contentEnd] = [0, 0]
    for (const [number, { entry, content }] of events.entries()) {
      const leaf = hashLeaf(entry)
      bytes.set(leaf, hashesAt + number * HASH_BYTES)
      tree.append(leaf)
      bytes[entriesAt + entryEnd] = 0
      bytes.set(entry, entriesAt + entryEnd + 1)
      bytes.set(content, contentsAt + contentEnd)
      entryEnd += 1 + entry.length
      contentEnd += content.length
      bytes.writeUInt32BE(entryEnd, endsAt + number * 8)
      bytes.writeUInt32BE(contentEnd, endsAt + number * 8 + 4)
    }
  }
}
