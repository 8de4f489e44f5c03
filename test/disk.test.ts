// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { NodeDisk, replaceFile } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { FaultDisk } from './fault-disk.ts'
import { PowerCutDisk } from './power-cut-disk.ts'
import { scratch, SeededRandom } from './scratch.ts'

test('a folder that is made has a durable name, and so have those above it that were made with it', async (context) => {
  const root = scratch(context)
  const synced: string[] = []
  class Watched extends NodeDisk {
    override async syncDirectory(path: string): Promise<void> {
      synced.push(path)
      await super.syncDirectory(path)
    }
  }
  const disk = new Watched()
  await disk.makeDirectory(join(root, 'a', 'b', 'c'))
  const parents = [root, join(root, 'a'), join(root, 'a', 'b')]
  const isBelow = (path: string) => path.startsWith(root)
  assert.deepEqual(synced.filter(isBelow).toSorted(), parents)
  assert.equal(statSync(join(root, 'a', 'b')).mode & 0o777, 0o700)
  synced.length = 0
  await disk.makeDirectory(join(root, 'a', 'b', 'c'))
  assert.equal(synced.length, 0)
  // Another process may have made them, and been killed before they were durable.
  const next = new Watched()
  await next.makeDirectory(join(root, 'a', 'b', 'c'))
  assert.deepEqual(synced.filter(isBelow).toSorted(), parents)
  synced.length = 0
  await next.remove(join(root, 'a', 'b'))
  await next.makeDirectory(join(root, 'a', 'b', 'c'))
  assert.deepEqual(synced, [join(root, 'a', 'b'), join(root, 'a')])
})

test('a folder that a killed process made is durable once the next one has asked for it', async () => {
  const killed = new PowerCutDisk()
  killed.makeFolders('/folder')
  const disk = killed.afterKill(new SeededRandom(1))
  await disk.makeDirectory('/folder')
  await replaceFile(disk, '/folder/file', Buffer.from('kept'))
  const image = disk.image([], ({ durable }) => durable)
  assert.deepEqual(image.paths, ['/folder/file'])
})

test('a sync makes the names of its own folder durable, and nobody else’s', async () => {
  const disk = new PowerCutDisk()
  for (const folder of ['/a', '/b']) await disk.makeDirectory(folder)
  for (const path of ['/a/one', '/b/two', '/a/three']) await disk.open(path, 'create')
  await disk.syncDirectory('/a')
  const lost = () => disk.image([], ({ durable }) => durable).paths
  assert.deepEqual(lost(), ['/a/one', '/a/three'])
  await disk.rename('/b/two', '/a/two')
  await disk.syncDirectory('/a')
  assert.deepEqual(lost(), ['/a/one', '/a/three', '/a/two'])
})

test('a file is replaced by one that was made durable first; its name is made durable last', async () => {
  const disk = new FaultDisk(new PowerCutDisk())
  await disk.makeDirectory('/folder')
  await replaceFile(disk, '/folder/file', Buffer.from('new'))
  assert.deepEqual(
    disk.trace.slice(1).map(({ operation, path }) => `${operation} ${path}`),
    [
      'remove /folder/file.new',
      'open /folder/file.new',
      'write /folder/file.new',
      'datasync /folder/file.new',
      'rename /folder/file',
      'syncDirectory /folder',
    ],
  )
})

test('whenever the power is cut while a file is replaced, there is the old one or the new one, whole', async () => {
  const [old, next] = [Buffer.alloc(3_000, 1), Buffer.alloc(5_000, 2)]
  for (let operations = 0; operations <= 6; operations++) {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new PowerCutDisk()
      await disk.makeDirectory('/folder')
      await replaceFile(disk, '/folder/file', old)
      disk.operationsLeft = operations
      const done = await replaceFile(disk, '/folder/file', next).then(
        () => true,
        () => false,
      )
      assert.equal(done, operations === 6)
      const left = disk.afterPowerCut(new SeededRandom(seed)).bytes('/folder/file')
      assert(left.equals(next) || (!done && left.equals(old)), `after ${operations} operations`)
    }
  }
})

test('a file is read, written beyond its end, cut, and made only where there is none', async (context) => {
  const disk = new NodeDisk()
  const path = join(scratch(context), 'file')
  assert.equal(await disk.readFile(path), undefined)
  await assert.rejects(disk.open(path, 'read'), { code: 'ENOENT' })
  const file = await disk.open(path, 'create')
  await assert.rejects(disk.open(path, 'create'), { code: 'EEXIST' })
  await file.write(Buffer.from('abc'), 4)
  assert.deepEqual(await disk.readFile(path), Buffer.from('\0\0\0\0abc'))
  const into = Buffer.alloc(10, 0xff)
  assert.equal(await file.read(into, 5), 2)
  assert.equal(into.toString('latin1', 0, 3), 'bc\u00ff')
  assert.equal(await file.read(into, 100), 0)
  await file.truncate(5)
  await file.datasync()
  assert.equal(await file.sizeBytes(), 5)
  await file.close()
  await disk.rename(path, `${path}.moved`)
  await disk.remove(`${path}.moved`)
  await disk.remove(`${path}.moved`)
  assert.deepEqual(await disk.list(join(path, '..')), [])
  assert.deepEqual(await disk.list(path), [])
  const { freeBytes, totalBytes } = await disk.space('/')
  assert(freeBytes > 0 && totalBytes > freeBytes)
})

test('a lock is held by one until it lets go, and its file is left empty', (context) => {
  const path = join(scratch(context), 'LOCK')
  const lock = tryLock(path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert(lock !== undefined)
  assert.equal(tryLock(path), undefined)
  assert.equal(tryLock(path), undefined)
  lock.release()
  const again = tryLock(path)
  assert(again !== undefined)
  again.release()
  assert.equal(readFileSync(path).length, 0)
  assert(!existsSync(`${path}-journal`))
})

test('what lies in the place of a lock and is none is an error, not a lock', (context) => {
  const path = join(scratch(context), 'LOCK')
  writeFileSync(path, 'this is no database and never was one'.repeat(100))
  assert.throws(() => tryLock(path), /not a database/)
})

test('what is no regular file is neither read nor waited for', { timeout: 10_000 }, async (context) => {
  const folder = scratch(context)
  const disk = new NodeDisk()
  const [pipe, link, file] = ['pipe', 'link', 'file'].map((name) => join(folder, name)) as [string, string, string]
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
  writeFileSync(file, 'here')
  symlinkSync(pipe, link)
  for (const [path, code] of [
    [pipe, 'ENXIO'],
    [link, 'ELOOP'],
    [folder, 'EISDIR'],
    ['/dev/zero', 'ENXIO'],
  ] as const) {
    await assert.rejects(disk.open(path, 'read'), { code, path }, path)
    assert.equal(await disk.regularBytes(path), undefined)
  }
  for (const path of [pipe, link, '/dev/zero']) await assert.rejects(disk.readFile(path), { code: 'ENXIO' })
  await assert.rejects(disk.readFile(folder), { code: 'EISDIR' })
  assert.equal(await disk.regularBytes(join(file, 'below')), undefined)
  assert.equal(await disk.regularBytes(file), 4)
  symlinkSync(file, `${link}-to-file`)
  assert.equal(String(await disk.readFile(`${link}-to-file`)), 'here')
  const named = disk.readFile(pipe, 'any')
  execFileSync('sh', ['-c', 'printf piped > "$0"', pipe])
  assert.equal(String(await named), 'piped')
})
