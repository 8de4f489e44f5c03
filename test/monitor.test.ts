// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele monitor` over logs of others: what lies is found, with evidence that a third party verifies; what does not
// answer is said not to.

import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { rootAt } from '@stele/proof'

import { logSigner, signCheckpoint } from '../packages/proof/test/signers.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { stele, steleOk, type World } from './cli-fixture.ts'
import { ToyLog, ToyTree } from './monitor-ground.ts'
import { scratch } from './scratch.ts'
import type { Json } from './server-fixture.ts'

/** Waits pass a hundred times as fast. */
class HurriedClock extends SystemClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await super.sleep(ms / 100, signal)
  }
}

function worldOf(folder: string): World {
  return {
    cwd: folder,
    variables: { XDG_STATE_HOME: join(folder, 'state') },
    environment: { clock: new HurriedClock() },
  }
}

interface Watched {
  readonly folder: string
  readonly log: ToyLog
  /** Looks once. */
  readonly look: (...more: readonly string[]) => Promise<{ code: number; out: string; err: string; events: Json[] }>
}

async function watched(context: TestContext, size: number): Promise<Watched> {
  const log = await ToyLog.start(context)
  log.tree.grow(size)
  const folder = scratch(context)
  const look: Watched['look'] = async (...more) => {
    const command = ['monitor', log.url, '--key', log.vkey, '--once', '--json', '--state', join(folder, 'seen')]
    const ran = await stele(worldOf(folder), ...command, ...more)
    const events =
      ran.out === ''
        ? []
        : ran.out
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
    return { ...ran, events }
  }
  return { folder, log, look }
}

/** The one folder of evidence, and what a third party makes of it. */
async function evidenceOf({ folder, log }: Watched): Promise<{ path: string; about: Json; code: number; out: string }> {
  const [name = '', ...more] = await readdir(join(folder, 'seen', 'evidence'))
  assert.deepEqual(more, [])
  const path = join(folder, 'seen', 'evidence', name)
  const about = JSON.parse(await readFile(join(path, 'about.json'), 'utf8'))
  const { code, out, err } = await stele({ cwd: folder }, 'monitor', '--explain', path, '--key', log.vkey)
  assert.equal(err, '')
  return { path, about, code, out }
}

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

test('a fork at the same size is found, kept, and proven to a third party by the two notes alone', async (context) => {
  const ground = await watched(context, 300)
  await ground.look()
  ground.log.tree = new ToyTree().grow(299).grow(1, 'another')
  const { code, events } = await ground.look()
  assert.equal(code, 1)
  assert.equal(events[0].kind, 'fork')
  const { code: shown, out, path } = await evidenceOf(ground)
  assert.equal(shown, 0, out)
  assert.match(out, /has contradicted itself: it signed two roots for 300 entries/)
  assert.match(await readFile(join(path, 'README.txt'), 'utf8'), /stele monitor --explain/)
})

test('a fork that went on is proven by the larger head: its tree begins otherwise than the head that was seen', async (context) => {
  // Sizes that are powers of two, too: there a consistency proof does not hold the old root.
  for (const [seen, common, size] of [
    [300, 200, 1_000],
    [256, 255, 300],
    [1, 0, 2],
    [512, 300, 70_000],
  ] as const) {
    const ground = await watched(context, seen)
    await ground.look()
    ground.log.tree = new ToyTree().grow(common).grow(size - common, 'another')
    const { code, events } = await ground.look()
    assert.deepEqual([code, events[0].kind], [1, 'fork'])
    const { code: shown, out } = await evidenceOf(ground)
    assert.equal(shown, 0, out)
    assert.ok(out.replaceAll(/\s+/g, ' ').includes(`the first ${seen} entries of its head of ${size}`), out)
  }
})

