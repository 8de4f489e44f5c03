// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The program as a process of its own: what src/main.ts makes of the world, and how it ends.

import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

const program = join(import.meta.dirname, '../src/main.ts')

interface Process {
  readonly child: ChildProcessWithoutNullStreams
  out: string
  err: string
  /** Waits until standard output or standard error has that. */
  readonly said: (what: RegExp) => Promise<string>
  readonly ended: () => Promise<number>
}

/** A folder, and the program in it; when the test ends, what still runs is killed before the folder goes. */
async function ground(context: TestContext): Promise<{ cwd: string; start: (...argv: readonly string[]) => Process }> {
  const cwd = await mkdtemp(join(tmpdir(), 'stele-test-'))
  const started: Process[] = []
  context.after(async () => {
    for (const { child, ended } of started) {
      child.kill('SIGKILL')
      await ended()
    }
    await rm(cwd, { recursive: true, force: true })
  })
  return {
    cwd,
    start: (...argv) => {
      const found = startIn(cwd, argv)
      started.push(found)
      return found
    },
  }
}

function startIn(cwd: string, argv: readonly string[]): Process {
  const { PATH } = process.env
  const child = spawn(process.execPath, [program, ...argv], { cwd, env: { PATH, XDG_STATE_HOME: join(cwd, 'state') } })
  const exit = once(child, 'close')
  const found: Process = {
    child,
    out: '',
    err: '',
    said: async (what) => {
      for (;;) {
        const text = what.exec(`${found.out}\n${found.err}`)?.[0]
        if (text !== undefined) return text
        assert.equal(child.exitCode, null, `it ended: ${found.out} ${found.err}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    ended: async () => Number((await exit)[0]),
  }
  child.stdout.on('data', (chunk: Buffer) => (found.out += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (found.err += chunk.toString('utf8')))
  return found
}

test('a server, events, a proof and a lost token, by the program alone', async (context) => {
  const { cwd, start } = await ground(context)
  const server = start('serve', '--listen', '127.0.0.1:0')
  const url = (await server.said(/stele is listening on (\S+)\n/)).split(' ').at(-1)!.trim()
  const token = readFileSync(join(cwd, 'stele-data/admin.token'), 'utf8').trim()
  const to = ['--url', url, '--token', token]

  const append = start('append', ...to)
  append.child.stdin.end('{"a":1}\n{"a":2}\n')
  assert.equal(await append.ended(), 0, append.err)
  assert.match(append.out, /^Stored 2 events in the ledger main as numbers 0 to 1 /)

  const prove = start('prove', '1', ...to)
  assert.equal(await prove.ended(), 0, prove.err)
  assert.equal(readFileSync(join(cwd, 'main-1.json'), 'utf8'), '{"a":2}')
  assert.ok(existsSync(join(cwd, 'main-1.tlog-proof')))

  const create = ['token', 'create', '--scope', 'admin', '--data', 'stele-data']
  const inUse = start(...create)
  assert.equal(await inUse.ended(), 2)
  assert.match(inUse.err, /is in use by a running server/)

  server.child.kill('SIGTERM')
  assert.equal(await server.ended(), 0, server.err)
  const lost = start(...create)
  assert.equal(await lost.ended(), 0, lost.err)
  assert.match(lost.out, /^stele_[a-z2-7]{12}_[\w-]{43}\n$/)
})

test('what a server logs says when, in a line of JSON', async (context) => {
  const { cwd, start } = await ground(context)
  const server = start('serve', '--no-index', '--listen', '127.0.0.1:0')
  const url = (await server.said(/stele is listening on (\S+)\n/)).split(' ').at(-1)!.trim()
  const search = start(
    'search',
    '--url',
    url,
    '--token',
    readFileSync(join(cwd, 'stele-data/admin.token'), 'utf8').trim(),
  )
  assert.equal(await search.ended(), 3, search.err)
  const line = JSON.parse(await server.said(/^\{.*"search-unavailable".*\}$/m))
  assert.equal(new Date(line.time).toISOString(), line.time)
  assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 60_000)
})

test('Ctrl-C ends a command that waits for standard input, and one that follows, with what they did', async (context) => {
  const { cwd, start } = await ground(context)
  const server = start('serve', '--listen', '127.0.0.1:0')
  const url = (await server.said(/stele is listening on (\S+)\n/)).split(' ').at(-1)!.trim()
  const token = readFileSync(join(cwd, 'stele-data/admin.token'), 'utf8').trim()
  const to = ['--url', url, '--token', token]
  const tail = start('tail', '--json', ...to)
  const append = start('append', ...to)
  append.child.stdin.write('{"a":1}\n{"a"')
  await tail.said(/"index":0/)
  append.child.kill('SIGINT')
  assert.equal(await append.ended(), 3)
  assert.match(append.out, /^Stored 1 event .*--skip 1\n$/s)
  assert.equal(append.err, 'stele: interrupted, after the request in flight was answered.\n')
  tail.child.kill('SIGINT')
  assert.equal(await tail.ended(), 0)
  assert.equal(tail.err, '')
})

test('a reader that goes away ends the program in silence', async (context) => {
  const { start } = await ground(context)
  const help = start('append', '--help')
  help.child.stdout.destroy()
  assert.equal(await help.ended(), 0)
  assert.equal(help.err, '')
})

test('token create --data begins no directory: in an empty log it says so, and makes neither keys nor a token', async (context) => {
  const { cwd, start } = await ground(context)
  await mkdir(join(cwd, 'data/wal'), { recursive: true })
  const created = start('token', 'create', '--scope', 'admin', '--data', 'data')
  assert.equal(await created.ended(), 3)
  assert.match(created.err, /data is not a data directory of Stele: it has no log\. No token was made\./)
  assert.deepEqual(readdirSync(join(cwd, 'data'), { recursive: true }), ['wal'])
})

test('serve begins nothing in a folder with other files in it, and says with exit 2 what it found', async (context) => {
  const { cwd, start } = await ground(context)
  await mkdir(join(cwd, 'data'))
  await writeFile(join(cwd, 'data/thesis.tex'), '')
  const served = start('serve', '--data', 'data', '--listen', '127.0.0.1:0')
  assert.equal(await served.ended(), 2)
  assert.match(served.err, /data is not a data directory of Stele: it has thesis\.tex\. Give an empty folder/)
  assert.deepEqual(readdirSync(join(cwd, 'data')), ['thesis.tex'])
})
