// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { before, test } from 'node:test'

import { formatSignatureLine } from '@stele/proof'

import { verdictWords } from '../src/evidence/directory-words.ts'
import { type DirectoryReport, NoDirectoryError } from '../src/evidence/verify-directory.ts'
import {
  decodeFileHeader,
  decodeFrameHeader,
  encodeFileHeader,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  keyedCrc,
} from '../src/ledger/wal/format.ts'
import {
  directory,
  directoryWith,
  eventPlace,
  type PlacedFrame,
  placedFrames,
  type SmallDirectory,
  smallDirectory,
  verified,
  walFiles,
} from './evidence-ground.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append } from './scratch.ts'

let small: SmallDirectory
before(async () => {
  small = await smallDirectory()
})

/** What was objected to first, and which entry was named. */
function objection({ verdict, findings, firstBad }: DirectoryReport) {
  assert.equal(verdict, 'changed')
  const [first] = findings
  return {
    kind: first?.kind,
    entry: firstBad === undefined ? undefined : `${firstBad.ledger} ${firstBad.index}`,
    first,
  }
}

test('P4: a directory that nobody changed is unchanged since the head outside, every entry of it', async () => {
  const report = await verified(small)
  assert.deepEqual(
    { verdict: report.verdict, findings: report.findings, remarks: report.remarks },
    {
      verdict: 'unchanged',
      findings: [],
      remarks: [],
    },
  )
  assert.equal(report.coveredCount, report.entryCount)
  assert.deepEqual(
    report.ledgers.map(({ name, size, covered }) => `${name} ${size} ${covered}`),
    ['access 0 0', 'heads 8 8', 'main 11 11', 'pay 5 5', 'system 12 12'],
  )
  assert.match(
    verdictWords(report)[0]!,
    /^Nothing in these 36 entries, nor in their events, has changed since the head/,
  )
})

test('P4: without a head outside the same directory is self-consistent and never called more', async () => {
  const report = await verified({ disk: small.disk })
  assert.equal(report.verdict, 'self-consistent')
  assert.equal(report.coveredCount, 0)
  assert.match(
    verdictWords(report).join(' '),
    /whoever holds the keys in this directory could have rewritten all of it/,
  )
  assert.doesNotMatch(JSON.stringify(report), /valid/)
})

test('P4: a pinned key shows that only its holder can have changed the entries that it signed', async () => {
  const vkeys = [small.vkeys.get('main')!]
  const report = await verified({ disk: small.disk }, { vkeys })
  assert.equal(report.verdict, 'signed')
  assert.deepEqual(
    report.ledgers.filter(({ isPinned }) => isPinned).map(({ name, published }) => [name, published]),
    [['main', 11]],
  )
  assert.match(
    verdictWords(report)[0]!,
    /^Nothing in the first 11 entries of main has changed since .* unless its holder did it/,
  )
})

test('a key that was pinned and is not the one that system names is a finding; so is one of no ledger', async () => {
  const other = await directoryWith(async () => {})
  const otherKey = (await verified(other)).ledgers.find(({ name }) => name === 'main')!.vkey!
  assert.deepEqual(objection(await verified(small, { vkeys: [otherKey] })).kind, 'key')
  const elsewhere = otherKey.replace('stele.test', 'stele.elsewhere')
  const policy = { logs: [], witnesses: [], groups: [], quorum: 'none' }
  assert.equal((await verified({ disk: small.disk }, { policy })).verdict, 'self-consistent')
  await assert.rejects(verified(small, { vkeys: [elsewhere] }), /key id/)
})

test('P4: entries that are newer than the head outside are counted apart', async () => {
  const report = await verified({ disk: small.disk, head: small.earlier.head })
  assert.equal(report.verdict, 'unchanged')
  assert.deepEqual(
    report.ledgers.map(({ name, size, covered }) => `${name} ${size} ${covered}`),
    ['access 0 0', 'heads 8 3', 'main 11 9', 'pay 5 0', 'system 12 10'],
  )
  assert.match(
    verdictWords(report)[1]!,
    /^14 more entries are newer than that head\. .* could have rewritten what is newer/,
  )
})

