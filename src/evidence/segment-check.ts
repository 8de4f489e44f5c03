// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Checks every byte of a segment, and tells what of it could be read; in this thread or in others. */
import { SALT_BYTES } from '@stele/proof'
import { checkSegment, type Pace, type SegmentFlaw } from '../ledger/segment/check-segment.ts'
import type { Segment } from '../ledger/segment/segment.ts'
import type { ObjectStore } from '../ledger/store/object-store.ts'
import type { RowHasher } from '../platform/row-hasher.ts'
import type { DirectoryThreads } from './directory-threads.ts'

/** Flaws of one segment that are told; the rest is counted. */
const MAX_FLAWS = 256
/** Where an entry has its time, and how long that is: no other form of an entry is accepted. */
const [TIME_AT, TIME_END] = [13, 37]

/** Entries of which nothing can be said, for they or their contents could not be read. */
interface Unread {
  readonly first: number
  readonly count: number
}

/** A segment after its check, fit to be sent between threads. */
export interface CheckedSegment {
  readonly flaws: readonly SegmentFlaw[]
  readonly flawCount: number
  readonly unread: readonly Unread[]
  /** Salts and events of the entries for which it is read. */
  readonly contentBytes: number
  readonly firstTime: string
  readonly lastTime: string
  /** Hashes of level 1 that the entries have; undefined where something is wrong with the segment. */
  readonly parents: Uint8Array | undefined
}

/** An entry for which the segment is read; views hold during the call. */
export type OnEntry = (entry: { index: number; at: string; event: Buffer }) => Promise<void> | void

/** The entries for which a segment is read: others hold what is before, and what is behind is not sealed yet. */
export interface Used {
  readonly from: number
  readonly end: number
}

export interface CheckWholeOptions {
  readonly pace?: Pace
  readonly onEntry?: OnEntry
  /** Without the contents nobody is told of events; else true. */
  readonly withContent?: boolean
  readonly rows?: RowHasher
}

export async function checkWhole(
  store: ObjectStore,
  segment: Segment,
  used: Used,
  options: CheckWholeOptions = {},
): Promise<CheckedSegment> {
  const { pace, onEntry, withContent = true, rows } = options
  const flaws: SegmentFlaw[] = []
  const times: SegmentFlaw[] = []
  const unread: { first: number; count: number }[] = []
  let [next, contentBytes, firstTime, lastTime] = [segment.first, 0, '', '']
  let parents: Uint8Array | undefined
  const take = (index: number, entry: Buffer, content: Buffer | undefined): Promise<void> | void => {
    if (index > next) unread.push({ first: next, count: index - next })
    next = index + 1
    const isUsed = index >= used.from && index < used.end
    if (isUsed && content !== undefined) contentBytes += content.length
    // Most have the time of the one before.
    const at = isAt(entry, lastTime) ? lastTime : entry.toString('latin1', TIME_AT, TIME_END)
    if (at < lastTime) {
      const place = { key: segment.log.key, index, what: 'the ledger time goes back' }
      times.push({ ...place, expected: `${lastTime} or later`, found: at })
    }
    if (firstTime === '') firstTime = at
    if (index < used.end) lastTime = at
    if (onEntry !== undefined && isUsed && content !== undefined) {
      return onEntry({ index, at, event: content.subarray(SALT_BYTES) })
    }
  }
  let flawCount = 0
  const onParents = (found: Buffer) => (parents = new Uint8Array(found))
  for await (const flaw of checkSegment(store, segment, { onEntry: take, onParents, pace, withContent, rows })) {
    // What is said of an object as a whole comes last, and must not be lost behind its entries.
    if (++flawCount <= MAX_FLAWS || flaw.index === undefined) flaws.push(flaw)
  }
  const end = segment.first + segment.count
  if (next < end) unread.push({ first: next, count: end - next })
  flaws.push(...times.slice(0, MAX_FLAWS))
  const told = { unread, contentBytes, firstTime, lastTime }
  return { ...told, flaws, flawCount: flawCount + times.length, parents: flaws.length > 0 ? undefined : parents }
}

function isAt(entry: Buffer, time: string): boolean {
  // The milliseconds differ first.
  for (let at = time.length - 1; at >= 0; at--) if (entry[TIME_AT + at] !== time.charCodeAt(at)) return false
  return time !== ''
}

export interface SegmentChecker {
  /** Segments that are worth having under way at the same time. */
  readonly depth: number
  check(segment: Segment, used: Used): Promise<CheckedSegment>
}

export class LocalSegmentChecker implements SegmentChecker {
  readonly depth = 1
  readonly #store: ObjectStore
  readonly #pace: Pace

  readonly #withContent: boolean

  constructor(store: ObjectStore, withContent: boolean, pace: Pace) {
    this.#store = store
    this.#withContent = withContent
    this.#pace = pace
  }

  async check(segment: Segment, used: Used): Promise<CheckedSegment> {
    return await checkWhole(this.#store, segment, used, { pace: this.#pace, withContent: this.#withContent })
  }
}

/** Threads open the segments themselves, so they have to lie on the machine's own disk. */
export class ThreadedSegmentChecker implements SegmentChecker {
  readonly depth: number
  readonly #directory: string
  readonly #withContent: boolean
  readonly #pace: Pace
  readonly #threads: DirectoryThreads

  constructor(threads: DirectoryThreads, directory: string, withContent: boolean, pace: Pace) {
    this.depth = threads.count * 2
    this.#threads = threads
    this.#directory = directory
    this.#withContent = withContent
    this.#pace = pace
  }

  async check(segment: Segment, used: Used): Promise<CheckedSegment> {
    const job = { directory: this.#directory, segment, used, withContent: this.#withContent }
    const checked = await this.#threads.checkSegment(job)
    await this.#pace(segment.log.sizeBytes + (this.#withContent ? segment.content.sizeBytes : 0))
    return checked
  }
}
