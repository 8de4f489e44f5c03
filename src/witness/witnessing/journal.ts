// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a witness has cosigned, on the disk: a file that frames are added to, each durable before anything of it is
 * answered. A frame's hash covers the hash before it, so the newest hash stands for all that there ever was, and a head
 * kept elsewhere can say how far the file must go. Only the last frame can be unfinished after a crash; it is cut off.
 * When most of a file is outdated, a new one states what still holds and goes on with the same chain.
 *
 *   file   magic[24] ‖ u64 sequence before it ‖ hash before it[32] ‖ u64 sequence that it had at least when it got its
 *          name ‖ first 24 bytes of SHA-256 of these
 *   frame  u32 length of the body ‖ u64 sequence ‖ SHA-256(hash before ‖ u64 sequence ‖ body) ‖ body: records
 *   record u64 Unix seconds ‖ u64 size ‖ root[32] ‖ u8 length ‖ origin ‖ u32 length ‖ cosigned note
 *
 * Numbers are big-endian.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { type Disk, type DiskFile, isNoRoom, readExactly, replaceFile } from '../../platform/disk.ts'
import { WitnessFault } from './fault.ts'

const MAGIC = Buffer.from('stele/witness-journal/1\n')
const HASH_BYTES = 32
const HEADER_BYTES = 96
const CHECKED_BYTES = 72
const FRAME_HEAD_BYTES = 44
const RECORD_HEAD_BYTES = 48
/** Of a body; more than any commit has. */
const MAX_BODY_BYTES = 16 * 1024 * 1024
/** A file is not worth writing anew below this. */
export const OUTDATED_BYTES = 16 * 1024 * 1024
const RESTATED_BODY_BYTES = 1024 * 1024
const NAME = /^journal-\d{12}$/

/** A cosigned checkpoint. */
export interface Cosigned {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** Unix seconds of the cosignatures. */
  readonly time: number
}

/** With the note that it is in: its text, the log's signatures and the witness's. */
export interface CosignedNote extends Cosigned {
  readonly note: Uint8Array
}

/** With where that note stands in the journal's file. */
export interface Held extends Cosigned {
  readonly position: number
  readonly noteBytes: number
}

/** How far a journal goes: of all frames ever the number of the newest, and its hash. */
export interface ChainHead {
  readonly sequence: number
  readonly hash: Buffer
}

/** A journal as it was found, nothing of it changed yet. */
export interface FoundJournal {
  readonly path: string
  readonly first: ChainHead
  readonly last: ChainHead
  /** Hash at the sequence that was asked for, if the file has it. */
  readonly asked: Buffer | undefined
  readonly endBytes: number
  readonly lastFrameAt: number
  /** Bytes behind the last whole frame. */
  readonly tornBytes: number
  /** The newest of each log. */
  readonly held: ReadonlyMap<string, Held>
}

/** Reads the newest journal of a folder; undefined where there is none. `asked` is a sequence whose hash is wanted. */
export async function findJournal(
  disk: Disk,
  folder: string,
  asked: number | undefined,
): Promise<FoundJournal | undefined> {
  const name = (await disk.list(folder)).findLast((one) => NAME.test(one))
  if (name === undefined) return undefined
  const path = join(folder, name)
  const file = await disk.open(path, 'read')
  try {
    return await readJournal(file, path, asked)
  } finally {
    await file.close()
  }
}

async function readJournal(file: DiskFile, path: string, asked: number | undefined): Promise<FoundJournal> {
  const sizeBytes = await file.sizeBytes()
  const header = sizeBytes < HEADER_BYTES ? undefined : readHeader(await readExactly(file, 0, HEADER_BYTES))
  if (header === undefined) throw new WitnessFault(`${path} does not begin as a journal does: it was damaged`)
  const held = new Map<string, Held>()
  let last = header.first
  let askedHash = asked === last.sequence ? last.hash : undefined
  let at = HEADER_BYTES
  let lastFrameAt = 0
  for (;;) {
    const frame = await readFrame(file, at, sizeBytes, last)
    if (frame === undefined) break
    for (const record of readRecords(frame.body, at + FRAME_HEAD_BYTES, path)) take(held, record, path)
    last = { sequence: last.sequence + 1, hash: frame.hash }
    if (last.sequence === asked) askedHash = last.hash
    lastFrameAt = at
    at += FRAME_HEAD_BYTES + frame.body.length
  }
  if (last.sequence < header.wholeSequence) {
    throw new WitnessFault(
      `${path} is damaged at byte ${at}: of its ${header.wholeSequence} first frames it has ${last.sequence}`,
    )
  }
  return {
    path,
    first: header.first,
    last,
    asked: askedHash,
    endBytes: at,
    lastFrameAt,
    tornBytes: sizeBytes - at,
    held,
  }
}

/** A log never shrinks, one size never has two roots, and time does not go back: not in what we wrote either. */
function take(held: Map<string, Held>, record: Held, path: string): void {
  const before = held.get(record.origin)
  if (before !== undefined && !follows(before, record)) {
    throw new WitnessFault(`${path} contradicts itself about ${record.origin} at byte ${record.position}`)
  }
  held.set(record.origin, record)
}

