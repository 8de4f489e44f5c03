// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whole data directories: restored, cloned, emptied, mixed up, shared. Opened as `stele serve` opens them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { ConfigFault, type DirectoryConfig, openDirectory, type OpenDirectory } from '../src/directory.ts'
import { KeyFault } from '../src/ledger/signing.ts'
import { OwnedError } from '../src/ledger/opening.ts'
import { HeadFault } from '../src/ledger/publish.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { PowerCutDisk, powerCutDirectory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, readAll, scratch, SeededRandom, TurnedClock } from './scratch.ts'

/** A machine: places for data directories, and the state directory that they share. */
class Machine {
  readonly root: string
  readonly logged: object[] = []

  constructor(test: TestContext) {
    this.root = scratch(test)
  }

  path(name: string): string {
    return join(this.root, name)
  }

  get stateDirectory(): string {
    return this.path('state')
  }

  async open(name: string, config: Partial<DirectoryConfig> = {}): Promise<OpenDirectory> {
    const parts = { disk: new NodeDisk(), clock: new TurnedClock(), random: new SystemRandom() }
    const { stateDirectory } = this
    const log = (line: object) => void this.logged.push(line)
    const standard = { dataDirectory: this.path(name), name: 'stele.test', stateDirectory, version: '0.0.0', log }
    return await openDirectory({ ...standard, ...config }, parts)
  }

  /** Opens, appends, and stops. */
  async life(name: string, event: string, config: Partial<DirectoryConfig> = {}): Promise<void> {
    const opened = await this.open(name, config)
    await append(opened.ledgers, 'main', [Buffer.from(event)])
    await opened.close()
  }

  copy(from: string, to: string): void {
    cpSync(this.path(from), this.path(to), { recursive: true })
  }

  replace(name: string, by: string): void {
    rmSync(this.path(name), { recursive: true })
    this.copy(by, name)
  }
}

const types = async ({ ledgers }: OpenDirectory) =>
  (await readAll(ledgers, 'system')).map((event) => (JSON.parse(event.toString()) as { type: string }).type)

test('P3: each older snapshot of the whole directory that is restored is refused, with both figures', async (context) => {
  const machine = new Machine(context)
  for (let round = 0; round < 4; round++) {
    await machine.life('data', `event ${round}`)
    machine.copy('data', `stopped-${round}`)
    const { ledgers } = await machine.open('data')
    await append(ledgers, 'main', [Buffer.from(`running ${round}`)])
    await ledgers.publish()
    machine.copy('data', `running-${round}`)
    await ledgers.close()
  }
  machine.copy('data', 'newest')
  for (const older of ['stopped-0', 'running-0', 'stopped-1', 'running-1', 'stopped-2', 'running-2', 'stopped-3']) {
    machine.replace('data', older)
    await assert.rejects(machine.open('data'), (error) => {
      assert(error instanceof HeadFault, String(error))
      const [, kept, found] = /counts (\d+) published heads, the data directory has (\d+)/.exec(error.message) ?? []
      assert(Number(kept) > Number(found), error.message)
      return true
    })
  }
  machine.replace('data', 'newest')
  const opened = await machine.open('data')
  assert.equal((await readAll(opened.ledgers, 'main')).length, 8)
  await opened.close()
})

test('P3: a refused start changes nothing on the disk', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  machine.copy('data', 'older')
  await machine.life('data', 'two')
  machine.replace('data', 'older')
  const bytes = () =>
    readdirSync(join(machine.path('data'), 'wal')).map((name) => readFileSync(join(machine.path('data'), 'wal', name)))
  const isUntouched = async () => {
    const before = bytes()
    await assert.rejects(machine.open('data'), HeadFault)
    assert.deepEqual(bytes(), before)
  }
  await isUntouched()
  // Nor is a torn end cut off, which may be what is left of what is missing.
  const wal = join(machine.path('data'), 'wal')
  const path = join(wal, readdirSync(wal).at(-1)!)
  // The first sector of a frame, of which the power took the rest.
  appendFileSync(path, readFileSync(path).subarray(4_096, 4_608))
  await isUntouched()
})

test('P3: a clone that is started while the other runs is refused, and after it too', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  machine.copy('data', 'clone')
  const mine = await machine.open('data')
  await assert.rejects(machine.open('clone'), HeadFault)
  await mine.close()
  await assert.rejects(machine.open('clone'), HeadFault)
})

