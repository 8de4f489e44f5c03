// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What lies among the segments and is not read: segments that others have replaced, or that no seal names yet, halves
 * of some, drafts. Crashes leave them, and the next start or sealing removes them or goes on with them; so they are no
 * fault, but a changed one is.
 */
import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import type { Pace } from '../ledger/segment/check-segment.ts'
import { parseSegmentKey, type Segment } from '../ledger/segment/segment.ts'
import { listNames } from './beside.ts'
import type { Findings } from './finding.ts'
import { type OpenedLog, SEAL_FILE, segmentsDirectory } from './open-log.ts'
import { fileOf, listed, type SealedSource } from './sealed-source.ts'
import { checkWhole } from './segment-check.ts'

const DRAFTS = '.drafts'

export interface SpareParts {
  readonly disk: Disk
  readonly directory: string
  readonly log: OpenedLog
  readonly source: SealedSource | undefined
  readonly isRunning: boolean
  readonly findings: Findings
  readonly remarks: string[]
  readonly pace: Pace
}

export async function checkSpare(parts: SpareParts): Promise<void> {
  const { log, source, isRunning } = parts
  // A server makes and removes such files all the time.
  if (isRunning) return
  const segments = source?.segments ?? (await listed(log.store))
  const all = [...segments.values()].flat()
  for (const segment of all) {
    const isRead = source?.cover(segment.ledger).cover.some(({ log: read }) => read.key === segment.log.key) === true
    if (!isRead && source?.isExcluded(segment) !== true) await checkSpareSegment(segment, parts)
  }
  await nameStrangers(new Set(all.flatMap(({ log: half, content }) => [half.key, content.key])), parts)
}

async function checkSpareSegment(
  segment: Segment,
  { log, source, findings, remarks, pace }: SpareParts,
): Promise<void> {
  const { ledger, first, count } = segment
  const file = fileOf(segment.log.key)
  const { flaws } = await checkWhole(log.store, segment, { from: first, end: first + count }, { pace })
  for (const { key, offset, what, expected, found } of flaws) {
    const place = { file: fileOf(key), ...(offset === undefined ? {} : { offset }) }
    findings.add({ kind: 'unexpected', ...place, what: `in a segment that nobody reads: ${what}`, expected, found })
  }
  if (flaws.length > 0) return
  remarks.push(
    `${file} is whole, and nobody reads it: others hold entries ${first} to ${first + count - 1} of ${ledger}.`,
  )
  const isKnown =
    source !== undefined && first + count <= source.sizeOf(ledger) && source.cover(ledger).gaps.length === 0
  if (!isKnown) return
  const reader = await source.reader(segment)
  const [expected, found] = [await source.hashesOf(ledger).leaves(first, count), await reader.leaves(first, count)]
  if (expected.equals(found)) return
  findings.add({
    kind: 'unexpected',
    file,
    what: 'a segment that nobody reads has other entries than those that are read',
  })
}

async function nameStrangers(
  paired: ReadonlySet<string>,
  { disk, directory, log, remarks }: SpareParts,
): Promise<void> {
  const folder = segmentsDirectory(directory)
  const keys = (await log.store.list('')).map(({ key }) => key)
  const objects = new Set(keys.filter((key) => parseSegmentKey(key) !== undefined))
  for (const key of objects) {
    if (!paired.has(key)) remarks.push(`${fileOf(key)} is half of a segment, which nobody reads; it was not looked at.`)
  }
  for (const name of await listNames(disk, folder)) {
    if (fileOf(name) === SEAL_FILE) continue
    const names = await listNames(disk, join(folder, name))
    if (name === DRAFTS) {
      for (const draft of names) remarks.push(`${fileOf(`${name}/${draft}`)} is a draft that was never finished.`)
      continue
    }
    const strangers = names.filter((other) => !objects.has(`${name}/${other}`)).map((other) => `${name}/${other}`)
    // One that is no folder holds no names.
    const isEmpty = names.length === 0
    for (const stranger of isEmpty ? [name] : strangers) {
      remarks.push(`${fileOf(stranger)} is not a file of Stele; it was not looked at.`)
    }
  }
}
