// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Which segments are made of the entries that a ledger got, and which partial ones they take in. A window of entries
 * ends as one whole segment. Until it is full its partial ones are merged as the digits of a counter carry: with as many
 * new entries as they have themselves, so that an entry is copied a logarithmic number of times.
 */
import { BUNDLE_ENTRIES, type Segment } from './segment.ts'

/** Entries of a segment that is there already, which go into another. */
interface Absorbed {
  readonly segment: Segment
  readonly start: number
  readonly end: number
}

export interface PlannedSegment {
  readonly first: number
  readonly end: number
  /** In order, from `first` up to what was sealed before; the entries behind that are new. */
  readonly absorbed: readonly Absorbed[]
}

/** The segments of the entries from `sealedSize`, of which `cover` is there, up to `size`. */
export function planSegments(
  cover: readonly Segment[],
  sealedSize: number,
  size: number,
  segmentEntries: number,
): PlannedSegment[] {
  const planned: PlannedSegment[] = []
  for (let window = floorTo(segmentEntries, sealedSize); window < size; window += segmentEntries) {
    const end = Math.min(size, window + segmentEntries)
    const first = firstOf(window, end, sealedSize, cover, segmentEntries)
    planned.push({ first, end, absorbed: absorbedFrom(first, sealedSize, cover) })
  }
  return planned
}

function firstOf(
  window: number,
  end: number,
  sealedSize: number,
  cover: readonly Segment[],
  segmentEntries: number,
): number {
  if (end === window + segmentEntries) return window
  let first = Math.max(window, floorTo(BUNDLE_ENTRIES, sealedSize))
  for (const partial of cover.toReversed()) {
    if (partial.first < window || partial.count > end - first) break
    first = partial.first
  }
  return first
}

/** Each segment up to where the next begins, so that parts meet where bundles do. */
function absorbedFrom(first: number, sealedSize: number, cover: readonly Segment[]): Absorbed[] {
  return cover.flatMap((segment, position) => {
    const start = Math.max(first, segment.first)
    const end = cover[position + 1]?.first ?? sealedSize
    return start < end ? [{ segment, start, end }] : []
  })
}

function floorTo(multiple: number, value: number): number {
  return value - (value % multiple)
}
