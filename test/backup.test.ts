// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Backups of directories that are written to, and what is restored from them.

import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { BackupFault } from '../src/backup/manifest.ts'
import { OlderFault, UnsoundFault } from '../src/backup/restore.ts'
import { HistoryFault } from '../src/backup/trees.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import { BACKUP_BEGUN, MANIFEST, RESTORE_BEGUN } from '../src/ledger/opening.ts'
import { tryLock } from '../src/platform/lock.ts'
import { backupGround, filesIn } from './backup-ground.ts'
import { hex, readAll } from './scratch.ts'

test('a restored backup is the directory, byte for byte, and the server goes on with it', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const { manifest } = await ground.backup()
  const events = await readAll(ground.stele.ledgers, 'main')
  await ground.stele.ledgers.close()
  const target = join(ground.folder, 'restored')
  const { verified } = await ground.restore(target)
  assert.equal(verified.verdict, 'unchanged')
  assert.deepEqual(verified.findings, [])
  const restored = filesIn(target)
  // What a server takes the directory with, empty.
  assert.equal(restored.get('LOCK')?.length, 0)
  restored.delete('LOCK')
  for (const [path, bytes] of filesIn(ground.data)) {
    if (/^(?:LOCK|admin\.token|derived\/.*)$/.test(path)) assert(!restored.has(path), path)
    else assert(restored.get(path)?.equals(bytes), path)
    restored.delete(path)
  }
  assert.deepEqual([...restored.keys()], [])
  assert.equal(statSync(join(target, 'keys', 'main.key')).mode % 0o1000, 0o600)
  ground.stele = await ground.open(target)
  const { ledgers } = ground.stele
  for (const { name, size, root } of manifest.ledgers.filter(
    (ledger) => ledger.name === 'main' || ledger.name === 'other',
  )) {
    assert.deepEqual([ledgers.log(name).size, hex(ledgers.log(name).root)], [size, root])
  }
  assert.deepEqual(await readAll(ledgers, 'main'), events)
  await ground.fill(3)
})

test('a backup taken at any moment of full load and sealing is one state that the directory had', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const working = new AbortController()
  const writer = (async () => {
    while (!working.signal.aborted) {
      await ground.fill(12)
      await ground.seal()
    }
  })()
  const restoredSizes: number[] = []
  for (let round = 0; round < 5; round++) {
    await ground.backup()
    // With the log at rest for a moment the head is the one of the backup, or newer.
    const target = join(ground.folder, `restored-${round}`)
    const { verified, manifest } = await ground.restore(target, { isForReading: true })
    assert.equal(verified.findingCount, 0)
    restoredSizes.push(manifest.ledgers.find(({ name }) => name === 'main')?.size ?? 0)
    rmSync(target, { recursive: true })
  }
  working.abort()
  await writer
  assert.deepEqual(
    restoredSizes,
    restoredSizes.toSorted((a, b) => a - b),
  )
  assert(restoredSizes.at(-1)! > restoredSizes[0]!)
  assert.deepEqual(ground.stele.failures, [])
  await ground.backup()
  assert.equal((await ground.restore(join(ground.folder, 'last'))).verified.verdict, 'unchanged')
})

test('a second backup copies the new segments alone, and removes what larger ones hold', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const first = await ground.backup()
  assert(first.copiedObjects > 0)
  const again = await ground.backup()
  assert.deepEqual([again.copiedObjects, again.keptObjects, again.removedObjects], [0, first.copiedObjects, 0])
  const before = new Set(first.manifest.files.map(({ path }) => path))
  await ground.grow()
  const second = await ground.backup()
  const after = new Set(second.manifest.files.map(({ path }) => path))
  const isObject = (path: string) => path.startsWith('segments/')
  assert.equal(second.copiedObjects, [...after].filter((path) => isObject(path) && !before.has(path)).length)
  assert.equal(second.removedObjects, [...before].filter((path) => isObject(path) && !after.has(path)).length)
  assert(second.removedObjects > 0 && second.keptObjects > 0)
  const held = [...filesIn(ground.to).keys()].filter((path) => !['LOCK', MANIFEST, 'segments/_head'].includes(path))
  assert.deepEqual(held.toSorted(), [...after].toSorted())
})

test('a backup that is interrupted anywhere leaves the one of before, and the next one goes on', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  for (let calls = 1; ; calls++) {
    let left = calls
    const first = await ground.backup({ onProgress: () => assert(left-- > 0, 'enough') }).catch((error: Error) => error)
    if (!(first instanceof Error)) break
    assert.equal(first.message, 'enough')
    await assert.rejects(ground.restore(join(ground.folder, 'none')), /was never finished/)
    calls += 4
  }
  const sizeOf = async (target: string) => {
    const { manifest } = await ground.restore(target, { isForReading: true })
    rmSync(target, { recursive: true })
    return manifest.commit
  }
  const target = join(ground.folder, 'restored')
  const commit = await sizeOf(target)
  await ground.grow()
  for (let calls = 1, copied = 0; ; calls += 3) {
    let left = calls
    const next = await ground.backup({ onProgress: () => assert(left-- > 0, 'enough') }).catch((error: Error) => error)
    if (!(next instanceof Error)) {
      assert((await sizeOf(target)) > commit)
      assert(copied > 2)
      break
    }
    assert.equal(await sizeOf(target), commit)
    assert(existsSync(join(ground.to, BACKUP_BEGUN)))
    copied++
  }
  assert(!existsSync(join(ground.to, BACKUP_BEGUN)))
})

