// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every operation that a disk can fail at, at every place where it happens, done and not done.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { rootAt } from '@stele/proof'

import { type Fault, FaultDisk, type Operation } from '../fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from '../power-cut-disk.ts'
import { append, hex, MemoryHeadStore, openStele, readAll, SeededRandom, type Stele, TurnedClock } from '../scratch.ts'

const SMALL = { anchorEveryBytes: 30_000, walFileBytes: 30_000 }
const LARGE = { anchorEveryBytes: 2 ** 40, walFileBytes: 2 ** 40 }

/** What a life was told: events acknowledged, and every size with its root that anybody may have seen signed. */
interface Told {
  readonly acknowledged: { readonly ledger: string; readonly index: number; readonly event: Buffer }[]
  readonly heads: { readonly ledger: string; readonly size: number; readonly root: string }[]
  readonly ledgers: string[]
}

interface Life {
  readonly disk: FaultDisk
  readonly memory: PowerCutDisk
  readonly head: MemoryHeadStore
  readonly told: Told
  readonly stele: Stele | undefined
}

const open = async (
  disk: FaultDisk | PowerCutDisk,
  head: MemoryHeadStore,
  seed: number,
  sizes = SMALL,
): Promise<Stele> => {
  const parts = { clock: new TurnedClock(), random: new SeededRandom(seed), head, sizes }
  return await openStele({ ...parts, disk, directory })
}

/** The same short life each time: begin, create ledgers, append alone and together, publish, rotate, stop. */
async function live(fault: Fault | undefined): Promise<Life> {
  const memory = new PowerCutDisk()
  const disk = new FaultDisk(memory, fault)
  const head = new MemoryHeadStore()
  const told: Told = { acknowledged: [], heads: [], ledgers: [] }
  const life = { disk, memory, head, told }
  let stele: Stele
  try {
    stele = await open(disk, head, 1)
  } catch {
    return { ...life, stele: undefined }
  }
  for (let round = 0; round < 3; round++) {
    const name = `ledger-${round}`
    await attempt(stele, async () => {
      await stele.administration.createLedger({ name }, 'tester')
      told.ledgers.push(name)
    })
    const appends = Array.from({ length: 3 }, async (_, number) => {
      await attempt(stele, async () => await appendAndNote(stele, round * 3 + number, told))
    })
    await Promise.all(appends)
    await stele.ledgers.publish().catch(() => {})
  }
  await stele.close().catch(() => {})
  return { ...life, stele }
}

async function appendAndNote(stele: Stele, number: number, told: Told): Promise<void> {
  const events = [Buffer.alloc(1_500, number), Buffer.from(`event ${number}`)]
  const ledger = stele.ledgers.has('ledger-1') && number % 2 === 1 ? 'ledger-1' : 'main'
  const { first, size, root } = await append(stele.ledgers, ledger, events)
  for (const [position, event] of events.entries()) told.acknowledged.push({ ledger, index: first + position, event })
  told.heads.push({ ledger, size, root: hex(root) })
}

/** Once the writer has stopped, whatever is tried is refused, as what it is. */
async function attempt(stele: Stele, act: () => Promise<void>): Promise<void> {
  const stoppedBefore = stele.ledgers.failure !== undefined
  try {
    await act()
    assert(!stoppedBefore, 'something was done although the writer had stopped')
  } catch (error) {
    const refused = error instanceof Error && 'code' in error && error.code === 'writer-stopped'
    assert(refused || (!stoppedBefore && stele.ledgers.failure === undefined), String(error))
  }
}

/** The directory opens again, with all that was acknowledged and no second root for any size. */
async function check({ memory, head, told }: Life): Promise<void> {
  const stele = await open(memory, head, 2)
  for (const ledger of told.ledgers) assert(stele.administration.state.ledgers.has(ledger))
  const stored = new Map<string, Buffer[]>()
  for (const { ledger, index, event } of told.acknowledged) {
    const events = stored.get(ledger) ?? (await readAll(stele.ledgers, ledger))
    stored.set(ledger, events)
    assert.deepEqual(events[index], event, `${ledger} ${index}`)
  }
  await append(stele.ledgers, 'main', [Buffer.from('goes on')])
  for (const { ledger, size, root } of told.heads) {
    assert.equal(hex(await rootAt(size, stele.ledgers.log(ledger).hashes)), root, `${ledger} at ${size}`)
  }
  await stele.close()
  assert.deepEqual(stele.failures, [])
}

const doneWays: Readonly<Record<Exclude<Operation, 'truncate' | 'link'>, readonly Fault['done'][]>> = {
  open: ['not'],
  write: ['not', 'half', 'wholly'],
  datasync: ['not', 'wholly'],
  rename: ['not', 'wholly'],
  remove: ['not', 'wholly'],
  makeDirectory: ['not', 'wholly'],
  syncDirectory: ['not', 'wholly'],
}

