// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Events that are copies of frames. Whoever sends events does not know the id of the WAL file, so theirs are keyed by
// another; the copies with the right id are of somebody who can read the disk and send events, too.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { verifyDirectory } from '../../src/evidence/verify-directory.ts'
import { recover } from '../../src/ledger/recover.ts'
import { DataFault } from '../../src/ledger/data-fault.ts'
import {
  BLOCK_BYTES,
  decodeFileHeader,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  keyedCrc,
} from '../../src/ledger/wal/format.ts'
import { eventBounds, type ReadFrame } from '../../src/ledger/wal/frame-reader.ts'
import { framesOf } from '../forge.ts'
import { MemoryDisk } from '../memory-disk.ts'
import {
  append,
  MemoryHeadStore,
  openStele,
  readAll,
  recovery,
  SeededRandom,
  type Stele,
  TurnedClock,
} from '../scratch.ts'

const directory = '/stele'
const wal = join(directory, 'wal', '0000000000000001')
const EVENT_BYTES = 3 * BLOCK_BYTES
const SALT_BYTES = 16
const wrongId = Buffer.alloc(16, 0xab)
/** Distances from a block boundary at which the copies begin. */
const classes = [...Array.from({ length: 64 }, (_, step) => step * 64), 1, 8, 511, 512, 4_095].toSorted((a, b) => a - b)

const acknowledged = [Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]
let ground: MemoryDisk
before(async () => {
  ground = new MemoryDisk()
  const stele = await open(ground)
  for (const event of acknowledged) await append(stele.ledgers, 'main', [event])
})

async function open(disk: MemoryDisk): Promise<Stele> {
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 2 ** 40 }
  const head = new MemoryHeadStore()
  return await openStele({ disk, directory, head, clock: new TurnedClock(), random: new SeededRandom(7), sizes })
}

const fileId = (disk: MemoryDisk) => decodeFileHeader(wal, disk.bytesOf(wal)).fileId
const framesIn = (disk: MemoryDisk): ReadFrame[] => framesOf(disk.bytesOf(wal), fileId(disk))
const lastFrame = (disk: MemoryDisk): ReadFrame => framesIn(disk).at(-1)!

interface Left {
  readonly disk: MemoryDisk
  readonly bytes: Buffer
  readonly position: number
}

/** The ground with a last commit of one event that is a row of frames; the first begins `at` bytes behind a block. */
async function leftWith(id: 'right' | 'wrong', at: number): Promise<Left> {
  const copied = framesIn(ground).find(({ header }) => header.frameBytes === BLOCK_BYTES)
  assert(copied !== undefined)
  const frame = Buffer.from(copied.bytes)
  if (id === 'wrong') {
    const body = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + copied.header.bodyBytes)
    encodeFrameHeader(frame, wrongId, { ...copied.header, bodyCrc: keyedCrc(wrongId, body) })
  }
  const probe = await leftBy(Buffer.alloc(EVENT_BYTES))
  const start = contentStart(lastFrame(probe.disk)) + SALT_BYTES
  const padding = (2 * BLOCK_BYTES - (start % BLOCK_BYTES) + at) % BLOCK_BYTES
  const event = Buffer.concat([Buffer.alloc(padding), frame, frame, frame]).subarray(0, EVENT_BYTES)
  const left = await leftBy(event)
  const copyAt = left.position + start + padding
  assert.equal(copyAt % BLOCK_BYTES, at)
  assert.deepEqual(left.bytes.subarray(copyAt, copyAt + BLOCK_BYTES), frame)
  return left
}

function contentStart(frame: ReadFrame): number {
  const section = frame.sections.find(({ ledger }) => ledger === 'main')
  assert(section !== undefined)
  return eventBounds(section, 0).contentStart
}

async function leftBy(event: Buffer): Promise<Left> {
  const disk = ground.copy()
  const stele = await open(disk)
  await append(stele.ledgers, 'main', [event])
  return { disk: disk.copy(), bytes: Buffer.from(disk.bytesOf(wal)), position: lastFrame(disk).position }
}