test('P4: a directory that was rolled back is found by the head outside, and by nothing without it', async () => {
  const { disk } = small.earlier
  const older = await verified({ disk, head: small.head })
  const { kind, entry } = objection(older)
  assert.deepEqual({ kind, entry, isOlder: older.isOlder }, { kind: 'kept-head', entry: 'heads 3', isOlder: true })
  assert.match(verdictWords(older).join(' '), /^This is older than what was published: .* counts 5 entries of heads/)
  const damaged = disk.copy()
  const { path, contentStart } = eventPlace(damaged, 'main', 2)
  const bytes = Buffer.from(damaged.bytesOf(path))
  bytes[contentStart + 20]! ^= 1
  damaged.put(path, bytes)
  const changed = await verified({ disk: damaged, head: small.head })
  assert.equal(changed.isOlder, false)
  assert.match(verdictWords(changed)[0]!, /^This is not what was recorded\./)
  assert.equal((await verified({ disk })).verdict, 'self-consistent')
})

test('P4: the head of another install does not vouch for this one', async () => {
  const other = await directoryWith(async ({ ledgers }) => void (await append(ledgers, 'main', [Buffer.from('x')])))
  const { kind, first } = objection(await verified({ disk: small.disk, head: other.head }))
  assert.equal(kind, 'kept-head')
  assert.match(first?.what ?? '', /not signed as it must be|not those/)
})

test('P4: a changed byte of an event, of its salt, and of its entry is named with ledger, index, file and offset', async () => {
  for (const [ledger, index] of [
    ['main', 4],
    ['pay', 0],
    ['system', 2],
    ['heads', 1],
  ] as const) {
    const place = eventPlace(small.disk, ledger, index)
    for (const [at, kind] of [
      [place.contentStart + 3, 'content'],
      [place.contentEnd - 1, 'content'],
      [place.entryStart + 40, 'entry'],
    ] as const) {
      const disk = small.disk.copy()
      disk.bytesOf(place.path)[at]! ^= 1
      const report = await verified({ disk, head: small.head })
      const finding = report.findings.find((candidate) => candidate.kind === kind)
      assert.deepEqual(report.firstBad, { ledger, index, count: 1 })
      assert.equal(`${directory}/${finding?.file}`, place.path)
      assert.equal(finding?.offset, kind === 'content' ? place.contentStart : place.entryStart)
      assert.notEqual(finding?.expected, finding?.found)
    }
  }
})

test('P4: an event that was changed with every checksum of the log made right again is named', async () => {
  const place = eventPlace(small.disk, 'main', 4)
  const disk = small.disk.copy()
  await changeFrame(disk, place, (frame) => {
    frame[place.contentEnd - 1 - place.frame.position]! ^= 1
  })
  for (const head of [small.head, undefined]) {
    const { kind, entry } = objection(await verified({ disk, head }))
    assert.deepEqual({ kind, entry }, { kind: 'content', entry: 'main 4' })
  }
})

test('P4: an entry that was changed together with its leaf hash and every checksum is named, with the tree files or without', async () => {
  const place = eventPlace(small.disk, 'main', 4)
  const forged = small.disk.copy()
  await changeFrame(forged, place, (frame) => {
    // Another credential of the same length.
    const text = frame.toString('latin1')
    const at = text.indexOf('"by":"tester"', place.entryStart - place.frame.position)
    frame.write('"by":"other1"', at, 'latin1')
    rehash(frame)
  })
  assert.deepEqual((await verified({ disk: forged, head: small.head })).firstBad, {
    ledger: 'main',
    index: 4,
    count: 1,
  })
  await forged.remove(`${directory}/derived`)
  const report = await verified({ disk: forged })
  assert.equal(report.findings[0]?.kind, 'root')
  assert.deepEqual(report.firstBad, { ledger: 'main', index: 0, count: 9 })

  function rehash(frame: Buffer): void {
    const section = place.frame.sections.find(({ ledger }) => ledger === 'main')!
    const at = place.index - section.first
    const entry = frame.subarray(place.entryStart - 1 - place.frame.position, place.entryEnd - place.frame.position)
    hash('sha256', entry, 'buffer').copy(frame, section.hashesAt + at * 32)
  }
})

test('P4: of an entry and its leaf hash, the one that was changed is told from the other, and later commits are not blamed', async () => {
  const place = eventPlace(small.disk, 'main', 4)
  const section = place.frame.sections.find(({ ledger }) => ledger === 'main')!
  for (const at of [place.entryStart + 40, place.frame.position + section.hashesAt + 4 * 32]) {
    const disk = small.disk.copy()
    disk.bytesOf(place.path)[at]! ^= 1
    const report = await verified({ disk, head: small.head })
    assert.deepEqual(report.findings.map(({ kind }) => kind).toSorted(), ['entry', 'frame'])
    assert.equal(report.heads[0]?.holds, true)
  }
})

