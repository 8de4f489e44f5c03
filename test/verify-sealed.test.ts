// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Verification of directories of which a part is sealed.

import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { before, test } from 'node:test'

import { contentHash, formatEntry, parseEntry } from '@stele/proof'

import { rewriteSegment } from '../src/evidence/forge-segment.ts'
import type { DirectoryReport } from '../src/evidence/verify-directory.ts'
import { readAnchor } from '../src/ledger/anchor.ts'
import { KeyStore } from '../src/ledger/keys.ts'
import { readSeal, type Seal, sealText } from '../src/ledger/seal.ts'
import { sealWalFile } from '../src/ledger/sealing.ts'
import { listSegments } from '../src/ledger/segment/cover.ts'
import type { Segment } from '../src/ledger/segment/segment.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import {
  directory,
  type SealedDirectory,
  sealedDirectory,
  segmentPaths,
  verified,
  walFiles,
} from './evidence-ground.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, SeededRandom, TurnedClock } from './scratch.ts'

const SEAL = `${directory}/segments/_head`
const storeOf = (disk: MemoryDisk) => new DirectoryStore(disk, `${directory}/segments`)

let sealed: SealedDirectory
before(async () => {
  sealed = await sealedDirectory()
})

async function segmentsOf(disk: MemoryDisk, ledger: string): Promise<Segment[]> {
  return (await listSegments(storeOf(disk))).get(ledger) ?? []
}

const pathOf = ({ key }: { readonly key: string }) => `${directory}/segments/${key}`
const nameOf = ({ key }: { readonly key: string }) => `segments/${key}`

function sealOf(disk: MemoryDisk): Seal {
  const read = readSeal(disk.bytesOf(SEAL))
  assert(typeof read === 'object')
  return read.seal
}

/** Signs another seal with the key that lies in the directory. */
async function reseal(disk: MemoryDisk, change: (seal: Seal) => Seal): Promise<void> {
  const keys = new KeyStore(disk, new SeededRandom(1), directory)
  const seal = change(sealOf(disk))
  const [signer] = await keys.candidates('heads', `${seal.originPrefix}/heads`)
  disk.put(SEAL, sealText(seal, signer!))
}

/** Another event in the place of `index`, under an entry that commits to it. */
async function editSealed(disk: MemoryDisk, index: number): Promise<Segment> {
  const segment = (await segmentsOf(disk, 'main')).find(({ first, count }) => first <= index && index < first + count)
  assert(segment !== undefined)
  return await rewriteSegment(storeOf(disk), segment, (event) => {
    if (event.index !== index) return event
    const content = Buffer.from(event.content)
    content[content.length - 1]! ^= 1
    const sha256 = Buffer.from(contentHash(content.subarray(0, 16), content.subarray(16))).toString('base64url')
    return { content, entry: Buffer.from(formatEntry({ ...parseEntry(event.entry), sha256 })) }
  })
}

const bad = ({ firstBad }: DirectoryReport) =>
  firstBad === undefined ? undefined : `${firstBad.ledger} ${firstBad.index} ${firstBad.count}`
const kinds = ({ findings }: DirectoryReport) => [...new Set(findings.map(({ kind }) => kind))].toSorted().join(' ')

test('P4: a directory of which a part is sealed is unchanged since the head outside, every entry of it', async () => {
  const report = await verified(sealed)
  assert.deepEqual(report.findings, [])
  assert.equal(report.verdict, 'unchanged')
  assert.equal(report.coveredCount, report.entryCount)
  assert.deepEqual(
    report.ledgers.map(({ name, size }) => `${name} ${size}`),
    ['access 0', 'heads 30', 'main 700', 'pay 21', 'system 10'],
  )
  assert(report.segmentCount > 4 && report.segmentBytes > 50_000)
  assert.equal((await verified({ disk: sealed.disk })).verdict, 'self-consistent')
})

test('P4: each state in which a directory was sealed once is unchanged, and rolled back against the last head', async () => {
  for (const { disk, head } of sealed.snapshots) {
    assert.deepEqual((await verified({ disk, head }, { isRunning: true })).findings, [])
    const report = await verified({ disk, head: sealed.head }, { isRunning: true })
    assert.deepEqual([report.verdict, report.findings[0]?.kind], ['changed', 'kept-head'])
  }
})

test('P4: an event that was changed in a segment, with every hash and name right again, is found, and the entries named that it is among', async () => {
  const disk = sealed.disk.copy()
  await editSealed(disk, 300)
  for (const head of [sealed.head, undefined]) {
    const report = await verified({ disk, head })
    assert.equal(kinds(report), 'derived published root')
    // The second published head behind it, and the tree's hash of 256 entries, narrow it down.
    const { firstBad } = report
    assert(firstBad?.ledger === 'main' && firstBad.index <= 300 && firstBad.index + firstBad.count > 300)
    assert(firstBad.count <= 256, bad(report))
  }
})

