// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele witness serve` and `stele witness key`, as somebody types them.

import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { WitnessKey } from '../src/witness/witnessing/witness-key.ts'
import { stele, steleOk } from './cli-fixture.ts'
import { scratch, SeededRandom } from './scratch.ts'
import { cosignatures, TestLog } from './witnessing-ground.ts'

const program = join(import.meta.dirname, '../src/main.ts')
const LISTEN = ['--listen', '127.0.0.1:0']

interface Started {
  readonly child: ChildProcessWithoutNullStreams
  readonly out: () => string
  readonly err: () => string
  readonly ended: () => Promise<number | null>
  /** The address and the keys, once they are printed. */
  readonly ready: () => Promise<{ readonly url: string; readonly vkeys: string[] }>
}

function start(context: TestContext, cwd: string, ...argv: readonly string[]): Started {
  const env = { PATH: process.env['PATH'], XDG_STATE_HOME: join(cwd, 'state') }
  const child = spawn(process.execPath, [program, 'witness', 'serve', ...LISTEN, ...argv], { cwd, env })
  context.after(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
  const exit = once(child, 'close')
  return {
    child,
    out: () => out,
    err: () => err,
    ended: async () => (await exit)[0] as number | null,
    ready: async () => {
      while (out.split('\n').length < 5) {
        assert.equal(child.exitCode, null, err)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const [first = '', ed25519 = '', mldsa44 = '', advice = ''] = out.split('\n')
      const url = /^stele witness is listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(first)?.[1]
      assert(url !== undefined, first)
      assert.match(advice, /one of these keys, not both/)
      return { url, vkeys: [ed25519, mldsa44] }
    },
  }
}

async function post(url: string, body: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body })
  return { status: response.status, body: await response.text() }
}

test('a witness begins, prints its address and keys, cosigns, stops when told, and survives being killed', async (context) => {
  const cwd = scratch(context)
  const log = new TestLog('log.example.com').grow(3)
  const first = start(context, cwd, '--name', 'witness.example.com/1', '--log', log.vkey)
  const { url, vkeys } = await first.ready()
  assert.equal(vkeys.length, 2)
  const { status, body } = await post(url, log.request(0))
  assert.equal(status, 200)
  assert.equal(cosignatures(vkeys, log.text(), body).length, 2)
  first.child.kill('SIGTERM')
  assert.equal(await first.ended(), 0, first.err())
  assert.equal(first.err(), '')
  const world = { cwd }
  const shown = await steleOk(world, 'witness', 'key')
  assert.ok(shown.startsWith(`${vkeys[0]}\n`))
  assert.match(shown, /\nwitness\.example\.com\/1\+[0-9a-f]{8}\+… \(ML-DSA-44, 1\.8 kB: --json has it whole\)\n$/)
  assert.deepEqual(JSON.parse(await steleOk(world, 'witness', 'key', '--json')), {
    name: 'witness.example.com/1',
    vkeys,
  })

  const second = start(context, cwd, '--log', log.vkey)
  const again = await second.ready()
  assert.deepEqual(again.vkeys, vkeys)
  log.grow(4)
  assert.equal((await post(again.url, log.request(3))).status, 200)
  second.child.kill('SIGKILL')
  await second.ended()
  const third = await start(context, cwd, '--log', log.vkey).ready()
  assert.deepEqual(await post(third.url, log.request(3)), { status: 409, body: '7\n' })
})

test('a restored copy of the folder is refused with 3 and what to do, and so is a folder without its head', async (context) => {
  const cwd = scratch(context)
  const log = new TestLog('log.example.com').grow(3)
  const first = start(context, cwd, '--name', 'w', '--log', log.vkey)
  const { url } = await first.ready()
  await post(url, log.request(0))
  await cp(join(cwd, 'stele-witness'), join(cwd, 'copy'), { recursive: true })
  log.grow(1)
  assert.equal((await post(url, log.request(3))).status, 200)
  first.child.kill('SIGTERM')
  await first.ended()
  const copy = start(context, cwd, '--data', 'copy', '--log', log.vkey)
  assert.equal(await copy.ended(), 3)
  assert.match(copy.err(), /was rolled back.*Nothing was changed/)
  await rm(join(cwd, 'state'), { recursive: true })
  const moved = start(context, cwd, '--log', log.vkey)
  assert.equal(await moved.ended(), 3)
  assert.match(moved.err(), /--trust-state/)
  const trusted = start(context, cwd, '--log', log.vkey, '--trust-state')
  assert.equal((await post((await trusted.ready()).url, log.request(3))).body, '4\n')
  trusted.child.kill('SIGTERM')
  assert.equal(await trusted.ended(), 0)
  await start(context, cwd, '--log', log.vkey).ready()
})

