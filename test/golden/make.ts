// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Makes the golden directories of a release: `node test/golden/make.ts test/golden/NAME`, once, when the release's format
// is final. They are never made again: every later version opens and verifies them as they are (test/golden.test.ts).

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFile, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import { join, resolve } from 'node:path'

import { entraMix, events1k } from '../../bench/generate.ts'
import { NodeDisk } from '../../src/platform/disk.ts'
import { hex, readAll, sealAll } from '../scratch.ts'
import { type Ask, startTestServer, type TestServer } from '../server-fixture.ts'
import type { GoldenFacts } from './facts.ts'

const SIZES = { anchorEveryBytes: 40_000, walFileBytes: 90_000, segmentEntries: 256 }
const ROUNDS = 14
const TORN_BYTES = 1_234
/** Not the ledgers' data, or of one machine only. */
const LEFT_OUT = /\/(?:LOCK|index|directories|\.drafts|[a-z0-9]+\.head\.lock)$/

interface Appended {
  readonly first: number
  readonly duplicates?: number
  readonly indexes?: readonly number[]
}

type Repeats = Pick<GoldenFacts, 'keyed' | 'repeated'>

const [target] = process.argv.slice(2)
assert(target !== undefined, 'give the folder to make')
const directory = await mkdtemp(join(tmpdir(), 'stele-golden-'))
const undo: (() => Promise<void>)[] = []
const context = { after: (work: () => Promise<void>) => void undo.push(work) } as Pick<TestContext, 'after'>
try {
  const server = await startTestServer(context, {
    directory,
    parts: { sizes: SIZES },
  })
  const repeats = await fill(server)
  await leave(server, join(resolve(target), 'killed'), repeats)
  await tear(join(resolve(target), 'killed', 'data', 'wal'))
  await server.close()
  await leave(server, join(resolve(target), 'stopped'), repeats)
} finally {
  for (const work of undo.toReversed()) await work()
  await rm(directory, { recursive: true, force: true })
}

/** Events of every media type, repeats, tokens, ledgers; some of it sealed, some in the log. */
async function fill(server: TestServer): Promise<Repeats> {
  const lines = { type: 'application/x-ndjson' }
  const post = async (ledger: string, body: string | Uint8Array, init: Ask = {}): Promise<Appended> =>
    (await server.askJson(`/v1/ledgers/${ledger}/events`, { body, ...init })) as Appended
  await server.createLedger('shown', true)
  await server.createLedger('empty')
  const token = await server.token(['append'], { ledgers: ['main'], label: 'appends' })
  const request = { body: JSON.stringify({ scopes: ['read'], ledgers: ['*'] }) }
  const { id } = (await server.askJson('/v1/tokens', request)) as { readonly id: string }
  await server.ask(`/v1/tokens/${id}`, { method: 'DELETE' })
  const limited = { scopes: ['append'], ledgers: ['shown'], limits: { eventsPerSecond: 1_000 } }
  await server.askJson('/v1/tokens', { body: JSON.stringify(limited) })
  const keyed = { token, key: 'golden', body: '{"hello":"world"}' }
  const { first } = await post('main', keyed.body, { token, headers: { 'idempotency-key': keyed.key } })
  for (let round = 0; round < ROUNDS; round++) {
    await post('main', events1k(20, round), { ...lines, token })
    await post('shown', JSON.stringify({ round, text: '\u0000 \u{1f600} ünï' }))
    if (round % 5 === 0) await post('main', entraMix(2, round), lines)
    if (round % 4 === 0) await post('shown', `line one of ${round}\nline two`, { type: 'text/plain' })
    if (round % 4 === 1) await post('shown', Buffer.from([0, 255, round, 10]), { type: 'application/octet-stream' })
    await server.ledgers.publish()
  }
  await sealAll(server, new NodeDisk(), join(server.directory, 'data'))
  const again = events1k(20, 3)
  const { duplicates, indexes = [] } = await post('main', again, { ...lines, token })
  assert.equal(duplicates, 20)
  const [body = ''] = again.toString().split('\n')
  // The same id with other bytes.
  await post('main', `${body.slice(0, -1)} }`, { token })
  await server.ledgers.publish()
  return { keyed: { ...keyed, first }, repeated: { body, first: indexes[0]! } }
}

async function leave({ ledgers, administration, directory: folder }: TestServer, into: string, repeats: Repeats) {
  await cp(folder, into, { recursive: true, filter: (path) => !LEFT_OUT.test(path) })
  const rows = ledgers.names.map(async (name) => {
    const { size, root } = ledgers.log(name)
    const events = (await readAll(ledgers, name)).map((event) => createHash('sha256').update(event).digest('hex'))
    return { name, vkey: administration.state.ledgers.get(name)!.vkey, size, root: hex(root), events: events.join('') }
  })
  const { originPrefix, sealed } = ledgers
  const tokens = [...administration.state.tokens.values()]
    .filter(({ revokedAt }) => revokedAt === undefined)
    .map(({ id }) => id)
  const facts = { originPrefix, sealedCommit: sealed.commit, ledgers: await Promise.all(rows), tokens, ...repeats }
  await writeFile(join(into, 'facts.json'), `${JSON.stringify(facts satisfies GoldenFacts, undefined, 2)}\n`)
}

/** What a crash leaves of a frame that was never acknowledged. */
async function tear(wal: string): Promise<void> {
  const last = (await readdir(wal)).toSorted().at(-1)
  assert(last !== undefined)
  await appendFile(join(wal, last), Buffer.alloc(TORN_BYTES, 0x5a))
}