test('P4: an event that no longer is what its entry commits to is named alone, and all others are proven', async () => {
  const disk = sealed.disk.copy()
  const [segment] = await segmentsOf(disk, 'main')
  await rewriteSegment(storeOf(disk), segment!, ({ index, entry, content }) => ({
    entry,
    content: index === 77 ? Buffer.from(content.map((byte, at) => (at === 20 ? byte ^ 1 : byte))) : content,
  }))
  const report = await verified({ disk, head: sealed.head })
  assert.equal(bad(report), 'main 77 1')
  assert.equal(report.heads[0]?.holds, true)
  assert.equal(report.findings.length, 1)
})

test('P4: of an entry and its leaf hash in a segment, the one that was changed is told from the other', async () => {
  const disk = sealed.disk.copy()
  const [segment] = await segmentsOf(disk, 'main')
  const bytes = disk.bytesOf(pathOf(segment!.log))
  // The leaf hashes stand behind the bundle: one of them, and a byte of the entries before them.
  const leaf = bytes.length - 128 - 12 - 32 - 16 * 32 - 256 * 32 + 9 * 32
  for (const [at, index, count] of [
    [leaf + 5, 9, 1],
    [513, 0, 256],
  ] as const) {
    const changed = disk.copy()
    changed.bytesOf(pathOf(segment!.log))[at]! ^= 1
    const report = await verified({ disk: changed, head: sealed.head })
    assert.equal(bad(report), `main ${index} ${count}`)
    assert.equal(report.heads[0]?.holds, true, 'later entries are not blamed')
    assert(report.findings.every(({ file }) => file === nameOf(segment!.log)))
  }
})

test('P4: a segment that is missing is named with its entries; where the tree files have its hash, the rest is still proven', async () => {
  for (const ledger of ['main', 'pay', 'system', 'heads']) {
    for (const segment of await segmentsOf(sealed.disk, ledger)) {
      for (const halves of [[segment.log], [segment.content], [segment.log, segment.content]]) {
        const disk = sealed.disk.copy()
        for (const half of halves) await disk.remove(pathOf(half))
        const report = await verified({ disk, head: sealed.head })
        assert.equal(report.verdict, 'changed')
        const missing = report.findings.find(({ kind }) => kind === 'missing')
        assert.deepEqual([missing?.ledger, missing?.index, missing?.count], [ledger, segment.first, segment.count])
        assert.equal(bad(report), `${ledger} ${segment.first} ${segment.count}`)
        const isWhole = segment.count === 256
        if (isWhole) assert.equal(report.heads[0]?.holds, true, 'the entries behind it are proven')
      }
    }
  }
})

test('P4: segments that changed places are found, of one ledger and of two', async () => {
  const all = segmentPaths(sealed.disk)
  for (const [position, path] of all.entries()) {
    const other = all[(position + 3) % all.length]!
    const disk = sealed.disk.copy()
    disk.put(path, sealed.disk.bytesOf(other))
    disk.put(other, sealed.disk.bytesOf(path))
    const { verdict, findings } = await verified({ disk, head: sealed.head })
    assert.equal(verdict, 'changed')
    for (const changed of [path, other]) {
      assert(
        findings.some(({ file }) => file === changed.slice(directory.length + 1)),
        changed,
      )
    }
  }
})

test('P4: a segment of another directory, of the same entries, is found', async () => {
  const other = await sealedDirectory(700, 41)
  const disk = sealed.disk.copy()
  for (const path of segmentPaths(disk, 'pay')) await disk.remove(path)
  for (const path of segmentPaths(other.disk, 'pay')) disk.put(path, other.disk.bytesOf(path))
  const report = await verified({ disk, head: sealed.head })
  assert.equal(report.verdict, 'changed')
  assert.equal(report.firstBad?.ledger, 'pay')
})

test('P4: a seal that is missing is a finding; the segments are read all the same, and held against the head outside', async () => {
  const disk = sealed.disk.copy()
  await disk.remove(SEAL)
  const report = await verified({ disk, head: sealed.head })
  assert.deepEqual(
    report.findings.map(({ kind, file }) => `${kind} ${file}`),
    ['seal segments/_head'],
  )
  assert.match(report.findings[0]!.what, /the seal is missing, and the log begins with commit 42/)
  assert.equal(report.heads[0]?.holds, true)
  assert.equal(report.coveredCount, report.entryCount)
})

