// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whoever can write to a data directory can put pipes there: nothing waits for them.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { type BackupGround, backupGround } from './backup-ground.ts'

const HASH = 'a'.repeat(64)

async function grown(context: Parameters<typeof backupGround>[0]): Promise<BackupGround> {
  const ground = await backupGround(context)
  await ground.grow()
  await ground.stele.close()
  return ground
}

test('pipes among the files hang nothing: they are ignored, or named', { timeout: 60_000 }, async (context) => {
  const ground = await grown(context)
  const pipe = (path: string) => execFileSync('sh', ['-c', 'mkfifo "$0"', join(ground.data, path)])
  pipe(`segments/main/0000000000000000-00001-${HASH}-${HASH}.log`)
  pipe(`segments/main/0000000000000000-00001-${HASH}-${HASH}.content`)
  assert.equal((await ground.verify(ground.data)).verdict, 'unchanged')
  await ground.backup()
  await (await ground.open(ground.data)).close()
  const aside = join(ground.folder, 'aside')
  for (const path of [
    'wal/9999999999999999',
    'keys/stranger.key',
    'derived/anchor.json',
    'keys/main.key',
    'segments/_head',
  ]) {
    const file = join(ground.data, path)
    const isThere = existsSync(file)
    if (isThere) renameSync(file, aside)
    pipe(path)
    const outcomes = await Promise.allSettled([
      ground.verify(ground.data),
      ground.backup({ to: join(ground.folder, 'second') }),
      ground.open(ground.data).then(async (stele) => await stele.close()),
    ])
    if (path.startsWith('wal/')) {
      const [verified, , opened] = outcomes
      assert(verified?.status === 'fulfilled')
      assert.match(JSON.stringify(verified.value.findings), /not a file of the log/)
      assert.match(opened.status === 'rejected' ? String(opened.reason) : '', /not a file of Stele/)
    }
    rmSync(file)
    if (isThere) renameSync(aside, file)
  }
  assert.equal((await ground.verify(ground.data)).verdict, 'unchanged')
})

test('a pair of segments of 14 TB with nothing in them is found at once', { timeout: 60_000 }, async (context) => {
  const ground = await grown(context)
  const folder = join(ground.data, 'segments', 'main')
  mkdirSync(folder, { recursive: true })
  for (const kind of ['log', 'content']) {
    const file = join(folder, `0000000000000000-00001-${HASH}-${HASH}.${kind}`)
    writeFileSync(file, '')
    truncateSync(file, 14 * 2 ** 40)
  }
  const { findings } = await ground.verify(ground.data)
  assert.match(JSON.stringify(findings), /not an object of a segment/)
})
