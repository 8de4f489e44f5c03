// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What witnesses have seen, held against the data: by a start, by verify, by doctor, and over a backup.

import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { type Policy, parsePolicy } from '@stele/proof'

import { takeBackup } from '../src/backup/take-backup.ts'
import { restore } from '../src/backup/restore.ts'
import { examine } from '../src/evidence/doctor.ts'
import { type DirectoryReport, verifyDirectory } from '../src/evidence/verify-directory.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { tryLock } from '../src/platform/lock.ts'
import { tryStart } from '../src/try-start.ts'
import { scratch, SeededRandom } from './scratch.ts'
import { eventually, startTestServer, type TestServer } from './server-fixture.ts'
import { addWitness, always, TestWitness } from './witness-ground.ts'

const disk = new NodeDisk()

interface Ground {
  readonly folder: string
  readonly data: string
  readonly witness: TestWitness
  readonly policy: Policy
  readonly serve: () => Promise<TestServer>
  /** Copies data and state, as a snapshot of the machine would have them. */
  readonly keep: (name: string) => Promise<void>
  readonly bringBack: (name: string) => Promise<void>
  /** Lets a server append, and stops it once all is witnessed. */
  readonly grow: () => Promise<void>
}

async function ground(context: TestContext): Promise<Ground> {
  const folder = scratch(context)
  const live = join(folder, 'live')
  await mkdir(live)
  const witness = await TestWitness.start(context, 'one')
  const serve = async () => await startTestServer(context, { directory: live, config: { privateWitnesses: true } })
  const first = await serve()
  await addWitness(first, witness)
  const policy = parsePolicy(await (await first.ask('/v1/witnesses/policy')).text())
  const witnessed = async (server: TestServer) => {
    await server.askJson('/v1/ledgers/main/events', { body: '{"a":1}' })
    await server.ledgers.publish()
    await eventually(async () => (await kept(live))?.equals(server.cosigning.newest?.note ?? Buffer.alloc(0)) === true)
    await eventually(() => server.cosigning.newest?.size === server.cosigning.publishedSize)
  }
  await witnessed(first)
  await first.close()
  return {
    folder,
    data: join(live, 'data'),
    witness,
    policy,
    serve,
    keep: async (name) => await cp(live, join(folder, name), { recursive: true }),
    bringBack: async (name) => {
      await rm(live, { recursive: true })
      await cp(join(folder, name), live, { recursive: true })
    },
    grow: async () => {
      const server = await serve()
      await witnessed(server)
      await server.close()
    },
  }
}

async function kept(live: string): Promise<Buffer | undefined> {
  return await readFile(join(live, 'data', 'witnessed', 'head')).catch(() => undefined)
}

async function verified(directory: string, policy?: Policy): Promise<DirectoryReport> {
  return await verifyDirectory({ disk, directory, ...(policy === undefined ? {} : { policy }) })
}

test('P4: under a policy from elsewhere the witnessed head in the directory vouches for the entries below it', async (context) => {
  const { data, policy } = await ground(context)
  const alone = await verified(data)
  assert.equal(alone.verdict, 'self-consistent', JSON.stringify(alone.findings))
  assert.deepEqual(
    alone.witnessed.cosignatures.map(({ witness }) => witness),
    ['one'],
  )
  assert.match(alone.remarks.join('\n'), /cosigned by one at 20.*1 must/)
  const trusted = await verified(data, policy)
  assert.equal(trusted.verdict, 'unchanged', JSON.stringify(trusted.findings))
  assert.ok(trusted.coveredCount > 0)
  // Somebody else's witnesses vouch for nothing here.
  const other = new TestWitness('other').signer
  const foreign = parsePolicy(
    `log ${policy.logs[0]?.key === undefined ? '' : await vkeyIn(data)}\nwitness w ${other.vkey}\nquorum w\n`,
  )
  assert.equal((await verified(data, foreign)).verdict, 'self-consistent')
})

async function vkeyIn(data: string): Promise<string> {
  const { ledgers } = await verified(data)
  return ledgers.find(({ name }) => name === 'heads')?.vkey ?? ''
}

test('P4: every byte of the witnessed head that is changed is found, and named', async (context) => {
  const { data } = await ground(context)
  const path = join(data, 'witnessed', 'head')
  const whole = await readFile(path)
  for (let at = 0; at < whole.length; at += at < 700 ? 13 : 199) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1 << (at % 7)
    await writeFile(path, changed)
    const { verdict, findings } = await verified(data)
    assert.equal(verdict, 'changed', `byte ${at}`)
    assert.ok(
      findings.every(({ file }) => file === 'witnessed/head'),
      `byte ${at}: ${JSON.stringify(findings)}`,
    )
  }
})

