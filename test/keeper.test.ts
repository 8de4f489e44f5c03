// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The keeper beside a real server: WAL files become segments, all is verified again and again, and what is found is said
// wherever somebody looks.

import assert from 'node:assert/strict'
import { chmod, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { PassSchedule } from '../src/evidence/background.ts'
import { variablesFor, stele } from './cli-fixture.ts'
import { append, childOf } from './index-children.ts'
import { eventsOf, eventually, startTestServer, type TestServer } from './server-fixture.ts'

const sizes = { anchorEveryBytes: 100_000, walFileBytes: 150_000, segmentEntries: 512 }
const KEEPER = 'src/keeper.ts'
/** As often as can be, without rests. */
const often: PassSchedule = { share: 1, withinMs: 60_000, everyMs: 50 }
/** Once, and then when it is asked for. */
const seldom: PassSchedule = { share: 1, withinMs: 60_000, everyMs: 3_600_000 }

type Context = Parameters<typeof startTestServer>[0]

async function kept(context: Context, keeping: PassSchedule, directory?: string): Promise<TestServer> {
  return await startTestServer(context, {
    parts: { keeping, sizes },
    ...(directory === undefined ? {} : { directory }),
  })
}

const dataOf = (server: TestServer) => join(server.directory, 'data')
const walFiles = async (server: TestServer) => await readdir(join(dataOf(server), 'wal'))

async function figures(server: TestServer): Promise<ReadonlyMap<string, number>> {
  const text = await (await server.ask('/metrics')).text()
  const lines = text.split('\n').filter((line) => /^stele_\w+ /.test(line))
  return new Map(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
}

/** All that is sealed has been, and nothing is left to do. */
async function sealedAll(server: TestServer): Promise<void> {
  await eventually(async () => (await walFiles(server)).length === 1, 60_000)
}

test('WAL files of a server become segments behind it, events are read from them, and metrics say how far they are', async (context) => {
  const server = await kept(context, seldom)
  await append(server, 1_500, 100)
  const before = await eventsOf(server, 'main')
  await sealedAll(server)
  assert.equal(before.length, 1_500)
  assert.deepEqual(await eventsOf(server, 'main'), before)
  const { sealed } = server.ledgers
  assert(sealed.commit > 0 && sealed.sizes['main']! > 1_000)
  await eventually(async () => (await figures(server)).get('stele_seal_seconds') !== undefined)
  const at = await figures(server)
  assert.equal(at.get('stele_sealed_commit'), sealed.commit)
  assert.equal(at.get('stele_seal_lag_bytes'), 0)
  assert.equal(at.get('stele_seal_failures_total'), 0)
  assert(at.get('stele_segments')! >= 3 && at.get('stele_segment_bytes')! > 10_000)
  assert(at.get('stele_wal_bytes')! < 160_000)
})

test('P1: the keeper killed again and again while it seals loses nothing, and sealing gets done', async (context) => {
  const server = await kept(context, seldom)
  for (let kills = 0; kills < 4; kills++) {
    await append(server, 400, 50)
    const pid = childOf(KEEPER)
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  }
  const before = await eventsOf(server, 'main')
  await sealedAll(server)
  assert.deepEqual(await eventsOf(server, 'main'), before)
  assert(server.keeper.sealing.restarts >= 1)
  assert.equal(server.keeper.sealing.fault, undefined)
  const drafts = await readdir(join(dataOf(server), 'segments', '.drafts')).catch(() => [])
  assert.deepEqual(drafts, [])
})

test('nothing is found wrong in a server that appends, makes ledgers, reads and seals while it is verified', async (context) => {
  const server = await kept(context, often)
  for (let round = 0; round < 6; round++) {
    await server.createLedger(`ledger-${round}`)
    for (const ledger of ['main', `ledger-${round}`, 'ledger-0']) await append(server, 200, 20, ledger)
    await server.ask('/v1/ledgers/main/events/0')
  }
  await sealedAll(server)
  const { last } = server.keeper.verification
  await eventually(() => server.keeper.verification.last !== last, 60_000)
  const found = server.logged.filter(
    (line) => 'message' in line && /^verification (?:failed|could)/.test(String(line.message)),
  )
  assert.deepEqual(found, [])
  assert(server.ledgers.sealed.commit > 20)
})

/** Flips a bit behind the server's back. */
async function flip(path: string, position: number): Promise<void> {
  await chmod(path, 0o600)
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    assert.equal((await file.read(byte, 0, 1, position)).bytesRead, 1)
    byte[0]! ^= 1
    await file.write(byte, 0, 1, position)
    await file.sync()
  } finally {
    await file.close()
  }
}

const ready = async (server: TestServer) => (await server.ask('/readyz')).status === 200

const recorded = async (server: TestServer) =>
  (await eventsOf(server, 'system')).filter(({ type }) => type.startsWith('verification.'))

/** What was flipped is found, and said everywhere; put right, that is said, too. */
async function assertToldOf(server: TestServer, path: string, position: number): Promise<void> {
  const world = { variables: variablesFor(server) }
  await eventually(() => server.keeper.verification.lastPassed !== undefined, 60_000)
  await eventually(async () => (await recorded(server)).length === 1)
  assert.equal((await recorded(server))[0].type, 'verification.passed')
  assert(await ready(server))
  await flip(path, position)
  await eventually(async () => !(await ready(server)), 60_000)
  const { reasons } = (await (await server.ask('/readyz')).json()) as { reasons: string[] }
  assert.match(reasons.join(), /Verification found stored data that is not as it must be/)
  const { last, lastPassedAt } = await server.askJson('/v1/verification')
  assert.deepEqual([last.outcome, last.verdict], ['failed', 'changed'])
  assert(last.findingCount > 0 && last.startedAt >= lastPassedAt)
  assert(path.endsWith(last.findings[0].file), JSON.stringify(last.findings[0]))
  const narrow = await server.askJson('/v1/verification', {
    token: await server.token(['verify'], { ledgers: ['main'] }),
  })
  assert.deepEqual([narrow.last.findings, narrow.last.findingCount], [[], last.findingCount])
  assert.equal((await figures(server)).get('stele_verification_failed'), 1)
  await eventually(async () => (await recorded(server)).length === 2)
  const event = (await recorded(server))[1]
  assert.equal(event.type, 'verification.failed')
  assert(path.endsWith(event.first.file) && event.findingCount > 0)
  assert(server.logged.some((line) => 'message' in line && line.message === 'verification failed'))
  const shown = await stele(world, 'check', 'ledgers', '--now')
  assert.equal(shown.code, 1, shown.err)
  assert.match(shown.out, /^Stored data is NOT as it must be: [\s\S]*stele verify --data/)
  assert(shown.out.includes(last.findings[0].file))
  await flip(path, position)
  const well = await stele(world, 'check', 'ledgers', '--now')
  assert.deepEqual([well.code, well.err], [0, ''])
  assert.match(well.out, /^Everything stored is as it must be: /)
  await eventually(async () => (await recorded(server)).at(-1).type === 'verification.passed')
  assert(await ready(server))
  // The same is not recorded pass by pass.
  assert.equal((await recorded(server)).filter(({ type }) => type !== 'verification.requested').length, 3)
}

test('P4: a byte flipped in the log of a running server is found by itself, and said wherever somebody looks', async (context) => {
  const server = await startTestServer(context, { parts: { keeping: often } })
  await append(server, 300, 50)
  const [file] = await walFiles(server)
  await assertToldOf(server, join(dataOf(server), 'wal', file!), 40_000)
})

test('P4: a byte flipped in a segment of a running server is found by itself, and said wherever somebody looks', async (context) => {
  const server = await kept(context, often)
  await append(server, 1_200, 100)
  await sealedAll(server)
  const folder = join(dataOf(server), 'segments', 'main')
  const [oldest] = await readdir(folder)
  await assertToldOf(server, join(folder, oldest!), 2_000)
})

test('what a verification found is still said after a restart, until one finds that it is mended', async (context) => {
  const first = await kept(context, often)
  await append(first, 1_200, 100)
  await sealedAll(first)
  // Not the log, of which a start would read every frame.
  const folder = join(dataOf(first), 'segments', 'main')
  const path = join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.content'))!,
  )
  await flip(path, 2_000)
  await eventually(async () => (await recorded(first)).at(-1)?.type === 'verification.failed', 60_000)
  await first.close()
  const second = await startTestServer(context, { directory: first.directory })
  assert(!(await ready(second)))
  assert.equal((await figures(second)).get('stele_verification_failed'), 1)
  const { failureOnRecord } = await second.askJson('/v1/verification')
  assert(failureOnRecord.findingCount > 0)
  const shown = await stele({ variables: variablesFor(second) }, 'check', 'ledgers')
  assert.equal(shown.code, 1, shown.out + shown.err)
  assert.match(shown.out, /stored data is NOT as it must be/i)
  await second.close()
  await flip(path, 2_000)
  const third = await startTestServer(context, { directory: first.directory, parts: { keeping: often } })
  await eventually(async () => await ready(third), 60_000)
  await eventually(async () => (await recorded(third)).at(-1).type === 'verification.passed')
  assert.equal((await figures(third)).get('stele_verification_failed'), 0)
  assert.equal((await third.askJson('/v1/verification')).failureOnRecord, undefined)
})

