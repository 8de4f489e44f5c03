// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele backup` and `stele restore`, and the copy by hand of docs/operations.md, beside a writer in another process.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import type { DirectoryReport } from '../src/evidence/verify-directory.ts'
import { type BackupGround, backupGround } from './backup-ground.ts'
import { stele, steleOk, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { startTestServer } from './server-fixture.ts'

const root = join(import.meta.dirname, '..')
const run = promisify(execFile)

/** A world whose state directory keeps the head of the ledgers, as the server's does. */
function keeping(ground: BackupGround): World {
  const state = join(ground.folder, 'state')
  const headPath = join(state, 'stele', 'heads', `${ground.stele.ledgers.originPrefix.split('/')[1]}.head`)
  mkdirSync(join(headPath, '..'), { recursive: true })
  if (ground.head.kept !== undefined) writeFileSync(headPath, ground.head.kept)
  return { cwd: ground.folder, variables: { XDG_STATE_HOME: state } }
}

/** Lets a directory grow until the work beside it is done; it is sealed so many times at most. */
async function whileGrowing<T>(ground: BackupGround, sealCount: number, work: () => Promise<T>): Promise<T> {
  const done = new AbortController()
  const growing = (async () => {
    for (let turn = 0; turn === 0 || !done.signal.aborted; turn++) {
      await ground.fill(10)
      if (turn < sealCount) await ground.seal()
      await sleep(5)
    }
  })()
  try {
    return await work()
  } finally {
    done.abort()
    await growing
  }
}

test('a backup of a running server is taken, taken again and restored, and says what it holds', async (context) => {
  const server = await startTestServer(context)
  await server.askJson('/v1/ledgers/main/events', { body: '{"a":1}', type: 'application/json' })
  const folder = scratch(context)
  const world = { cwd: folder, variables: { XDG_STATE_HOME: join(folder, 'state') } }
  const data = join(server.directory, 'data')
  const said = await steleOk(world, 'backup', 'copy', '--data', data)
  assert.match(said, /^copy holds \d+ entries in \d ledgers of \S+, up to commit \d+: [\d.]+ kB\.\n/)
  assert.match(said, /It holds the signing keys: whoever reads it can sign as these ledgers\.\n/)
  const told = JSON.parse(await steleOk(world, 'backup', 'copy', '--data', data, '--json'))
  assert.deepEqual([told.withKeys, told.copiedObjects], [true, 0])
  assert.equal(told.ledgers.find(({ name }: { name: string }) => name === 'main').size, 1)
  await server.close()
  const last = JSON.parse(await steleOk(world, 'backup', 'copy', '--data', data, '--json'))
  assert(last.commit > told.commit)

  const restored = await steleOk(world, 'restore', 'copy', '--data', 'again')
  assert.match(restored, /^again is the data directory of \S+ as it was at \S+Z: \d+\s+entries/)
  assert.match(restored, /No head of these ledgers is kept here/)
  rmSync(join(folder, 'again'), { recursive: true })
  const verdict = JSON.parse(await steleOk(world, 'restore', 'copy', '--data', 'again', '--json'))
  assert.deepEqual([verdict.verdict, verdict.headCount], ['self-consistent', 0])
})

test('what cannot be backed up or restored is said in one line, with what is safe and what to do', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const world = keeping(ground)
  const cases: readonly (readonly [line: string, code: number, said: RegExp])[] = [
    ['backup', 2, /backup needs one DIR to copy into\. Nothing was done\./],
    ['backup a b', 2, /backup needs one DIR/],
    ['backup copy --data nowhere', 2, /nowhere is not a data directory of Stele: it has no log\./],
    ['backup data --data data', 2, /lie in one another\. .* Name a folder outside of the data directory\.\n$/],
    ['restore', 2, /restore needs one DIR that holds a backup/],
    [
      'restore data --data x',
      2,
      /data is not a backup that stele backup made\. Nothing of it was left in the data directory/,
    ],
  ]
  for (const [line, code, said] of cases) {
    const ran = await stele(world, ...line.split(' '))
    assert.match(ran.err, said)
    assert.deepEqual([ran.code, ran.out], [code, ''], line)
  }
  const stopped = new AbortController()
  stopped.abort()
  const { code, err } = await stele({ ...world, interrupted: stopped.signal }, 'backup', 'copy', '--data', 'data')
  assert.deepEqual([code, err.startsWith('stele: the backup was interrupted. ')], [3, true])
  await steleOk(world, 'backup', 'copy', '--data', 'data')
  await ground.fill(5)
  const older = await stele(keeping(ground), 'restore', 'copy', '--data', 'again')
  assert.equal(older.code, 1)
  assert.match(older.err, /older than what was published: it has \d+ published heads, and the head in \S+ counts \d+\./)
  assert.match(older.err, /--for-reading/)
  assert(!existsSync(join(ground.folder, 'again')))
  const reading = await steleOk(world, 'restore', 'copy', '--data', 'again', '--for-reading')
  assert.match(reading, /for reading and\s+verifying/)
  const verified = await stele(world, 'verify', '--data', 'again')
  assert.equal(verified.code, 1)
  const words = verified.out.replaceAll(/\s+/g, ' ')
  assert.match(
    words,
    /^This is older than what was published: the head of heads at \d+ entries, kept in \S+, counts \d+/,
  )
  assert.match(words, /that are here are self-consistent: nothing was found wrong in them/)
  assert.doesNotMatch(words, /not what was recorded|first bad entry/)
  const backup = await stele(world, 'doctor', '--data', 'copy')
  assert.deepEqual([backup.code, backup.err], [0, ''], backup.out)
  assert.match(backup.out, /^copy is a backup, and nothing is wrong/)
  assert.match(backup.out, /head outside .* newer than this data by \d+/)
  const head = ground.head.kept
  await assert.rejects(ground.open(join(ground.folder, 'again')), /older than what was published/)
  assert.equal(ground.head.kept, head)
  writeFileSync(join(ground.folder, 'copy', 'backup.json'), '{}\n')
  assert.match(
    (await stele(world, 'restore', 'copy', '--data', 'x')).err,
    /backup\.json was changed, or is not whole\./,
  )
})