test('what is wrong with the command line is said, with what to give instead', async (context) => {
  const cwd = scratch(context)
  const log = new TestLog('log.example.com')
  const refused: [readonly string[], RegExp][] = [
    [['serve'], /whose checkpoints it cosigns.*--log VKEY or --logs FILE/],
    [['serve', '--log', log.vkey, '--listen', '0.0.0.0:0'], /lets others in/],
    [['serve', '--log', log.vkey, '--rate', '0'], /--rate 0 is not a rate/],
    [['serve', '--log', log.vkey, '--tls-cert', 'x'], /Give both/],
  ]
  for (const [argv, words] of refused) {
    const { code, err } = await stele({ cwd }, 'witness', ...argv)
    assert.equal(code, 2, err)
    assert.match(err, words)
  }
  const { code, err } = await stele({ cwd }, 'witness', 'key')
  assert.equal(code, 3)
  assert.match(err, /has no key of a witness/)
  await writeFile(join(cwd, 'logs.txt'), `log ${log.vkey}\nlogg ${log.vkey}\n`)
  const faults: [readonly string[], RegExp][] = [
    [['--log', log.vkey], /has no key yet. Give --name/],
    [['--log', 'x', '--name', 'w'], /--log: a key has the form/],
    [['--log', log.vkey, '--name', 'two words'], /no witness can have that name/],
    [['--logs', 'none.txt', '--name', 'w'], /there is no file/],
    [['--logs', 'logs.txt', '--name', 'w'], /logs\.txt:2: a line is "log VKEY/],
  ]
  for (const [argv, words] of faults) {
    const started = start(context, cwd, ...argv)
    assert.equal(await started.ended(), 3)
    assert.match(started.err(), words)
  }
})

test('with a certificate it is served by TLS', async (context) => {
  const cwd = scratch(context)
  const fixtures = join(import.meta.dirname, 'tls')
  const log = new TestLog('log.example.com')
  const tls = ['--tls-cert', join(fixtures, 'cert.pem'), '--tls-key', join(fixtures, 'key.pem')]
  const witness = start(context, cwd, '--name', 'w', '--log', log.vkey, ...tls)
  while (!witness.out().includes('https://127.0.0.1:')) {
    assert.equal(witness.child.exitCode, null, witness.err())
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const url = /https:\S+/.exec(witness.out())![0]
  const ca = await readFile(join(fixtures, 'cert.pem'))
  const [answer] = (await once(get(url, { ca }), 'response')) as [IncomingMessage]
  assert.equal(answer.statusCode, 200)
  assert.match(answer.headers['strict-transport-security'] ?? '', /max-age/)
  answer.resume()
})

test('a key comes back from its file whatever its secret is, and from no other text', () => {
  const random = new SeededRandom(81)
  for (let round = 0; round < 100; round++) {
    const key = WitnessKey.make('witness.example.com/1', random)
    assert.deepEqual(WitnessKey.parse('file', key.text).vkeys, key.vkeys)
    for (const changed of [
      key.text.slice(1),
      `${key.text}\n`,
      key.text.split('\n')[0]!,
      key.text.replace('com/1', 'com/2'),
    ]) {
      assert.throws(() => WitnessKey.parse('file', changed), { name: 'WitnessFault' })
    }
  }
  for (const name of ['', 'two words', 'a+b', 'x'.repeat(256)]) {
    assert.throws(() => WitnessKey.make(name, random), { name: 'WitnessFault' })
  }
})
