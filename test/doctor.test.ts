// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele doctor` on healthy directories and on each fault that a start refuses: it explains, and changes nothing.

import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { Environment } from '../src/cli/environment.ts'
import { openDirectory, systemParts } from '../src/directory.ts'
import type { Ailment, Examination } from '../src/evidence/doctor.ts'
import { tryStart } from '../src/try-start.ts'
import { Cli } from './cli-fixture.ts'
import { append, sealAll, SeededRandom } from './scratch.ts'

const sizes = { anchorEveryBytes: 20_000, walFileBytes: 40_000, segmentEntries: 256 }
let ground = ''
/** The directory before it was last sealed and written to. */
const earlier = () => join(ground, 'earlier')

async function open(folder: string) {
  const config = { name: 'stele.test', version: '0.0.0', log: () => {} }
  const place = { dataDirectory: join(folder, 'data'), stateDirectory: join(folder, 'state', 'stele') }
  return await openDirectory({ ...config, ...place }, { ...systemParts(), sizes })
}

before(async () => {
  ground = mkdtempSync(join(tmpdir(), 'stele-doctor-'))
  const random = new SeededRandom(5)
  for (const part of [0, 1]) {
    const opened = await open(ground)
    const { ledgers } = opened
    for (let round = 0; round < 12; round++) {
      await append(
        ledgers,
        'main',
        Array.from({ length: 30 }, () => random.bytes(40)),
      )
      await ledgers.publish()
      if (round === 6) await sealAll(opened, systemParts().disk, join(ground, 'data'))
    }
    await opened.close()
    if (part === 0) {
      cpSync(join(ground, 'data'), join(earlier(), 'data'), { recursive: true })
      cpSync(join(ground, 'state'), join(earlier(), 'state'), { recursive: true })
    }
  }
})
after(() => rmSync(ground, { recursive: true, force: true }))

interface Patient {
  readonly folder: string
  readonly data: string
  readonly doctor: (...words: string[]) => Promise<{ code: number; out: string; err: string }>
  readonly examined: () => Promise<Examination>
}

/** A copy of the directory with its head outside, and a doctor of whom every look must leave all as it was. */
function patient(from = ground): Patient {
  const folder = mkdtempSync(join(ground, 'patient-'))
  for (const part of ['data', 'state']) cpSync(join(from, part), join(folder, part), { recursive: true })
  const doctor = async (...words: string[]) => {
    const environment = { tryStart }
    const variables = { XDG_STATE_HOME: join(folder, 'state') }
    const untouched = stateOf(folder)
    const ran = await new Cli({ cwd: folder, variables, environment }).run('doctor', '--data', 'data', ...words)
    assert.deepEqual(stateOf(folder), untouched, 'something was changed')
    return ran
  }
  return {
    folder,
    data: join(folder, 'data'),
    doctor,
    examined: async () => JSON.parse((await doctor('--json')).out) as Examination,
  }
}

/** Bytes, modes and times of everything. */
function stateOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  return new Map(
    names.map((name) => {
      const stats = statSync(join(folder, name), { bigint: true })
      const bytes = stats.isDirectory() ? '' : readFileSync(join(folder, name), 'base64')
      return [name, `${stats.mtimeNs} ${stats.ctimeNs} ${stats.mode} ${bytes}`] as const
    }),
  )
}

const walNames = (data: string) => readdirSync(join(data, 'wal')).toSorted()
const segmentNames = (data: string, ledger: string) =>
  readdirSync(join(data, 'segments', ledger)).map((name) => `segments/${ledger}/${name}`)

function change(path: string, work: (bytes: Buffer) => Buffer | void): void {
  chmodSync(path, 0o600)
  const bytes = readFileSync(path)
  writeFileSync(path, work(bytes) ?? bytes)
}

/** Wrong, refused by a start, explained, and in the words that people read, too. */
async function ailmentOf(sick: Patient, isIt: (ailment: Ailment) => boolean, isRefused = true): Promise<Ailment> {
  const examination = await sick.examined()
  assert.equal(examination.verdict, 'wrong')
  assert.equal(examination.start?.isRefused, isRefused, examination.start?.does.join())
  if (isRefused) assert.match(examination.start?.does[0] ?? '', /^refuse: /)
  const ailment = examination.ailments.find(isIt)
  assert(ailment !== undefined, JSON.stringify(examination.ailments, undefined, 1))
  assert(ailment.meaning !== '' && ailment.remedy !== '' && ailment.command !== undefined)
  const { code, out, err } = await sick.doctor()
  assert.deepEqual([code, err], [1, ''])
  const words = out.replaceAll(/\s+/g, ' ')
  for (const said of [ailment.file, ailment.remedy, ailment.command, ailment.expected, ailment.found]) {
    if (said !== undefined) assert(words.includes(said.replaceAll(/\s+/g, ' ')), said)
  }
  return ailment
}

