// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Exports from a source that may lie, end or be slow, onto a disk that may fail: the folder is whole, or it is none.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkFolder, checkUnit, type FolderReport, NoLogError } from '@stele/proof/folder'

import { DirectoryLedgers } from '../src/evidence/directory-ledgers.ts'
import { DirectorySource } from '../src/evidence/export-directory.ts'
import { ExportRefused } from '../src/evidence/export-draft.ts'
import type { ExportedEntry } from '../src/evidence/export-folder.ts'
import { ExportFault, exportLedger, type ExportOptions, type ExportSource } from '../src/evidence/export-ledger.ts'
import type { ServedEvent } from '../src/evidence/served-ledger.ts'
import { platformHasher } from '../src/ledger/hash-nodes.ts'
import type { Disk } from '../src/platform/disk.ts'
import { directory, directoryWith, sealedDirectory } from './evidence-ground.ts'
import { checkpointOf, exported, FolderOnDisk, origin, signer, writeFolder } from './export-ground.ts'
import { FaultDisk, OPERATIONS } from './fault-disk.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append } from './scratch.ts'

const hasher = platformHasher()

/** Entries as a source; what it is asked for is noted. */
class ListedSource implements ExportSource {
  readonly name = 'main'
  readonly origin = origin
  readonly asked: number[] = []
  readonly eventsFrom: number[] = []
  readonly #entries: readonly ExportedEntry[]
  readonly #checkpoint: string

  constructor(entries: readonly ExportedEntry[], checkpoint: string = checkpointOf(entries)) {
    this.#entries = entries
    this.#checkpoint = checkpoint
  }

