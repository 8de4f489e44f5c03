// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * One object of a segment, opened: its blocks of fixed form held against its name and against each other, and where
 * its parts lie. What the parts hold is held against nothing yet; that is for whoever has the tree.
 */
import { hash } from 'node:crypto'
import { DataFault } from '../data-fault.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { ZstdFault } from '../../platform/zstd-frame.ts'
import { decompressPart, partItems } from './part.ts'
import { inThisThread, type SpanReading } from './span.ts'
import {
  decodeFooter,
  decodeHeader,
  decodeTable,
  type Footer,
  FOOTER_BYTES,
  hashAreaBytes,
  HEADER_BYTES,
  type PartTable,
  tableBytes,
} from './segment-format.ts'
import { BUNDLE_ENTRIES, type Segment, type SegmentKind } from './segment.ts'

/** Parts that lie beside each other are read together, up to as many bytes. */
const READ_BYTES = 1024 * 1024

/** A part as it lies there, compressed. */
export interface StoredPart {
  readonly row: number
  readonly bytes: Buffer
}

export class SegmentObject {
  readonly kind: SegmentKind
  /** Where the object lies, for messages. */
  readonly file: string
  readonly origin: string
  readonly count: number
  readonly table: PartTable
  readonly #store: ObjectStore
  readonly #key: string
  readonly #reading: SpanReading

  private constructor(
    store: ObjectStore,
    segment: Segment,
    kind: SegmentKind,
    origin: string,
    table: PartTable,
    reading: SpanReading,
  ) {
    this.#store = store
    this.#key = segment[kind].key
    this.#reading = reading
    this.kind = kind
    this.file = fileOf(store, this.#key)
    this.origin = origin
    this.count = segment.count
    this.table = table
  }

  static async open(
    store: ObjectStore,
    segment: Segment,
    kind: SegmentKind,
    reading: SpanReading = inThisThread,
  ): Promise<SegmentObject> {
    const { key } = segment[kind]
    const { file, footerAt, origin, footer } = await readOutline(store, segment, kind)
    const bytes = await store.read(key, footer.tableAt, footerAt - footer.tableAt)
    const found = hash('sha256', bytes, 'buffer')
    if (!found.equals(footer.tableHash)) {
      const expected = Buffer.from(footer.tableHash).toString('hex')
      throw new DataFault(file, footer.tableAt, 'the table was changed', expected, found.toString('hex'))
    }
    const table = decodeTable(file, kind, footer, bytes)
    const partsEnd = footer.tableAt - (kind === 'log' ? hashAreaBytes(segment.count) : 0)
    if (table.ends.at(-1) !== partsEnd) {
      throw new DataFault(file, footer.tableAt, 'the parts end elsewhere', `${partsEnd}`, `${table.ends.at(-1)}`)
    }
    return new SegmentObject(store, segment, kind, origin, table, reading)
  }

  get partsEnd(): number {
    return this.table.ends.at(-1)!
  }

  /** Bytes `position` to `position + lengthBytes` of the object. */
  async read(position: number, lengthBytes: number): Promise<Buffer> {
    const span = { key: this.#key, position, lengthBytes }
    const [bytes] = await this.#reading.read(span, async () => [
      await this.#store.read(this.#key, position, lengthBytes),
    ])
    return bytes!
  }