test('P4: a frame that was taken out, with the chain behind it made right again, is found and its entries named', async () => {
  const taken = placedFrames(small.disk).find(({ frame }) => frame.sections.some(({ ledger }) => ledger === 'pay'))!
  const disk = small.disk.copy()
  const file = disk.bytesOf(taken.path)
  const { position, header } = taken.frame
  disk.put(taken.path, Buffer.concat([file.subarray(0, position), file.subarray(position + header.frameBytes)]))
  await relink(disk)
  const report = await verified({ disk, head: small.head })
  assert.equal(report.verdict, 'changed')
  assert.deepEqual(report.firstBad, { ledger: 'pay', index: 0, count: 5 })
})

test('P4: two commits that changed places, with the chain made right again, are found', async () => {
  const disk = small.disk.copy()
  const ofSystem = placedFrames(disk).filter(({ frame }) => frame.sections.some(({ ledger }) => ledger === 'system'))
  const [one, other] = ofSystem.slice(1, 3) as [PlacedFrame, PlacedFrame]
  assert.equal(one.path, other.path)
  const file = disk.bytesOf(one.path)
  const between = file.subarray(one.frame.position + one.frame.bytes.length, other.frame.position)
  Buffer.concat([other.frame.bytes, between, one.frame.bytes]).copy(file, one.frame.position)
  await relink(disk)
  const { kind, entry } = objection(await verified({ disk, head: small.head }))
  assert.deepEqual({ kind, entry }, { kind: 'missing', entry: 'system 7' })
})

test('P4: a head in heads that the ledger never had, or that its key did not sign, is named', async () => {
  const foreign = await smallDirectory()
  const main = async (of: Pick<SmallDirectory, 'disk'>) =>
    (await verified(of)).ledgers.find(({ name }) => name === 'main')!
  assert.deepEqual(await main(foreign), await main(small), 'the directory is the same every time')
  const signature = formatSignatureLine('stele.test/abcdefghijklm/main', 1, Buffer.alloc(64, 1))
  const root = Buffer.alloc(32, 7).toString('base64')
  for (const [size, what] of [
    [1, /another root of main at size 1/],
    [7, /no commit near it ended there/],
  ] as const) {
    const wrong = await directoryWith(async ({ ledgers }) => {
      await append(ledgers, 'main', [Buffer.from('a')])
      await append(ledgers, 'heads', [Buffer.from(`stele.test/abcdefghijklm/main\n${size}\n${root}\n\n${signature}`)])
    })
    const { findings, verdict } = await verified(wrong)
    assert.equal(verdict, 'changed')
    assert.ok(findings.some(({ kind, what: said }) => kind === 'published' && what.test(said)))
    assert.ok(findings.some(({ what: said }) => /is not signed by its key/.test(said)))
  }
  const nonsense = await directoryWith(async ({ ledgers }) => void (await append(ledgers, 'heads', [Buffer.from('x')])))
  assert.match(objection(await verified(nonsense)).first?.what ?? '', /not a signed checkpoint/)
})

test('an event of system that no version knows is named, and what follows from it is not blamed', async () => {
  const wrong = await directoryWith(async ({ ledgers }) => {
    await append(ledgers, 'system', [Buffer.from('{"type":"ledger.deleted","v":1,"name":"main"}')])
    await append(ledgers, 'main', [Buffer.from('a')])
  })
  const report = await verified(wrong)
  assert.deepEqual(
    report.findings.map(({ kind }) => kind),
    ['system'],
  )
})

test('P2: a last frame that a crash left unfinished is a remark; where the head outside counts it, it is a finding', async () => {
  const killed = await directoryWith(async ({ ledgers }) => void (await append(ledgers, 'main', [Buffer.from('a')])))
  const path = walFiles(killed.disk)[0]!
  const file = killed.disk.bytesOf(path)
  await killed.disk.remove(`${directory}/derived`)
  const torn = killed.disk.copy()
  torn.put(path, file.subarray(0, -1_000))
  const report = await verified({ disk: torn })
  assert.equal(report.verdict, 'self-consistent')
  assert.equal(report.unfinished?.position, file.length - 4_096)
  assert.match(report.remarks.join(' '), /A crash leaves such a frame, of which nothing was acknowledged/)
  const { findings } = await verified({ disk: torn, head: killed.head })
  assert.ok(findings.some(({ kind }) => kind === 'kept-head'))
  assert.ok(findings.some(({ kind, offset }) => kind === 'frame' && offset === file.length - 4_096))
})

test('a directory whose derived files are gone is unchanged: they are made again', async () => {
  const disk = small.disk.copy()
  await disk.remove(`${directory}/derived`)
  const report = await verified({ disk, head: small.head })
  assert.equal(report.verdict, 'unchanged')
  assert.match(report.remarks.join(' '), /anchor\.json is not there/)
})