test('evidence that was made up proves nothing: honest heads, another key, a proof that was changed, notes swapped', async (context) => {
  const ground = await watched(context, 300)
  await ground.look()
  const honest = await ground.log.head()
  ground.log.tree = new ToyTree().grow(200).grow(800, 'another')
  await ground.look()
  const { path, code } = await evidenceOf(ground)
  assert.equal(code, 0)
  const explained = async (key: string, change: (folder: string) => Promise<void>): Promise<number> => {
    const copy = join(scratch(context), 'copy')
    await cp(path, copy, { recursive: true })
    await change(copy)
    return (await stele({ cwd: copy }, 'monitor', '--explain', copy, '--key', key)).code
  }
  const { vkey } = ground.log
  const put = (name: string, text: string) => async (folder: string) => await writeFile(join(folder, name), text)
  assert.equal(await explained(vkey, async () => {}), 0)
  // The order of the two is the monitor's word; that both are signed is not.
  const [older, newer] = [
    await readFile(join(path, 'older.checkpoint'), 'utf8'),
    await readFile(join(path, 'newer.checkpoint'), 'utf8'),
  ]
  assert.equal(
    await explained(vkey, async (folder) => {
      await put('older.checkpoint', newer)(folder)
      await put('newer.checkpoint', older)(folder)
    }),
    0,
  )
  assert.equal(await explained(vkey, put('newer.checkpoint', honest)), 1)
  assert.equal(await explained(logSigner('toy.test/log', 'a seed').vkey, async () => {}), 1)
  const proof = await readFile(join(path, 'proof'), 'utf8')
  const lines = proof.split('\n')
  for (const line of [3, 4, 5]) {
    const changed = lines.with(line, Buffer.alloc(32, 7).toString('base64')).join('\n')
    assert.equal(await explained(vkey, put('proof', changed)), 1, `line ${line}`)
  }
  assert.equal(await explained(vkey, async (folder) => await rm(join(folder, 'proof'))), 1)
  assert.equal(await explained(vkey, put('proof', `${proof}AAAA\n`)), 3)
  assert.equal(await explained(vkey, put('about.json', '{}')), 3)
  // A head that the log did sign, and that the larger one begins with: the true old root proves no fork.
  const grown = signCheckpoint(
    { origin: 'toy.test/log', size: 300, root: await rootAt(300, ground.log.tree.read) },
    ground.log.signer,
  )
  assert.equal(await explained(vkey, put('older.checkpoint', grown)), 1)
  assert.equal((await stele({ cwd: path }, 'monitor', '--explain', path)).code, 2)
})

test('a log that shrinks is an alarm after it was asked again; where it still shows the larger tree, a fork is proven', async (context) => {
  const ground = await watched(context, 700)
  await ground.look()
  ground.log.shownSize = 500
  const { code, events } = await ground.look()
  assert.deepEqual([code, events[0].kind], [1, 'shrink'])
  assert.match(events[0].what, /had 700 entries, and now shows 500/)
  const shrunk = await evidenceOf(ground)
  assert.equal(shrunk.code, 1, 'a smaller head alone convicts nobody')
  assert.match(shrunk.out.replaceAll(/\s+/g, ' '), /is the monitor’s word/)

  const forked = await watched(context, 700)
  await forked.look()
  const other = await forked.log.head()
  void other
  const small = new ToyTree().grow(400, 'another')
  const root = await rootAt(400, small.read)
  const note = signCheckpoint({ origin: 'toy.test/log', size: 400, root }, forked.log.signer)
  forked.log.lie = ({ path, response }) => path === 'checkpoint' && (response.end(note), true)
  // Its tiles are still those of the larger tree.
  const second = await forked.look()
  assert.equal(second.code, 1)
  assert.ok(['fork', 'tree'].includes(second.events[0].kind))
})

test('a cache that lags is asked again, and nobody is alarmed', async (context) => {
  const { log, look } = await watched(context, 700)
  await look()
  const old = await log.head(500)
  let lagging = 1
  log.lie = ({ path, response }) => path === 'checkpoint' && lagging-- > 0 && (response.end(old), true)
  assert.equal((await look()).code, 0)
})

