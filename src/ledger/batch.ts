// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What an append puts into a frame: each event cut out of the body, salted, hashed where it lies, and committed to by
 * an entry whose leaf is hashed where it lies. One copy of the event's bytes, two hashes, no object an event.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { formatEntry, MAX_EVENT_BYTES, MAX_EXT_BYTES, type MediaType, SALT_BYTES } from '@stele/proof'
import type { Random } from '../platform/random.ts'
import { HASH_BYTES, type Section } from './wal/format.ts'

/** Events that are appended together: slices of one body, in order. */
export interface Batch {
  readonly body: Buffer
  readonly count: number
  /** Event i is `body.subarray(starts[i], ends[i])`. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  /** The source of event i is `sources[kinds[i]]`. */
  readonly sources: readonly string[]
  readonly kinds: Uint8Array
  readonly media: MediaType
  /** Credential that appended. */
  readonly by: string
  /** Peer address or TLS subject as received. */
  readonly via?: string
  /** False where the source was recognised and not named. */
  readonly asserted: boolean
  /** The id that its source gave event i is `body.subarray(starts[i], ends[i])`; nothing where it has none. */
  readonly ids?: { readonly starts: Uint32Array; readonly ends: Uint32Array }
  /** What the entry of an event says in `ext`, by the event's position: its one serialisation. */
  readonly ext?: ReadonlyMap<number, string>
}

/** A batch of some of the events of another, in order. */
export function selection(batch: Batch, positions: Uint32Array): Batch {
  const { starts, ends, kinds } = batch
  return {
    ...batch,
    count: positions.length,
    starts: positions.map((position) => starts[position]!),
    ends: positions.map((position) => ends[position]!),
    kinds: Uint8Array.from(positions, (position) => kinds[position]!),
  }
}

/** A batch of events that Stele writes itself. */
export function ownBatch(events: readonly Buffer[], source: string, media: MediaType, by: string): Batch {
  const starts = new Uint32Array(events.length)
  const ends = new Uint32Array(events.length)
  let end = 0
  for (const [position, event] of events.entries()) {
    starts[position] = end
    end += event.length
    ends[position] = end
  }
  const kinds = new Uint8Array(events.length)
  const body = Buffer.concat(events)
  return { body, count: events.length, starts, ends, sources: [source], kinds, media, by, asserted: true }
}

const EXT_KEY = ',"ext":'
/** Some milliseconds of hashing. */
const SLICE_BYTES = 2 * 1024 * 1024
const SLICE_COUNT = 1_024

const DIGEST_CHARS = 43
const PLACEHOLDER_DIGEST = 'A'.repeat(DIGEST_CHARS)
const PLACEHOLDER_AT = '2000-01-01T00:00:00.000Z'

/** The parts of an entry line around its time, size and digest, which alone differ for one source and credential. */
interface EntryForm {
  readonly head: string
  readonly afterTime: string
  readonly afterSize: string
  readonly tail: string
  /** Bytes of the line but for its size, with the 0x00 before it: as many as with a size of one digit and without. */
  readonly fixedBytes: number
}

function entryForm(batch: Batch, source: string): EntryForm {
  const line = formatEntry({
    at: PLACEHOLDER_AT,
    source,
    by: batch.by,
    ...(batch.via === undefined ? {} : { via: batch.via }),
    ...(batch.asserted ? {} : { asserted: false }),
    media: batch.media,
    size: 0,
    sha256: PLACEHOLDER_DIGEST,
  })
  const timeAt = line.indexOf(PLACEHOLDER_AT)
  const sizeAt = line.indexOf(',"size":0,') + ',"size":'.length
  const digestAt = line.indexOf(PLACEHOLDER_DIGEST, sizeAt)
  return {
    head: line.slice(0, timeAt),
    afterTime: line.slice(timeAt + PLACEHOLDER_AT.length, sizeAt),
    afterSize: line.slice(sizeAt + 1, digestAt),
    tail: line.slice(digestAt + DIGEST_CHARS),
    fixedBytes: line.length,
  }
}

const MAX_FORMS = 1_000

/** What of a batch its forms depend on. */
type Sender = Pick<Batch, 'sources' | 'by' | 'media' | 'asserted' | 'via'>

function alike(one: Sender, other: Sender): boolean {
  return (
    one.by === other.by &&
    one.via === other.via &&
    one.media === other.media &&
    one.asserted === other.asserted &&
    one.sources.length === other.sources.length &&
    one.sources.every((source, position) => source === other.sources[position])
  )
}

/** Forms that were used before: the same senders come back with the same sources. */
export class EntryForms {
  readonly #forms = new Map<string, EntryForm>()
  #last: { readonly sender: Sender; readonly forms: readonly EntryForm[] } | undefined