test('P3: data that is older than the witnessed head beside it is not started on, and verify and doctor say so', async (context) => {
  const { data, folder, keep, grow, serve } = await ground(context)
  await keep('older')
  await grow()
  const newer = await readFile(join(data, 'witnessed', 'head'))
  for (const part of ['wal', 'derived']) {
    await rm(join(data, part), { recursive: true })
    await cp(join(folder, 'older', 'data', part), join(data, part), { recursive: true })
  }
  // The head outside was rolled back, too.
  await rm(join(data, '..', 'state'), { recursive: true })
  await cp(join(folder, 'older', 'state'), join(data, '..', 'state'), { recursive: true })
  await assert.rejects(serve(), /witnessed\/head counts .* older than what was published/)
  assert.deepEqual(await readFile(join(data, 'witnessed', 'head')), newer)
  const report = await verified(data)
  assert.equal(report.verdict, 'changed')
  assert.equal(report.isOlder, true, JSON.stringify(report.findings))
  const examination = await examine({
    disk,
    files: new NodeFiles(),
    directory: data,
    data: 'DIR',
    heads: [],
    isRunning: false,
    tryStart: async () =>
      await tryStart({ dataDirectory: data, stateDirectory: join(data, '..', 'state'), version: '0.0.0-test' }),
  })
  assert.equal(examination.verdict, 'wrong')
  assert.match(
    JSON.stringify(examination.checks),
    /witnessed\/head, heads at \d+, by one at [^:]*.*newer than this data by/,
  )
  assert.match(JSON.stringify(examination.ailments), /The data is older than what was published/)
})

test('P3: a snapshot of the whole machine that is brought back is not started on: its witness has seen more', async (context) => {
  const { keep, grow, bringBack, serve, witness } = await ground(context)
  await keep('older')
  await grow()
  await bringBack('older')
  await assert.rejects(serve(), /the witness one has seen \d+ published heads, the data directory has \d+/)
  // A head that it can show is named as what it is.
  witness.shown = witness.latest?.note
  await assert.rejects(serve(), /the witness one shows a head that this key has signed/)
})

test('one witness of several that claims to have seen more keeps no log shut, but is looked at', async (context) => {
  const { serve, witness } = await ground(context)
  const other = await TestWitness.start(context, 'two')
  const server = await serve()
  await addWitness(server, other)
  await eventually(() => server.cosigning.newest?.cosignatures.length === 2)
  await server.close()
  witness.misbehaviour = always(409, '1000000\n')
  const again = await serve()
  await eventually(async () => /other heads/.test(await (await again.ask('/readyz')).text()))
  await again.askJson('/v1/ledgers/main/events', { body: '{"a":2}' })
})

test('P3: a fork that outgrew what its witness had seen is refused by it, and on record', async (context) => {
  const { keep, grow, bringBack, serve, witness } = await ground(context)
  await keep('older')
  await grow()
  await bringBack('older')
  // While the witness cannot be reached, a start cannot know.
  witness.misbehaviour = always(503, '')
  const server = await serve()
  for (let number = 0; number < 8; number++) {
    await server.askJson('/v1/ledgers/main/events', { body: JSON.stringify({ number }) })
    await server.ledgers.publish()
  }
  witness.misbehaviour = undefined
  await eventually(() => server.administration.state.witnesses.get('one')?.contradictions[0]?.kind === 'fork')
  assert.ok((witness.latest?.size ?? 0) < server.cosigning.publishedSize)
})

test('a restart asks the witness for nothing that it has cosigned already, and serves it at once', async (context) => {
  const { serve, witness, data } = await ground(context)
  const note = await readFile(join(data, 'witnessed', 'head'))
  witness.misbehaviour = () => true
  const server = await serve()
  const response = await server.ask('/v1/ledgers/heads/checkpoint?witnessed=true')
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), note)
})

test('a backup whose witnessed head was damaged is restored without it', async (context) => {
  const { data, folder } = await ground(context)
  const path = join(data, 'witnessed', 'head')
  const whole = await readFile(path, 'utf8')
  await writeFile(
    path,
    whole.replace(/(?<=witness\.test\/one .{20})./, (char) => (char === 'A' ? 'B' : 'A')),
  )
  const [to, restored] = [join(folder, 'backup'), join(folder, 'restored')]
  await backUp(data, to)
  const { isWitnessedLeftOut, verified: report } = await restoreFrom(to, restored)
  assert.equal(isWitnessedLeftOut, true)
  assert.equal(report.verdict, 'self-consistent')
  assert.equal(await readFile(join(restored, 'witnessed', 'head')).catch(() => undefined), undefined)
})

test('a backup holds the witnessed head, and what is restored from it has it', async (context) => {
  const { data, folder, policy } = await ground(context)
  const to = join(folder, 'backup')
  const report = await backUp(data, to)
  assert.equal(report.manifest.v, 2)
  const restored = join(folder, 'restored')
  await restoreFrom(to, restored)
  assert.deepEqual(await readFile(join(restored, 'witnessed', 'head')), await readFile(join(data, 'witnessed', 'head')))
  assert.equal((await verified(restored, policy)).verdict, 'unchanged')
})

async function backUp(from: string, to: string) {
  const rest = { withKeys: true, isRunning: false, version: '0', lock: tryLock, onProgress: () => {} }
  return await takeBackup({ disk, clock: new SystemClock(), from, to, ...rest })
}

async function restoreFrom(from: string, to: string) {
  return await restore({
    disk,
    from,
    to,
    heads: async () => await Promise.resolve([]),
    isForReading: false,
    threadCount: 0,
    random: new SeededRandom(1),
    lock: tryLock,
    onProgress: () => {},
  })
}
