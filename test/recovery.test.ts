// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { rootAt } from '@stele/proof'

import { recover, type Recovered } from '../src/ledger/recover.ts'
import { ground, last, leave, type Left, reopen, systemEvents } from './left-directory.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, hex, openStele, readAll, recovery, SeededRandom } from './scratch.ts'

let killed: Left
let small: Left
before(async () => {
  killed = await leave('killed', 3)
  small = await leave('killed', 1)
})

async function recovered(disk: PowerCutDisk): Promise<Recovered> {
  return await recover(recovery(disk, directory))
}

test('P1: a directory that was killed opens with every acknowledged event byte for byte and the same roots', async () => {
  const stele = await reopen(killed.disk.copy(), killed.head)
  assert.deepEqual(await readAll(stele.ledgers, 'main'), killed.events)
  assert.equal(stele.ledgers.opening.cut, undefined)
  const { size, root } = stele.ledgers.log('main')
  assert.equal(`${size} ${hex(root)}`, killed.roots.get('main'))
})

test('P2 P1: a last frame torn at any byte is cut off, what was acknowledged before stays, and nothing else is there', async () => {
  const path = last(small.disk)
  const bytes = small.disk.bytes(path)
  for (let length = small.lastFrameAt; length < bytes.length; length++) {
    const disk = small.disk.copy()
    disk.tamper(path, bytes.subarray(0, length))
    const { logs, torn } = await recovered(disk)
    assert.equal(logs.get('main')?.size, small.events.length - 1)
    const cut =
      length === small.lastFrameAt ? undefined : { position: small.lastFrameAt, bytes: length - small.lastFrameAt }
    assert.deepEqual(torn && { position: torn.position, bytes: torn.bytes }, cut)
  }
})

test('P2: a last frame whose header never reached the disk though its body did is cut off', async () => {
  const path = last(killed.disk)
  const bytes = killed.disk.bytes(path)
  bytes.fill(0, killed.lastFrameAt, killed.lastFrameAt + 512)
  const disk = killed.disk.copy()
  disk.tamper(path, bytes)
  assert.equal((await recovered(disk)).logs.get('main')?.size, killed.events.length - 1)
})

test('P8: a torn tail that was cut is recorded in system with file, position, bytes and the sizes that are left', async () => {
  const disk = killed.disk.copy()
  const path = last(disk)
  disk.tamper(path, disk.bytes(path).subarray(0, killed.lastFrameAt + 100))
  const stele = await reopen(disk, killed.head)
  const event = (await systemEvents(stele)).find(({ type }) => type === 'recovered')
  assert(event !== undefined)
  assert.deepEqual([event['file'], event['position'], event['bytesCut']], [path, killed.lastFrameAt, 100])
  const ledgers = event['ledgers'] as { name: string; size: number; root: string }[]
  assert.deepEqual(ledgers.map(({ name }) => name).toSorted(), ['access', 'heads', 'main', 'system'])
  for (const { name, size, root } of ledgers) {
    const then = await rootAt(size, stele.ledgers.log(name).hashes)
    assert.equal(root, Buffer.from(then).toString('base64'), name)
  }
  assert.equal(ledgers.find(({ name }) => name === 'main')?.size, killed.events.length - 1)
  assert.deepEqual(await readAll(stele.ledgers, 'main'), killed.events.slice(0, -1))
  const again = Buffer.from('goes on')
  assert.equal((await append(stele.ledgers, 'main', [again])).first, killed.events.length - 1)
  await stele.close()
  assert.deepEqual(await readAll((await reopen(disk, undefined)).ledgers, 'main'), [
    ...killed.events.slice(0, -1),
    again,
  ])
})