  of(batch: Batch): readonly EntryForm[] {
    if (this.#last !== undefined && alike(this.#last.sender, batch)) return this.#last.forms
    const { sources, by, media, asserted, via } = batch
    const forms = sources.map((source) => this.#form(batch, source))
    this.#last = { sender: { sources, by, media, asserted, ...(via === undefined ? {} : { via }) }, forms }
    return forms
  }

  #form(batch: Batch, source: string): EntryForm {
    const key = `${source} ${batch.by} ${batch.media} ${batch.asserted} ${batch.via ?? ''}`
    const known = this.#forms.get(key)
    if (known !== undefined) return known
    if (this.#forms.size >= MAX_FORMS) this.#forms.clear()
    const form = entryForm(batch, source)
    this.#forms.set(key, form)
    return form
  }
}

/** Bytes that the batch takes in a section: entries with the 0x00 before each, contents with their salts. */
export function measure(
  batch: Batch,
  forms: readonly EntryForm[] = new EntryForms().of(batch),
): { entriesBytes: number; contentsBytes: number } {
  assert(batch.count > 0)
  let entriesBytes = 0
  let contentsBytes = 0
  for (let position = 0; position < batch.count; position++) {
    const sizeBytes = batch.ends[position]! - batch.starts[position]!
    // What is not an entry, or ends beyond what 32 bits count, could not be read back.
    assert(sizeBytes >= 0 && sizeBytes <= MAX_EVENT_BYTES)
    entriesBytes += forms[batch.kinds[position]!]!.fixedBytes + String(sizeBytes).length
    contentsBytes += SALT_BYTES + sizeBytes
  }
  for (const ext of batch.ext?.values() ?? []) {
    assert(ext.length <= MAX_EXT_BYTES)
    entriesBytes += EXT_KEY.length + ext.length
  }
  assert(entriesBytes < 2 ** 32 && contentsBytes < 2 ** 32)
  return { entriesBytes, contentsBytes }
}

/** Fills a section that `measure` sized. `at` is ledger time, RFC 3339 in UTC with milliseconds. */
export function fillSection(
  section: Section,
  batch: Batch,
  at: string,
  random: Random,
  forms: readonly EntryForm[] = new EntryForms().of(batch),
): void {
  fillRange(section, batch, at, random, forms, BEGINNING, batch.count)
}

/**
 * The same in slices, with a pause between them. `section` answers where it lies by then: another one may have moved it.
 */
export async function fillInSlices(
  section: () => Section,
  batch: Batch,
  at: string,
  random: Random,
  forms: readonly EntryForm[],
  pause: () => Promise<void>,
): Promise<void> {
  const { starts, ends, count } = batch
  for (let filled = BEGINNING; filled.count < count; await pause()) {
    const startByte = starts[filled.count]!
    let end = filled.count + 1
    while (end < count && end - filled.count < SLICE_COUNT && ends[end]! - startByte < SLICE_BYTES) end++
    filled = fillRange(section(), batch, at, random, forms, filled, end)
  }
}

/** What of a section is filled. */
interface Filled {
  readonly count: number
  readonly entriesBytes: number
  readonly contentsBytes: number
}

const BEGINNING: Filled = { count: 0, entriesBytes: 0, contentsBytes: 0 }

/** Fills in the events up to `end`, behind those that are. */
function fillRange(
  section: Section,
  batch: Batch,
  at: string,
  random: Random,
  forms: readonly EntryForm[],
  filled: Filled,
  end: number,
): Filled {
  const { bytes, endsAt, entriesAt, contentsAt, hashesAt } = section
  const { body, starts, ends, kinds, ext: exts } = batch
  const heads = forms.map(({ head, afterTime }) => head + at + afterTime)
  const start = filled.count
  const salts = Buffer.allocUnsafe((end - start) * SALT_BYTES)
  random.fill(salts, 0, salts.length)
  let entryAt = entriesAt + filled.entriesBytes
  let contentAt = contentsAt + filled.contentsBytes
  for (let position = start; position < end; position++) {
    const sizeBytes = ends[position]! - starts[position]!
    salts.copy(bytes, contentAt, (position - start) * SALT_BYTES, (position - start + 1) * SALT_BYTES)
    body.copy(bytes, contentAt + SALT_BYTES, starts[position], ends[position])
    const contentEnd = contentAt + SALT_BYTES + sizeBytes
    const digest = hash('sha256', bytes.subarray(contentAt, contentEnd), 'base64url')
    const kind = kinds[position]!
    const { afterSize, tail } = forms[kind]!
    bytes[entryAt] = 0
    const ext = exts?.get(position)
    const ending = ext === undefined ? tail : withExt(tail, ext)
    const line = heads[kind]! + sizeBytes + afterSize + digest + ending
    const entryEnd = entryAt + 1 + bytes.write(line, entryAt + 1, 'latin1')
    const leaf = hash('sha256', bytes.subarray(entryAt, entryEnd), 'binary')
    bytes.write(leaf, hashesAt + position * HASH_BYTES, 'latin1')
    bytes.writeUInt32BE(entryEnd - entriesAt, endsAt + position * 8)
    bytes.writeUInt32BE(contentEnd - contentsAt, endsAt + position * 8 + 4)
    entryAt = entryEnd
    contentAt = contentEnd
  }
  return { count: end, entriesBytes: entryAt - entriesAt, contentsBytes: contentAt - contentsAt }
}

/** `ext` is the last member of an entry. */
function withExt(tail: string, ext: string): string {
  return `${tail.slice(0, -1)}${EXT_KEY}${ext}}`
}

/** Whether `content` (salt ‖ event) is what an entry with this digest and size commits to. */
export function commitsTo(content: Uint8Array, sha256: string, sizeBytes: number): boolean {
  if (content.length !== SALT_BYTES + sizeBytes) return false
  return hash('sha256', content, 'base64url') === sha256
}