test('a tile that is not the signed one, of any level, is found; one wrong answer of a cache is not', async (context) => {
  for (const wrong of ['tile/0/001', 'tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']) {
    const { log, look, folder } = await watched(context, 0)
    log.tree.grow(256)
    await look()
    log.tree.grow(69_744)
    let times = 9
    log.lie = ({ path, response }) => {
      if (path !== wrong || times-- <= 0) return false
      response.end(Buffer.alloc(Number(/\.p\/(\d+)/.exec(path)?.[1] ?? 256) * 32, 3))
      return true
    }
    // To follow from 256 on, no full tile of level 0 is needed: a mirror needs all.
    const { code, events } = await look('--mirror', join(folder, 'mirror'))
    assert.equal(code, 1, wrong)
    assert.equal(events[0].kind, 'tree', wrong)
    await rm(join(folder, 'seen', 'evidence'), { recursive: true })
    times = 1
    const again = await look('--mirror', join(folder, 'mirror'))
    assert.equal(again.code, 0, again.out)
  }
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

test('a contradiction stays one: the log that tells the truth again is not believed until the evidence is moved away', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  const honest = log.tree
  await look()
  log.tree = new ToyTree().grow(300, 'another')
  assert.equal((await look()).code, 1)
  log.tree = honest
  const healed = await look()
  assert.equal(healed.code, 1)
  assert.match(healed.err, /evidence of 1 contradictions of before is kept/)
  await rm(join(folder, 'seen', 'evidence'), { recursive: true })
  assert.equal((await look()).code, 0)
})

test('a mirror is what a verifier reads, grows, and holds every entry; a wrong entry is found and not written', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  const mirror = join(folder, 'mirror')
  for (const count of [0, 1, 211, 1, 900, 66_000]) {
    log.tree.grow(count)
    const { code, events } = await look('--mirror', mirror)
    assert.equal(code, 0, JSON.stringify(events))
    await demandMirror(mirror, log)
  }
  log.tree.grow(300)
  const held = await readFile(join(mirror, 'checkpoint'), 'utf8')
  const wrong = `tile/entries/x${String(Math.floor(67_500 / 256 / 1000)).padStart(3, '0')}`
  void wrong
  log.lie = ({ path, response }) => {
    if (!path.startsWith('tile/entries/')) return false
    const width = Number(/\.p\/(\d+)/.exec(path)?.[1] ?? 256)
    const one = Buffer.from([0, 1, 65])
    response.end(Buffer.concat(Array.from({ length: width }, () => one)))
    return true
  }
  const { code, events } = await look('--mirror', mirror)
  assert.deepEqual([code, events[0].kind], [1, 'entries'])
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), held)
  log.lie = undefined
  await rm(join(folder, 'seen', 'evidence'), { recursive: true })
  assert.equal((await look('--mirror', mirror)).code, 0)
  await demandMirror(mirror, log)
})

async function demandMirror(mirror: string, log: ToyLog): Promise<void> {
  const { tree } = log
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), await log.head())
  const files = (await readdir(mirror, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(mirror.length + 1))
  const expected: string[] = ['checkpoint', 'log.vkey']
  for (let level = 0; 256 ** level <= tree.size; level++) {
    const count = Math.floor(tree.size / 256 ** level)
    for (let index = 0; index * 256 < count; index++) {
      const width = Math.min(256, count - index * 256)
      const number = index < 1000 ? String(index).padStart(3, '0') : assert.fail('larger than the test knows')
      const path = width === 256 ? number : `${number}.p/${width}`
      expected.push(`tile/${level}/${path}`, ...(level === 0 ? [`tile/entries/${path}`] : []))
      assert.ok((await readFile(join(mirror, `tile/${level}/${path}`))).equals(tree.tile(level, index, width)))
    }
  }
  assert.deepEqual(files.toSorted(), expected.toSorted())
}

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
  ]) {
    assert.equal((await stele(worldOf(folder), 'monitor', ...words)).code, 2, words.join(' '))
  }
  assert.equal((await stele(worldOf(folder), 'monitor', '--explain', folder, '--key', log.vkey)).code, 3)
})

test('heads that somebody else saw are held against what is shown here: a split view is found by either side', async (context) => {
  const mine = await watched(context, 300)
  const theirs = await watched(context, 0)
  theirs.log.tree = new ToyTree().grow(200).grow(150, 'another')
  await theirs.look()
  await mkdir(join(mine.folder, 'other'), { recursive: true })
  const seen = join(theirs.folder, 'seen', 'heads.ndjson')
  const { code, events } = await mine.look('--compare', seen)
  assert.equal(code, 1, JSON.stringify(events))
  assert.ok(['fork', 'shrink'].includes(events[0].kind))
  const other = await theirs.look('--compare', join(mine.folder, 'seen', 'heads.ndjson'))
  assert.equal(other.code, 1, JSON.stringify(other.events))
  assert.equal(other.events[0].kind, 'fork')
  const { code: shown, out } = await evidenceOf(theirs)
  assert.equal(shown, 0, out)
})

test('an honest head of another monitor agrees, smaller or larger, a note or lines, from a file or an address', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  await writeFile(join(folder, 'note'), await log.head(120))
  assert.equal((await look('--compare', 'note')).code, 0)
  assert.equal((await look('--compare', join(folder, 'seen', 'heads.ndjson'))).code, 0)
  await writeFile(join(folder, 'garbage'), 'not a note')
  assert.equal((await look('--compare', 'garbage')).code, 3)
  assert.equal((await look('--compare', 'absent')).code, 3)
  assert.equal((await look('--compare', `${log.url}/checkpoint`)).code, 0)
  const forged = signCheckpoint(
    { origin: 'toy.test/log', size: 9, root: new Uint8Array(32) },
    logSigner('toy.test/log', 'x'),
  )
  await writeFile(join(folder, 'forged'), forged)
  const { code, events } = await look('--compare', 'forged')
  assert.equal(code, 0, 'what somebody else made up is no contradiction of the log')
  assert.ok(events.some(({ type }: Json) => type === 'not-compared'))
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