test('P3: of two clones that share one head and start at the same moment, one stops before it has published', async () => {
  const head = new MemoryHeadStore()
  const ground = (disk: PowerCutDisk, seed: number) => {
    return { disk, directory: powerCutDirectory, clock: new TurnedClock(), random: new SeededRandom(seed), head }
  }
  const disk = new PowerCutDisk()
  await (await openStele(ground(disk, 1))).close()
  const clones = await Promise.all([openStele(ground(disk.copy(), 2)), openStele(ground(disk.copy(), 3))])
  for (const { ledgers } of clones) await append(ledgers, 'main', [Buffer.from('x')]).catch(() => {})
  for (const { ledgers } of clones) await ledgers.publish().catch(() => {})
  const [stopped, ...others] = clones.filter(({ ledgers }) => ledgers.failure !== undefined)
  assert(stopped !== undefined && others.length === 0)
  assert(stopped.ledgers.failure instanceof HeadFault)
  assert.match(stopped.ledgers.failure.message, /was replaced by somebody else/)
  await assert.rejects(append(stopped.ledgers, 'main', [Buffer.from('y')]), { code: 'writer-stopped' })
})

test('a folder that holds somebody else’s files is refused, names them, and stays as it is', async (context) => {
  const machine = new Machine(context)
  for (const [name, ...files] of [
    ['home', 'notes.txt'],
    ['project', 'wal/segment-1', 'LOCK'],
    ['wal-file', 'wal'],
    ['many', 'a', 'b', 'c', 'd', 'e'],
  ] as const) {
    for (const file of files) {
      mkdirSync(dirname(join(machine.path(name), file)), { recursive: true })
      writeFileSync(join(machine.path(name), file), '')
    }
    const before = readdirSync(machine.path(name), { recursive: true })
    await assert.rejects(machine.open(name), (error) => {
      assert(error instanceof ConfigFault, String(error))
      assert.match(error.message, /is not a data directory of Stele: it has .+\. Give an empty folder, or one/)
      assert(error.message.includes(files[0]), error.message)
      return true
    })
    assert.deepEqual(readdirSync(machine.path(name), { recursive: true }), before)
  }
  await assert.rejects(machine.open('many'), /it has a, b, c and 2 more\./)
})

test('an empty folder, a fresh file system’s, and one in which a start was cut short are begun', async (context) => {
  const machine = new Machine(context)
  for (const [name, ...folders] of [
    ['empty'],
    ['mounted', 'lost+found'],
    ['cut-short', 'wal', 'keys', 'derived'],
  ] as const) {
    for (const folder of ['', ...folders]) mkdirSync(join(machine.path(name), folder), { recursive: true })
    await machine.life(name, 'one')
  }
})

test('what may not be begun is refused and not begun: nothing, an empty folder, one with an empty log', async (context) => {
  const machine = new Machine(context)
  mkdirSync(machine.path('empty'))
  mkdirSync(machine.path('no-log/wal'), { recursive: true })
  mkdirSync(machine.path('unborn/wal'), { recursive: true })
  writeFileSync(machine.path('unborn/wal/0000000000000001'), '')
  for (const name of ['nowhere', 'empty', 'no-log', 'unborn']) {
    await assert.rejects(machine.open(name, { mayBegin: false }), ConfigFault)
    assert(!existsSync(machine.path(`${name}/keys`)) && !existsSync(machine.path(`${name}/admin.token`)))
  }
  assert(!existsSync(machine.path('nowhere')))
  await machine.life('data', 'one')
  await machine.life('data', 'two', { mayBegin: false })
})

test('a head of another install is refused by the one and by the other', async (context) => {
  const machine = new Machine(context)
  const [head, other] = [machine.path('one.head'), machine.path('other.head')]
  await machine.life('data', 'one', { head })
  await machine.life('other', 'one', { head: other })
  await assert.rejects(machine.open('data', { head: other }), (error) => {
    assert(error instanceof HeadFault)
    assert.match(error.message, /is not one of stele\.test\/[a-z2-7]{13}\/heads/)
    return true
  })
  await machine.life('data', 'two', { head })
})

test('a head that is missing does not stop the start, but is recorded, and kept again from then on', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  rmSync(join(machine.stateDirectory, 'heads'), { recursive: true })
  const opened = await machine.open('data')
  assert.equal(opened.ledgers.opening.headMissing, true)
  assert((await types(opened)).includes('head.missing'))
  await opened.close()
  const again = await machine.open('data')
  assert.equal(again.ledgers.opening.headMissing, false)
  assert.equal((await types(again)).filter((type) => type === 'head.missing').length, 1)
  await again.close()
})

test('a directory that was moved finds its head, and is refused when it was rolled back on the way', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  machine.copy('data', 'older')
  await machine.life('data', 'two')
  renameSync(machine.path('data'), machine.path('moved'))
  await machine.life('moved', 'three')
  await assert.rejects(machine.open('older'), HeadFault)
})

