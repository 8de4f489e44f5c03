// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillSection, measure, ownBatch } from '../src/ledger/batch.ts'
import { FrameBuilder } from '../src/ledger/wal/frame-builder.ts'
import { isFlaw, type FrameFlaw, readFrame } from '../src/ledger/wal/frame-reader.ts'
import { FrameSequence } from '../src/ledger/wal/frame-sequence.ts'
import type { DiskFile } from '../src/platform/disk.ts'
import { MemoryDisk } from './memory-disk.ts'
import { SeededRandom } from './scratch.ts'

const random = new SeededRandom(5)
const fileId = random.bytes(16)
const START = 4_096
const SLABS = [4_096, 12_288, 20_000, 65_536, 8_388_608]

/** Frames of one block and of many, in any order. */
function log(): Buffer {
  const frames = [1, 20_000, 3, 3, 60_000, 9_000, 1, 1, 1, 4_000].map((eventBytes, commit) => {
    const builder = new FrameBuilder()
    const batch = ownBatch([Buffer.alloc(eventBytes, 0x61)], 'generic', 'text/plain', 'tester')
    const { entriesBytes, contentsBytes } = measure(batch)
    fillSection(
      builder.addSection('main', commit, 1, entriesBytes, contentsBytes),
      batch,
      '2026-01-02T03:04:05.678Z',
      random,
    )
    const row = { ledger: 'main', size: commit + 1, root: random.bytes(32) }
    return Buffer.from(builder.seal(fileId, commit + 1, random.bytes(32), [row]).bytes)
  })
  return Buffer.concat([Buffer.alloc(START), ...frames])
}

type Told = readonly [position: number, bytes: string] | FrameFlaw

async function oneByOne(file: DiskFile, fileBytes: number): Promise<Told[]> {
  const told: Told[] = []
  for (let position = START; ;) {
    const frame = await readFrame(file, fileBytes, fileId, position)
    if (frame === undefined) return told
    if (isFlaw(frame)) return [...told, frame]
    told.push([frame.position, frame.bytes.toString('base64')])
    position += frame.header.frameBytes
  }
}

async function inSequence(file: DiskFile, fileBytes: number, slabBytes: number): Promise<Told[]> {
  const frames = new FrameSequence(file, fileBytes, fileId, START, slabBytes)
  const told: Told[] = []
  for (;;) {
    const frame = await frames.next()
    if (frame === undefined || isFlaw(frame)) {
      await frames.settled()
      return frame === undefined ? told : [...told, frame]
    }
    told.push([frame.position, frame.bytes.toString('base64')])
  }
}

test('frames in sequence are those that are read one by one, whatever fits into a slab, and however the file was cut', async () => {
  const whole = log()
  for (const fileBytes of [
    whole.length,
    whole.length - 1,
    START,
    START + 100,
    START + 4_096,
    30_000,
    33_000,
    120_000,
  ]) {
    const file = await new MemoryDisk().open('/wal', 'create')
    await file.write(whole.subarray(0, fileBytes), 0)
    const expected = await oneByOne(file, fileBytes)
    for (const slabBytes of SLABS) assert.deepEqual(await inSequence(file, fileBytes, slabBytes), expected)
  }
})

test('a changed byte is found in sequence as it is one by one', async () => {
  const whole = log()
  for (const at of [START + 3, START + 17, START + 4_000, START + 4_096 + 16, START + 30_000, whole.length - 1]) {
    const file = await new MemoryDisk().open('/wal', 'create')
    const changed = Buffer.from(whole)
    changed[at]! ^= 1
    await file.write(changed, 0)
    const expected = await oneByOne(file, changed.length)
    assert(isFlaw(expected.at(-1) ?? []), `byte ${at}`)
    for (const slabBytes of SLABS) assert.deepEqual(await inSequence(file, changed.length, slabBytes), expected)
  }
})
