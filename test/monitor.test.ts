// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele monitor` over a log of somebody else: it is followed with its key alone, what does not answer is said not to,
// and a command line, a state or a key that cannot be used is refused.

import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { logSigner } from '../packages/proof/test/signers.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { stele, steleOk } from './cli-fixture.ts'
import { ToyLog, watched, worldOf } from './monitor-ground.ts'

test('a log that grows honestly, across tiles of every level, is followed with its key alone', async (context) => {
  const { log, look } = await watched(context, 0)
  for (const count of [0, 1, 4, 250, 1, 1, 700, 65_000, 5]) {
    log.tree.grow(count)
    const { code, events, err } = await look()
    assert.deepEqual([code, err], [0, ''], JSON.stringify(events))
    assert.deepEqual([events[0].type, events[0].size, events[0].key], ['head', log.tree.size, 'pinned'])
  }
})

test('only a few tiles are asked for to follow a log that has grown by many', async (context) => {
  const { log, look } = await watched(context, 10)
  await look()
  log.tree.grow(70_000)
  log.asked = 0
  assert.equal((await look()).code, 0)
  assert.ok(log.asked <= 12, `${log.asked} requests`)
})

test('a cache that lags is asked again, and nobody is alarmed', async (context) => {
  const { log, look } = await watched(context, 700)
  await look()
  const old = await log.head(500)
  let lagging = 1
  log.lie = ({ path, response }) => path === 'checkpoint' && lagging-- > 0 && (response.end(old), true)
  assert.equal((await look()).code, 0)
})

test('a head that is signed by another key, or unsigned by the key that was given, is found, and remembered is the good one', async (context) => {
  const ground = await watched(context, 20)
  const { log, look } = ground
  await look()
  const other = logSigner('toy.test/log', 'another')
  log.lie = ({ path, response }) => {
    if (path !== 'checkpoint') return false
    void log.head(20, other).then((note) => response.end(note))
    return true
  }
  const { code, events } = await look()
  assert.deepEqual([code, events[0].kind], [1, 'key'])
  await rm(join(ground.folder, 'seen', 'evidence'), { recursive: true })
  log.lie = undefined
  assert.equal((await look()).code, 0)
})

test('what does not answer as a log can is said to be unreachable, with exit 3, in bounded time and memory', async (context) => {
  const { log, look } = await watched(context, 20)
  await look()
  const lies: Record<string, NonNullable<ToyLog['lie']>> = {
    'a hang': () => true,
    'a trickle': ({ response }) => {
      const timer = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(timer))
      return true
    },
    'an endless answer': ({ response }) => {
      const more = () => void (response.destroyed || response.write(Buffer.alloc(65_536, 'x'), more))
      more()
      return true
    },
    'an error': ({ response }) => (response.writeHead(500).end('oops'), true),
    'a redirect': ({ response }) => (response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(), true),
    'a page': ({ response }) => (response.end('<html>log in</html>'), true),
    nothing: ({ response }) => (response.end(), true),
    'a broken connection': ({ response }) => (response.destroy(), true),
    'not found': ({ response }) => (response.writeHead(404).end(), true),
  }
  for (const [what, lie] of Object.entries(lies)) {
    log.lie = lie
    const startedMs = performance.now()
    const { code, events } = await look()
    assert.equal(code, 3, `${what}: ${JSON.stringify(events)}`)
    assert.equal(events[0].type, 'unreachable', what)
    assert.ok(performance.now() - startedMs < 5_000, what)
  }
  log.close()
  assert.equal((await look()).code, 3)
})