test('an emptied directory is not begun anew: by its note, by its keys, or by the head that was named', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  rmSync(machine.path('data'), { recursive: true })
  await assert.rejects(machine.open('data'), (error) => {
    assert(error instanceof HeadFault)
    assert.match(error.message, /is empty, but it held the ledgers of stele\.test\//)
    const note = /remove (\S+) to begin anew/.exec(error.message)?.[1]
    assert(note !== undefined && existsSync(note))
    rmSync(note)
    return true
  })
  await machine.life('data', 'begun anew, as the message said')

  await machine.life('keyed', 'one', { head: machine.path('keyed.head') })
  rmSync(join(machine.path('keyed'), 'wal'), { recursive: true })
  await assert.rejects(
    machine.open('keyed', { head: machine.path('elsewhere.head') }),
    /the WAL ends before the anchor/,
  )
  rmSync(join(machine.path('keyed'), 'derived'), { recursive: true })
  await assert.rejects(machine.open('keyed', { head: machine.path('elsewhere.head') }), (error) => {
    assert(error instanceof KeyFault)
    assert.match(error.message, /is the key of a ledger whose data is not in/)
    return true
  })
  rmSync(machine.path('keyed'), { recursive: true })
  await assert.rejects(machine.open('keyed', { head: machine.path('keyed.head') }), HeadFault)
})

test('data without its keys, with a changed key, or with the key of another ledger is refused and names the file', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  const key = (ledger: string) => join(machine.path('data'), 'keys', `${ledger}.key`)
  for (const ledger of ['main', 'heads', 'system']) {
    const bytes = readFileSync(key(ledger))
    const changed = Buffer.from(bytes)
    changed[changed.length - 10]! ^= 1
    for (const wrong of [undefined, Buffer.alloc(0), changed, readFileSync(key('access')), bytes.subarray(0, -1)]) {
      if (wrong === undefined) rmSync(key(ledger))
      else writeFileSync(key(ledger), wrong)
      await assert.rejects(machine.open('data'), (error) => {
        assert(error instanceof KeyFault, String(error))
        assert(error.message.includes(key(ledger)), error.message)
        return true
      })
    }
    writeFileSync(key(ledger), bytes)
  }
  writeFileSync(key('never-created'), readFileSync(key('main')))
  await assert.rejects(machine.open('data'), KeyFault)
  rmSync(key('never-created'))
  await machine.life('data', 'two')
})

test('a key made again for a ledger is refused, though it is well formed, because system names another', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  const path = join(machine.path('data'), 'keys', 'main.key')
  const opened = await machine.open('data')
  await opened.ledgers.keyring.prepare('main')
  renameSync(join(machine.path('data'), 'keys', 'pending', 'main.key'), path)
  await opened.close()
  await assert.rejects(machine.open('data'), /is not the key that system names/)
})

test('secrets are readable by their owner only: keys, the admin token, the log, the directory', async (context) => {
  const machine = new Machine(context)
  await machine.life('data', 'one')
  const data = machine.path('data')
  const files = ['keys/main.key', 'keys/heads.key', 'admin.token', 'wal/0000000000000001']
  for (const file of files) assert.equal(statSync(join(data, file)).mode & 0o777, 0o600, file)
  assert.equal(statSync(data).mode & 0o777, 0o700)
})

test('a directory is one process’s: a second start is refused, and goes through once the first was killed', async (context) => {
  const machine = new Machine(context)
  const script = `
    import { openDirectory } from ${JSON.stringify(join(import.meta.dirname, '..', 'src', 'directory.ts'))}
    const [dataDirectory, stateDirectory] = process.argv.slice(1)
    await openDirectory({ dataDirectory, stateDirectory, name: 'stele.test', version: '0.0.0', log() {} })
    console.log('open')
    setInterval(() => {}, 1_000)
  `
  const paths = [machine.path('data'), machine.stateDirectory]
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script, '--', ...paths], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.after(() => owner.kill('SIGKILL'))
  await once(owner.stdout, 'data')
  await assert.rejects(machine.open('data'), (error) => {
    assert(error instanceof OwnedError)
    assert.match(error.message, /in use by another Stele process/)
    return true
  })
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await machine.life('data', 'now mine')
})

test('the longest name that is accepted gives origins that can be signed; a longer one is refused before anything is made', async (context) => {
  const machine = new Machine(context)
  for (const name of ['x'.repeat(178), '', 'a b', 'a/b', 'ä']) {
    await assert.rejects(machine.open('data', { name }), ConfigFault)
    assert(!existsSync(machine.path('data')))
  }
  const opened = await machine.open('data', { name: 'x'.repeat(177) })
  const { origin } = await opened.administration.createLedger({ name: 'y'.repeat(63) }, 'tester')
  assert.equal(origin.length, 255)
  await append(opened.ledgers, 'y'.repeat(63), [Buffer.from('one')])
  await opened.close()
  await machine.life('data', 'two')
})

test('the name of the install and the state directory need not exist beforehand', async (context) => {
  const machine = new Machine(context)
  mkdirSync(machine.path('deep'))
  await machine.life(join('deep', 'er', 'data'), 'one', { stateDirectory: machine.path(join('no', 'such', 'state')) })
  await machine.life(join('deep', 'er', 'data'), 'two', { stateDirectory: machine.path(join('no', 'such', 'state')) })
})