/** Lengths of the last frame that a crash could leave: every 64th, and all around block boundaries and its header. */
function cutsOf({ bytes, position }: Left): number[] {
  const lengths = Array.from({ length: bytes.length - position }, (_, length) => length)
  const isNearBoundary = (length: number) => Math.abs(length - Math.round(length / BLOCK_BYTES) * BLOCK_BYTES) <= 2
  const isNearHeader = (length: number) => Math.abs(length - FRAME_HEADER_BYTES) <= 2
  return lengths.filter((length) => length % 64 === 0 || isNearBoundary(length) || isNearHeader(length))
}

function torn({ disk, bytes }: Left, end: number, change?: (bytes: Buffer) => void): MemoryDisk {
  const another = disk.copy()
  const left = Buffer.from(bytes.subarray(0, end))
  change?.(left)
  another.put(wal, left)
  return another
}

/** A restart keeps the commits before the last one, and reports the rest as a torn tail. */
async function assertCut(
  disk: MemoryDisk,
  { position, disk: whole }: Left,
  bytes: number,
  what: string,
): Promise<void> {
  const found = await recover(recovery(disk, directory))
  assert.equal(found.logs.get('main')?.size, acknowledged.length, what)
  assert.equal(found.end?.commit, lastFrame(whole).header.commit - 1, what)
  const cut = found.torn && [found.torn.position, found.torn.bytes]
  assert.deepEqual(cut, bytes === 0 ? undefined : [position, bytes], what)
}

for (const id of ['wrong', 'right'] as const) {
  test(`P2: a last frame torn at any byte is cut off though its event is a row of frames with the ${id} file id`, async (context) => {
    let count = 0
    for (const at of classes) {
      const left = await leftWith(id, at)
      for (const length of cutsOf(left)) {
        await assertCut(torn(left, left.position + length), left, length, `copies at ${at}, cut at ${length}`)
        count++
      }
      const stele = await open(torn(left, left.position + BLOCK_BYTES * 2))
      assert.deepEqual(await readAll(stele.ledgers, 'main'), acknowledged)
      // `verify` steps over what it cannot read to the next frame that it can: there a copy with the right id is reported.
      const { verdict } = await verifyDirectory({ disk: torn(left, left.position + BLOCK_BYTES * 2), directory })
      assert.equal(verdict === 'changed', id === 'right' && at === 0, `copies at ${at}`)
    }
    context.diagnostic(`${count} torn ends with the ${id} file id`)
  })
}

test('P2: where the header of the last frame never reached the disk, frames of others in its event are not taken for frames', async () => {
  for (const at of classes) {
    const left = await leftWith('wrong', at)
    for (const zeroed of [FRAME_HEADER_BYTES, 512, BLOCK_BYTES]) {
      const disk = torn(left, left.bytes.length, (bytes) => bytes.fill(0, left.position, left.position + zeroed))
      await assertCut(disk, left, left.bytes.length - left.position, `copies at ${at}, ${zeroed} bytes missing`)
    }
  }
})

test('P2: a frame copied by somebody who can read the disk, in a last frame without its header, refuses the start and is never replayed', async () => {
  for (const at of classes) {
    const left = await leftWith('right', at)
    const disk = torn(left, left.bytes.length, (bytes) => bytes.fill(0, left.position, left.position + 512))
    const lengthBytes = left.bytes.length - left.position
    // Only on a block boundary can a frame begin, so only there the copy counts as one, and the log as going on.
    if (at !== 0) await assertCut(disk, left, lengthBytes, `copies at ${at}`)
    else {
      await assert.rejects(recover(recovery(disk, directory)), (error) => {
        assert(error instanceof DataFault)
        assert.match(error.message, /the log goes on behind it/)
        assert.equal(error.offset, left.position)
        return true
      })
    }
  }
})
