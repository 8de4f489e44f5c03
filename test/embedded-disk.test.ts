// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { askAs, column, command, embeddedSkip, lastFirst, startEmbedded } from './embedded-ground.ts'
import { scratch } from './scratch.ts'

const MIB = 1024 ** 2
const SIZE_BYTES = 64 * MIB

/** A small disk of its own, where this process may make one. */
function smallDisk(t: Parameters<typeof scratch>[0]): string | undefined {
  const path = scratch(t)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', path])
  if (status !== 0) return undefined
  t.after(() => spawnSync('umount', [path]))
  return path
}

const insert = 'INSERT INTO t SELECT number AS a, randomPrintableASCII(1000) AS s FROM numbers(5000)'

/** Leaves no room at all. */
function fill(path: string): void {
  const chunk = Buffer.alloc(MIB)
  try {
    for (let written = 0; written <= SIZE_BYTES; written += MIB) writeFileSync(path, chunk, { flag: 'a' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}

test(
  'inserts into a full disk fail and say so, searches go on, and with room again so do inserts',
  { skip: embeddedSkip },
  async (context) => {
    const t = lastFirst(context)
    const disk = smallDisk(t)
    if (disk === undefined) return context.skip('only root can mount a small disk')
    const { server } = startEmbedded(t, join(disk, 'index'))
    const { feed, search } = await server.whenReady()
    await command(feed, 'CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a')
    await command(feed, insert)
    const ballast = join(disk, 'ballast')
    fill(ballast)
    const refusal = await askAs(feed, insert)
    assert.notEqual(refusal.status, 200)
    assert.match(refusal.text, /NOT_ENOUGH_SPACE|No space left/)
    assert.deepEqual(await column(search, 'SELECT count() FROM t'), ['5000'])
    assert.equal(server.startCount, 1)

    rmSync(ballast)
    await command(feed, insert)
    assert.deepEqual(await column(search, 'SELECT count() FROM t'), ['10000'])
  },
)

test('it leaves a tenth of the disk to the ledgers', { skip: embeddedSkip }, async (context) => {
  const t = lastFirst(context)
  const disk = smallDisk(t)
  if (disk === undefined) return context.skip('only root can mount a small disk')
  const { server } = startEmbedded(t, join(disk, 'index'))
  const { feed } = await server.whenReady()
  await command(feed, 'CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a')
  // 8 % are free: the disk is not full, but this is not the index's.
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(SIZE_BYTES * 0.92 - 2 * MIB))
  const refusal = await askAs(feed, "INSERT INTO t SELECT number AS a, 'x' AS s FROM numbers(10)")
  assert.match(refusal.text, /NOT_ENOUGH_SPACE/)
})

test(
  'a start on a full disk says that it is full, and comes through once there is room',
  { skip: embeddedSkip },
  async (context) => {
    const t = lastFirst(context)
    const disk = smallDisk(t)
    if (disk === undefined) return context.skip('only root can mount a small disk')
    const ballast = join(disk, 'ballast')
    fill(ballast)
    const { server } = startEmbedded(t, join(disk, 'index'))
    while (server.status.state === 'starting') await new Promise((resolve) => server.onChange(() => resolve(undefined)))
    assert.match((server.status as { reason: string }).reason, /^the disk of .* is full$/)
    rmSync(ballast)
    await server.whenReady()
  },
)
