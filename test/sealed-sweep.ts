// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Flips bits of a small directory of which a part is sealed, cuts its files, and tells what was not found out.

import assert from 'node:assert/strict'

import { checkWhole } from '../src/evidence/segment-check.ts'
import type { DirectoryReport } from '../src/evidence/verify-directory.ts'
import { listSegments } from '../src/ledger/segment/cover.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import { directory, eventPlaces, type SealedDirectory, sealedDirectory, verified } from './evidence-ground.ts'
import type { MemoryDisk } from './memory-disk.ts'
import type { SweepResult } from './tamper-sweep.ts'

/** A whole segment and some partial ones, three older states, and the last commits in the log; stopped. */
export async function sweptSealedDirectory(): Promise<SealedDirectory> {
  return await sealedDirectory(350, 3, { batch: 40, sealEvery: 2, walFileBytes: 12_000 })
}

/** Paths of all files but those that hold nothing. */
export function sweptPaths({ disk }: Pick<SealedDirectory, 'disk'>): string[] {
  return disk.paths.filter((path) => disk.bytesOf(path).length > 0)
}

/** Verifying the whole directory for each byte takes a quarter of an hour: that is for STELE_SWEEP=all. */
export const SAMPLED = process.env['STELE_SWEEP'] === 'all' ? 1 : 7

const isSegment = (path: string) => /\.(?:log|content)$/.test(path)
const nameOf = (path: string) => path.slice(directory.length + 1)

/** Every bit of the bytes from `first` up to `end` of all segments, each by itself, held by the check of the segment. */
export async function segmentFlips(swept: SealedDirectory, first: number, end: number): Promise<SweepResult> {
  const { disk } = swept
  return await eachByte(disk, sweptPaths(swept).filter(isSegment), first, end, 1, async (path, at, result) => {
    const bytes = disk.bytesOf(path)
    for (let bit = 0; bit < 8; bit++) {
      bytes[at]! ^= 1 << bit
      const wrong = await segmentObjection(disk, path)
      bytes[at]! ^= 1 << bit
      result(wrong === undefined ? undefined : `bit ${bit}: ${wrong}`)
    }
  })
}

/**
 * Bits of the bytes from `first` up to `end` of all files, held by a verification of all: of the seal every one, of
 * other files one a byte, and of segments, whose every bit `segmentFlips` flips, one in 32 bytes.
 */
export async function sealedFlips(swept: SealedDirectory, first: number, end: number): Promise<SweepResult> {
  const { disk, head } = swept
  const places = eventPlaces(disk)
  return await eachByte(disk, sweptPaths(swept), first, end, SAMPLED, async (path, at, result) => {
    if (isSegment(path) && at % 32 !== 0) return
    const bytes = disk.bytesOf(path)
    const place = places.find((some) => some.path === path && at >= some.contentStart && at < some.contentEnd)
    for (const bit of path.endsWith('/_head') ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
      bytes[at]! ^= 1 << bit
      const report = await verified({ disk, head })
      bytes[at]! ^= 1 << bit
      result(isPassed(swept, path, at) ? passedObjection(report) : objection(report, path, place))
    }
  })
}

/** Every file cut to each length, counted over all files as their bytes are. */
export async function sealedCuts(swept: SealedDirectory, first: number, end: number): Promise<SweepResult> {
  const { disk, head } = swept
  return await eachByte(disk, sweptPaths(swept), first, end, SAMPLED, async (path, length, result) => {
    const bytes = disk.bytesOf(path)
    disk.put(path, bytes.subarray(0, length))
    const wrong = isSegment(path) ? await segmentObjection(disk, path) : objection(await verified({ disk, head }), path)
    disk.put(path, bytes)
    result(wrong)
  })
}

async function eachByte(
  disk: MemoryDisk,
  paths: readonly string[],
  first: number,
  end: number,
  step: number,
  work: (path: string, at: number, result: (wrong: string | undefined) => void) => Promise<void>,
): Promise<SweepResult> {
  const missed: string[] = []
  let [count, start] = [0, 0]
  for (const path of paths) {
    const { length } = disk.bytesOf(path)
    for (let at = Math.max(0, first - start); at < length && start + at < end; at++) {
      if ((start + at) % step !== 0) continue
      await work(path, at, (wrong) => {
        count++
        if (wrong !== undefined) missed.push(`${path} ${at}: ${wrong}`)
      })
    }
    start += length
  }
  return { count, missed }
}

async function segmentObjection(disk: MemoryDisk, path: string): Promise<string | undefined> {
  const store = new DirectoryStore(disk, `${directory}/segments`)
  const key = path.slice(store.where.length + 1)
  const ledger = key.slice(0, key.indexOf('/'))
  const segments = (await listSegments(store, ledger)).get(ledger) ?? []
  const segment = segments.find(({ log, content }) => log.key === key || content.key === key)
  assert(segment !== undefined)
  const { flaws } = await checkWhole(store, segment, { from: 0, end: Infinity })
  return flaws.some((flaw) => flaw.key === key) ? undefined : `the segment is not named: ${JSON.stringify(flaws)}`
}

/** Whether a byte is of a place that leads to what is sealed: it leads nowhere any more, and nobody reads it. */
function isPassed({ disk, seal }: SealedDirectory, path: string, at: number): boolean {
  const [, ledger] = /derived\/([^/]+)\/places-/.exec(path) ?? []
  if (ledger === undefined) return false
  const record = at - (at % 32)
  const bytes = disk.bytesOf(path)
  // The byte is as it was by now.
  return Number(bytes.readBigUInt64BE(record)) < (seal.sizes[ledger] ?? 0)
}

function passedObjection({ remarks, verdict }: DirectoryReport): string | undefined {
  // The search for where the others begin may stumble over it; that nobody looked at it is said in any case.
  if (verdict === 'changed' || remarks.some((remark) => /^The first records of .*places/.test(remark))) return undefined
  return 'it is not said that it was not looked at'
}

/** What is wrong with a report about a directory in which this file, or this event, was changed. */
export function objection(
  report: DirectoryReport,
  path: string,
  place?: { readonly ledger: string; readonly index: number },
): string | undefined {
  const { verdict, findings, firstBad } = report
  if (verdict !== 'changed') return `the verdict is ${verdict}`
  const file = nameOf(path)
  const isNamed = findings.some((finding) => finding.file !== undefined && file.startsWith(finding.file))
  const isCovered = firstBad !== undefined
  if (!isNamed && !isCovered) return `nothing is named: ${JSON.stringify(findings)}`
  if (place === undefined) return undefined
  const isWithin =
    firstBad?.ledger === place.ledger && place.index >= firstBad.index && place.index < firstBad.index + firstBad.count
  return isWithin ? undefined : `${place.ledger} ${place.index} is not named: ${JSON.stringify(firstBad)}`
}
