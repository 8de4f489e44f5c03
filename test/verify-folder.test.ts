// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The check of a folder, over one in memory: whatever is changed in it is found, and named.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkFolder, checkUnit, type FolderReport, NoLogError } from '@stele/proof/folder'
import type { Trust } from '@stele/proof'

import { logSigner } from '../packages/proof/test/signers.ts'
import { ExportFolder, type ExportedEntry } from '../src/evidence/export-folder.ts'
import { platformHasher } from '../src/ledger/hash-nodes.ts'
import { rowHasher } from '../src/platform/row-hasher.ts'
import { checkpointOf, entryOf, exported, FolderOnDisk, signer, writeFolder } from './export-ground.ts'
import { MemoryDisk } from './memory-disk.ts'
import { SeededRandom } from './scratch.ts'

const hasher = platformHasher()
const rowsHasher = platformHasher(rowHasher())

/** With hashes one by one, and by the row: what is said is the same. */
async function check(disk: MemoryDisk, trust: Trust | 'none' = { vkey: signer.vkey }): Promise<FolderReport> {
  const files = new FolderOnDisk(disk, '/log')
  const checkBy = async (by: typeof hasher) =>
    await checkFolder({
      files,
      hasher: by,
      ...(trust === 'none' ? {} : { trust }),
      check: (unit) => checkUnit(files, by, unit),
      depth: 2,
    })
  const report = await checkBy(hasher)
  assert.deepEqual(await checkBy(rowsHasher), report)
  return report
}