test('changed derived files are findings beside the entries, which fit', async () => {
  for (const path of small.disk.paths.filter((name) => name.includes('/derived/'))) {
    const disk = small.disk.copy()
    disk.bytesOf(path)[7]! ^= 1
    const report = await verified({ disk, head: small.head })
    assert.deepEqual([report.verdict, report.entriesFit], ['changed', true], path)
    assert.match(verdictWords(report)[0]!, /^No entry has changed since/)
    const longer = small.disk.copy()
    longer.put(path, Buffer.concat([longer.bytesOf(path), Buffer.alloc(32)]))
    assert.equal((await verified({ disk: longer, head: small.head })).verdict, 'changed', path)
  }
})

test('keys: another one, one of no ledger, and one that is missing are each named', async () => {
  const swapped = small.disk.copy()
  swapped.put(`${directory}/keys/main.key`, small.disk.bytesOf(`${directory}/keys/pay.key`))
  assert.equal(objection(await verified({ disk: swapped, head: small.head })).first?.file, 'keys/main.key')
  const orphan = small.disk.copy()
  orphan.put(`${directory}/keys/gone.key`, small.disk.bytesOf(`${directory}/keys/pay.key`))
  assert.match(objection(await verified({ disk: orphan })).first?.what ?? '', /system names no ledger gone/)
  const missing = small.disk.copy()
  await missing.remove(`${directory}/keys/main.key`)
  const report = await verified({ disk: missing, head: small.head })
  assert.equal(report.verdict, 'unchanged')
  assert.match(report.remarks.join(' '), /keys\/main\.key is not there/)
})

test('files that are not Stele’s are named and not looked at; among those of the log they are findings', async () => {
  const disk = small.disk.copy()
  for (const name of ['notes.txt', 'keys/x', 'derived/main/level-9']) disk.put(`${directory}/${name}`, Buffer.from('x'))
  const report = await verified({ disk, head: small.head })
  assert.equal(report.verdict, 'unchanged')
  for (const name of ['notes.txt', 'keys/x', 'derived/main/level-9']) {
    assert.ok(
      report.remarks.some((remark) => remark.startsWith(`${name} is not a file of Stele`)),
      name,
    )
  }
  disk.put(`${directory}/wal/notes.txt`, Buffer.from('x'))
  assert.equal(objection(await verified({ disk, head: small.head })).kind, 'unexpected')
})

test('where there is no directory, or an empty one, nothing is said of it', async () => {
  await assert.rejects(verified({ disk: new MemoryDisk() }), NoDirectoryError)
})

test('P4: damage in many places is reported up to a bound, and all of it counted', async () => {
  const disk = small.disk.copy()
  for (const { path, frame } of placedFrames(small.disk)) disk.bytesOf(path)[frame.position + 200]! ^= 1
  const report = await verified({ disk, head: small.head })
  assert.ok(report.findingCount >= placedFrames(small.disk).length)
  assert.ok(report.findings.length <= 200)
})

/** Changes a frame, and makes its checksums and the chain behind it right again. */
async function changeFrame(disk: MemoryDisk, place: PlacedFrame, change: (frame: Buffer) => void): Promise<void> {
  const { position, header } = place.frame
  change(disk.bytesOf(place.path).subarray(position, position + header.frameBytes))
  await relink(disk)
}

/** What somebody without a key can do: number and link all frames and files anew, every checksum right. */
async function relink(disk: MemoryDisk): Promise<void> {
  let previousHash: Buffer = Buffer.alloc(32)
  let commit = 1
  for (const path of walFiles(disk)) {
    const file = Buffer.from(disk.bytesOf(path))
    const header = { ...decodeFileHeader(path, file.subarray(0, 4_096)), firstCommit: commit, previousHash }
    encodeFileHeader(header).copy(file)
    for (let position = 4_096; position < file.length; commit++) {
      const old = decodeFrameHeader(file.subarray(position), header.fileId)
      assert('hash' in old)
      const frame = file.subarray(position, position + old.frameBytes)
      const tableAt = FRAME_HEADER_BYTES + old.bodyBytes
      const bodyCrc = keyedCrc(header.fileId, frame.subarray(FRAME_HEADER_BYTES, tableAt))
      const tableHash = hash('sha256', frame.subarray(tableAt, tableAt + old.tableBytes), 'buffer')
      previousHash = encodeFrameHeader(frame, header.fileId, { ...old, commit, previousHash, bodyCrc, tableHash })
      position += old.frameBytes
    }
    await disk.remove(path)
    disk.put(`${directory}/wal/${String(header.firstCommit).padStart(16, '0')}`, file)
  }
}
