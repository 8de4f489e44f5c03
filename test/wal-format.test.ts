// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { hashLeaf, parseEntry } from '@stele/proof'

import { type Batch, commitsTo, fillSection, measure, ownBatch } from '../src/ledger/batch.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import { BLOCK_BYTES, decodeFileHeader, encodeFileHeader } from '../src/ledger/wal/format.ts'
import { FrameBuilder, type SealedFrame } from '../src/ledger/wal/frame-builder.ts'
import { eventBounds, firstBadLeaf, isFlaw, parseFrame } from '../src/ledger/wal/frame-reader.ts'
import { SeededRandom } from './scratch.ts'

const random = new SeededRandom(1)
const fileId = random.bytes(16)
const previousHash = random.bytes(32)
const at = '2026-01-02T03:04:05.678Z'

/** Appends, in the order of the frame, of a batch each. */
function frameOf(appends: readonly (readonly [ledger: string, first: number, batch: Batch])[]): SealedFrame {
  const builder = new FrameBuilder()
  for (const [ledger, first, batch] of appends) {
    const { entriesBytes, contentsBytes } = measure(batch)
    fillSection(builder.addSection(ledger, first, batch.count, entriesBytes, contentsBytes), batch, at, random)
  }
  const rows = [...builder.ledgers].map((ledger) => ({ ledger, size: 7, root: random.bytes(32) }))
  return builder.seal(fileId, 3, previousHash, rows)
}

const batch = (...events: readonly string[]) =>
  ownBatch(
    events.map((event) => Buffer.from(event)),
    'entra.audit',
    'application/json',
    'tester',
  )
const small = frameOf([['main', 6, batch('{"a":1}')]]).bytes

test('P5: what went into a frame comes out of it, each event under its ledger and index', () => {
  const events = ['{}', '', '{"Zoë":"\u{1f600}"}', 'x'.repeat(100_000)]
  const sealed = frameOf([
    ['main', 10, batch(...events)],
    ['other', 0, batch('first')],
    ['main', 14, batch('last')],
  ])
  const frame = parseFrame(sealed.bytes, fileId, 0)
  assert(!isFlaw(frame))
  assert.equal(frame.header.commit, 3)
  assert.deepEqual(frame.header.hash, sealed.hash)
  assert.deepEqual(frame.header.previousHash, previousHash)
  assert.deepEqual(
    frame.rows.map(({ ledger, size, root }) => [ledger, size, Buffer.from(root)]),
    sealed.rows.map(({ ledger, size, root }) => [ledger, size, root]),
  )
  const found = frame.sections.map((section) => {
    assert.equal(firstBadLeaf(section), undefined)
    const read = Array.from({ length: section.count }, (_, position) => {
      const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, position)
      const line = section.bytes.subarray(entryStart, entryEnd)
      const entry = parseEntry(line)
      assert(commitsTo(section.bytes.subarray(contentStart, contentEnd), entry.sha256, entry.size))
      const leafAt = section.hashesAt + position * 32
      assert.deepEqual(Buffer.from(hashLeaf(line)), section.bytes.subarray(leafAt, leafAt + 32))
      return section.bytes.toString('utf8', contentStart + 16, contentEnd)
    })
    return [section.ledger, section.first, read]
  })
  assert.deepEqual(found, [
    ['main', 10, events],
    ['other', 0, ['first']],
    ['main', 14, ['last']],
  ])
})

test('a frame begins and ends on a multiple of 4,096 bytes, whatever is in it', () => {
  for (const length of [0, 1, 3_500, 3_600, 4_096, 70_000]) {
    assert.equal(frameOf([['main', 0, batch('x'.repeat(length))]]).bytes.length % BLOCK_BYTES, 0)
  }
})

test('P4: every bit of a frame that is flipped is a flaw', () => {
  for (let bit = 0; bit < small.length * 8; bit++) {
    const bytes = Buffer.from(small)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    assert(isFlaw(parseFrame(bytes, fileId, 0)), `bit ${bit}`)
  }
})

test('P2: every shorter part of a frame is a flaw', () => {
  for (let length = 0; length < small.length; length++) {
    assert(isFlaw(parseFrame(small.subarray(0, length), fileId, 0)), `${length} bytes`)
  }
})

test('a frame of another file is not accepted, for its hash and checksum are keyed by the file', () => {
  const flaw = parseFrame(Buffer.from(small), random.bytes(16), 0)
  assert(isFlaw(flaw))
  assert.equal(flaw.what, 'the frame header was changed')
})

test('P4: an entry that was changed together with its checksums does not have its leaf hash', () => {
  const frame = parseFrame(Buffer.from(small), fileId, 0)
  assert(!isFlaw(frame))
  const [section] = frame.sections
  assert(section !== undefined)
  section.bytes[section.contentsAt - 3]! ^= 1
  assert.equal(firstBadLeaf(section), 0)
})

test('P4: every bit of a file header that is flipped is a fault', () => {
  const header = { fileId, firstCommit: 17, previousHash, originPrefix: 'stele.local/abcdefghijklm' }
  const block = encodeFileHeader(header)
  assert.deepEqual(decodeFileHeader('file', block), header)
  for (let bit = 0; bit < block.length * 8; bit++) {
    const bytes = Buffer.from(block)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    assert.throws(() => decodeFileHeader('file', bytes), DataFault, `bit ${bit}`)
  }
})

test('commit numbers beyond 2^32 are kept', () => {
  const header = { fileId, firstCommit: 2 ** 40 + 1, previousHash, originPrefix: 'a/b' }
  assert.equal(decodeFileHeader('file', encodeFileHeader(header)).firstCommit, 2 ** 40 + 1)
  const builder = new FrameBuilder()
  const one = batch('{}')
  const { entriesBytes, contentsBytes } = measure(one)
  fillSection(builder.addSection('main', 2 ** 41, 1, entriesBytes, contentsBytes), one, at, random)
  const sealed = builder.seal(fileId, 2 ** 40, previousHash, [
    { ledger: 'main', size: 2 ** 41 + 1, root: previousHash },
  ])
  const frame = parseFrame(sealed.bytes, fileId, 2 ** 42)
  assert(!isFlaw(frame))
  assert.deepEqual(
    [frame.header.commit, frame.sections[0]?.first, frame.rows[0]?.size],
    [2 ** 40, 2 ** 41, 2 ** 41 + 1],
  )
})

test('a batch that could not be read back is a bug, found before it takes an index', () => {
  assert.throws(() => measure(batch()), /AssertionError/)
  const huge = { ...batch('x'), ends: Uint32Array.of(16 * 1024 * 1024 + 1) }
  assert.throws(() => measure(huge), /AssertionError/)
})