/** Whether a checkpoint may be cosigned after another of its log, as far as that can be said without a proof. */
export function follows(before: Cosigned, next: Cosigned): boolean {
  if (next.size < before.size || next.time < before.time) return false
  return next.size > before.size || Buffer.compare(before.root, next.root) === 0
}

export class Journal {
  readonly #disk: Disk
  readonly #folder: string
  #path: string
  #file: DiskFile
  #endBytes: number
  #last: ChainHead
  /** Under way in the file as it is now. */
  readonly #reads = new Set<Promise<unknown>>()

  private constructor(disk: Disk, path: string, file: DiskFile, endBytes: number, last: ChainHead) {
    this.#disk = disk
    this.#folder = dirname(path)
    this.#path = path
    this.#file = file
    this.#endBytes = endBytes
    this.#last = last
  }

  /** Begins one in a folder that has none; `seed` are 32 random bytes, from which the chain begins. */
  static async begin(disk: Disk, folder: string, seed: Buffer): Promise<Journal> {
    const last = { sequence: 0, hash: seed }
    const path = join(folder, nameOf(0))
    await replaceFile(disk, path, headerOf(last, 0))
    return new Journal(disk, path, await disk.open(path, 'write'), HEADER_BYTES, last)
  }

  /**
   * Goes on with one that was found. What a crash left unfinished is cut off, and what was written last is written
   * again: it may be in the page cache without being on the disk, where a sync failed.
   */
  static async resume(disk: Disk, found: FoundJournal): Promise<Journal> {
    const { path, endBytes, lastFrameAt, last } = found
    const file = await disk.open(path, 'write')
    if (found.tornBytes > 0) await file.truncate(endBytes)
    await file.write(await readExactly(file, lastFrameAt, endBytes - lastFrameAt), lastFrameAt)
    await file.datasync()
    await disk.syncDirectory(dirname(path))
    const journal = new Journal(disk, path, file, endBytes, last)
    await journal.#removeOthers()
    return journal
  }

  get last(): ChainHead {
    return this.#last
  }

