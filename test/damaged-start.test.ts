// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is wrong below and no crash can have left: the start is refused, and says where.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { HeadFault } from '../src/ledger/publish.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import { BLOCK_BYTES, decodeFileHeader, encodeFileHeader, FRAME_HEADER_BYTES } from '../src/ledger/wal/format.ts'
import { isFlaw, parseFrame } from '../src/ledger/wal/frame-reader.ts'
import { framesOf, resealFrame } from './forge.ts'
import { anchor, flipped, last, leave, type Left, refused, reopen, wal } from './left-directory.ts'
import { powerCutDirectory as directory } from './power-cut-disk.ts'

let killed: Left
let stopped: Left
before(async () => {
  killed = await leave('killed', 3)
  stopped = await leave('stopped', 3)
})

test('P4: a bad frame before an intact one stops the start with file, offset, expected and found', async () => {
  const path = last(killed.disk)
  const bytes = killed.disk.bytes(path)
  for (const at of [0, 20, 60, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 200]) {
    const disk = killed.disk.copy()
    disk.tamper(path, flipped(bytes, 4_096 + at))
    await refused(disk, path, /the log goes on behind it/)
  }
})

test('P4: a bad frame that a torn one follows was acknowledged, so it is damage and stops the start', async () => {
  const path = last(killed.disk)
  const bytes = killed.disk.bytes(path)
  const before = precedingFrame(killed)
  for (const at of [before, before + FRAME_HEADER_BYTES + 100]) {
    const disk = killed.disk.copy()
    disk.tamper(path, flipped(bytes, at).subarray(0, killed.lastFrameAt + 300))
    await refused(disk, path, /the log goes on behind it/)
  }
})

test('P4: a bad last frame of a file is damage once the next file was begun, even if that was cut short', async () => {
  const [, second, third] = wal(killed.disk)
  const bytes = killed.disk.bytes(second!)
  const disk = killed.disk.copy()
  disk.tamper(second!, flipped(bytes, bytes.length - 1))
  disk.tamper(third!, Buffer.alloc(0))
  await refused(disk, second!, /the log goes on behind it/)
})

test('P4: of a server that was stopped, a changed last frame is found by the head outside and not cut off', async () => {
  const path = last(stopped.disk)
  const bytes = stopped.disk.bytes(path)
  const disk = stopped.disk.copy()
  disk.tamper(path, flipped(bytes, bytes.length - 4_096 + 10))
  disk.tamper(anchor, undefined)
  await assert.rejects(reopen(disk, stopped.head), HeadFault)
  assert.deepEqual(disk.bytes(path), flipped(bytes, bytes.length - 4_096 + 10))
})

test('P4: a WAL that is cut below the anchor stops the start', async () => {
  const path = last(stopped.disk)
  const disk = stopped.disk.copy()
  disk.tamper(path, disk.bytes(path).subarray(0, -4_096))
  await refused(disk, path, /the WAL ends before the anchor/)
})

test('P4: a WAL file that is missing stops the start, with an anchor and without: the first, a middle, the last', async () => {
  for (const left of [killed, stopped]) {
    for (const [position, path] of wal(left.disk).entries()) {
      const disk = left.disk.copy()
      disk.tamper(path, undefined)
      await assert.rejects(reopen(disk, left.head), (error) => {
        assert(error instanceof DataFault || error instanceof HeadFault, `file ${position}: ${String(error)}`)
        return true
      })
    }
  }
})

test('P4: two WAL files that were swapped, with their names or without, stop the start', async () => {
  const [first, second] = wal(killed.disk)
  const disk = killed.disk.copy()
  const [one, other] = [disk.bytes(first!), disk.bytes(second!)]
  disk.tamper(first!, other)
  disk.tamper(second!, one)
  await refused(disk, first!, /the file has another name/)
  const renumbered = killed.disk.copy()
  const header = decodeFileHeader(second!, other)
  const forged = encodeFileHeader({ ...header, previousHash: Buffer.alloc(32, 7) })
  renumbered.tamper(second!, Buffer.concat([forged, other.subarray(4_096)]))
  await refused(renumbered, second!, /the file does not follow the one before/)
})