test('one process follows with one state, a state is of one address, and one that was damaged is not believed', async (context) => {
  const { log, look, folder } = await watched(context, 5)
  await look()
  const other = await ToyLog.start(context, 'toy.test/other')
  const state = join(folder, 'seen')
  const ofOther = await stele(worldOf(folder), 'monitor', other.url, '--key', other.vkey, '--once', '--state', state)
  assert.equal(ofOther.code, 3)
  assert.match(ofOther.err, /is of a monitor of .* needs another folder/)
  const stop = new AbortController()
  const follows = stele(
    { ...worldOf(folder), interrupted: stop.signal },
    'monitor',
    log.url,
    '--key',
    log.vkey,
    '--state',
    state,
  )
  await new Promise((resolve) => setTimeout(resolve, 300))
  const second = await look()
  assert.equal(second.code, 3)
  assert.match(second.err, /another monitor is running/)
  stop.abort()
  assert.equal((await follows).code, 0)
  const [name = ''] = await readdir(join(state, 'logs'))
  await writeFile(join(state, 'logs', name), '{"v":1')
  const damaged = await look()
  assert.equal(damaged.code, 3)
  assert.match(damaged.err, /is not what a monitor remembers/)
})

test('without a key, or with that of another log, nothing is monitored, with exit 2', async (context) => {
  const { log, folder } = await watched(context, 5)
  const state = ['--once', '--state', join(folder, 'seen')]
  const none = await stele(worldOf(folder), 'monitor', log.url, ...state)
  assert.equal(none.code, 2)
  assert.match(none.err, /its key is not known.*--key/s)
  const other = await stele(worldOf(folder), 'monitor', log.url, ...state, '--key', logSigner('toy.test/other').vkey)
  assert.equal(other.code, 2)
  assert.match(other.err, /the key that you gave is of toy\.test\/other/)
  for (const words of [
    [],
    ['ftp://x'],
    [log.url, '--every', '1 minute'],
    [log.url, log.url],
    ['--explain', folder, log.url],
    [log.url, '--webhook', 'notaurl'],
    [log.url, '--webhook', 'ftp://127.0.0.1/'],
  ]) {
    assert.equal((await stele(worldOf(folder), 'monitor', ...words)).code, 2, words.join(' '))
  }
  assert.equal((await stele(worldOf(folder), 'monitor', '--explain', folder, '--key', log.vkey)).code, 3)
  const port = await stele(worldOf(folder), 'monitor', 'http://127.0.0.1:1', ...state)
  assert.match(port.out, /nothing was verified: the port belongs to another protocol/)
})

test('words for people name the log, and hostile ones are written out', async (context) => {
  const { log, folder } = await watched(context, 5)
  const out = await steleOk(worldOf(folder), 'monitor', log.url, '--key', log.vkey, '--once')
  assert.match(out, /5 entries \(seen first\), signed by the pinned key/)
  log.lie = ({ response }) => (
    response
      .writeHead(500, { 'content-type': 'application/problem+json' })
      .end('{"title":"\u001b[31mred","detail":"\u202e"}'),
    true
  )
  const { out: said } = await stele(worldOf(folder), 'monitor', log.url, '--key', log.vkey, '--once')
  assert.doesNotMatch(said, /[\u001b\u202e]/)
})

test('a state that cannot be written ends the monitor with exit 3 and is as it was', async (context) => {
  const ground = await watched(context, 5)
  await ground.look()
  const [name = ''] = await readdir(join(ground.folder, 'seen', 'logs'))
  const before = await readFile(join(ground.folder, 'seen', 'logs', name), 'utf8')
  class FullDisk extends NodeDisk {
    override async open(...[path, how, mode]: Parameters<NodeDisk['open']>): ReturnType<NodeDisk['open']> {
      if (how === 'read' || !path.includes('/logs/')) return await super.open(path, how, mode)
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'open', path })
    }
  }
  ground.environment = { disk: new FullDisk() }
  ground.log.tree.grow(5)
  const { code, err } = await ground.look()
  assert.equal(code, 3)
  assert.match(err, /could not be written: the disk is full\. What was remembered before is as it was/)
  assert.equal(await readFile(join(ground.folder, 'seen', 'logs', name), 'utf8'), before)
})