test('a backup with any file changed, cut or missing is refused, the file is named, and nothing is left', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const { manifest } = await ground.backup()
  const target = join(ground.folder, 'restored')
  const refused = async (path: string, what: RegExp) => {
    await assert.rejects(ground.restore(target), (error: Error) => {
      assert(error instanceof UnsoundFault || error instanceof DataFault || error instanceof BackupFault, String(error))
      assert.match(error.message, what)
      assert(error.message.includes(path), error.message)
      return true
    })
    const left = existsSync(target) ? [...filesIn(target)] : []
    for (const [name, bytes] of left) assert.deepEqual([name, bytes.length], ['LOCK', 0])
  }
  for (const path of [MANIFEST, ...manifest.files.map((file) => file.path)]) {
    const file = join(ground.to, path)
    const bytes = readFileSync(file)
    const changed = Buffer.from(bytes)
    changed[changed.length >> 1]! ^= 1
    writeFileSync(file, changed)
    await refused(path, /damaged|was changed|not those/)
    writeFileSync(file, bytes)
    truncateSync(file, bytes.length - 1)
    await refused(path, /ends after|ends early|not whole/)
    rmSync(file)
    await refused(path === MANIFEST ? ground.to : path, /is missing|not a backup/)
    writeFileSync(file, bytes)
  }
  await ground.restore(target)
})

test('an older backup is refused with both figures, unless it is for reading, and then no server starts on it', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const { manifest } = await ground.backup()
  await ground.grow()
  await ground.stele.close()
  const target = join(ground.folder, 'restored')
  const size = manifest.ledgers.find(({ name }) => name === 'heads')?.size
  const older = await ground.restore(target).catch((error: unknown) => error)
  assert(older instanceof OlderFault)
  assert.equal(older.backupSize, size)
  assert(older.headSize > older.backupSize)
  assert(!existsSync(target))
  const { newerHead, verified } = await ground.restore(target, { isForReading: true })
  assert.deepEqual(newerHead, { where: 'memory', size: older.headSize, backupSize: size })
  assert.equal(verified.verdict, 'self-consistent')
  await assert.rejects(ground.open(target), /the data is older than what was published/)
})

test('a directory that was rolled back or rewritten since is not copied over its backup', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(10)
  await ground.stele.close()
  const earlier = join(ground.folder, 'earlier')
  cpSync(ground.data, earlier, { recursive: true })
  ground.stele = await ground.open(ground.data)
  await ground.grow()
  await ground.backup()
  const held = filesIn(ground.to)
  await assert.rejects(ground.backup({ from: earlier, isRunning: false }), HistoryFault)
  // The same history up to there, and then another one, longer than the first.
  const head = ground.head.kept
  ground.head.kept = undefined
  const fork = await ground.open(earlier)
  const real = ground.stele
  ground.stele = fork
  for (let turn = 0; turn < 15; turn++) await ground.fill(8)
  ground.stele = real
  await fork.close()
  ground.head.kept = head
  await assert.rejects(
    ground.backup({ from: earlier, isRunning: false }),
    /are not those of the backup|was never as long/,
  )
  await ground.restore(join(ground.folder, 'restored'))
  const now = filesIn(ground.to)
  for (const { path } of JSON.parse(held.get(MANIFEST)!.toString().split('\n')[0]!).files) {
    assert(held.get(path)!.equals(now.get(path)!), path)
  }
})

test('without keys nothing of them is copied, and those of a backup of before are removed', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(5)
  await ground.backup()
  assert(existsSync(join(ground.to, 'keys', 'main.key')))
  await ground.backup({ withKeys: false })
  assert.deepEqual(
    [...filesIn(ground.to).keys()].filter((path) => path.includes('key')),
    [],
  )
  const target = join(ground.folder, 'restored')
  const { manifest } = await ground.restore(target)
  assert.equal(manifest.withKeys, false)
  await assert.rejects(ground.open(target), /heads\.key is missing/)
  cpSync(join(ground.data, 'keys'), join(target, 'keys'), { recursive: true })
  await ground.stele.close()
  // The server wrote behind the backup as it closed.
  await assert.rejects(ground.open(target), /older than what was published/)
})

