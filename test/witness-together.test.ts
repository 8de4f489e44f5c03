// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A Stele whose published head is cosigned by Stele's own witnesses, over HTTP.

import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { parsePolicy, verifyReceipt } from '@stele/proof'

import { scratch } from './scratch.ts'
import { eventually, startTestServer, type TestServer } from './server-fixture.ts'
import { runWitness } from './witnessing-ground.ts'

const config = { privateWitnesses: true }

/** A witness of the head of a server's `heads`. */
async function witnessOf(server: TestServer, directory: string, name: string) {
  return await runWitness({ directory, logs: [], config: { name, logVkeys: [server.ledgers.vkey('heads')] } })
}

async function add(server: TestServer, name: string, vkey: string | undefined, url: string): Promise<void> {
  await server.askJson('/v1/witnesses', { body: JSON.stringify({ name, vkey, url }) })
}

async function appendOne(server: TestServer): Promise<number> {
  return (await server.askJson('/v1/ledgers/main/events', { body: '{"a":1}' })).first
}

async function allWitnessed(server: TestServer): Promise<void> {
  await server.ledgers.publish()
  await eventually(() => server.cosigning.newest?.size === server.cosigning.publishedSize)
}

async function closing(context: TestContext, running: { close(): Promise<void> }): Promise<void> {
  context.after(async () => await running.close())
  await Promise.resolve()
}

test('P9: both kinds of cosignature of Stele’s own witness make a quorum that vouches for a receipt, over its restart too', async (context) => {
  const server = await startTestServer(context, { config })
  const [one, two] = [scratch(context), scratch(context)]
  const first = await witnessOf(server, one, 'witness.example.com/1')
  const second = await witnessOf(server, two, 'witness.example.com/2')
  await closing(context, second)
  await add(server, 'one', first.vkeys[0], first.url)
  await add(server, 'two', second.vkeys[1], second.url)
  const index = await appendOne(server)
  const path = `/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=20`
  const receipt = Buffer.from(await (await server.ask(path)).arrayBuffer())
  const policy = parsePolicy(await (await server.ask('/v1/witnesses/policy')).text())
  const report = await verifyReceipt(Buffer.from('{"a":1}'), receipt, policy)
  assert.equal(report.verdict, 'valid', JSON.stringify(report))
  assert.deepEqual(
    policy.witnesses.map(({ key }) => key.alg).toSorted((a, b) => a - b),
    [4, 6],
  )

  const { port } = new URL(first.url)
  await first.close()
  await appendOne(server)
  await eventually(() => server.cosigning.statusOf('one')?.state === 'failing')
  const again = await runWitness({
    directory: one,
    logs: [],
    config: {
      name: 'witness.example.com/1',
      logVkeys: [server.ledgers.vkey('heads')],
      listenPort: Number(port),
    },
  })
  await closing(context, again)
  await allWitnessed(server)
})

test('P3: a snapshot that is brought back is refused by the head that Stele’s own witness shows', async (context) => {
  const folder = scratch(context)
  const live = join(folder, 'live')
  await mkdir(live)
  const serve = async () => await startTestServer(context, { directory: live, config })
  const server = await serve()
  const witness = await witnessOf(server, join(folder, 'witness'), 'witness.example.com/1')
  await closing(context, witness)
  await add(server, 'one', witness.vkeys[0], witness.url)
  await allWitnessed(server)
  await server.close()
  await cp(live, join(folder, 'older'), { recursive: true })
  const later = await serve()
  await appendOne(later)
  await allWitnessed(later)
  await later.close()
  await rm(live, { recursive: true })
  await cp(join(folder, 'older'), live, { recursive: true })
  await assert.rejects(serve(), /the witness one shows a head that this key has signed of \d+ published heads/)
})

test('a key of heads that its witness does not know yet is said as that, and cosigning goes on once it does', async (context) => {
  const server = await startTestServer(context, { config })
  const directory = scratch(context)
  const witness = await witnessOf(server, directory, 'witness.example.com/1')
  await add(server, 'one', witness.vkeys[0], witness.url)
  await allWitnessed(server)
  await server.administration.rotateKey('heads', 'tester')
  await eventually(() => server.cosigning.statusOf('one')?.state === 'failing')
  assert.match(server.cosigning.statusOf('one')?.reason ?? '', /403: it does not know our key/)
  await appendOne(server)
  const { port } = new URL(witness.url)
  await witness.close()
  const renewed = await runWitness({
    directory,
    logs: [],
    config: {
      name: 'witness.example.com/1',
      logVkeys: [server.ledgers.vkey('heads')],
      listenPort: Number(port),
    },
  })
  await closing(context, renewed)
  await allWitnessed(server)
  const kept = await readFile(join(server.directory, 'data', 'witnessed', 'head')).catch(() => undefined)
  assert.ok(kept !== undefined)
})