test('P4: a seal that was changed, or that another key signed, is not believed; one that lies and is signed is found', async () => {
  const changed = sealed.disk.copy()
  changed.bytesOf(SEAL)[40]! ^= 1
  assert.equal((await verified({ disk: changed, head: sealed.head })).findings[0]?.kind, 'seal')
  const other = await sealedDirectory(400)
  const foreign = sealed.disk.copy()
  foreign.put(SEAL, other.disk.bytesOf(SEAL))
  assert.equal((await verified({ disk: foreign, head: sealed.head })).verdict, 'changed')
  const lies: readonly [(seal: Seal) => Seal, string][] = [
    [(seal) => ({ ...seal, lastMs: 5 }), 'seal'],
    [(seal) => ({ ...seal, published: [] }), 'seal'],
    [(seal) => ({ ...seal, commit: seal.commit + 1 }), 'file'],
    [(seal) => ({ ...seal, hash: '7'.repeat(64) }), 'file'],
    [(seal) => ({ ...seal, ledgers: seal.ledgers.filter(({ name }) => name !== 'pay') }), 'missing'],
    [(seal) => ({ ...seal, ledgers: seal.ledgers.map((row) => ({ ...row, root: '5'.repeat(64) })) }), 'root'],
    [
      (seal) => ({ ...seal, ledgers: seal.ledgers.map((row) => ({ ...row, size: row.size && row.size - 1 })) }),
      'missing',
    ],
  ]
  for (const [position, [lie, kind]] of lies.entries()) {
    const disk = sealed.disk.copy()
    await reseal(disk, lie)
    const report = await verified({ disk, head: sealed.head })
    assert(
      report.findings.some((finding) => finding.kind === kind),
      `${position} ${kind}: ${kinds(report)}`,
    )
  }
})

test('P4: an older seal, with the segments of now, is found, and so is a newer one with an older log', async () => {
  const [, second] = sealed.snapshots
  const disk = sealed.disk.copy()
  disk.put(SEAL, second!.disk.bytesOf(SEAL))
  const report = await verified({ disk, head: sealed.head })
  assert(report.findings.some(({ what }) => what === 'the file does not follow the one before'))
  const older = second!.disk.copy()
  older.put(SEAL, sealed.disk.bytesOf(SEAL))
  const newer = await verified({ disk: older, head: second!.head })
  assert.equal(newer.verdict, 'changed')
  assert(newer.findings.some(({ kind }) => kind === 'missing'))
})

test('P4: a WAL file behind the seal that is missing is found: the first, and the last', async () => {
  for (const path of walFiles(sealed.disk)) {
    const disk = sealed.disk.copy()
    await disk.remove(path)
    for (const head of [sealed.head, undefined]) assert.equal((await verified({ disk, head })).verdict, 'changed', path)
  }
  const none = sealed.disk.copy()
  for (const path of walFiles(none)) await none.remove(path)
  const [first] = (await verified({ disk: none, head: sealed.head })).findings
  assert.deepEqual([first?.kind, first?.file], ['missing', 'wal/0000000000000042'])
})

test('what crashes leave is said and is no fault: log files that are sealed, replaced segments, halves, drafts', async () => {
  const [, before, last] = sealed.snapshots
  const disk = last!.disk.copy()
  // The seal of the state after, before anything was removed.
  const after = sealed.disk
  for (const path of after.paths.filter((name) => name.startsWith(`${directory}/segments/`))) {
    if (!disk.paths.includes(path) || path === SEAL) disk.put(path, after.bytesOf(path))
  }
  for (const path of walFiles(before!.disk)) disk.put(path, before!.disk.bytesOf(path))
  disk.put(`${directory}/segments/.drafts/7`, Buffer.from('half'))
  const half = segmentPaths(sealed.snapshots[1]!.disk, 'pay').find((path) => path.endsWith('.content'))!
  disk.put(half, sealed.snapshots[1]!.disk.bytesOf(half))
  const report = await verified({ disk, head: last!.head })
  assert.deepEqual(report.findings, [])
  const said = report.remarks.join('\n')
  assert.match(said, /wal\/0000000000000\d+ is left over from before the seal/)
  assert.match(said, /segments\/main\/.*\.log is whole, and nobody reads it/)
  assert.match(said, /segments\/\.drafts\/7 is a draft/)
  assert.match(said, /segments\/pay\/.*\.content is half of a segment/)
})

