// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Derived files may be lost or changed at any time.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { rootAt } from '@stele/proof'

import { anchor, flipped, leave, type Left, reopen, systemEvents } from './left-directory.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, hex, readAll } from './scratch.ts'

let stopped: Left
before(async () => {
  stopped = await leave('stopped', 3)
})

test('a start without its anchor, or with one that was changed, derives everything again, records it, and has the same roots', async () => {
  const anchors: (Buffer | undefined)[] = [
    undefined,
    Buffer.alloc(0),
    Buffer.from('{}\n'),
    Buffer.from(stopped.disk.bytes(anchor).toString().replace('"v":1', '"v":2')),
    Buffer.from(stopped.disk.bytes(anchor).toString().replace('"v":1,', '"v":1, ')),
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
  for (const name of ['level-0', 'places']) {
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
  const path = join(directory, 'derived', 'main', 'level-0')
  disk.tamper(path, disk.bytes(path).subarray(0, 100 * 32))
  const { ledgers } = await reopen(disk, undefined)
  assert.equal(ledgers.opening.rederived, 'the derived files of main are cut')
  assert.equal((await readAll(ledgers, 'main')).length, 256)
})

test('a start whose derived files are longer than the anchor says overwrites what is too much', async () => {
  const disk = stopped.disk.copy()
  for (const name of ['level-0', 'places']) {
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