test('no server starts on a backup, nor on a directory that was not restored to its end', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(3)
  await ground.backup()
  await ground.stele.close()
  const folder = scratch(context)
  await assert.rejects(
    startTestServer(context, { directory: folder, config: { dataDirectory: ground.to } }),
    /is a backup/,
  )
  const half = join(folder, 'half')
  await ground.restore(half, { isForReading: true })
  writeFileSync(join(half, 'restore.begun'), '')
  await assert.rejects(
    startTestServer(context, { directory: folder, config: { dataDirectory: half } }),
    /was not restored to its end/,
  )
})

test('backups by another process, beside a writer at full speed that seals tiny files, are whole', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const command = (...words: string[]) =>
    run(process.execPath, [join(root, 'src/main.ts'), ...words], {
      cwd: ground.folder,
      env: { ...process.env, XDG_STATE_HOME: join(ground.folder, 'none') },
    })
  const commits: number[] = []
  await whileGrowing(ground, Infinity, async () => {
    for (let round = 0; round < 3; round++) {
      const { stdout } = await command('backup', 'backup', '--data', 'data', '--json')
      commits.push(JSON.parse(stdout).commit)
      const restored = JSON.parse((await command('restore', 'backup', '--data', `again-${round}`, '--json')).stdout)
      assert.deepEqual([restored.commit, restored.verdict], [commits[round], 'self-consistent'])
    }
  })
  assert(commits[0]! < commits[1]! && commits[1]! < commits[2]!, commits.join())
  assert.deepEqual(ground.stele.failures, [])
})

/** The lines of docs/operations.md that copy a directory by hand. */
function documentedScript(): string {
  const text = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  const script = /```sh\n(from=[^`]*)```/.exec(text)?.[1]
  assert(script !== undefined, 'docs/operations.md has no script that begins with from=')
  return script
}

/** Stands for rsync where there is none: copies a folder's files, and removes what it does not have. */
const RSYNC = `#!${process.execPath}
const { copyFileSync, mkdirSync, readdirSync, rmSync } = require('node:fs')
const { dirname, join, relative } = require('node:path')
const excluded = process.argv.flatMap((word) => (word.startsWith('--exclude=') ? [word.slice(10)] : []))
const [from, to] = process.argv.slice(-2)
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split('/').some((part) => excluded.includes(part)))
    .sort()
try {
  const files = filesIn(from)
  for (const path of filesIn(to)) if (!files.includes(path)) rmSync(join(to, path))
  for (const path of files) {
    mkdirSync(dirname(join(to, path)), { recursive: true })
    rmSync(join(to, path), { force: true })
    copyFileSync(join(from, path), join(to, path))
  }
} catch (error) {
  console.error(error.message)
  process.exit(error.code === 'ENOENT' ? 24 : 11)
}
`

test('a copy by hand, as docs/operations.md says it, made beside a writer, verifies and starts', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  const tools = join(ground.folder, 'tools')
  mkdirSync(tools)
  writeFileSync(join(tools, 'rsync'), RSYNC)
  chmodSync(join(tools, 'rsync'), 0o755)
  const hasRsync = (() => {
    try {
      return execFileSync('rsync', ['--version']).length > 0
    } catch {
      return false
    }
  })()
  const copy = join(ground.folder, 'copy')
  const script = documentedScript().replace(/^from=\S+ to=\S+$/m, `from='${ground.data}' to='${copy}'`)
  assert(script.includes(copy))
  const PATH = hasRsync ? process.env['PATH'] : `${tools}:${process.env['PATH']}`
  for (let round = 0; round < 2; round++) {
    // A seal that moves at each try is more than a copy by hand can bear.
    await ground.seal()
    await whileGrowing(ground, 4, async () => await run('sh', ['-c', script], { env: { ...process.env, PATH } }))
    const report: DirectoryReport = JSON.parse(
      (
        await run(process.execPath, [join(root, 'src/main.ts'), 'verify', '--data', copy, '--json'], {
          env: { ...process.env, XDG_STATE_HOME: join(ground.folder, 'none') },
        })
      ).stdout,
    )
    assert.deepEqual(report.findings, [])
  }
  // At rest, the copy is what the head outside was made of, and a server goes on with it.
  await run('sh', ['-c', script], { env: { ...process.env, PATH } })
  const { size } = ground.stele.ledgers.log('main')
  const head = ground.head.kept
  await ground.stele.ledgers.close()
  ground.head.kept = head
  ground.stele = await ground.open(copy)
  assert.equal(ground.stele.ledgers.log('main').size, size)
})