test('a healthy directory is healthy: exit 0, every check named, nothing changed', async () => {
  const sound = patient()
  const { code, out } = await sound.doctor()
  assert.equal(code, 0)
  assert.match(out, /^data is healthy: a start has nothing to mend\./)
  for (const name of ['lock', 'segments', 'log', 'head outside', 'space', 'index', 'start']) {
    assert.match(out, new RegExp(`^  ${name} `, 'm'))
  }
  const { verdict, start, ailments, lost } = await sound.examined()
  assert.deepEqual([verdict, start, ailments, lost], ['healthy', { isRefused: false, does: [] }, [], []])
})

test('what a crash leaves is told from damage: a torn end that a start cuts off, derived files that it makes again', async () => {
  const torn = patient()
  const [last = ''] = walNames(torn.data).slice(-1)
  rmSync(join(torn.data, 'derived'), { recursive: true })
  rmSync(join(torn.folder, 'state'), { recursive: true })
  truncateSync(join(torn.data, 'wal', last), statSync(join(torn.data, 'wal', last)).size - 1_000)
  const { verdict, start } = await torn.examined()
  assert.equal(verdict, 'mended')
  const does = start?.does.join('\n') ?? ''
  assert.match(does, new RegExp(`cut off a torn end of 3096 bytes at byte \\d+ of wal/${last}, of which nothing was`))
  assert.match(does, /make the derived files again: there is no anchor/)
  assert.match(does, /keep the head outside for the first time, in /)
  const { code, out } = await torn.doctor()
  assert.equal(code, 0)
  assert.match(out, /whole but for what a crash leaves, which a start mends/)
})

test('P4: a bad frame in the middle of the log is explained, and the entries in it named', async () => {
  const sick = patient()
  const [first = ''] = walNames(sick.data)
  change(join(sick.data, 'wal', first), (bytes) => void (bytes[6_000]! ^= 1))
  // Behind the anchor's beginning, a start would not read it.
  rmSync(join(sick.data, 'derived'), { recursive: true })
  const ailment = await ailmentOf(sick, ({ file, offset }) => file === `wal/${first}` && offset === 4_096 + 152)
  assert.match(ailment.command ?? '', new RegExp(`cp -p BACKUP/wal/${first} data/wal/${first}`))
  const { lost, unprovable } = await sick.examined()
  assert(lost.length > 0)
  assert.deepEqual(unprovable, [])
})

