// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads one completed WAL file once, in order, and checks it as recovery does and more: the chain of frames, every entry
 * against its leaf, every content against its entry, every root against the tree. What it tells is where each ledger's
 * sections lie, so that the segments can be written one ledger after another; no event is kept.
 */
import { crc32 } from 'node:zlib'
import { type Entry, type Frontier, parseEntry, SALT_BYTES } from '@stele/proof'
import { timeMs } from '../../platform/clock.ts'
import type { DiskFile } from '../../platform/disk.ts'
import { commitsTo } from '../batch.ts'
import { DataFault } from '../data-fault.ts'
import { type Published, publishedHead } from '../published-head.ts'
import { BLOCK_BYTES, HASH_BYTES, type Section, type WalFileHeader } from './format.ts'
import { eventBounds, firstBadLeaf, isFlaw, type ReadFrame, readFrame } from './frame-reader.ts'
import type { SectionPlace } from './section-cursor.ts'

/** What the file adds to a ledger. */
interface GrownLedger {
  readonly tree: Frontier
  readonly places: SectionPlace[]
}

/** Where the log stood before the file. */
export interface SurveyStart {
  readonly commit: number
  readonly hash: Buffer
  readonly lastMs: number
  readonly published: ReadonlyMap<string, Published>
  /** The tree of a ledger as it was. */
  readonly tree: (ledger: string) => Promise<Frontier>
}

export interface SurveyedFile {
  readonly path: string
  readonly file: DiskFile
  readonly header: WalFileHeader
}

export class WalSurvey {
  readonly ledgers = new Map<string, GrownLedger>()
  readonly published: Map<string, Published>
  commit: number
  hash: Buffer
  lastMs: number
  readonly #surveyed: SurveyedFile
  readonly #tree: SurveyStart['tree']

  private constructor(surveyed: SurveyedFile, start: SurveyStart) {
    this.#surveyed = surveyed
    this.#tree = start.tree
    this.commit = start.commit
    this.hash = start.hash
    this.lastMs = start.lastMs
    this.published = new Map(start.published)
  }

  /** Throws a DataFault that names the file and the byte where something is not as it must be. */
  static async of(
    surveyed: SurveyedFile,
    start: SurveyStart,
    pace: (bytes: number) => Promise<void>,
  ): Promise<WalSurvey> {
    const survey = new WalSurvey(surveyed, start)
    survey.#checkHeader()
    const { path, file, header } = surveyed
    const sizeBytes = await file.sizeBytes()
    for (let position = BLOCK_BYTES; ;) {
      const frame = await readFrame(file, sizeBytes, header.fileId, position)
      if (frame === undefined) return survey
      if (isFlaw(frame)) throw new DataFault(path, position + frame.at, frame.what, frame.expected, frame.found)
      await survey.#take(frame)
      position += frame.header.frameBytes
      await pace(frame.header.frameBytes)
    }
  }

  #checkHeader(): void {
    const { path, header } = this.#surveyed
    const expected = `commit ${this.commit + 1} after ${this.hash.toString('hex')}`
    const found = `commit ${header.firstCommit} after ${header.previousHash.toString('hex')}`
    if (expected !== found) throw new DataFault(path, 32, 'the file does not follow what is sealed', expected, found)
  }

  async #take(frame: ReadFrame): Promise<void> {
    const { header, position } = frame
    if (header.commit !== this.commit + 1 || !header.previousHash.equals(this.hash)) {
      const expected = `commit ${this.commit + 1} after ${this.hash.toString('hex')}`
      const found = `commit ${header.commit} after ${header.previousHash.toString('hex')}`
      throw this.#fault(position + 24, 'the chain of frames is broken', expected, found)
    }
    for (const section of frame.sections) this.#add(await this.#grown(section.ledger), section, position)
    for (const { ledger, size, root } of frame.rows) {
      const { tree } = await this.#grown(ledger)
      const expected = `${tree.size} ${Buffer.from(tree.root()).toString('hex')}`
      const found = `${size} ${Buffer.from(root).toString('hex')}`
      if (expected !== found) throw this.#fault(position, `the root of ${ledger} does not follow`, expected, found)
    }
    this.commit = header.commit
    this.hash = header.hash
  }

  async #grown(ledger: string): Promise<GrownLedger> {
    const known = this.ledgers.get(ledger)
    if (known !== undefined) return known
    const grown = { tree: await this.#tree(ledger), places: [] }
    this.ledgers.set(ledger, grown)
    return grown
  }

  #add({ tree, places }: GrownLedger, section: Section, framePosition: number): void {
    const { ledger, first, count, at, bytes, hashesAt } = section
    if (first !== tree.size) {
      throw this.#fault(framePosition + at, `entries of ${ledger} are missing`, `entry ${tree.size}`, `entry ${first}`)
    }
    const bad = firstBadLeaf(section)
    if (bad !== undefined) {
      const expected = bytes.toString('hex', hashesAt + bad * HASH_BYTES, hashesAt + (bad + 1) * HASH_BYTES)
      const what = `entry ${first + bad} of ${ledger} does not have its leaf hash`
      throw this.#fault(framePosition + at, what, expected, 'another')
    }
    for (let position = 0; position < count; position++) {
      this.#checkEvent(section, position, framePosition)
      tree.append(bytes, hashesAt + position * HASH_BYTES)
    }
    const end = eventBounds(section, count - 1).contentEnd
    const crc = crc32(bytes.subarray(at, end))
    places.push({ first, count, position: framePosition + at, sizeBytes: end - at, crc })
  }

  #checkEvent(section: Section, position: number, framePosition: number): void {
    const { ledger, first, count, bytes } = section
    const { contentStart, contentEnd } = eventBounds(section, position)
    const entry = this.#entryAt(section, position, framePosition)
    const content = bytes.subarray(contentStart, contentEnd)
    if (!commitsTo(content, entry.sha256, entry.size)) {
      const what = `entry ${first + position} of ${ledger} does not commit to its content`
      throw this.#fault(framePosition + contentStart, what, entry.sha256, 'another')
    }
    if (position === count - 1) this.lastMs = Math.max(this.lastMs, timeMs(entry.at))
    if (ledger !== 'heads') return
    const head = this.#read(framePosition + contentStart, `event ${first + position} of heads`, 'a checkpoint', () =>
      publishedHead(content.subarray(SALT_BYTES)),
    )
    this.published.set(head.ledger, { size: head.size, root: head.root })
  }

  #entryAt(section: Section, position: number, framePosition: number): Entry {
    const { entryStart, entryEnd } = eventBounds(section, position)
    const what = `entry ${section.first + position} of ${section.ledger}`
    return this.#read(framePosition + entryStart, what, 'an entry in its one serialisation', () =>
      parseEntry(section.bytes.subarray(entryStart, entryEnd)),
    )
  }

  #read<T>(offset: number, what: string, expected: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw this.#fault(offset, `${what} cannot be read`, expected, error instanceof Error ? error.message : 'another')
    }
  }

  #fault(offset: number, what: string, expected: string, found: string): DataFault {
    return new DataFault(this.#surveyed.path, offset, what, expected, found)
  }
}
