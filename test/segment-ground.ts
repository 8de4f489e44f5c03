// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What tests of segments stand on: rows as a ledger has them, a segment written from them, and objects put behind names.

import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { formatEntry, SALT_BYTES } from '@stele/proof'

import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { SegmentWriter } from '../src/ledger/segment/segment-writer.ts'
import { type Segment, segmentKey, type SegmentKind } from '../src/ledger/segment/segment.ts'
import type { ObjectStore } from '../src/ledger/store/object-store.ts'
import type { SeededRandom } from './scratch.ts'

export const originPrefix = 'stele.test/abcdefghijklm'

export interface Row {
  readonly entry: Buffer
  readonly leaf: Buffer
  /** salt ‖ event */
  readonly content: Buffer
}

function rowOf(salt: Buffer, event: Buffer): Row {
  const content = Buffer.concat([salt, event])
  const line = formatEntry({
    at: '2026-01-02T03:04:05.678Z',
    source: 'generic',
    by: 'x5dowcyt2hwt',
    media: 'application/octet-stream',
    size: event.length,
    sha256: hash('sha256', content, 'base64url'),
  })
  return { entry: Buffer.from(line), leaf: hash('sha256', `\0${line}`, 'buffer'), content }
}

/** Events of these sizes, of few different bytes, so that they compress by about a half. */
export function rowsOf(random: SeededRandom, sizes: readonly number[]): Row[] {
  return sizes.map((size) => {
    const event = Buffer.alloc(size)
    for (let at = 0; at < size; at += 64) event.fill(random.bytes(8).toString('hex'), at, Math.min(at + 64, size))
    return rowOf(random.bytes(SALT_BYTES), event)
  })
}

/** `rows` begins with the entry `first`. */
export async function writeSegment(
  store: ObjectStore,
  rows: readonly Row[],
  first = 0,
  ledger = 'main',
): Promise<Segment> {
  const writer = await SegmentWriter.begin({ store, originPrefix, ledger, first })
  for (const { entry, leaf, content } of rows) await writer.add(entry, leaf, content)
  return await writer.finish()
}

/** Everything that a reader gives is what was written. */
export async function assertHolds(store: ObjectStore, segment: Segment, rows: readonly Row[]): Promise<void> {
  const reader = await SegmentReader.open(store, segment)
  const end = segment.first + rows.length
  assert.equal(reader.end, end)
  assert.deepEqual(
    await reader.entries(segment.first, end),
    rows.map(({ entry }) => entry),
  )
  assert.deepEqual(
    await reader.contents(segment.first, end),
    rows.map(({ content }) => content),
  )
  assert.deepEqual(await reader.leaves(segment.first, rows.length), Buffer.concat(rows.map(({ leaf }) => leaf)))
}

/** Puts bytes where the segment says that an object of it lies, named by what they are unless `name` says otherwise. */
export async function replaced(
  store: ObjectStore,
  segment: Segment,
  kind: SegmentKind,
  bytes: Buffer,
): Promise<Segment> {
  const key = segmentKey({ ...segment, kind, sha256: hash('sha256', bytes, 'hex') })
  const draft = await store.draft()
  await draft.write(bytes)
  await draft.create(key)
  return { ...segment, [kind]: { key, sizeBytes: bytes.length } }
}

export async function bytesOf(store: ObjectStore, { key, sizeBytes }: Segment['log']): Promise<Buffer> {
  return await store.read(key, 0, sizeBytes)
}