  /** Adds a frame and makes it durable; resolves to its records as they are held. */
  async append(records: readonly CosignedNote[]): Promise<Held[]> {
    const body = bodyOf(records)
    const at = this.#endBytes
    const { bytes, head } = frameOf(this.#last, body)
    await this.#file.write(bytes, at)
    await this.#file.datasync()
    this.#last = head
    this.#endBytes = at + bytes.length
    return [...readRecords(body, at + FRAME_HEAD_BYTES, this.#path)]
  }

  /** The note of a record. */
  async note({ position, noteBytes }: Held): Promise<Buffer> {
    const read = readExactly(this.#file, position, noteBytes)
    this.#reads.add(read)
    return await read.finally(() => this.#reads.delete(read))
  }

  /** Whether most of the file is outdated, and that is worth writing it anew. */
  isOutdated(held: ReadonlyMap<string, Held>, outdatedBytes: number): boolean {
    if (this.#endBytes < outdatedBytes) return false
    let liveBytes = 0
    for (const record of held.values()) liveBytes += RECORD_HEAD_BYTES + record.noteBytes
    return this.#endBytes > outdatedBytes + 2 * liveBytes
  }

  /**
   * Writes what holds into a file of its own, which takes the place of this one once it is durable as a whole: at that
   * moment `switched` is told where everything is now. Resolves to false where there was no room; all is as before then.
   */
  async restate(held: ReadonlyMap<string, Held>, switched: (held: Map<string, Held>) => void): Promise<boolean> {
    const first = this.#last
    const path = join(this.#folder, nameOf(first.sequence))
    assert(path !== this.#path, 'a journal without a frame has nothing outdated')
    const beside = `${path}.new`
    await this.#disk.remove(beside)
    const file = await this.#disk.open(beside, 'create', 0o600)
    try {
      const restated = await this.#writeAnew(file, held)
      await file.datasync()
      await this.#disk.rename(beside, path)
      await this.#disk.syncDirectory(this.#folder)
      const before = this.#file
      const reads = [...this.#reads]
      this.#path = path
      this.#file = file
      this.#endBytes = restated.endBytes
      this.#last = restated.last
      switched(restated.held)
      await Promise.allSettled(reads)
      await before.close()
      await this.#removeOthers()
      return true
    } catch (error) {
      if (this.#file === file || !isNoRoom(error)) throw error
      await file.close()
      await this.#disk.remove(beside)
      return false
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #writeAnew(
    file: DiskFile,
    held: ReadonlyMap<string, Held>,
  ): Promise<{ held: Map<string, Held>; last: ChainHead; endBytes: number }> {
    const restated = new Map<string, Held>()
    let last = this.#last
    let at = HEADER_BYTES
    let records: CosignedNote[] = []
    let bodyBytes = 0
    const write = async () => {
      if (records.length === 0) return
      const body = bodyOf(records)
      const frame = frameOf(last, body)
      await file.write(frame.bytes, at)
      for (const record of readRecords(body, at + FRAME_HEAD_BYTES, this.#path)) restated.set(record.origin, record)
      last = frame.head
      at += frame.bytes.length
      records = []
      bodyBytes = 0
    }
    for (const record of held.values()) {
      records.push({ ...record, note: await this.note(record) })
      bodyBytes += record.noteBytes
      if (bodyBytes >= RESTATED_BODY_BYTES) await write()
    }
    await write()
    await file.write(headerOf(this.#last, last.sequence), 0)
    return { held: restated, last, endBytes: at }
  }

  /** Older files, and what a crash left of newer ones. */
  async #removeOthers(): Promise<void> {
    const names = await this.#disk.list(this.#folder)
    for (const name of names) {
      const path = join(this.#folder, name)
      if (path !== this.#path && NAME.test(name.replace(/\.new$/, ''))) await this.#disk.remove(path)
    }
    await this.#disk.syncDirectory(this.#folder)
  }
}

function nameOf(sequence: number): string {
  return `journal-${String(sequence).padStart(12, '0')}`
}

function headerOf(first: ChainHead, wholeSequence: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeBigUInt64BE(BigInt(first.sequence), 24)
  first.hash.copy(header, 32)
  header.writeBigUInt64BE(BigInt(wholeSequence), 64)
  sha256(header.subarray(0, CHECKED_BYTES)).copy(header, CHECKED_BYTES, 0, HEADER_BYTES - CHECKED_BYTES)
  return header
}

function readHeader(header: Buffer): { readonly first: ChainHead; readonly wholeSequence: number } | undefined {
  const first = { sequence: Number(header.readBigUInt64BE(24)), hash: Buffer.from(header.subarray(32, 64)) }
  const wholeSequence = Number(header.readBigUInt64BE(64))
  return headerOf(first, wholeSequence).equals(header) ? { first, wholeSequence } : undefined
}

function frameOf(before: ChainHead, body: Buffer): { readonly bytes: Buffer; readonly head: ChainHead } {
  assert(body.length <= MAX_BODY_BYTES)
  const sequence = before.sequence + 1
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUInt32BE(body.length, 0)
  head.writeBigUInt64BE(BigInt(sequence), 4)
  const hash = sha256(before.hash, head.subarray(4, 12), body)
  hash.copy(head, 12)
  return { bytes: Buffer.concat([head, body]), head: { sequence, hash } }
}

/** The frame at a place, if it is whole and goes on with the chain. */
async function readFrame(
  file: DiskFile,
  at: number,
  sizeBytes: number,
  before: ChainHead,
): Promise<{ readonly body: Buffer; readonly hash: Buffer } | undefined> {
  if (at + FRAME_HEAD_BYTES > sizeBytes) return undefined
  const head = await readExactly(file, at, FRAME_HEAD_BYTES)
  const length = head.readUInt32BE(0)
  if (length > MAX_BODY_BYTES || at + FRAME_HEAD_BYTES + length > sizeBytes) return undefined
  const body = await readExactly(file, at + FRAME_HEAD_BYTES, length)
  const hash = sha256(before.hash, head.subarray(4, 12), body)
  const isNext = head.readBigUInt64BE(4) === BigInt(before.sequence) + 1n
  return isNext && hash.equals(head.subarray(12)) ? { body, hash } : undefined
}

function bodyOf(records: readonly CosignedNote[]): Buffer {
  return Buffer.concat(
    records.flatMap(({ origin, size, root, time, note }) => {
      assert(root.length === HASH_BYTES)
      const head = Buffer.alloc(RECORD_HEAD_BYTES)
      head.writeBigUInt64BE(BigInt(time), 0)
      head.writeBigUInt64BE(BigInt(size), 8)
      head.set(root, 16)
      const name = Buffer.from(origin)
      const noteLength = Buffer.alloc(4)
      noteLength.writeUInt32BE(note.length)
      return [head, Buffer.of(name.length), name, noteLength, note]
    }),
  )
}

/** The records of a body that begins at `bodyAt` of its file. Its hash was right, so a fault in it is one of ours. */
function* readRecords(body: Buffer, bodyAt: number, path: string): Generator<Held> {
  for (let at = 0; at < body.length;) {
    const originAt = at + RECORD_HEAD_BYTES + 1
    const noteLengthAt = originAt + body.readUInt8(originAt - 1)
    const noteAt = noteLengthAt + 4
    const noteBytes = body.readUInt32BE(noteLengthAt)
    assert(noteAt + noteBytes <= body.length, `${path}: a record goes beyond its frame`)
    yield {
      time: Number(body.readBigUInt64BE(at)),
      size: Number(body.readBigUInt64BE(at + 8)),
      root: Buffer.from(body.subarray(at + 16, at + RECORD_HEAD_BYTES)),
      origin: body.toString('utf8', originAt, noteLengthAt),
      position: bodyAt + noteAt,
      noteBytes,
    }
    at = noteAt + noteBytes
  }
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