test('P8: the header of a WAL file that a crash left unfinished is removed, recorded, and the log goes on before it', async () => {
  const header = killed.disk.bytes(last(killed.disk)).subarray(0, 4_096)
  for (const length of [0, 1, 40, 4_095]) {
    const disk = killed.disk.copy()
    const unborn = join(directory, 'wal', '0000000000009999')
    disk.tamper(unborn, header.subarray(0, length))
    const stele = await reopen(disk, killed.head)
    assert.deepEqual(stele.ledgers.opening.cut, { file: unborn, position: 0, bytes: length })
    assert((await systemEvents(stele)).some((event) => event.type === 'recovered' && event['file'] === unborn))
    assert.deepEqual(await readAll(stele.ledgers, 'main'), killed.events)
    assert(!disk.paths.includes(unborn))
  }
})

test('P8: a cut is recorded once, wherever power fails between it and its record', async () => {
  const torn = small.disk.copy()
  const path = last(torn)
  torn.tamper(path, torn.bytes(path).subarray(0, small.lastFrameAt + 100))
  const recordsOf = async (disk: PowerCutDisk) => {
    const stele = await reopen(disk, small.head)
    const events = await systemEvents(stele)
    await stele.close()
    assert(!disk.paths.includes(join(directory, 'cut.json')), 'the note stays behind its record')
    return events.filter(
      ({ type, position, bytesCut }) => type === 'recovered' && position === small.lastFrameAt && bytesCut === 100,
    )
  }
  let cutAt = 0
  for (let operations = 1, isThrough = false; !isThrough; operations++) {
    for (const seed of [1, 2, 3]) {
      const disk = torn.copy()
      disk.operationsLeft = operations
      isThrough = await reopen(disk, small.head).then(
        () => true,
        () => false,
      )
      if (isThrough) break
      const isCut = disk.bytes(path).length === small.lastFrameAt
      if (isCut) cutAt ||= operations
      const random = new SeededRandom(operations * 10 + seed)
      const left = seed === 1 ? disk.afterKill(random) : disk.afterPowerCut(random)
      assert.equal((await recordsOf(left)).length, 1, `after ${operations} operations, seed ${seed}`)
    }
  }
  assert(cutAt > 0, 'power failed behind the cut at least once')
})

test('P8: a second cut at the same place, before the first was recorded, is recorded beside it', async () => {
  const disk = small.disk.copy()
  const path = last(disk)
  const bytes = disk.bytes(path)
  disk.tamper(path, bytes.subarray(0, small.lastFrameAt))
  const { end } = await recovered(disk)
  const file = path
  const note = { v: 1, commit: end?.commit, cuts: [{ file, position: small.lastFrameAt, bytes: 100 }] }
  disk.tamper(join(directory, 'cut.json'), Buffer.from(JSON.stringify(note)))
  disk.tamper(path, bytes.subarray(0, small.lastFrameAt + 200))
  const stele = await reopen(disk, small.head)
  const events = (await systemEvents(stele)).filter(({ type }) => type === 'recovered')
  assert.deepEqual(
    events.map(({ bytesCut }) => bytesCut),
    [100, 200],
  )
  await stele.close()
  const spoilt = disk.copy()
  spoilt.tamper(join(directory, 'cut.json'), Buffer.from('{"v":1,'))
  await assert.rejects(
    reopen(spoilt, undefined),
    /cut\.json at byte 0: the note of what a start cut off cannot be read/,
  )
  disk.tamper(join(directory, 'cut.json'), Buffer.from(JSON.stringify(note)))
  const again = await reopen(disk, undefined)
  assert.deepEqual(again.ledgers.opening.unrecordedCuts, [], 'a note that the log has gone on behind has served')
})

test('a start that was cut short before its first commit was durable begins anew', async () => {
  const begun = new PowerCutDisk()
  await openStele(ground(begun, undefined))
  const path = last(begun)
  for (const length of [0, 100, 4_096, 4_500]) {
    const disk = begun.copy()
    for (const key of disk.paths.filter((name) => name.includes('/keys/'))) disk.tamper(key, undefined)
    disk.tamper(path, disk.bytes(path).subarray(0, length))
    const stele = await reopen(disk, undefined)
    assert.equal(stele.ledgers.opening.begun, true)
    assert.deepEqual(stele.ledgers.names, ['access', 'heads', 'main', 'system'])
    assert.equal(stele.adminTokens.length, 1)
  }
})
