// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a segment is called: the run of entries that it holds, the root of a tree of just these, and the SHA-256 of the
 * object's bytes. So the same run may be sealed again without a conflict, and a name says what must be found behind it.
 */
import type { ObjectInfo } from '../store/object-store.ts'

/** Entries of a whole segment: a full tile of level 1, so its root is a hash of level 2. */
export const SEGMENT_ENTRIES = 65_536
/** Entries of a bundle: a segment begins with one, wherever it ends. */
export const BUNDLE_ENTRIES = 256

export type SegmentKind = 'log' | 'content'

/** A run of entries that is sealed: both of its objects are there. */
export interface Segment {
  readonly ledger: string
  /** Index of its first entry, a multiple of 256. */
  readonly first: number
  readonly count: number
  /** Hex: root of the RFC 6962 tree of these entries alone. */
  readonly root: string
  readonly log: ObjectInfo
  readonly content: ObjectInfo
}

export interface SegmentName {
  readonly ledger: string
  readonly first: number
  readonly count: number
  readonly root: string
  readonly kind: SegmentKind
  /** Hex, of the object's bytes. */
  readonly sha256: string
}

/** `<ledger>/<first, 16 digits>-<count, 5 digits>-<root>-<sha256>.<kind>` */
export function segmentKey({ ledger, first, count, root, kind, sha256 }: SegmentName): string {
  return `${ledger}/${digits(first, 16)}-${digits(count, 5)}-${root}-${sha256}.${kind}`
}

const KEY = /^([a-z0-9][a-z0-9-]{0,62})\/([0-9]{16})-([0-9]{5})-([0-9a-f]{64})-([0-9a-f]{64})\.(log|content)$/

/** Undefined where the key is not one of a segment in its one spelling. */
export function parseSegmentKey(key: string): SegmentName | undefined {
  const [, ledger, first, count, root, sha256, kind] = KEY.exec(key) ?? []
  if (ledger === undefined || root === undefined || sha256 === undefined) return undefined
  const run = { first: Number(first), count: Number(count) }
  if (!isSegmentRun(run.first, run.count)) return undefined
  return { ledger, ...run, root, sha256, kind: kind === 'log' ? 'log' : 'content' }
}

function isSegmentRun(first: number, count: number): boolean {
  return Number.isSafeInteger(first + count) && first % BUNDLE_ENTRIES === 0 && count > 0 && count <= SEGMENT_ENTRIES
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