async function folderOf(entries: readonly ExportedEntry[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  await writeFolder(disk, '/log', entries)
  return disk
}

/** Changes a copy and checks it. */
async function checkChanged(disk: MemoryDisk, change: (copy: MemoryDisk) => void): Promise<FolderReport> {
  const copy = disk.copy()
  change(copy)
  return await check(copy)
}

const ranged = (count: number, first: number, end: number) => exported(count, (index) => index >= first && index < end)

test('P9: a folder of any size verifies with the key alone: none, one, a bundle, a segment and more of either', async () => {
  for (const size of [0, 1, 2, 13, 255, 256, 257, 512, 600]) {
    const report = await check(await folderOf(exported(size)))
    assert.deepEqual(report.findings, [], String(size))
    assert.equal(report.size, size)
    assert.equal(report.signedBy, 'trusted key')
    if (size > 0) assert.deepEqual({ ...report.contents, eventBytes: 0 }, { first: 0, end: size, eventBytes: 0 })
  }
  const large = ranged(66_000, 65_400, 65_700)
  const report = await check(await folderOf(large))
  assert.deepEqual(report.findings, [])
  assert.deepEqual({ ...report.contents, eventBytes: 0 }, { first: 65_400, end: 65_700, eventBytes: 0 })
})

test('P4: every byte of a small export, flipped, is found, and the file is named', async () => {
  const all = exported(10)
  // One of each form: as it is, a text, base64.
  const disk = await folderOf([all[0]!, all[1]!, all[9]!])
  const random = new SeededRandom(6)
  for (const path of disk.paths) {
    const name = path.slice('/log/'.length)
    const bytes = disk.bytesOf(path)
    for (let at = 0; at < bytes.length; at++) {
      const bit = 2 ** random.below(8)
      bytes[at]! ^= bit
      const { findings } = await check(disk)
      bytes[at]! ^= bit
      const named = findings.map(({ file }) => file)
      assert.ok(named.includes(name), `${name} at ${at}, bit ${bit}: ${named.join(' ')}`)
    }
  }
  assert.deepEqual((await check(disk)).findings, [])
})

test('P4: a flipped byte of a larger export is found, its file named, and its entry where it is of one', async () => {
  const entries = ranged(700, 100, 600)
  const disk = await folderOf(entries)
  const random = new SeededRandom(7)
  for (const path of disk.paths) {
    const name = path.slice('/log/'.length)
    for (let tries = 0; tries < 12; tries++) {
      const at = random.below(disk.bytesOf(path).length)
      const report = await checkChanged(disk, (copy) => (copy.bytesOf(path)[at]! ^= 2 ** random.below(8)))
      const found = report.findings.find(({ file }) => file === name)
      assert.ok(found !== undefined, `${name} at ${at}: ${JSON.stringify(report.findings.slice(0, 3))}`)
      if (!/^(?:tile\/entries|contents\/0)/.test(name)) continue
      // A changed length or newline moves what is behind it, never what is before.
      const index = indexAt(disk, path, at)
      assert.equal(report.firstBad?.index, index, `${name} at ${at}: ${JSON.stringify(report.findings.slice(0, 3))}`)
    }
  }
})

/** The entry whose bytes, with what stands before them, hold a byte of a bundle or of contents. */
function indexAt(disk: MemoryDisk, path: string, at: number): number {
  const bytes = disk.bytesOf(path)
  if (path.includes('/contents/')) {
    const first = Number(path.slice(-23, -7))
    return first + bytes.subarray(0, at).toString('latin1').split('\n').length - 1
  }
  let index = 256 * Number(/entries\/([0-9]{3})/.exec(path)?.[1])
  for (let end = 2 + bytes.readUInt16BE(0); end <= at; end += 2 + bytes.readUInt16BE(end)) index++
  return index
}

test('a file that is cut, grown, emptied, missing or another one is found and named', async () => {
  const disk = await folderOf(ranged(600, 0, 520))
  const changes: Readonly<Record<string, (bytes: Buffer) => Buffer | undefined>> = {
    cut: (bytes) => bytes.subarray(0, -1),
    'cut by much': (bytes) => bytes.subarray(0, Math.floor(bytes.length / 3)),
    grown: (bytes) => Buffer.concat([bytes, Buffer.of(0)]),
    doubled: (bytes) => Buffer.concat([bytes, bytes]),
    emptied: () => Buffer.alloc(0),
    missing: () => undefined,
  }
  for (const path of disk.paths) {
    for (const [how, change] of Object.entries(changes)) {
      const name = path.slice('/log/'.length)
      if (how === 'missing' && name === 'checkpoint') {
        await assert.rejects(
          checkChanged(disk, (copy) => copy.drop(path)),
          NoLogError,
        )
        continue
      }
      const report = await checkChanged(disk, (copy) => {
        const changed = change(copy.bytesOf(path))
        if (changed === undefined) copy.drop(path)
        else copy.put(path, changed)
      })
      // The key beside the log is for others: who has it from elsewhere does not miss it. A newline less is the same key.
      if (name === 'log.vkey' && (how === 'missing' || how === 'cut')) continue
      const named = report.findings.map(({ file }) => file)
      const isNamed = named.includes(name) || (how === 'missing' && named.includes('contents/range'))
      assert.ok(isNamed, `${name} ${how}: ${JSON.stringify(report.findings.slice(0, 3))}`)
    }
  }
})

test('P4: entries that are changed, dropped, doubled, swapped or moved, with all tiles made anew, have another root', async () => {
  const entries = exported(300)
  const head = checkpointOf(entries)
  const other = exported(301)[300]!
  const forgeries: Readonly<Record<string, readonly ExportedEntry[]>> = {
    changed: entries.with(7, other),
    swapped: entries.with(3, entries[4]!).with(4, entries[3]!),
    'moved to the end': [...entries.slice(1), entries[0]!],
    doubled: [...entries.slice(0, 10), entries[9]!, ...entries.slice(10, -1)],
  }
  for (const [how, forged] of Object.entries(forgeries)) {
    const disk = await folderOf(forged.map(({ entry }) => ({ entry })))
    disk.put('/log/checkpoint', Buffer.from(head))
    const report = await check(disk)
    assert.ok(
      report.findings.some(({ kind }) => kind === 'root'),
      how,
    )
    assert.deepEqual(report.firstBad, { index: 0, count: 300 }, how)
  }
})

test('an event that is exchanged for another is found, whoever made its line fit the form', async () => {
  const entries = exported(20)
  const forged = entryOf(14, 'application/json', Buffer.from('{"number":15}'), Buffer.alloc(16))
  const disk = await folderOf(entries)
  const lines = disk.bytesOf('/log/contents/0000000000000000.ndjson').toString().split('\n')
  const exchanged = lines[14]!.replace(
    /"salt":.*/,
    `"salt":"${Buffer.alloc(16).toString('base64')}","event":{"number":15}}`,
  )
  disk.put('/log/contents/0000000000000000.ndjson', Buffer.from(lines.with(14, exchanged).join('\n')))
  const { firstBad, findings } = await check(disk)
  assert.deepEqual(firstBad, { index: 14, count: 1 })
  assert.match(findings[0]!.what, /not the one that its entry commits to/)
  const withEntry = exchanged.replace(/"entry":\{[^}]*\}/, `"entry":${Buffer.from(forged.entry).toString()}`)
  disk.put('/log/contents/0000000000000000.ndjson', Buffer.from(lines.with(14, withEntry).join('\n')))
  assert.match((await check(disk)).findings[0]!.what, /another entry than the log/)
})