test('ledgers that are created while a backup is taken are whole in it, or not in it', async (context) => {
  const ground = await backupGround(context)
  const names = Array.from({ length: 20 }, (_, at) => `ledger-${at}`)
  const creating = (async () => {
    for (const name of names) await ground.stele.administration.createLedger({ name }, 'tester')
  })()
  for (let round = 0; round < 5; round++) {
    await ground.backup()
    const target = join(ground.folder, `restored-${round}`)
    const { verified } = await ground.restore(target, { isForReading: true })
    assert.equal(verified.findingCount, 0)
    const head = ground.head.kept
    ground.head.kept = undefined
    const opened = await ground.open(target)
    await opened.ledgers.close()
    ground.head.kept = head
    rmSync(target, { recursive: true })
  }
  await creating
})

test('what is torn at the end of the log is left out, and damage in its middle is a fault', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(20)
  await ground.stele.close()
  const last = [...filesIn(ground.data).keys()]
    .filter((path) => path.startsWith('wal/'))
    .toSorted()
    .at(-1)!
  const path = join(ground.data, last)
  const bytes = readFileSync(path)
  const { manifest } = await ground.backup({ isRunning: false })
  writeFileSync(path, Buffer.concat([bytes, bytes.subarray(4096, 4096 + 3000)]))
  assert.equal((await ground.backup({ isRunning: false })).manifest.commit, manifest.commit)
  const damaged = Buffer.from(bytes)
  damaged[9_000]! ^= 1
  writeFileSync(path, damaged)
  await assert.rejects(
    ground.backup({ isRunning: false }),
    (error) => error instanceof DataFault && error.file === path,
  )
  writeFileSync(path, bytes)
  await ground.restore(join(ground.folder, 'restored'))
})

test('nothing is copied into a folder of somebody else, of other ledgers, or within the directory itself', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(2)
  const other = await backupGround(context)
  await other.fill(2)
  await assert.rejects(ground.backup({ to: other.data }), /is no backup, and not empty/)
  await assert.rejects(ground.backup({ to: join(ground.data, 'backup') }), /lie in one another/)
  await assert.rejects(ground.backup({ to: ground.folder }), /lie in one another/)
  await assert.rejects(ground.backup({ from: join(ground.folder, 'nothing') }), /is not a data directory of Stele/)
  await assert.rejects(ground.restore(ground.data, { from: other.to }), /is not a backup/)
  await ground.backup()
  await assert.rejects(ground.restore(other.data), /is not empty/)
})

test('a restore that was killed is begun anew by the next one', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  await ground.backup()
  const target = join(ground.folder, 'restored')
  await ground.restore(target)
  rmSync(join(target, 'segments'), { recursive: true })
  writeFileSync(join(target, RESTORE_BEGUN), '')
  assert.equal((await ground.restore(target)).verified.verdict, 'unchanged')
})

test('one restore at a time works in a directory, and none where a server runs', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  await ground.backup()
  const target = join(ground.folder, 'restored')
  let second: Promise<unknown> | undefined
  const onProgress = () => {
    second ??= ground.restore(target).catch((error: unknown) => error)
  }
  await ground.restore(target, { onProgress })
  assert.match(String(await second), /another restore is at work/)
  // A server holds the same lock, and leaves files of its own, which no mark gives away.
  const running = tryLock(join(target, 'LOCK'))
  writeFileSync(join(target, RESTORE_BEGUN), '')
  const before = filesIn(target)
  await assert.rejects(ground.restore(target), /a server runs/)
  running?.release()
  writeFileSync(join(target, 'admin.token'), 'served\n')
  await assert.rejects(ground.restore(target), /is not empty: it has admin\.token/)
  rmSync(join(target, 'admin.token'))
  assert.deepEqual(filesIn(target), before)
})

test('a restore that is interrupted empties nothing but what it made', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  await ground.backup()
  const target = join(ground.folder, 'restored')
  // Somebody takes the folder away, lock and all, and another restore makes it anew.
  let isReplaced = false
  const onProgress = (step: string) => {
    if (step !== 'verified' || isReplaced) return
    isReplaced = true
    rmSync(target, { recursive: true })
    cpSync(other, target, { recursive: true })
    throw new Error('interrupted')
  }
  const other = join(ground.folder, 'other')
  await ground.restore(other)
  await assert.rejects(ground.restore(target, { onProgress }), { name: 'ReplacedFault' })
  assert.deepEqual(filesIn(target), filesIn(other))
  assert.equal((await ground.verify(target)).verdict, 'unchanged')
  // One that is let go on does not end the other's work either.
  rmSync(target, { recursive: true })
  let isBegun = false
  const onCopied = () => {
    if (isBegun) return
    isBegun = true
    writeFileSync(join(target, RESTORE_BEGUN), 'of another\n')
  }
  await assert.rejects(ground.restore(target, { onProgress: onCopied }), { name: 'ReplacedFault' })
  assert.equal(readFileSync(join(target, RESTORE_BEGUN), 'utf8'), 'of another\n')
  assert(filesIn(target).size > 3)
})
