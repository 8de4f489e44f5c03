// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { openDirectory, systemParts } from '../../src/directory.ts'
import { drill, type DrillOptions, type DrillReport } from '../../src/evidence/drill.ts'
import { type OpenCopy } from '../../src/evidence/drill-ground.ts'
import { tamperings } from '../../src/evidence/tamperings.ts'
import { tryLock } from '../../src/platform/lock.ts'
import { Cli } from '../cli-fixture.ts'
import { append, MemoryHeadStore, openStele, scratch, sealAll, SeededRandom } from '../scratch.ts'
import { eventually, startTestServer } from '../server-fixture.ts'

const program = join(import.meta.dirname, '../../src/main.ts')

const openCopy: OpenCopy = async ({ dataDirectory, head, sizes = {} }) =>
  await openDirectory(
    { dataDirectory, head, stateDirectory: '/nowhere', name: 'stele.test', version: '0.0.0', log: () => {} },
    { ...systemParts(), sizes },
  )

/** A stopped directory with several ledgers and WAL files. */
async function directoryIn(folder: string, isSealed = false): Promise<string> {
  const directory = join(folder, 'data')
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 60_000, segmentEntries: 256 }
  const parts = { ...systemParts(), directory, head: new MemoryHeadStore(), lock: tryLock, sizes }
  const stele = await openStele(parts)
  await stele.administration.createLedger({ name: 'payments' }, 'tester')
  const random = new SeededRandom(3)
  for (let round = 0; round < 12; round++) {
    await append(stele.ledgers, 'main', [random.bytes(300), random.bytes(2_000), Buffer.from(`round ${round}`)])
    await append(stele.ledgers, 'payments', [random.bytes(100)])
    await stele.ledgers.publish()
  }
  if (isSealed) assert(await sealAll(stele, parts.disk, directory))
  await stele.close()
  return directory
}

function filesOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  return new Map(
    names.map((name) => {
      const path = join(folder, name)
      return [name, statSync(path).isDirectory() ? '' : readFileSync(path, 'base64')] as const
    }),
  )
}

async function holdDrill(
  context: TestContext,
  directory: string,
  rest: Partial<DrillOptions> = {},
): Promise<DrillReport> {
  const work = scratch(context)
  const report = await drill({
    ...systemParts(),
    directory,
    workFolder: join(work, 'drill'),
    open: openCopy,
    ...rest,
  })
  assert.deepEqual(readdirSync(work), [], 'something was left behind')
  return report
}

/** By tampering: who finds it. */
const expected: Readonly<Record<string, string>> = {
  edit: 'kept head, directory alone, receipt, start',
  'edit-segment': 'kept head, directory alone, receipt',
  'edit-segment-consistent': 'kept head, directory alone, receipt, start',
  'remove-segment': 'kept head, directory alone, start',
  'swap-segments': 'kept head, directory alone, start',
  'roll-back-seal': 'kept head, directory alone, start',
  'forge-seal': 'kept head, directory alone, start',
  'edit-consistent': 'kept head, directory alone, receipt, start',
  'edit-unpublished': 'kept head, receipt, start',
  delete: 'kept head, directory alone, receipt, start',
  insert: 'kept head, directory alone, receipt, start',
  reorder: 'kept head, directory alone, receipt, start',
  truncate: 'kept head, receipt, start',
  'roll-back': 'kept head, receipt, start',
  'swap-log': 'kept head, directory alone, start',
  'swap-keys': 'kept head, directory alone, start',
  'swap-hashes': 'kept head, directory alone',
  'change-hash': 'kept head, directory alone',
  'change-place': 'kept head, directory alone',
  'rewrite-signed': 'kept head, receipt, start',
  'rewrite-signed-head': 'receipt',
}

/** Of log files that changed places it depends on where they end whether the receipt's head still has its root. */
const outcomes = ({ steps }: DrillReport) =>
  Object.fromEntries(
    steps.map(({ name, foundBy }) => [
      name,
      foundBy.filter((finder) => name !== 'swap-log' || finder !== 'receipt').join(', '),
    ]),
  )