test('P4: a segment that is missing, or whose byte is another, is explained with its entries, and the rest is provable', async () => {
  const sick = patient()
  const [name = ''] = segmentNames(sick.data, 'main').filter((path) => path.includes('-00256-'))
  rmSync(join(sick.data, name))
  const missing = await ailmentOf(sick, ({ file, index }) => file === 'segments/main' && index === 0)
  assert.equal(missing.count, 256)
  assert.match(missing.meaning, /every other entry can be proven/)
  assert.match(missing.command ?? '', /cp -p BACKUP\/segments\/main\/0000000000000000-\* data\/segments\/main\//)
  const changed = patient()
  const [content = ''] = segmentNames(changed.data, 'main').filter((path) => path.endsWith('.content'))
  change(join(changed.data, content), (bytes) => void (bytes[2_000]! ^= 1))
  // A start reads no contents.
  const ailment = await ailmentOf(changed, ({ file }) => file === content, false)
  assert.match(ailment.remedy, /its SHA-256 is in its name/)
  assert.match((await changed.doctor()).out, /take no notice of it: do not rely on that/)
})

test('P4: a WAL file that is lost is explained: the first, a middle one, the last', async () => {
  const names = walNames(patient().data)
  assert(names.length > 2, names.join())
  for (const [position, name] of names.entries()) {
    const sick = patient()
    rmSync(join(sick.data, 'wal', name))
    const isLast = position === names.length - 1
    const ailment = await ailmentOf(
      sick,
      ({ command }) => command?.includes(isLast ? 'BACKUP/wal/*' : `BACKUP/wal/${name}`) === true,
    )
    assert(isLast || /Commits \d+ to \d+ are not here/.test(ailment.meaning), ailment.meaning)
  }
})

test('P4: with all of the log lost, the head outside is found by the seal, and what a start would say is said', async () => {
  const sick = patient()
  for (const name of walNames(sick.data)) rmSync(join(sick.data, 'wal', name))
  const { start, checks } = await sick.examined()
  assert.match(start?.does.join() ?? '', /^refuse: wal: the first WAL file is missing; expected commit \d+/)
  const found = (name: string) => checks.find((check) => check.name === name)?.found ?? ''
  assert.match(found('head outside'), /\.head, heads at \d+: newer than this data by \d+/)
  assert.equal(found('log'), 'none is here')
})

test('P4: files that changed places are explained: of the log, of the segments, and keys', async () => {
  const sick = patient()
  const [a = '', b = ''] = walNames(sick.data)
  swap(join(sick.data, 'wal', a), join(sick.data, 'wal', b))
  const log = await ailmentOf(sick, ({ what }) => what === 'the file has another name')
  assert.match(log.meaning, /the two changed places/)
  assert.match(log.command ?? '', /^mv .*; mv .*; mv /)
  const sealed = patient()
  const [one = '', other = ''] = segmentNames(sealed.data, 'main').filter((path) => path.endsWith('.log'))
  swap(join(sealed.data, one), join(sealed.data, other))
  await ailmentOf(sealed, ({ file }) => file === one)
  const keys = patient()
  swap(join(keys.data, 'keys/main.key'), join(keys.data, 'keys/heads.key'))
  await ailmentOf(keys, ({ file }) => file === 'keys/heads.key')
})

test('P4: a file that was rolled back, and a whole directory, are explained by the head outside', async () => {
  const sick = patient()
  const [last = ''] = walNames(sick.data).slice(-1)
  truncateSync(join(sick.data, 'wal', last), 8_192)
  await ailmentOf(sick, ({ meaning }) => /the end of the log/i.test(meaning))
  const older = patient(earlier())
  rmSync(join(older.folder, 'state'), { recursive: true })
  cpSync(join(ground, 'state'), join(older.folder, 'state'), { recursive: true })
  const ailment = await ailmentOf(older, ({ what }) => /heads had \d+ entries when its head was kept/.test(what))
  assert.match(ailment.meaning, /older than what was published/)
  assert.match(ailment.remedy, /newest copy of the whole directory/)
})

test('P4: a seal that is missing, forged, older or newer than the data is explained', async () => {
  const seal = (sick: Patient) => join(sick.data, 'segments/_head')
  const missing = patient()
  rmSync(seal(missing))
  const ailment = await ailmentOf(missing, ({ file }) => file === 'segments/_head')
  assert.match(ailment.meaning, /no entry is lost/)
  assert.match(ailment.remedy, /it must be of commit \d+/)
  const forged = patient()
  change(seal(forged), (bytes) => Buffer.from(bytes.toString('latin1').replace(/"size":\d/, '"size":9'), 'latin1'))
  await ailmentOf(forged, ({ what }) => /not signed by the key of heads/.test(what))
  const older = patient()
  cpSync(join(earlier(), 'data/segments/_head'), seal(older), { force: true })
  await ailmentOf(older, ({ what }) => /does not follow|segment/.test(what))
  const newer = patient(earlier())
  cpSync(join(ground, 'data/segments/_head'), seal(newer), { force: true })
  await ailmentOf(newer, ({ what }) => /missing/.test(what))
})

test('a key that is missing, one that others may read, a stranger in the log, a bad cut.json: each is explained', async () => {
  const keyless = patient()
  rmSync(join(keyless.data, 'keys/main.key'))
  const key = await ailmentOf(keyless, ({ file }) => file === 'keys/main.key')
  assert.match(key.meaning, /No entry is lost/)
  const open = patient()
  chmodSync(join(open.data, 'keys/main.key'), 0o644)
  assert.match((await ailmentOf(open, ({ file }) => file === 'keys/main.key', false)).command ?? '', /^chmod 600 /)
  chmodSync(join(open.data, 'keys/heads.key'), 0o644)
  const { out } = await open.doctor()
  assert.equal(out.split('treat it as stolen').length, 2, 'one remedy is said once')
  for (const name of ['main', 'heads']) assert.match(out, new RegExp(`chmod 600 data/keys/${name}\\.key`))
  const strange = patient()
  writeFileSync(join(strange.data, 'wal/notes.txt'), 'x')
  assert.match((await ailmentOf(strange, ({ file }) => file === 'wal/notes.txt')).command ?? '', /^mv /)
  const noted = patient()
  writeFileSync(join(noted.data, 'cut.json'), '{')
  assert.match((await ailmentOf(noted, ({ file }) => file === 'cut.json')).meaning, /no entry is lost/)
})

test('damaged derived files that a start would not notice are said, with the way to have them made again', async () => {
  const sick = patient()
  change(join(sick.data, 'derived/main/level-1'), (bytes) => void (bytes[3]! ^= 1))
  const ailment = await ailmentOf(sick, ({ file }) => file === 'derived/main/level-1', false)
  assert.match(ailment.command ?? '', /^mv data\/derived /)
})

test('P4: while the end of the log is gone, nobody is told to move away the files that show it', async () => {
  const sick = patient()
  rmSync(join(sick.folder, 'state'), { recursive: true })
  const [last = ''] = walNames(sick.data).slice(-1)
  truncateSync(join(sick.data, 'wal', last), 8_192)
  const derived = (await sick.examined()).ailments.filter(({ file }) => file?.startsWith('derived/main/level-0'))
  assert(derived.length > 0)
  for (const { command, remedy } of derived)
    assert.deepEqual([command, remedy.startsWith('Keep them')], [undefined, true])
  assert.doesNotMatch((await sick.doctor()).out, /No entry is lost|mv data\/derived /)
  // Without the anchor, what goes on behind the log is all that is left to show it.
  rmSync(join(sick.data, 'derived/anchor.json'))
  assert.doesNotMatch((await sick.doctor()).out, /mv data\/derived /)
})

test('beside a server that runs no start is tried, and nothing is touched but by the server', async () => {
  const folder = mkdtempSync(join(ground, 'running-'))
  for (const part of ['data', 'state']) cpSync(join(ground, part), join(folder, part), { recursive: true })
  const opened = await open(folder)
  try {
    const variables = { XDG_STATE_HOME: join(folder, 'state') }
    const { code, out } = await new Cli({ cwd: folder, variables }).run('doctor', '--data', 'data')
    assert.equal(code, 0, out)
    assert.match(out, /is healthy, as far as its server has written it/)
    assert.match(out, /not tried: a server runs/)
  } finally {
    await opened.close()
  }
})

test('where there is no directory, or another head is named, doctor says so', async () => {
  const folder = mkdtempSync(join(ground, 'empty-'))
  mkdirSync(join(folder, 'nothing'))
  const none = await new Cli({ cwd: folder, variables: { XDG_STATE_HOME: folder } }).run('doctor', '--data', 'nothing')
  assert.deepEqual([none.code, none.out], [3, ''])
  assert.match(none.err, /nothing is not a data directory of Stele\. Nothing was changed\./)
  const sound = patient()
  const [head = ''] = readdirSync(join(sound.folder, 'state/stele/heads')).filter((name) => name.endsWith('.head'))
  const { code } = await sound.doctor('--head', join('state/stele/heads', head))
  assert.equal(code, 0)
  assert.equal((await sound.doctor('--head', 'missing')).code, 3)
  assert(existsSync(sound.data))
})

function swap(one: string, other: string): void {
  renameSync(one, `${one}.x`)
  renameSync(other, one)
  renameSync(`${one}.x`, other)
}

test('a server that starts while the doctor looks is no ailment: it looks again', async () => {
  const { folder, data } = patient()
  let opened: Awaited<ReturnType<typeof open>> | undefined
  const environment: Pick<Environment, 'tryStart'> = {
    async tryStart(place) {
      opened ??= await open(folder)
      const random = new SeededRandom(6)
      for (let round = 0; round < 12; round++) {
        await append(
          opened.ledgers,
          'main',
          Array.from({ length: 30 }, () => random.bytes(40)),
        )
      }
      await opened.ledgers.publish()
      return await tryStart(place)
    },
  }
  const world = { cwd: folder, variables: { XDG_STATE_HOME: join(folder, 'state') }, environment }
  const { code, out, err } = await new Cli(world).run('doctor', '--data', data, '--json')
  const { verdict, isRunning, ailments }: Examination = JSON.parse(out)
  assert.deepEqual([code, err, verdict, isRunning, ailments], [0, '', 'healthy', true, []])
  await opened?.close()
})
