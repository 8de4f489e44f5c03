// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds what a ledger remembers of its last entries, ids of sources and idempotency keys, against what the anchor
 * counts and the ledger has: lengths, the order of the records, and that each is of an entry that was there. What the
 * records say of those entries is not held against them.
 */
import { join } from 'node:path'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { Anchor, RecentMark } from '../ledger/anchor.ts'
import { KEY_RECORD_BYTES, MAX_KEYS } from '../ledger/idempotency.ts'
import { RECENT_ENTRIES } from '../ledger/recent.ts'
import { RECORD_BYTES } from '../ledger/recent-ids.ts'
import type { Findings } from './finding.ts'

const READ_RECORDS = 16_384
/** Before the 6 bytes of the index, ids say what length their event has, and keys nothing. */
const INDEX_AT = 2
const FIRST_AT = 8

interface Ring {
  readonly name: string
  readonly recordBytes: number
  readonly maxCount: number
  /** Records say at `FIRST_AT` which entry their body began with. */
  readonly hasFirst: boolean
  readonly countOf: (mark: RecentMark['ledgers'][number]) => number
}

const RINGS: readonly Ring[] = [
  { name: 'ids', recordBytes: RECORD_BYTES, maxCount: RECENT_ENTRIES, hasFirst: false, countOf: ({ ids }) => ids },
  { name: 'keys', recordBytes: KEY_RECORD_BYTES, maxCount: MAX_KEYS, hasFirst: true, countOf: ({ keys }) => keys },
]

export const RECENT_NAMES: readonly string[] = RINGS.map(({ name }) => name)

export interface RecentOptions {
  readonly disk: Disk
  readonly directory: string
  readonly isRunning: boolean
  readonly findings: Findings
}

/** Answers the files that were held against what the anchor counts. */
export async function checkRecent(anchor: Anchor, ledger: string, options: RecentOptions): Promise<string[]> {
  const mark = anchor.recent?.ledgers.find(({ name }) => name === ledger)
  const size = anchor.ledgers.find(({ name }) => name === ledger)?.size ?? 0
  if (mark === undefined) return []
  const held: string[] = []
  for (const ring of RINGS) {
    const count = ring.countOf(mark)
    const file = `derived/${ledger}/${ring.name}`
    const object = (what: string, offset: number, expected: string, found: string) =>
      options.findings.add({ kind: 'derived', file, offset, what, expected, found })
    if (mark.size > size || count > size) {
      object(`the anchor counts more ${ring.name} than entries`, 0, `${size} at most`, `${count}`)
      continue
    }
    const opened = await openedFile(options.disk, join(options.directory, file))
    try {
      const sizeBytes = (await opened?.sizeBytes()) ?? 0
      const leastBytes = Math.min(count, ring.maxCount) * ring.recordBytes
      const mostBytes = ring.maxCount * ring.recordBytes
      if (sizeBytes < leastBytes) {
        const what = opened === undefined ? 'the file is not there' : 'the file is cut'
        object(what, sizeBytes, `${leastBytes} bytes that the anchor counts`, `${sizeBytes}`)
      }
      if (sizeBytes > mostBytes)
        object('the file is longer than any of its kind', mostBytes, `${mostBytes} bytes`, `${sizeBytes}`)
      if (opened === undefined) continue
      held.push(file)
      const flaw = await flawOf(opened, ring, { count, size: mark.size, isRunning: options.isRunning })
      if (flaw !== undefined) object(flaw.what, flaw.offset, flaw.expected, flaw.found)
    } finally {
      await opened?.close()
    }
  }
  return held
}

interface Counted {
  /** Records that the anchor counts, and entries of which they are. */
  readonly count: number
  readonly size: number
  readonly isRunning: boolean
}

/**
 * The first record that cannot be one. What was written behind the anchor stands in the place of the oldest; and where
 * a record was given up before it was written there is nothing, or what stood there a turn of the ring before.
 */
async function flawOf(
  file: DiskFile,
  { recordBytes, maxCount, hasFirst }: Ring,
  { count, size, isRunning }: Counted,
): Promise<{ what: string; offset: number; expected: string; found: string } | undefined> {
  const isTurned = count > maxCount || isRunning
  // Behind the anchor a process that was killed may have begun the next turn.
  const isFull = count >= maxCount || (await file.sizeBytes()) >= maxCount * recordBytes
  let oldest: number | undefined
  let last = -1
  for (let number = Math.max(0, count - maxCount); number < count;) {
    const slot = number % maxCount
    const records = Buffer.alloc(Math.min(READ_RECORDS, count - number, maxCount - slot) * recordBytes)
    const gotBytes = await file.read(records, slot * recordBytes)
    for (let at = 0; at + recordBytes <= gotBytes; at += recordBytes) {
      const index = records.readUIntBE(at + INDEX_AT, 6)
      const isWrittenOver = index >= size && (isRunning || (isFull && last < 0))
      const isEmpty = index === 0 && records.subarray(at, at + recordBytes).every((byte) => byte === 0)
      if (isWrittenOver || isEmpty || (isTurned && index < (oldest ?? 0))) continue
      const offset = slot * recordBytes + at
      const found = `entry ${index}`
      if (index >= size) {
        return { what: 'a record is of an entry that was not there', offset, expected: `one of ${size} entries`, found }
      }
      // A key that was read again from its entry stands a second time.
      if (index <= last && !hasFirst) {
        const expected = `an entry behind ${last}`
        return { what: 'records are not in the order of their entries', offset, expected, found }
      }
      if (hasFirst && records.readBigUInt64BE(at + FIRST_AT) > BigInt(index)) {
        const first = `entry ${records.readBigUInt64BE(at + FIRST_AT)}`
        return { what: 'a body is said to begin behind its first new entry', offset, expected: found, found: first }
      }
      oldest ??= index
      last = index
    }
    number += records.length / recordBytes
  }
  return undefined
}

async function openedFile(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'read')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
