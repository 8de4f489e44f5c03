// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The writer of folders in the layout of tlog-tiles.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatBundle } from '@stele/proof'

import { NaiveTree } from '../packages/proof/test/naive-tree.ts'
import { ExportFolder } from '../src/evidence/export-folder.ts'
import { FolderFault } from '../src/evidence/folder-fault.ts'
import { checkpointOf, exported, signer, writeFolder } from './export-ground.ts'
import { MemoryDisk } from './memory-disk.ts'

const all = exported(66_000, (index) => index < 600)

/** All files of a folder, by path. */
function filesOf(disk: MemoryDisk): Map<string, string> {
  return new Map(disk.paths.map((path) => [path, disk.bytesOf(path).toString('latin1')]))
}

test('a folder that grew, from any size to any other, is the one that is written at once', async () => {
  const sizes = [0, 1, 13, 255, 256, 257, 511, 512, 600]
  for (const end of sizes) {
    const once = new MemoryDisk()
    await writeFolder(once, '/log', all.slice(0, end))
    for (const stop of sizes.filter((size) => size <= end)) {
      const grown = new MemoryDisk()
      await writeFolder(grown, '/log', all.slice(0, end), [stop, stop])
      assert.deepEqual(filesOf(grown), filesOf(once), `${stop} to ${end}`)
    }
  }
})

test('the files of a log of 66,000 entries are those that tlog-tiles names, also where it grew over 65,536', async () => {
  const once = new MemoryDisk()
  await writeFolder(once, '/log', all)
  const grown = new MemoryDisk()
  await writeFolder(grown, '/log', all, [65_535, 65_536, 65_537])
  assert.deepEqual(filesOf(grown), filesOf(once))
  const paths = once.paths.filter((path) => path.startsWith('/log/tile/')).map((path) => path.slice(10))
  assert.equal(paths.filter((path) => path.startsWith('entries/')).length, 258)
  for (const path of ['entries/257.p/208', '0/256', '0/257.p/208', '1/000', '1/001.p/1', '2/000.p/1']) {
    assert.ok(paths.includes(path), path)
  }
  assert.equal(paths.length, 258 + 258 + 2 + 1)
  assert.deepEqual(
    once.bytesOf('/log/tile/entries/001'),
    Buffer.from(formatBundle(all.slice(256, 512).map(({ entry }) => entry))),
  )
  const naive = new NaiveTree(all.slice(0, 65_536).map(({ entry }) => entry))
  assert.equal(once.bytesOf('/log/tile/2/000.p/1').toString('hex'), naive.root(0, 65_536))
})

test('a checkpoint of another tree makes no folder whole, and one that is there stays', async () => {
  const disk = new MemoryDisk()
  await writeFolder(disk, '/log', all.slice(0, 300))
  const before = disk.bytesOf('/log/checkpoint').toString()
  const folder = await ExportFolder.open(disk, '/log')
  await folder.append(all.slice(301, 400))
  const wrong = { checkpoint: checkpointOf(all.slice(0, 399)), vkey: signer.vkey }
  await assert.rejects(folder.finish(wrong), (error) => error instanceof FolderFault && /the root/.test(error.message))
  assert.equal(disk.bytesOf('/log/checkpoint').toString(), before)
})

test('a folder whose tiles are not those of its checkpoint is not gone on with', async () => {
  for (const path of ['/log/tile/0/001.p/44', '/log/tile/1/000.p/1', '/log/tile/entries/001.p/44', '/log/checkpoint']) {
    const disk = new MemoryDisk()
    await writeFolder(disk, '/log', all.slice(0, 300))
    const bytes = disk.bytesOf(path)
    bytes[path.endsWith('checkpoint') ? bytes.indexOf('\n300\n') + 10 : 20]! ^= 1
    await assert.rejects(ExportFolder.open(disk, '/log'), FolderFault, path)
  }
})
