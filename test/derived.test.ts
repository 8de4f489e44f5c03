// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Derived files may be lost or changed at any time.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { Frontier, hashLeaf, rootAt } from '@stele/proof'

import { anchor, flipped, leave, type Left, reopen, systemEvents } from './left-directory.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, hex, MemoryHeadStore, openStele, readAll, SeededRandom, TurnedClock } from './scratch.ts'

let stopped: Left
before(async () => {
  stopped = await leave('stopped', 3)
})

test('a start without its anchor, or with one that was changed, derives everything again, records it, and has the same roots', async () => {
  const anchors: (Buffer | undefined)[] = [
    undefined,
    Buffer.alloc(0),
    Buffer.from('{}\n'),
    Buffer.from(stopped.disk.bytes(anchor).toString().replace('"v":2', '"v":3')),
    Buffer.from(stopped.disk.bytes(anchor).toString().replace('"v":2,', '"v":2, ')),
    Buffer.from(
      stopped.disk
        .bytes(anchor)
        .toString()
        .replace(/"root":"[0-9a-f]{8}/, '"root":"00000000'),
    ),
  ]
  for (const bytes of anchors) {
    const disk = stopped.disk.copy()
    disk.tamper(anchor, bytes)
    await derivedAgain(disk)
  }
})

test('a start whose derived files were cut, changed at the edge, or removed derives them again, and has the same roots', async () => {
  for (const name of ['level-0-00000000', 'places-00000000']) {
    for (const ledger of ['main', 'system', 'heads']) {
      const path = join(directory, 'derived', ledger, name)
      const bytes = stopped.disk.bytes(path)
      const changes = [
        undefined,
        Buffer.alloc(0),
        bytes.subarray(0, -1),
        bytes.subarray(0, -32),
        flipped(bytes, bytes.length - 32),
      ]
      for (const changed of changes) {
        const disk = stopped.disk.copy()
        disk.tamper(path, changed)
        await derivedAgain(disk)
      }
    }
  }
})

test('a level of the tree that was cut is noticed where its last hash is no part of the edge: at 256 entries', async () => {
  const disk = new PowerCutDisk()
  const first = await reopen(disk, undefined)
  await append(
    first.ledgers,
    'main',
    Array.from({ length: 256 }, (_, index) => Buffer.from(`event ${index}`)),
  )
  await first.close()
  const path = join(directory, 'derived', 'main', 'level-0-00000000')
  disk.tamper(path, disk.bytes(path).subarray(0, 100 * 32))
  const { ledgers } = await reopen(disk, undefined)
  assert.equal(ledgers.opening.rederived, 'the derived files of main are cut')
  assert.equal((await readAll(ledgers, 'main')).length, 256)
})

test('a start whose derived files are longer than the anchor says overwrites what is too much', async () => {
  const disk = stopped.disk.copy()
  for (const name of ['level-0-00000000', 'places-00000000']) {
    const path = join(directory, 'derived', 'main', name)
    disk.tamper(path, Buffer.concat([disk.bytes(path), Buffer.alloc(320, 0xee)]))
  }
  const stele = await reopen(disk, stopped.head)
  assert.equal(stele.ledgers.opening.rederived, undefined)
  await append(stele.ledgers, 'main', [Buffer.from('more')])
  await stele.close()
  assert.deepEqual(await readAll((await reopen(disk, undefined)).ledgers, 'main'), [
    ...stopped.events,
    Buffer.from('more'),
  ])
})

async function derivedAgain(disk: PowerCutDisk): Promise<void> {
  const stele = await reopen(disk, stopped.head)
  assert.equal(typeof stele.ledgers.opening.rederived, 'string')
  const event = (await systemEvents(stele)).at(-1)
  assert.deepEqual([event?.type, event?.['reason']], ['derived.rebuilt', stele.ledgers.opening.rederived])
  for (const [name, head] of stopped.roots) {
    const size = Number(head.split(' ')[0])
    assert.equal(`${size} ${hex(await rootAt(size, stele.ledgers.log(name).hashes))}`, head, name)
  }
  assert.deepEqual(await readAll(stele.ledgers, 'main'), stopped.events)
}

test('P3: tree files and anchor that were forged to fit each other, without a key, get no second root signed', async () => {
  const head = new MemoryHeadStore()
  const disk = new PowerCutDisk()
  const ground = { disk, directory, head, clock: new TurnedClock(), random: new SeededRandom(1) }
  const before = await openStele(ground)
  for (let number = 0; number < 5; number++) await append(before.ledgers, 'main', [Buffer.from(`event ${number}`)])
  const root = hex(before.ledgers.log('main').root)
  await before.close()
  const levelPath = join(directory, 'derived', 'main', 'level-0-00000000')
  const hashes = disk.bytes(levelPath)
  Buffer.from(hashLeaf(Buffer.from('forged'))).copy(hashes, 3 * 32)
  const forged = new Frontier()
  for (let index = 0; index < 5; index++) forged.append(hashes, index * 32)
  disk.tamper(levelPath, hashes)
  const anchorFile = join(directory, 'derived', 'anchor.json')
  const [line = '', signature = ''] = disk.bytes(anchorFile).toString().split('\n')
  const said = JSON.parse(line)
  for (const row of [...said.ledgers, ...said.published]) if (row.name === 'main') row.root = hex(forged.root())
  disk.tamper(anchorFile, Buffer.from(`${JSON.stringify(said)}\n${signature}\n`))
  const after = await openStele(ground)
  assert.equal(hex(after.ledgers.log('main').root), root)
  assert.equal(after.ledgers.opening.rederived, 'the anchor is not signed by the key of heads')
  await after.close()
})

test('what an anchor counts has durable names: after a power cut nothing is derived again', async () => {
  const disk = new PowerCutDisk()
  const head = new MemoryHeadStore()
  const parts = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(1), head }
  const stele = await openStele(parts)
  await append(stele.ledgers, 'main', [Buffer.from('one')])
  await stele.ledgers.publish()
  await stele.close()
  const image = disk.image([], ({ durable }) => durable)
  const again = await openStele({ ...parts, disk: image })
  assert.equal(again.ledgers.opening.rederived, undefined)
})