test('P4: a WAL file of another directory, and a stranger among them, stop the start', async () => {
  const [, second] = wal(killed.disk)
  const disk = killed.disk.copy()
  const bytes = disk.bytes(second!)
  const header = { ...decodeFileHeader(second!, bytes), originPrefix: 'stele.test/zzzzzzzzzzzzz' }
  disk.tamper(second!, Buffer.concat([encodeFileHeader(header), bytes.subarray(4_096)]))
  await refused(disk, second!, /a file of another directory/)
  const strange = killed.disk.copy()
  strange.tamper(join(directory, 'wal', 'notes.txt'), Buffer.from('x'))
  await refused(strange, join(directory, 'wal', 'notes.txt'), /not a file of Stele/)
})

test('a directory of a newer format is refused, and the message says what to do', async () => {
  const path = last(killed.disk)
  const disk = killed.disk.copy()
  const bytes = disk.bytes(path)
  bytes.writeUInt32BE(2, 8)
  createHash('sha256').update(bytes.subarray(0, 4_064)).digest().copy(bytes, 4_064)
  disk.tamper(path, bytes)
  await refused(disk, path, /start the Stele version that wrote this directory, or a newer one/)
})

test('P4: frames rewritten with every checksum right but another first index stop the start as a fault, not as a bug', async () => {
  const path = last(killed.disk)
  const disk = killed.disk.copy()
  const bytes = disk.bytes(path)
  const { fileId } = decodeFileHeader(path, bytes.subarray(0, 4_096))
  const frame = parseFrame(Buffer.from(bytes.subarray(killed.lastFrameAt)), fileId, 0)
  assert(!isFlaw(frame))
  bytes.writeBigUInt64BE(9_999n, killed.lastFrameAt + frame.sections[0]!.at + 8)
  resealFrame(bytes.subarray(killed.lastFrameAt), fileId)
  disk.tamper(path, bytes)
  await refused(disk, path, /entries are missing/)
})

test('P3 P4: heads that was rewritten to agree with a forged ledger is found, for its entries commit to its contents', async () => {
  const path = last(killed.disk)
  const bytes = killed.disk.bytes(path)
  const { fileId } = decodeFileHeader(path, bytes.subarray(0, 4_096))
  const frame = framesOf(bytes, fileId).findLast(({ sections }) => sections.some(({ ledger }) => ledger === 'heads'))
  assert(frame !== undefined)
  const [section] = frame.sections
  const note = bytes.indexOf('\n\n', frame.position + section!.contentsAt)
  const root = note - 10
  bytes[root] = bytes[root] === 0x41 ? 0x42 : 0x41
  const disk = killed.disk.copy()
  let previous = resealFrame(bytes.subarray(frame.position, frame.position + frame.header.frameBytes), fileId)
  for (const later of framesOf(killed.disk.bytes(path), fileId).filter(({ position }) => position > frame.position)) {
    const end = later.position + later.header.frameBytes
    previous = resealFrame(bytes.subarray(later.position, end), fileId, previous)
  }
  disk.tamper(path, bytes)
  await refused(disk, path, /of heads does not commit to its content/)
})

/** Where the frame before the last one begins. */
function precedingFrame(left: Left): number {
  const path = last(left.disk)
  const bytes = left.disk.bytes(path)
  const frames = framesOf(bytes, decodeFileHeader(path, bytes.subarray(0, 4_096)).fileId)
  return frames.at(-2)!.position
}

test('P4: a bad frame anywhere in the log stops the start, also before the anchor, and nothing is repaired', async () => {
  for (const path of wal(stopped.disk)) {
    const bytes = stopped.disk.bytes(path)
    for (const at of [BLOCK_BYTES + 30, BLOCK_BYTES + FRAME_HEADER_BYTES + 60, Math.floor(bytes.length / 2)]) {
      const disk = stopped.disk.copy()
      disk.tamper(path, flipped(bytes, at))
      await refused(disk, path, /changed|no frame|add up|cut off|chain/, stopped.head)
      assert.deepEqual(disk.bytes(path), flipped(bytes, at))
    }
  }
})
