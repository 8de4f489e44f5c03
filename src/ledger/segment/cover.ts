// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Which segments there are, and which of them to read for the first `size` entries of a ledger. */
import type { ObjectInfo, ObjectStore } from '../store/object-store.ts'
import { parseSegmentKey, type Segment, type SegmentKind } from './segment.ts'

/**
 * Segments by ledger. An object without its other half is left out: a crash came between the two, and the cover tells
 * whether anything is missing. Of a run that was sealed twice all objects are in some pair.
 */
export async function listSegments(store: ObjectStore, ledger?: string): Promise<Map<string, Segment[]>> {
  const runs = new Map<string, Record<SegmentKind, ObjectInfo[]>>()
  for (const info of await store.list(ledger === undefined ? '' : `${ledger}/`)) {
    const name = parseSegmentKey(info.key)
    if (name === undefined) continue
    const run = info.key.slice(0, -(name.sha256.length + name.kind.length + 2))
    const halves = runs.get(run) ?? { log: [], content: [] }
    halves[name.kind].push(info)
    runs.set(run, halves)
  }
  const segments = new Map<string, Segment[]>()
  for (const halves of runs.values()) {
    for (const segment of pairs(halves)) {
      const found = segments.get(segment.ledger)
      if (found === undefined) segments.set(segment.ledger, [segment])
      else found.push(segment)
    }
  }
  return segments
}

function pairs(halves: Record<SegmentKind, ObjectInfo[]>): Segment[] {
  const pairCount = Math.max(halves.log.length, halves.content.length)
  return Array.from({ length: pairCount }).flatMap((_, at) => {
    const log = halves.log[at] ?? halves.log.at(-1)
    const content = halves.content[at] ?? halves.content.at(-1)
    if (log === undefined || content === undefined) return []
    const { ledger, first, count, root } = parseSegmentKey(log.key)!
    return [{ ledger, first, count, root, log, content }]
  })
}

export interface Cover {
  readonly cover: Segment[]
  /** The first run of entries that no segment holds. */
  readonly missing?: { readonly first: number; readonly end: number }
}

/**
 * At each place from `from` on the segment that reaches furthest, of those that hold nothing behind `size`; see
 * docs/format.md.
 */
export function coverOf(segments: readonly Segment[], size: number, from = 0): Cover {
  const sorted = segments.filter((segment) => endOf(segment) <= size).toSorted((a, b) => a.first - b.first)
  const cover: Segment[] = []
  let end = from
  let next = 0
  let best: Segment | undefined
  while (end < size) {
    for (; next < sorted.length && sorted[next]!.first <= end; next++) {
      if (best === undefined || isBetter(sorted[next]!, best)) best = sorted[next]
    }
    if (best === undefined || endOf(best) <= end) {
      return { cover, missing: { first: end, end: sorted[next]?.first ?? size } }
    }
    cover.push(best)
    end = endOf(best)
  }
  return { cover }
}

function isBetter(a: Segment, b: Segment): boolean {
  if (endOf(a) !== endOf(b)) return endOf(a) > endOf(b)
  if (a.count !== b.count) return a.count < b.count
  return a.log.key < b.log.key || (a.log.key === b.log.key && a.content.key < b.content.key)
}

function endOf({ first, count }: Segment): number {
  return first + count
}