test('P1 P2: the drill says of every tampering what finds it, and that only a receipt finds a history signed again', async (context) => {
  const directory = await directoryIn(scratch(context))
  const before = filesOf(directory)
  const report = await holdDrill(context, directory)
  assert.deepEqual(filesOf(directory), before, 'the drill changed the directory')
  assert.deepEqual(outcomes(report), expected)
  assert.equal(report.allFound, true)
  assert.deepEqual([report.ledger, report.entryCount, report.isWhole], ['main', 36, true])
  const lastIndex = report.entryCount + report.ownCount - 1
  for (const [name, index] of [
    ['edit', lastIndex],
    ['edit-segment', report.target],
  ] as const) {
    const first = report.steps.find((step) => step.name === name)?.first
    assert.deepEqual([first?.ledger, first?.index, first?.count], ['main', index, 1])
  }
  const forged = report.steps.at(-1)
  assert.deepEqual([forged?.verdictWithHead, forged?.startRefused], ['unchanged', undefined])
  for (const { name, first, startRefused } of report.steps.slice(0, -1)) {
    assert(first !== undefined, `${name} names nothing`)
    assert.doesNotMatch(`${startRefused} ${JSON.stringify(first)}`, /stele-test-/, 'the folder of the drill is named')
  }
})

test('P1 P2: of a directory that is sealed the drill says the same, on all of it and on its beginning alone', async (context) => {
  const directory = await directoryIn(scratch(context), true)
  const before = filesOf(directory)
  const report = await holdDrill(context, directory)
  assert.deepEqual(filesOf(directory), before, 'the drill changed the directory')
  assert.deepEqual(outcomes(report), expected)
  assert.deepEqual([report.allFound, report.entryCount, report.isWhole], [true, 36, true])
  const part = await holdDrill(context, directory, { capBytes: 20_000 })
  assert.deepEqual([part.allFound, part.isWhole], [true, false])
  assert(part.entryCount > 4 && part.entryCount < 36, String(part.entryCount))
})