test('a line in which the event is more than one value is refused, also where the bytes are those that were recorded', async () => {
  // A server that takes anything for JSON could make a reader of the line see another event than the one that is verified.
  const event = Buffer.from('{"a":1},"event":{"a":2}')
  const entry = entryOf(0, 'application/json', event, Buffer.alloc(16, 1))
  const disk = await folderOf([entry])
  const path = '/log/contents/0000000000000000.ndjson'
  assert.match(disk.bytesOf(path).toString(), /,"text":"/)
  assert.deepEqual((await check(disk)).findings, [])
  const line = disk
    .bytesOf(path)
    .toString()
    .replace(/"text":.*/, `"event":${event.toString()}}`)
  disk.put(path, Buffer.from(line))
  assert.match((await check(disk)).findings[0]!.what, /not JSON on one line/)
})

test('without a key the folder’s own shows that it fits; another key, or a stolen one of another log, shows nothing', async () => {
  const disk = await folderOf(exported(5))
  assert.equal((await check(disk, 'none')).signedBy, 'own key')
  assert.equal((await check(disk, { vkey: signer.vkey, pinned: false })).signedBy, 'own key')
  disk.drop('/log/log.vkey')
  const { signedBy, findings } = await check(disk, 'none')
  assert.deepEqual([signedBy, findings], ['nobody', []])
  for (const vkey of [logSigner('stele.test/abcdefghijklm/other').vkey, logSigner(signer.name, 'another seed').vkey]) {
    const report = await check(disk, { vkey })
    assert.equal(report.signedBy, 'nobody')
    assert.ok(report.findings.some(({ kind, file }) => kind === 'key' && file === 'checkpoint'))
  }
})

test('a mirror that was interrupted while it grew is whole up to its checkpoint; of contents that are ahead of it, it is told', async () => {
  const entries = exported(300)
  const disk = await folderOf(entries.slice(0, 200))
  const folder = await ExportFolder.open(disk, '/log')
  await folder.append(entries.slice(200))
  await folder.settle()
  const report = await check(disk)
  assert.deepEqual(
    report.findings.map(({ what }) => what),
    ['something follows behind the content of entry 199'],
  )
  await folder.finish({ checkpoint: checkpointOf(entries), vkey: signer.vkey })
  assert.deepEqual((await check(disk)).findings, [])
})

test('events of 16 MiB come through, also of bytes that grow by much when they are written as text', async () => {
  const events = [
    Buffer.alloc(16 * 1024 * 1024, 0xff),
    Buffer.alloc(16 * 1024 * 1024, 0x61),
    Buffer.alloc(1024 * 1024, 1),
  ]
  const media = ['application/octet-stream', 'text/plain', 'text/plain'] as const
  const entries = events.map((event, index) => entryOf(index, media[index]!, event, Buffer.alloc(16, 2)))
  assert.deepEqual((await check(await folderOf(entries))).findings, [])
})