for (const [operation, ways] of Object.entries(doneWays) as [Operation, readonly Fault['done'][]][]) {
  test(`P1 P2 P3: whichever ${operation} fails, done or not, nothing acknowledged is lost and no size gets a second root`, async () => {
    const { disk } = await live(undefined)
    assert(disk.count(operation) > 0)
    for (const done of ways) {
      for (let nth = 0; nth < disk.count(operation); nth++) {
        const life = await live({ operation, nth, done, code: operation === 'write' ? 'ENOSPC' : 'EIO' })
        assert(life.disk.failed, `${operation} ${nth} did not happen again`)
        await check(life)
      }
    }
  })
}

test('P1 P2: whatever fails while a torn tail is cut off, the next start cuts it off and goes on', async () => {
  const memory = new PowerCutDisk()
  const head = new MemoryHeadStore()
  const stele = await open(memory, head, 1, LARGE)
  await append(stele.ledgers, 'main', [Buffer.from('one')])
  await append(stele.ledgers, 'main', [Buffer.from('two')])
  const path = memory.paths.find((name) => name.includes('/wal/'))!
  memory.tamper(path, memory.bytes(path).subarray(0, -100))
  const counted = await countedOpen(memory, head)
  assert.equal(counted.count('truncate'), 1)
  for (const operation of ['truncate', 'write', 'datasync', 'syncDirectory', 'open'] as const) {
    for (const done of operation === 'write' ? (['not', 'half', 'wholly'] as const) : (['not', 'wholly'] as const)) {
      for (let nth = 0; nth < counted.count(operation); nth++) {
        const disk = memory.copy()
        const same = new MemoryHeadStore()
        same.kept = head.kept
        await open(new FaultDisk(disk, { operation, nth, done, code: 'EIO' }), same, 2, LARGE).catch(() => {})
        const again = await open(disk, same, 3, LARGE)
        assert.deepEqual(await readAll(again.ledgers, 'main'), [Buffer.from('one')], `${operation} ${nth} ${done}`)
      }
    }
  }
})

for (const operation of ['write', 'datasync'] as const) {
  test(`a ${operation} of the WAL that fails is final: all that is pending is refused, and nothing is tried again`, async () => {
    const memory = new PowerCutDisk()
    const head = new MemoryHeadStore()
    await (await open(memory, head, 1, LARGE)).close()
    const counting = await countedOpen(memory, head)
    const disk = new FaultDisk(memory, { operation, nth: counting.count(operation) + 1, done: 'not', code: 'EIO' })
    const stele = await open(disk, head, 2, LARGE)
    const appends = Array.from(
      { length: 20 },
      async (_, number) => await append(stele.ledgers, 'main', [Buffer.from([number])]),
    )
    const settled = await Promise.allSettled(appends)
    const acknowledged = settled.filter(({ status }) => status === 'fulfilled').length
    assert.equal(acknowledged, 1)
    for (const outcome of settled)
      if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'writer-stopped')
    const { length } = disk.trace
    await assert.rejects(append(stele.ledgers, 'main', [Buffer.from('x')]), { code: 'writer-stopped' })
    await assert.rejects(stele.administration.revokeToken(firstToken(stele), 'tester'), { code: 'writer-stopped' })
    assert.equal(disk.trace.length, length)
    assert.equal(stele.failures.length, 1)
    assert.equal(stele.ledgers.log('main').size, 1)
  })
}

test('what was refused because a datasync failed may be there after the restart, but then whole and only once', async () => {
  const memory = new PowerCutDisk()
  const head = new MemoryHeadStore()
  await (await open(memory, head, 1, LARGE)).close()
  const counting = await countedOpen(memory, head)
  const disk = new FaultDisk(memory, {
    operation: 'datasync',
    nth: counting.count('datasync'),
    done: 'wholly',
    code: 'EIO',
  })
  const stele = await open(disk, head, 2, LARGE)
  await assert.rejects(append(stele.ledgers, 'main', [Buffer.from('one')]), { code: 'writer-stopped' })
  await stele.close().catch(() => {})
  const again = await open(memory, head, 3, LARGE)
  assert.deepEqual(await readAll(again.ledgers, 'main'), [Buffer.from('one')])
})

/** What opening this directory takes, tried on a copy. */
async function countedOpen(memory: PowerCutDisk, head: MemoryHeadStore): Promise<FaultDisk> {
  const counting = new FaultDisk(memory.copy())
  const same = new MemoryHeadStore()
  same.kept = head.kept
  await open(counting, same, 2, LARGE)
  return counting
}

function firstToken(stele: Stele): string {
  const [id] = stele.administration.state.tokens.keys()
  assert(id !== undefined)
  return id
}