test('the drill runs beside a server that writes, and on its beginning alone where the log is longer than the cap', async (context) => {
  const server = await startTestServer(context)
  const events = Array.from({ length: 40 }, (_, number) =>
    Buffer.from(`{"number":${number},"filler":"${'x'.repeat(500)}"}`),
  )
  for (const event of events) await append(server.ledgers, 'main', [event])
  await server.ledgers.publish()
  const directory = join(server.directory, 'data')
  const stop = new AbortController()
  const writing = (async () => {
    while (!stop.signal.aborted) {
      await append(server.ledgers, 'main', events)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  const report = await holdDrill(context, directory, { capBytes: 100_000 }).finally(() => stop.abort())
  await writing
  assert.deepEqual([report.allFound, report.isWhole], [true, false])
  assert(report.copiedBytes <= 100_000 && report.copiedBytes > 50_000, String(report.copiedBytes))
  assert.equal(server.ledgers.failure, undefined)
})

test('a ledger without entries gets some of the drill, in the copy only, and they are counted apart', async (context) => {
  const folder = scratch(context)
  const stele = await openCopy({ dataDirectory: join(folder, 'data'), head: join(folder, 'head') })
  await stele.close()
  const report = await holdDrill(context, join(folder, 'data'))
  assert.deepEqual(
    [report.allFound, report.ledger, report.entryCount, report.ownCount],
    [true, 'main', 0, report.ownCount],
  )
})

test('an interrupted drill, and one on a damaged directory, leave nothing behind', async (context) => {
  const directory = await directoryIn(scratch(context))
  const controller = new AbortController()
  const onStep = () => controller.abort()
  await assert.rejects(holdIn(context, directory, { onStep, interrupted: controller.signal }), { name: 'AbortError' })
  const [first = ''] = readdirSync(join(directory, 'wal'))
  truncateSync(join(directory, 'wal', first), 40_000)
  await assert.rejects(holdIn(context, directory), { name: 'DataFault' })
  await assert.rejects(holdIn(context, directory, { ledger: 'nobody' }), { name: 'DataFault' })
})

async function holdIn(context: TestContext, directory: string, rest: Partial<DrillOptions> = {}): Promise<void> {
  const work = scratch(context)
  try {
    await drill({ ...systemParts(), directory, workFolder: join(work, 'drill'), open: openCopy, ...rest })
  } finally {
    assert.deepEqual(readdirSync(work), [])
  }
}

test('stele drill prints a row a tampering, what is not found, and exits 0; with --json the report', async (context) => {
  const folder = scratch(context)
  const directory = await directoryIn(folder)
  const temporary = join(folder, 'temporary')
  mkdirSync(temporary)
  const world = { cwd: folder, variables: { TMPDIR: temporary }, environment: { openCopy } }
  const { code, out, err } = await new Cli(world).run('drill', '--data', 'data')
  assert.deepEqual([code, err], [0, ''])
  const words = out.replaceAll(/\s+/g, ' ')
  for (const { what } of tamperings) assert(out.includes(what.slice(0, 30)), what)
  assert.match(words, /All was found that has to be\. Without a head kept outside, 5 of 21 would not be found/)
  assert.match(words, /Only a receipt that somebody else holds shows it/)
  const json = await new Cli({ ...world, isTerminal: true }).run(
    'drill',
    '--data',
    directory,
    '--json',
    '--ledger',
    'payments',
  )
  const report = JSON.parse(json.out) as DrillReport
  assert.deepEqual([json.code, report.ledger, report.steps.length], [0, 'payments', 21])
  assert.match(json.err, /21 of 21: /)
  assert.deepEqual(readdirSync(temporary), [])
})

test('stele drill counts entries of the ledger apart from its own', async (context) => {
  const folder = scratch(context)
  const stele = await openCopy({ dataDirectory: join(folder, 'data'), head: join(folder, 'head') })
  await stele.close()
  const world = { cwd: folder, variables: { TMPDIR: folder }, environment: { openCopy } }
  const { out } = await new Cli(world).run('drill', '--data', 'data')
  assert.match(out.replaceAll(/\s+/g, ' '), /with 0 entries of main, and the drill appended \d+ of its own to it\./)
})

test('the folder that a killed drill left, with its copies of keys, is removed by the next one, and no other folder is', async (context) => {
  const folder = scratch(context)
  await directoryIn(folder)
  const temporary = join(folder, 'temporary')
  const others = ['stele-drill-notoneofours', `stele-drill-${'b'.repeat(16)}`, `stele-drill-${'c'.repeat(16)}`]
  for (const name of others) mkdirSync(join(temporary, name, 'baseline'), { recursive: true })
  const lock = tryLock(join(temporary, others[1]!, 'LOCK'))
  context.after(() => lock?.release())
  symlinkSync(join(folder, 'data'), join(temporary, `stele-drill-${'d'.repeat(16)}`))
  const before = readdirSync(temporary)
  const child = spawn(process.execPath, [program, 'drill', '--data', join(folder, 'data')], {
    env: { TMPDIR: temporary, XDG_STATE_HOME: folder },
  })
  const ended = once(child, 'close')
  const isCopied = () =>
    readdirSync(temporary, { recursive: true, encoding: 'utf8' }).some((name) => /baseline.keys.main\.key$/.test(name))
  await eventually(isCopied)
  child.kill('SIGKILL')
  await ended
  assert(isCopied(), 'nothing was left behind')
  const world = { cwd: folder, variables: { TMPDIR: temporary }, environment: { openCopy } }
  const { code, err } = await new Cli(world).run('drill', '--data', 'data')
  assert.equal(code, 0)
  assert.match(err, /^Removed \S+stele-drill-[a-z2-7]{16}, which a killed drill had left\.\n$/)
  assert.deepEqual(readdirSync(temporary), before)
})

test('stele drill says what is wrong with the directory, the ledger or the cap', async (context) => {
  const folder = scratch(context)
  const directory = await directoryIn(folder)
  const world = { cwd: folder, variables: { TMPDIR: folder }, environment: { openCopy } }
  const rows = [
    [['--data', folder], 3, /is not a data directory of Stele/],
    [
      ['--data', directory, '--ledger', 'nobody'],
      2,
      /no ledger nobody in the part that is copied: it has main, payments/,
    ],
    [['--data', directory, '--cap', '0'], 2, /--cap 0 is no number of megabytes/],
  ] as const
  for (const [words, code, message] of rows) {
    const ran = await new Cli(world).run('drill', ...words)
    assert.equal(ran.code, code)
    assert.match(ran.err, message)
  }
  assert.deepEqual(readdirSync(folder).toSorted(), ['data'])
})

test('P4: with keys that were rotated the drill finds what it must, in the whole log and in a beginning of before', async (context) => {
  const folder = scratch(context)
  const directory = join(folder, 'data')
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 60_000, segmentEntries: 256 }
  const parts = { ...systemParts(), directory, head: new MemoryHeadStore(), lock: tryLock, sizes }
  const stele = await openStele(parts)
  const random = new SeededRandom(3)
  const grow = async () => {
    for (let round = 0; round < 6; round++) {
      await append(stele.ledgers, 'main', [random.bytes(300), random.bytes(2_000), Buffer.from(`round ${round}`)])
      await stele.ledgers.publish()
    }
  }
  for (let turn = 0; turn < 2; turn++) {
    await grow()
    for (const ledger of ['main', 'heads']) await stele.administration.rotateKey(ledger, 'tester')
  }
  await grow()
  await stele.close()
  const whole = await holdDrill(context, directory)
  assert.deepEqual([whole.allFound, whole.isWhole], [true, true])
  const part = await holdDrill(context, directory, { capBytes: 60_000 })
  assert.deepEqual([part.allFound, part.isWhole], [true, false])
})