  async head() {
    return { checkpoint: this.#checkpoint, vkey: signer.vkey, rotations: [] }
  }

  async entries(index: number, width: number): Promise<Uint8Array[]> {
    this.asked.push(index)
    return this.#entries.slice(index * 256, index * 256 + width).map(({ entry }) => entry)
  }

  async *events(from: number): AsyncGenerator<ServedEvent> {
    this.eventsFrom.push(from)
    for (const [at, { entry, content }] of this.#entries.slice(from).entries()) {
      if (content === undefined) throw new Error(`there is no content of ${from + at}`)
      const { salt, event } = content
      yield { index: from + at, entryLine: Buffer.from(entry).toString('latin1'), salt, event }
    }
  }
}

const keyObjection = async () => undefined
const noLock = () => ({ release() {} })

function options(disk: Disk, source: ExportSource, rest: Partial<ExportOptions> = {}): ExportOptions {
  const base = {
    disk,
    folder: '/log',
    source,
    asked: 'all',
    contents: {},
    lock: noLock,
    demandGoingOn: () => {},
    keyObjection,
  }
  return { ...base, ...rest }
}

async function check(disk: MemoryDisk, vkey: string = signer.vkey): Promise<FolderReport> {
  const files = new FolderOnDisk(disk, '/log')
  return await checkFolder({
    files,
    hasher,
    trust: { vkey },
    check: (unit) => checkUnit(files, hasher, unit),
    depth: 2,
  })
}

function filesOf(disk: MemoryDisk): Map<string, string> {
  return new Map(disk.paths.map((path) => [path, disk.bytesOf(path).toString('latin1')]))
}

test('an export holds what the range names, by index and by time, and always all entries', async () => {
  // The hundredth entries begin a second each.
  const entries = exported(600)
  const at = (index: number) => Date.parse(JSON.parse(Buffer.from(entries[index]!.entry).toString()).at as string)
  const cases: readonly (readonly [ExportOptions['contents'], number, number])[] = [
    [{}, 0, 600],
    [{ from: { index: 100 } }, 100, 600],
    [{ to: { index: 1 } }, 0, 1],
    [{ from: { index: 255 }, to: { index: 257 } }, 255, 257],
    [{ from: { index: 550 }, to: { index: 10_000 } }, 550, 600],
    [{ from: { atMs: at(300) }, to: { atMs: at(301) } }, 300, 301],
    [{ from: { atMs: at(0) - 1 }, to: { atMs: at(599) + 1 } }, 0, 600],
    [{ from: { index: 600 } }, 600, 600],
    [{ from: { atMs: at(599) + 1 } }, 600, 600],
  ]
  for (const [contents, first, end] of cases) {
    const disk = new MemoryDisk()
    const summary = await exportLedger(options(disk, new ListedSource(entries), { contents }))
    assert.deepEqual(summary.contents, { first, end })
    const report = await check(disk)
    assert.deepEqual([report.findings, report.size], [[], 600], JSON.stringify(contents))
    const found = report.contents === undefined ? undefined : [report.contents.first, report.contents.end]
    assert.deepEqual(found, first === end ? undefined : [first, end])
  }
  const bare = new MemoryDisk()
  await exportLedger(options(bare, new ListedSource(exported(600, () => false)), { contents: undefined }))
  assert.ok(!bare.paths.some((path) => path.includes('contents')))
  assert.deepEqual((await check(bare)).findings, [])
})

test('a ledger of no entries, of one, and of 65,536 and one more is exported', async () => {
  for (const size of [0, 1, 65_536, 65_537]) {
    const disk = new MemoryDisk()
    const entries = exported(size, (index) => index < 10)
    const summary = await exportLedger(options(disk, new ListedSource(entries), { contents: { to: { index: 10 } } }))
    assert.equal(summary.size, size)
    assert.deepEqual((await check(disk)).findings, [], String(size))
  }
})

test('a source that gives other entries, events or heads than were signed makes no export', async () => {
  const entries = exported(300)
  const [head, other] = [checkpointOf(entries), exported(301)]
  const twist = (index: number, content: object): ExportedEntry[] =>
    entries.with(index, { ...entries[index]!, content: { ...entries[index]!.content!, ...content } })
  const lies: Readonly<Record<string, ExportSource>> = {
    'another entry': new ListedSource(entries.with(7, other[300]!), head),
    'an entry less': new ListedSource(entries.slice(0, -1), head),
    'two swapped': new ListedSource(entries.with(3, entries[4]!).with(4, entries[3]!), head),
    'another event': new ListedSource(twist(5, { event: Buffer.from('other') }), head),
    'another salt': new ListedSource(twist(299, { salt: Buffer.alloc(16) }), head),
    'a long salt': new ListedSource(twist(299, { salt: Buffer.alloc(17) }), head),
    'a head that nobody signed': new ListedSource(entries, head.replace(/A/, 'B')),
    'a head of fewer entries': new ListedSource(entries, head.replace('\n300\n', '\n299\n')),
    'no head': new ListedSource(entries, 'none'),
  }
  for (const [how, source] of Object.entries(lies)) {
    const disk = new MemoryDisk()
    await assert.rejects(exportLedger(options(disk, source)), ExportFault, how)
    assert.ok(!disk.paths.includes('/log/checkpoint'), how)
    await assert.rejects(check(disk), NoLogError)
  }
  const ending = new ListedSource(entries)
  ending.events = async function* (from: number) {
    for (const event of await Array.fromAsync(new ListedSource(entries).events(from)))
      if (event.index < 100) yield event
  }
  await assert.rejects(exportLedger(options(new MemoryDisk(), ending)), /ends its events before entry 100/)
})

test('an export that was interrupted goes on where it was, at the head that it began with', async () => {
  const entries = exported(70_000, (index) => index >= 65_500 && index < 65_600)
  const contents = { from: { index: 65_500 }, to: { index: 65_600 } }
  const whole = new MemoryDisk()
  await exportLedger(options(whole, new ListedSource(entries.slice(0, 66_000)), { contents }))

  const disk = new MemoryDisk()
  let bundles = 0
  const stop = () => {
    if (++bundles > 257) throw new Error('stopped')
  }
  const first = options(disk, new ListedSource(entries.slice(0, 66_000)), { contents, demandGoingOn: stop })
  await assert.rejects(exportLedger(first), /stopped/)
  await assert.rejects(check(disk), (error) => error instanceof NoLogError && error.isDraft)

  // Meanwhile the ledger has grown.
  const source = new ListedSource(entries)
  const summary = await exportLedger(options(disk, source, { contents }))
  assert.deepEqual([summary.size, summary.resumedAt], [66_000, 65_536])
  assert.deepEqual(source.asked.slice(0, 3), [256, 257].slice(0, 3))
  assert.deepEqual(source.eventsFrom, [65_536])
  assert.deepEqual(filesOf(disk), filesOf(whole))
})

test('a folder takes no other export than the one that it was begun for, and no file that lies there is touched', async () => {
  const entries = exported(300)
  const disk = new MemoryDisk()
  const stopped = options(disk, new ListedSource(entries), {
    demandGoingOn: () => {
      throw new Error('stopped')
    },
  })
  await assert.rejects(exportLedger(stopped), /stopped/)
  await assert.rejects(exportLedger(options(disk, new ListedSource(entries), { asked: 'other' })), ExportRefused)
  await exportLedger(options(disk, new ListedSource(entries)))
  const before = filesOf(disk)
  await assert.rejects(exportLedger(options(disk, new ListedSource(entries))), /holds a log already/)
  assert.deepEqual(filesOf(disk), before)
  const used = new MemoryDisk(['/', '/log'])
  used.put('/log/thesis.txt', Buffer.from('mine'))
  await assert.rejects(exportLedger(options(used, new ListedSource(entries))), ExportRefused)
  assert.deepEqual(used.paths, ['/log/thesis.txt'])
  const taken = options(new MemoryDisk(), new ListedSource(entries), { lock: () => undefined })
  await assert.rejects(exportLedger(taken), /another export into \/log is at work/)
})

test('whatever operation of the disk fails, there is no export that looks whole, and the next run makes it so', async () => {
  const entries = exported(300)
  const whole = new MemoryDisk()
  await exportLedger(options(whole, new ListedSource(entries)))
  const counted = new FaultDisk(new MemoryDisk())
  await exportLedger(options(counted, new ListedSource(entries)))
  for (const operation of OPERATIONS) {
    const count = counted.trace.filter((traced) => traced.operation === operation).length
    for (let nth = 0; nth < count; nth++) {
      const done = (['not', 'half', 'wholly'] as const)[nth % 3]!
      const disk = new MemoryDisk()
      const failing = new FaultDisk(disk, { operation, nth, done, code: 'ENOSPC' })
      const outcome = await exportLedger(options(failing, new ListedSource(entries))).then(
        () => 'done',
        (error: Error & { code?: string }) => error.code,
      )
      const how = `${operation} ${nth} ${done}`
      assert.ok(outcome === 'ENOSPC' || outcome === 'done', `${how}: ${outcome}`)
      const isWhole = disk.paths.includes('/log/checkpoint')
      if (isWhole) assert.deepEqual((await check(disk)).findings, [], how)
      if (isWhole && !disk.paths.includes('/log/draft.json')) continue
      await exportLedger(options(disk, new ListedSource(entries)))
      assert.deepEqual(filesOf(disk), filesOf(whole), how)
    }
  }
})

async function exportDirectory(from: MemoryDisk, ledger: string, to: MemoryDisk): Promise<string> {
  const ledgers = await DirectoryLedgers.open(from, directory)
  const source = await DirectorySource.open(from, directory, ledgers, ledger)
  try {
    return (await exportLedger(options(to, source))).vkey
  } finally {
    await source.close()
    await ledgers.close()
  }
}

test('every ledger of a directory is exported, sealed and not, with every event', async () => {
  const { disk, vkeys } = await sealedDirectory()
  for (const [ledger, vkey] of vkeys) {
    const to = new MemoryDisk()
    assert.equal(await exportDirectory(disk, ledger, to), vkey)
    const report = await check(to, vkey)
    assert.deepEqual(report.findings, [], ledger)
    if (report.size > 0) assert.equal(report.contents?.end, report.size)
  }
  const main = new MemoryDisk()
  await exportDirectory(disk, 'main', main)
  assert.equal((await check(main, vkeys.get('main'))).size, 700)
})

test('without the key of the ledger the head that was published last is exported', async () => {
  const { disk, vkeys } = await sealedDirectory()
  disk.drop(`${directory}/keys/main.key`)
  const to = new MemoryDisk()
  await exportDirectory(disk, 'main', to)
  assert.deepEqual((await check(to, vkeys.get('main'))).findings, [])
  disk.drop(`${directory}/keys/heads.key`)
  await assert.rejects(exportDirectory(disk, 'heads', new MemoryDisk()), /the key of .*\/heads is not there/)
  await assert.rejects(exportDirectory(disk, 'none', new MemoryDisk()), /has no ledger none/)
})

test('a directory that was changed makes no export of what was changed', async () => {
  const { disk } = await directoryWith(async ({ ledgers }) => {
    for (let round = 0; round < 5; round++) await append(ledgers, 'main', [Buffer.from(`event ${round}`)])
  })
  const [wal = ''] = disk.paths.filter((path) => path.includes('/wal/'))
  const bytes = disk.bytesOf(wal)
  bytes[bytes.indexOf('event 3') + 6]! ^= 1
  const to = new MemoryDisk()
  await assert.rejects(exportDirectory(disk, 'main', to))
  assert.ok(!to.paths.includes('/log/checkpoint'))
})

test('a folder grown by several runs of a mirror is no different from an export without events', async () => {
  const entries = exported(300, () => false)
  const [mirror, once] = [new MemoryDisk(), new MemoryDisk()]
  await writeFolder(mirror, '/log', entries, [10, 256])
  await exportLedger(options(once, new ListedSource(entries), { contents: undefined }))
  assert.deepEqual(filesOf(mirror), filesOf(once))
})
