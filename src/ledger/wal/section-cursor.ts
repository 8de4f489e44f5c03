// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Reads the events of one ledger out of a WAL file whose sections were checked and found before (survey.ts). */
import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { type DiskFile, readExactly } from '../../platform/disk.ts'
import { DataFault } from '../data-fault.ts'
import { HASH_BYTES, type Section, sectionLayout } from './format.ts'
import { eventBounds } from './frame-reader.ts'

export interface SectionPlace {
  readonly first: number
  readonly count: number
  readonly position: number
  readonly sizeBytes: number
  /** CRC-32 of its bytes when they were checked. */
  readonly crc: number
}

export interface SectionSource {
  readonly path: string
  readonly file: DiskFile
  readonly ledger: string
  /** In order. */
  readonly places: readonly SectionPlace[]
  /** Told of the bytes that were read. */
  readonly pace: (bytes: number) => Promise<void>
}

/** Sections that lie no further apart are read at once. */
const MAX_GAP_BYTES = 64 * 1024
const MAX_RUN_BYTES = 1024 * 1024

/** What is handed out is the caller's until it asks for more. */
type TakeEvent = (entry: Buffer, leaf: Buffer, content: Buffer) => Promise<void>

export class SectionCursor {
  readonly #source: SectionSource
  #run: readonly Section[] = []
  /** Section of the run, and event of that section, that come next. */
  #inRun = 0
  #position = 0
  #nextPlace = 0

  constructor(source: SectionSource) {
    this.#source = source
  }

  /** Hands out the next `count` events: the entry's line, its leaf, and salt and event. */
  async take(count: number, take: TakeEvent): Promise<void> {
    for (let taken = 0; taken < count; taken++) {
      if (this.#inRun === this.#run.length) await this.#readRun()
      const section = this.#run[this.#inRun]
      assert(section !== undefined)
      const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, this.#position)
      const { bytes } = section
      const leafAt = section.hashesAt + this.#position * HASH_BYTES
      const leaf = bytes.subarray(leafAt, leafAt + HASH_BYTES)
      await take(bytes.subarray(entryStart, entryEnd), leaf, bytes.subarray(contentStart, contentEnd))
      if (++this.#position < section.count) continue
      this.#position = 0
      this.#inRun++
    }
  }

  /** Reads as many sections as lie near each other. */
  async #readRun(): Promise<void> {
    const { file, places, pace } = this.#source
    const first = places[this.#nextPlace]
    assert(first !== undefined, 'more events are wanted than were found')
    const run = [first]
    let end = first.position + first.sizeBytes
    for (;;) {
      const place = places[this.#nextPlace + run.length]
      if (place === undefined || place.position - end > MAX_GAP_BYTES) break
      if (place.position + place.sizeBytes - first.position > MAX_RUN_BYTES) break
      run.push(place)
      end = place.position + place.sizeBytes
    }
    const bytes = await readExactly(file, first.position, end - first.position)
    this.#run = run.map((place) => {
      const from = place.position - first.position
      return this.#sectionOf(place, bytes.subarray(from, from + place.sizeBytes))
    })
    this.#inRun = 0
    this.#nextPlace += run.length
    await pace(bytes.length)
  }

  #sectionOf({ first, count, position, crc }: SectionPlace, bytes: Buffer): Section {
    const { path, ledger } = this.#source
    const found = crc32(bytes)
    if (found !== crc) {
      const what = 'the file was changed while it was read'
      throw new DataFault(path, position, what, crc.toString(16), found.toString(16))
    }
    const { hashesAt, endsAt, entriesAt } = sectionLayout(count)
    const contentsAt = entriesAt + bytes.readUInt32BE(entriesAt - 8)
    return { ledger, first, count, at: 0, bytes, hashesAt, endsAt, entriesAt, contentsAt }
  }
}
