// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Data directories that earlier versions left, stopped and killed, are opened, verified and gone on with by this one.
// test/golden/make.ts made them; they are never made again.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { KeptHead } from '../src/evidence/kept-heads.ts'
import { verifyDirectory } from '../src/evidence/verify-directory.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import type { GoldenFacts } from './golden/facts.ts'
import { hex, readAll, scratch, sealAll } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

const golden = join(import.meta.dirname, 'golden')
const names = readdirSync(golden, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => readdirSync(join(golden, name)).map((kind) => join(name, kind)))

interface Ground {
  readonly directory: string
  readonly facts: GoldenFacts
}

async function copyOf(context: TestContext, name: string): Promise<Ground> {
  const directory = scratch(context)
  await cp(join(golden, name), directory, { recursive: true })
  const facts = JSON.parse(await readFile(join(directory, 'facts.json'), 'utf8'))
  return { directory, facts }
}

async function headOf(directory: string): Promise<KeptHead> {
  const heads = join(directory, 'state', 'heads')
  const [where = ''] = (await readdir(heads)).filter((name) => name.endsWith('.head')).map((name) => join(heads, name))
  return { where, bytes: await readFile(where) }
}

async function verified(directory: string): Promise<{ verdict: string; what: string }> {
  const heads = [await headOf(directory)]
  const report = await verifyDirectory({ disk: new NodeDisk(), directory: join(directory, 'data'), heads })
  return { verdict: report.verdict, what: JSON.stringify(report.findings) }
}

async function assertHolds({ ledgers, administration }: TestServer, facts: GoldenFacts): Promise<void> {
  assert.equal(ledgers.originPrefix, facts.originPrefix)
  for (const { name, vkey, size, root, events } of facts.ledgers) {
    assert.equal(administration.state.ledgers.get(name)?.vkey, vkey)
    if (name !== 'system' && name !== 'heads') {
      assert.deepEqual([ledgers.log(name).size, hex(ledgers.log(name).root)], [size, root], name)
    }
    const found = (await readAll(ledgers, name)).slice(0, size)
    assert.equal(found.map((event) => createHash('sha256').update(event).digest('hex')).join(''), events, name)
  }
  for (const id of facts.tokens) assert.equal(administration.state.tokens.get(id)?.revokedAt, undefined, id)
}

test('there are golden directories', () => {
  assert(names.length >= 2, 'node test/golden/make.ts makes them')
})

test('S3: what earlier versions left is unchanged to the byte, and verifies', async (context) => {
  for (const name of names) {
    await context.test(name, async (part) => {
      const { directory } = await copyOf(part, name)
      assert.deepEqual(await verified(directory), { verdict: 'unchanged', what: '[]' })
    })
  }
})

test('S3: what earlier versions left is opened, read, known again and gone on with', async (context) => {
  for (const name of names) {
    await context.test(name, async (part) => {
      const { directory, facts } = await copyOf(part, name)
      const server = await startTestServer(part, { directory })
      assert(facts.sealedCommit > 0 && server.ledgers.sealed.commit >= facts.sealedCommit)
      await assertHolds(server, facts)
      const { keyed, repeated } = facts
      const events = '/v1/ledgers/main/events'
      const once = { body: keyed.body, token: keyed.token, headers: { 'idempotency-key': keyed.key } }
      // Whatever was remembered of keys and ids is long gone by the time that passed: what is stored has its index.
      const { size } = server.ledgers.log('main')
      const again = await server.askJson(events, once)
      assert([keyed.first, size].includes(again.first))
      const known = await server.askJson(events, { body: repeated.body, token: keyed.token })
      assert.deepEqual([known.duplicates, known.count, known.indexes ?? [known.first]], [1, 0, [repeated.first]])
      const { first } = await server.askJson(events, { body: '{"a new":"event"}' })
      assert.equal(first, server.ledgers.log('main').size - 1)
      await sealAll(server, new NodeDisk(), join(directory, 'data'))
      await server.close()
      assert.deepEqual(await verified(directory), { verdict: 'unchanged', what: '[]' })
    })
  }
})
