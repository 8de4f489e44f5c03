// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Flips bits of the small directory, one at a time, and tells which were not found out, or blamed on the wrong entry.

import assert from 'node:assert/strict'

import type { DirectoryReport } from '../src/evidence/verify-directory.ts'
import {
  directory,
  directoryWith,
  type EventPlace,
  eventPlaces,
  events,
  type SmallDirectory,
  verified,
} from './evidence-ground.ts'
import { append } from './scratch.ts'

export type SweptDirectory = Pick<SmallDirectory, 'disk' | 'head'>

/** Three ledgers of the user's and Stele's own, about thirty entries, two WAL files; stopped. */
export async function sweptDirectory(): Promise<SweptDirectory> {
  return await directoryWith(async ({ ledgers, administration }, clock) => {
    await administration.createLedger({ name: 'pay' }, 'tester')
    clock.pass(10)
    // One after the other: in a frame of both, a byte that keeps it from being taken apart loses both.
    await append(ledgers, 'main', events('main', 8))
    await append(ledgers, 'pay', events('pay', 5))
    await ledgers.publish()
    clock.pass(10)
    await append(ledgers, 'main', events('main', 2))
  }, 24_000)
}

export interface SweepResult {
  /** Changes that were tried. */
  readonly count: number
  /** `path byte bit`, and what was wrong with the report. */
  readonly missed: readonly string[]
}

/** Counts the bytes of all files, in the order in which `sweep` numbers them. */
export function directoryBytes({ disk }: SweptDirectory): number {
  return disk.paths.reduce((sum, path) => sum + disk.bytesOf(path).length, 0)
}

/** Flips every bit of the bytes from `first` up to `end`, each by itself. */
export async function sweep({ disk, head }: SweptDirectory, first: number, end: number): Promise<SweepResult> {
  const places = eventPlaces(disk)
  const missed: string[] = []
  let count = 0
  let start = 0
  for (const path of disk.paths) {
    const bytes = disk.bytesOf(path)
    for (let at = Math.max(0, first - start); at < bytes.length && start + at < end; at++) {
      const place = places.find((candidate) => candidate.path === path && isWithin(candidate, at))
      for (let bit = 0; bit < 8; bit++) {
        bytes[at]! ^= 1 << bit
        const wrong = objection(await verified({ disk, head }), path, place)
        bytes[at]! ^= 1 << bit
        count++
        if (wrong !== undefined) missed.push(`${path} ${at} ${bit}: ${wrong}`)
      }
    }
    start += bytes.length
  }
  return { count, missed }
}

/** Cuts every file to each length from `first` up to `end`, counted over all files as their bytes are. */
export async function cutSweep({ disk, head }: SweptDirectory, first: number, end: number): Promise<SweepResult> {
  const missed: string[] = []
  let count = 0
  let start = 0
  for (const path of disk.paths) {
    const bytes = disk.bytesOf(path)
    for (let length = Math.max(0, first - start); length < bytes.length && start + length < end; length++) {
      disk.put(path, bytes.subarray(0, length))
      const { verdict } = await verified({ disk, head })
      count++
      if (verdict !== 'changed') missed.push(`${path} cut to ${length}: ${verdict}`)
    }
    disk.put(path, bytes)
    start += bytes.length
  }
  return { count, missed }
}

function isWithin({ entryStart, entryEnd, contentStart, contentEnd }: EventPlace, at: number): boolean {
  return (at >= entryStart - 1 && at < entryEnd) || (at >= contentStart && at < contentEnd)
}

/** What is wrong with a report about a directory in which a byte was changed that belongs to this entry. */
function objection(report: DirectoryReport, path: string, place: EventPlace | undefined): string | undefined {
  if (report.verdict !== 'changed' || report.findingCount === 0) return `the verdict is ${report.verdict}`
  const file = path.slice(directory.length + 1)
  if (!report.findings.some((finding) => finding.file === file)) return `the file is not named: ${text(report)}`
  if (place === undefined) return undefined
  const { firstBad } = report
  const isNamed =
    firstBad?.ledger === place.ledger && place.index >= firstBad.index && place.index < firstBad.index + firstBad.count
  return isNamed ? undefined : `${place.ledger} ${place.index} is not named: ${text(report)}`
}

function text({ firstBad, findings }: DirectoryReport): string {
  return JSON.stringify({ firstBad, findings })
}

/** Swaps each two files: every pair of which the bytes differ must be found. Resolves to how many there were. */
export async function swapSweep({ disk, head }: SweptDirectory): Promise<number> {
  let count = 0
  for (const [position, path] of disk.paths.entries()) {
    for (const other of disk.paths.slice(position + 1)) {
      const [one, another] = [disk.bytesOf(path), disk.bytesOf(other)]
      const swapped = disk.copy()
      swapped.put(path, another)
      swapped.put(other, one)
      const { verdict } = await verified({ disk: swapped, head })
      assert.equal(verdict, one.equals(another) ? 'unchanged' : 'changed', `${path} and ${other}`)
      count++
    }
  }
  return count
}