test('a segment that nobody reads is checked all the same; what is no segment is named', async () => {
  const disk = sealed.disk.copy()
  const [old] = segmentPaths(sealed.snapshots[2]!.disk, 'main').filter((path) => !disk.paths.includes(path))
  assert(old !== undefined)
  for (const path of segmentPaths(sealed.snapshots[2]!.disk, 'main')) {
    if (path.slice(0, 60) === old.slice(0, 60)) disk.put(path, sealed.snapshots[2]!.disk.bytesOf(path))
  }
  assert.deepEqual((await verified({ disk, head: sealed.head })).findings, [])
  disk.bytesOf(old)[700]! ^= 1
  const report = await verified({ disk, head: sealed.head })
  assert.deepEqual([report.verdict, report.entriesFit], ['changed', true])
  assert(report.findings.every(({ kind }) => kind === 'unexpected'))
  for (const name of ['notes.txt', 'main/notes.txt', 'Main/x']) {
    const strange = sealed.disk.copy()
    await strange.makeDirectory(dirname(`${directory}/segments/${name}`))
    strange.put(`${directory}/segments/${name}`, Buffer.from('x'))
    const { verdict, remarks } = await verified({ disk: strange, head: sealed.head })
    assert.equal(verdict, 'unchanged')
    assert(
      remarks.some((remark) => remark.startsWith(`segments/${name} is not a file of Stele`)),
      name,
    )
  }
})

test('P4: a directory that is sealed has the same verdict without its derived files', async () => {
  const disk = sealed.disk.copy()
  await disk.remove(`${directory}/derived`)
  assert.equal((await verified({ disk, head: sealed.head })).verdict, 'unchanged')
})

test('P4: changed derived files of a sealed directory are findings beside the entries, which fit', async () => {
  for (const path of sealed.disk.paths.filter((name) => name.includes('/derived/'))) {
    const disk = sealed.disk.copy()
    const bytes = disk.bytesOf(path)
    bytes[bytes.length - 9]! ^= 1
    const report = await verified({ disk, head: sealed.head })
    assert.deepEqual([report.verdict, report.entriesFit], ['changed', true], path)
    const cut = sealed.disk.copy()
    cut.put(path, sealed.disk.bytesOf(path).subarray(0, -32))
    assert.equal((await verified({ disk: cut, head: sealed.head })).verdict, 'changed', path)
    const gone = sealed.disk.copy()
    await gone.remove(path)
    const { verdict } = await verified({ disk: gone, head: sealed.head })
    assert.equal(verdict, path.endsWith('anchor.json') ? 'unchanged' : 'changed', path)
  }
})

test('reading is paced: all bytes of the log and of its segments are told', async () => {
  let paced = 0
  let progress = { doneBytes: 0, totalBytes: 0, entryCount: 0 }
  const report = await verified(sealed, {
    pace: async (bytes) => void (paced += bytes),
    onProgress: (at) => (progress = at),
  })
  assert.equal(paced, report.walBytes + report.segmentBytes)
  assert.deepEqual(progress, { doneBytes: paced, totalBytes: paced, entryCount: report.entryCount })
})

test('P2: a crash between the seal and the anchor behind it, whose commit is the seal’s own, is a start and no fault', async () => {
  const disk = new MemoryDisk()
  const head = new MemoryHeadStore()
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 2 ** 40, segmentEntries: 256 }
  const ground = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(8), head, sizes }
  const first = await openStele(ground)
  for (let round = 0; round < 6; round++) await append(first.ledgers, 'main', [Buffer.alloc(3_000, round)])
  await first.close()
  const second = await openStele({ ...ground, sizes: { ...sizes, walFileBytes: 4_096 } })
  const sealing = second.ledgers.sealTask()
  assert(sealing !== undefined)
  const crashed = disk.copy()
  const proposed = await sealWalFile({ disk, directory, store: storeOf(disk) }, sealing)
  await second.ledgers.acceptSeal(proposed)
  for (const path of disk.paths.filter((name) => name.startsWith(`${directory}/segments/`))) {
    await crashed.makeDirectory(dirname(path))
    crashed.put(path, disk.bytesOf(path))
  }
  const anchor = await readAnchor(crashed, directory)
  assert(typeof anchor === 'object' && anchor.anchor.commit === proposed.commit)
  const { findings, remarks } = await verified({ disk: crashed })
  assert.deepEqual(findings, [])
  assert(remarks.some((remark) => remark.startsWith('derived/anchor.json is older than the seal')))
  const again = await openStele({ ...ground, disk: crashed })
  assert.equal(again.ledgers.opening.rederived, 'the anchor is older than the seal')
  assert.equal(again.ledgers.log('main').size, 6)
  await again.close()
  await second.close()
})
