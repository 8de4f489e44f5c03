// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A file system that is really full: a tmpfs of 24 MB, which takes root to mount.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Audit } from '../src/access/audit.ts'
import { SpaceGuard } from '../src/access/space.ts'
import { openDirectory, type OpenDirectory } from '../src/directory.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { Problem } from '../src/schema/problem.ts'
import { append, readAll, scratch, SeededRandom, TurnedClock } from './scratch.ts'

const SIZE_BYTES = 24_000_000
const [MOUNT, UMOUNT] = ['mount', 'umount'] as const

/** A mounted tmpfs; skips the test where there may be none, which in CI is a failure. */
function smallFileSystem(test: TestContext): string | undefined {
  let mounted: string | undefined
  // Registered first, so that it comes before the folder is removed.
  test.after(() => {
    if (mounted !== undefined) execFileSync(UMOUNT, ['--lazy', mounted])
  })
  const path = join(scratch(test), 'small')
  mkdirSync(path)
  try {
    execFileSync(MOUNT, ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'stele-test', path], { stdio: 'pipe' })
  } catch (error) {
    if (process.env['CI']) throw error
    test.skip('mounting a small file system takes root')
    return undefined
  }
  mounted = path
  return path
}

const freeBytes = (path: string): number => {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Leaves this much room, by a file that has nothing to do with Stele. */
function fill(path: string, leftBytes: number): void {
  rmSync(join(path, 'filler'), { force: true })
  const bytes = freeBytes(path) - leftBytes
  if (bytes > 0) writeFileSync(join(path, 'filler'), Buffer.alloc(bytes))
}

/** The waits of the writer are a turn of the loop. */
async function open(test: TestContext, path: string): Promise<OpenDirectory> {
  const parts = { disk: new NodeDisk(), clock: new TurnedClock(), random: new SystemRandom() }
  const config = {
    dataDirectory: join(path, 'data'),
    name: 'stele.test',
    stateDirectory: scratch(test),
    version: '0.0.0',
  }
  return await openDirectory({ ...config, head: join(path, '..', 'one.head'), log() {} }, parts)
}

test('a disk that fills up is refused at the reserve, with the figures; reading goes on; with room the server goes on', async (context) => {
  const path = smallFileSystem(context)
  if (path === undefined) return
  const opened = await open(context, path)
  const { ledgers, administration } = opened
  const space = await SpaceGuard.open(new NodeDisk(), path, new TurnedClock())
  const audit = new Audit(ledgers, administration, space, new TurnedClock())
  const random = new SeededRandom(1)
  const stored: Buffer[] = []
  const bodies = [
    [Buffer.from('{}')],
    [random.bytes(200_000)],
    Array.from({ length: 500 }, () => Buffer.from('{"a":1}')),
  ]
  let refusedCount = 0
  const tryAppend = async (events: Buffer[]) => {
    await space.look()
    const bytes = events.reduce((sum, event) => sum + event.length, 0)
    try {
      await space.admit('events', bytes, events.length, async () => await append(ledgers, 'main', events))
    } catch (error) {
      assert(error instanceof Problem && error.code === 'disk-reserve')
      assert.match(error.message, /\d+\.\d MB are free, 1\.2 MB are kept in reserve/)
      refusedCount++
      return
    }
    stored.push(...events)
  }
  for (let left = 2_600_000; left > 0; left -= 65_536) {
    fill(path, left)
    for (const events of bodies) await tryAppend(events)
    if (left > 400_000)
      await audit.read({ by: 'x', via: '::1', action: 'event.read', ledger: 'main', first: 0, count: 1 })
  }
  assert(refusedCount > 60 && stored.length > 500)
  assert.equal(ledgers.failure, undefined)
  fill(path, 0)
  await space.look()
  const refusedRead = audit.read({ by: 'x', via: '::1', action: 'event.read', ledger: 'main' })
  await assert.rejects(refusedRead, { code: 'audit-unavailable', message: /0\.0 MB are free/ })
  assert.deepEqual((await ledgers.event('main', 0)).event, stored[0])
  fill(path, 10_000_000)
  for (const events of bodies) await tryAppend(events)
  assert.deepEqual(await readAll(ledgers, 'main'), stored)
  await opened.close()
})

test('P1 P2: a disk that is full to the last byte holds up what was accepted, refuses the rest, and with room all goes on', async (context) => {
  const path = smallFileSystem(context)
  if (path === undefined) return
  fill(path, 10_000_000)
  const opened = await open(context, path)
  const { ledgers } = opened
  const random = new SeededRandom(2)
  const stored: Buffer[] = []
  let heldUp = 0
  for (let left = 0; left <= 160_000; left += 8_192) {
    fill(path, left)
    const accepted = [0, 1, 2].map(() => random.bytes(20_000))
    const appends = accepted.map(async (event) => await append(ledgers, 'main', [event]))
    const first = appends[0]!.then(() => true)
    let isStored: boolean | undefined
    while (isStored === undefined && !ledgers.queue.lacksRoom)
      isStored = await Promise.race([first, sleep(5).then(() => undefined)])
    if (isStored === undefined) {
      heldUp++
      await assert.rejects(append(ledgers, 'main', [Buffer.from('x')]), { code: 'disk-reserve' })
    }
    fill(path, 10_000_000)
    await Promise.all(appends)
    stored.push(...accepted)
    assert.equal(ledgers.failure, undefined)
  }
  assert(heldUp > 2, `${heldUp}`)
  assert.deepEqual(await readAll(ledgers, 'main'), stored)
  await opened.close()
})

test('P1 P2: a server that is stopped on a full disk leaves what the next start takes for what it is', async (context) => {
  const path = smallFileSystem(context)
  if (path === undefined) return
  const acknowledged: Buffer[] = []
  const random = new SeededRandom(3)
  let stopped = 0
  for (let left = 0; left <= 80_000; left += 8_192) {
    fill(path, 4_000_000)
    const opened = await open(context, path)
    const { ledgers } = opened
    const before = await readAll(ledgers, 'main')
    assert.deepEqual(before.slice(0, acknowledged.length), acknowledged)
    acknowledged.splice(0, Infinity, ...before)
    fill(path, left)
    const accepted = [0, 1, 2].map(() => random.bytes(20_000))
    const appends = accepted.map(async (event) => {
      try {
        await append(ledgers, 'main', [event])
        acknowledged.push(event)
      } catch (error) {
        assert(error instanceof Problem && error.code === 'writer-stopped', String(error))
        assert.match(error.message, /ENOSPC/)
      }
    })
    await Promise.race([Promise.all(appends), sleep(20)])
    const closed = opened.close().catch(() => {})
    await Promise.all(appends)
    if (ledgers.failure !== undefined) stopped++
    fill(path, 4_000_000)
    await closed
  }
  assert(stopped > 2, `${stopped}`)
})