test('that the ledgers are to be verified now is recorded with who asked for it', async (context) => {
  const server = await kept(context, seldom)
  const answer = await server.ask('/v1/verification', { method: 'POST' })
  assert.equal(answer.status, 202)
  const event = (await recorded(server)).find(({ type }) => type === 'verification.requested')
  assert.equal(event.by, server.adminToken.split('_')[1])
  await eventually(() => server.keeper.verification.last?.isRequested === true, 60_000)
})

test('P4: a WAL file that was damaged is not sealed: it stays, sealing stops, and what is wrong is said', async (context) => {
  const again = await kept(context, seldom)
  await append(again, 60, 20)
  const files = await walFiles(again)
  // Behind the start, which reads every frame, and before the file is completed.
  await flip(join(dataOf(again), 'wal', files[0]!), 12_000)
  await append(again, 1_000, 50)
  await eventually(async () => (await figures(again)).get('stele_seal_stopped') === 1, 60_000)
  assert.match(again.keeper.sealing.fault ?? '', new RegExp(`${files[0]} at byte \\d+`))
  assert.equal((await walFiles(again))[0], files[0])
  assert(!(await ready(again)))
  // It says so by a verification, too, which names all that is wrong.
  await eventually(() => again.keeper.verification.last?.outcome === 'failed', 60_000)
})
