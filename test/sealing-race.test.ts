// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the simulation found between sealing and appending.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Seal } from '../src/ledger/seal.ts'
import { sealWalFile } from '../src/ledger/sealing.ts'
import { walPath } from '../src/ledger/wal/files.ts'
import { FaultDisk } from './fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, recovery, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

interface Proposed {
  readonly memory: PowerCutDisk
  readonly disk: FaultDisk
  readonly head: MemoryHeadStore
  readonly stele: Stele
  readonly seal: Seal
  /** Appends until another WAL file is completed. */
  readonly completeAnother: () => Promise<void>
}

const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 20_000, segmentEntries: 256 }
const grounds = () => ({ clock: new TurnedClock(), random: new SeededRandom(1), sizes })

/** A ledger with one WAL file that is completed, and the seal that a follower proposes for it. */
async function proposed(): Promise<Proposed> {
  const memory = new PowerCutDisk()
  const disk = new FaultDisk(memory)
  const parts = grounds()
  const { random } = parts
  const head = new MemoryHeadStore()
  const stele = await openStele({ ...parts, head, disk, directory })
  const { ledgers } = stele
  const completeAnother = async () => {
    const { file } = ledgers.durableEnd
    while (ledgers.durableEnd.file === file) await append(ledgers, 'main', [random.bytes(3_000)])
  }
  await completeAnother()
  const task = ledgers.sealTask()
  assert(task !== undefined)
  const seal = await sealWalFile({ disk, directory, store: recovery(disk, directory).store }, task)
  return { memory, disk, head, stele, seal, completeAnother }
}

test('a WAL file that is completed while the anchor before a seal is written does not move what the seal leads to', async () => {
  const { disk, stele, seal, completeAnother } = await proposed()
  disk.delay = async (operation, path) => {
    if (operation === 'rename' && path.endsWith('anchor.json')) await completeAnother()
  }
  await stele.ledgers.acceptSeal(seal)
  assert.equal(stele.ledgers.sealed.commit, seal.commit)
})

test('a sync of derived files that fails while a WAL file is sealed stops the writer: the next one would not write what was lost', async () => {
  const { memory, disk, stele, seal } = await proposed()
  disk.delay = async (operation, path) => {
    if (operation === 'datasync' && path.includes('/derived/main/')) memory.datasyncsLeft = 0
  }
  await assert.rejects(stele.ledgers.acceptSeal(seal), { code: 'EIO' })
  assert.match(String(stele.ledgers.failure), /EIO/)
  await assert.rejects(append(stele.ledgers, 'main', [Buffer.from('one')]), { code: 'writer-stopped' })
})

test('a seal for which something could not be read is taken the next time', async () => {
  const first = await proposed()
  await first.completeAnother()
  await first.stele.ledgers.close()
  let nth = 0
  for (let isFailing = true; isFailing; nth++) {
    // Opened anew: what the writer has in memory is read from nowhere.
    const disk = new FaultDisk(first.memory.fork())
    const head = new MemoryHeadStore()
    head.kept = first.head.kept
    const { ledgers } = await openStele({ ...grounds(), head, disk, directory })
    let readCount = 0
    disk.beforeRead = async (path) => {
      if (readCount++ === nth) throw new Error(`EIO: ${path}`)
    }
    const { store } = recovery(disk, directory)
    const accept = async (seal: Seal) => await ledgers.acceptSeal(seal)
    isFailing = await accept(first.seal).then(
      () => false,
      () => true,
    )
    assert.equal(isFailing, readCount > nth)
    disk.beforeRead = async () => {}
    const sealNext = async () => await accept(await sealWalFile({ disk, directory, store }, ledgers.sealTask()!))
    if (isFailing) await sealNext()
    assert.equal(ledgers.sealed.commit, first.seal.commit)
    await sealNext()
    assert.equal(await disk.regularBytes(walPath(directory, first.seal.commit + 1)), undefined)
    await ledgers.close()
  }
  assert(nth > 3, `${nth}`)
})

for (const done of ['not', 'wholly'] as const) {
  test(`a WAL file whose removal failed after its seal, done ${done}, is given up the next time`, async () => {
    const { memory, disk, stele, seal, completeAnother } = await proposed()
    await completeAnother()
    const path = walPath(directory, 1)
    disk.delay = async (operation, of) => {
      if (operation !== 'remove' || of !== path) return
      disk.delay = async () => {}
      if (done === 'wholly') await memory.remove(path)
      throw Object.assign(new Error(`EIO: ${of}`), { code: 'EIO' })
    }
    const { ledgers } = stele
    await assert.rejects(ledgers.acceptSeal(seal), { code: 'EIO' })
    assert.equal(ledgers.sealed.commit, seal.commit)
    const { store } = recovery(disk, directory)
    await ledgers.acceptSeal(await sealWalFile({ disk, directory, store }, ledgers.sealTask()!))
    assert.deepEqual(await memory.list(join(directory, 'wal')), [
      walPath(directory, ledgers.durableEnd.file).split('/').at(-1),
    ])
  })
}
