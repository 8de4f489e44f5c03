// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every disk that a power cut at one moment may leave. Of the names that no sync of their folder has followed, any may
// be there that the earlier ones of the same folder came before; folders know nothing of each other. Of the writes and
// truncations that no sync of their file has followed, any may have happened, and a write torn: up to some sector of
// 512 bytes, from some sector on, without one of its pages of 4 KiB, or not at all in a file that grew by it. With more at stake than
// MAX_AT_STAKE, or more images than can be looked at, a sample is drawn from a seed.

import { changed, type PowerCutDisk, type SECTOR_BYTES } from '../power-cut-disk.ts'
import type { Change, Inode, NameChange } from '../power-cut-names.ts'
import type { SeededRandom } from '../scratch.ts'

const PAGE_BYTES = 4_096
const MAX_AT_STAKE = 3

export interface ImageLimits {
  /** Tears at sectors, or only at pages. */
  readonly tearBytes: typeof SECTOR_BYTES | typeof PAGE_BYTES
  /** Images of one moment; more are sampled. */
  readonly maxCount: number
}

export interface Images {
  readonly disks: Iterable<PowerCutDisk>
  /** Whether these are all that there may be. */
  readonly isExhaustive: boolean
}

/** What became of one change: the parts of it that happened; or the file grew, and has zeros there. */
type Fate = readonly (Change | { readonly kind: 'grow'; readonly sizeBytes: number })[]

export function imagesOf(disk: PowerCutDisk, limits: ImageLimits, random: SeededRandom): Images {
  const { durable, changes } = disk.atStake
  const { sets, areAll } = keptNames(changes, random)
  const plans = sets.map((kept) => {
    const inodes = new Set(durable.values())
    for (const { names } of kept) for (const [, inode] of names) if (inode !== undefined) inodes.add(inode)
    const choices = [...inodes].flatMap((inode) =>
      inode.unsynced.map((change) => ({ inode, fates: fatesOf(change, limits.tearBytes) })),
    )
    return { kept, choices, count: choices.reduce((product, { fates }) => product * fates.length, 1) }
  })
  const total = plans.reduce((sum, { count }) => sum + count, 0)
  const isExhaustive =
    areAll && total <= limits.maxCount && plans.every(({ choices }) => choices.length <= MAX_AT_STAKE)
  const numbers = isExhaustive
    ? plans.flatMap(({ count }, plan) => Array.from({ length: count }, (_, number) => ({ plan, number })))
    : Array.from({ length: Math.min(total, limits.maxCount) }, () => {
        const plan = random.below(plans.length)
        return { plan, number: random.below(plans[plan]!.count) }
      })
  function* disks(): Generator<PowerCutDisk> {
    for (const { plan, number } of numbers) {
      const { kept, choices } = plans[plan]!
      yield disk.image(kept, (inode) => contentsOf(inode, choices, number))
    }
  }
  return { disks: disks(), isExhaustive }
}

/** The bytes of a file where the digits of `number` say what became of each change. */
function contentsOf(
  file: Inode,
  choices: readonly { readonly inode: Inode; readonly fates: readonly Fate[] }[],
  number: number,
): Buffer {
  let bytes = file.durable
  for (const { inode, fates } of choices) {
    const fate = fates[number % fates.length]!
    number = Math.floor(number / fates.length)
    if (inode !== file) continue
    for (const part of fate) {
      if (part.kind !== 'grow') bytes = changed(bytes, part)
      else if (part.sizeBytes > bytes.length) bytes = changed(bytes, { kind: 'truncate', sizeBytes: part.sizeBytes })
    }
  }
  return bytes
}

function fatesOf(change: Change, tearBytes: number): readonly Fate[] {
  if (change.kind === 'truncate') return [[], [change]]
  const { bytes, position } = change
  const part = (from: number, to: number): Change => ({
    kind: 'write',
    bytes: bytes.subarray(from, to),
    position: position + from,
  })
  const fates: Fate[] = [[], [change], [{ kind: 'grow', sizeBytes: position + bytes.length }]]
  for (let cut = tearBytes; cut < bytes.length; cut += tearBytes) fates.push([part(0, cut)], [part(cut, bytes.length)])
  for (let page = PAGE_BYTES; page + PAGE_BYTES < bytes.length; page += PAGE_BYTES) {
    fates.push([part(0, page), part(page + PAGE_BYTES, bytes.length)])
  }
  return fates
}

/** Sets of changes of names that may have become durable. */
function keptNames(
  changes: readonly NameChange[],
  random: SeededRandom,
): { readonly sets: readonly (readonly NameChange[])[]; readonly areAll: boolean } {
  const follows = (later: NameChange, earlier: NameChange) =>
    later.folders.some((folder) => earlier.folders.includes(folder))
  const isLegal = (kept: ReadonlySet<NameChange>) =>
    changes.every(
      (later, position) =>
        !kept.has(later) ||
        changes.slice(0, position).every((earlier) => kept.has(earlier) || !follows(later, earlier)),
    )
  if (changes.length <= MAX_AT_STAKE) {
    const subsets = Array.from({ length: 2 ** changes.length }, (_, bits) =>
      changes.filter((__, position) => Math.floor(bits / 2 ** position) % 2 === 1),
    )
    return { sets: subsets.filter((subset) => isLegal(new Set(subset))), areAll: true }
  }
  // All beginnings, and as many others, each change kept where a coin and those before it allow it.
  const sets = changes.map((_, count) => changes.slice(0, count))
  sets.push([...changes])
  for (let sample = 0; sample <= changes.length; sample++) {
    const kept = new Set<NameChange>()
    for (const change of changes) {
      kept.add(change)
      if (random.below(3) === 0 || !isLegal(kept)) kept.delete(change)
    }
    sets.push([...kept])
  }
  return { sets, areAll: false }
}