  /** The part that entry `ordinal` of the segment is in. */
  rowOf(ordinal: number): number {
    const { firsts } = this.table
    let low = 0
    let high = firsts.length
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (firsts[middle]! <= ordinal) low = middle
      else high = middle
    }
    return low
  }

  startOf(row: number): number {
    return row === 0 ? HEADER_BYTES : this.table.ends[row - 1]!
  }

  countOf(row: number): number {
    return (this.table.firsts[row + 1] ?? this.count) - this.table.firsts[row]!
  }

  /** Parts `from` to `to`, in order. */
  async *parts(from: number, to: number): AsyncGenerator<StoredPart> {
    const { ends } = this.table
    for (let row = from; row < to;) {
      const start = this.startOf(row)
      let next = row + 1
      while (next < to && ends[next]! - start <= READ_BYTES) next++
      const bytes = await this.#store.read(this.#key, start, ends[next - 1]! - start)
      for (; row < next; row++) yield { row, bytes: bytes.subarray(this.startOf(row) - start, ends[row]! - start) }
    }
  }

  /** The entries or contents of one part that lie within these ordinals. */
  async partItems(row: number, start: number, end: number): Promise<readonly Buffer[]> {
    const position = this.startOf(row)
    const lengthBytes = this.table.ends[row]! - position
    const count = this.countOf(row)
    const [from, to] = this.#within(row, start, end)
    const part = { kind: this.kind, rawBytes: this.table.rawBytes[row]!, count, from, to }
    return await this.#reading.read({ key: this.#key, position, lengthBytes, part }, async () => {
      const bytes = await this.#store.read(this.#key, position, lengthBytes)
      return await this.items({ row, bytes }, start, end)
    })
  }

  /** The entries or contents of a part that lie within these ordinals, as views into what it decompresses to. */
  async items({ row, bytes }: StoredPart, start = 0, end: number = this.count): Promise<Buffer[]> {
    const raw = await this.#decompressed(row, bytes)
    const items = partItems(this.kind, raw, this.countOf(row), ...this.#within(row, start, end))
    if (items !== undefined) return items
    const found = `${raw.length} bytes that are not so many`
    throw new DataFault(this.file, this.startOf(row), 'the part does not add up', `${this.countOf(row)} of them`, found)
  }

  /** Ordinals of the segment as positions in a part. */
  #within(row: number, start: number, end: number): [from: number, to: number] {
    const first = this.table.firsts[row]!
    return [start - first, end - first]
  }

  async #decompressed(row: number, bytes: Buffer): Promise<Buffer> {
    const rawBytes = this.table.rawBytes[row]!
    try {
      return await decompressPart(bytes, rawBytes)
    } catch (error) {
      if (!(error instanceof ZstdFault)) throw error
      const expected = `one zstd frame of ${rawBytes} bytes`
      const position = this.startOf(row) + error.offset
      throw new DataFault(this.file, position, 'the part does not decompress', expected, error.message)
    }
  }
}

interface Outline {
  readonly file: string
  readonly footerAt: number
  readonly origin: string
  readonly footer: Footer
}

/** Header and footer of an object, held against its name. */
async function readOutline(store: ObjectStore, segment: Segment, kind: SegmentKind): Promise<Outline> {
  const { key, sizeBytes } = segment[kind]
  const file = fileOf(store, key)
  if (sizeBytes < HEADER_BYTES + FOOTER_BYTES) {
    throw new DataFault(file, 0, 'the object is cut off', `${HEADER_BYTES + FOOTER_BYTES} bytes`, `${sizeBytes}`)
  }
  const footerAt = sizeBytes - FOOTER_BYTES
  const [header, end] = await Promise.all([store.read(key, 0, HEADER_BYTES), store.read(key, footerAt, FOOTER_BYTES)])
  const origin = decodeHeader(file, header, kind, segment.ledger)
  const footer = decodeFooter(file, footerAt, end)
  checkFooter(file, footerAt, footer, segment, kind)
  return { file, footerAt, origin, footer }
}

/** Holds the outlines of both objects against their names and the ledger's origin: two small reads each. */
export async function checkOutline(store: ObjectStore, segment: Segment, origin: string): Promise<void> {
  for (const kind of ['log', 'content'] as const) {
    const { file, origin: found } = await readOutline(store, segment, kind)
    if (found !== origin) throw new DataFault(file, 16, 'the object is of another directory', origin, found)
  }
}

function fileOf(store: ObjectStore, key: string): string {
  return `${store.where}/${key}`
}

function checkFooter(file: string, at: number, footer: Footer, segment: Segment, kind: SegmentKind): void {
  const described = (run: { first: number; count: number }, root: string) => `${run.first}, ${run.count}, ${root}`
  const expected = described(segment, segment.root)
  const found = described(footer, Buffer.from(footer.root).toString('hex'))
  if (found !== expected) {
    throw new DataFault(file, at + 8, 'the footer has not the first, count and root of the name', expected, found)
  }
  const { tableAt, rowCount, count } = footer
  const isRows = kind === 'log' ? rowCount === Math.ceil(count / BUNDLE_ENTRIES) : rowCount > 0 && rowCount <= count
  if (!isRows || tableAt + tableBytes(kind, rowCount) !== at) {
    throw new DataFault(
      file,
      at + 20,
      'the table does not end at the footer',
      `${at}`,
      `${rowCount} rows at ${tableAt}`,
    )
  }
}
