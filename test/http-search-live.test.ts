// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Search as it runs: server, follower and ClickHouse, held against the index in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Cli, stele, steleOk, variablesFor } from './cli-fixture.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { ListedIndex } from './listed-index.ts'
import { eventually, type Json, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const config = { noIndex: false }

function eventOf(n: number): string {
  return JSON.stringify({
    time: new Date(Date.parse('2026-01-05T00:00:00Z') + ((n * 7_919) % 50) * 60_000).toISOString(),
    actor: `user-${n % 5}@contoso.com`,
    action: n % 3 === 0 ? 'sign in' : 'delete',
    target: n % 3 === 0 ? 'Mail' : `File ${n % 4}`,
    outcome: n % 4 === 0 ? 'failure' : 'success',
    ip: n % 2 === 0 ? `10.0.0.${n % 20}` : '2001:db8::7',
    note: `number ${n} of many`,
  })
}

async function filled(server: TestServer): Promise<void> {
  await server.createLedger('other')
  for (const [ledger, count] of [
    ['main', 150],
    ['other', 50],
  ] as const) {
    const body = Array.from({ length: count }, (_, n) => eventOf(n)).join('\n')
    await server.askJson(`/v1/ledgers/${ledger}/events`, { body, type: 'application/x-ndjson' })
  }
}

test(
  'what ClickHouse finds and counts is what a plain evaluation of the ledgers does',
  { skip: noClickHouse },
  async (context) => {
    const server = await startTestServer(context, { config })
    await filled(server)
    const token = await server.token(['read'], { ledgers: ['main', 'other'] })
    await eventually(() => server.index.status().state === 'ready', 60_000)
    for (const ledger of ['main', 'other']) {
      const last = server.ledgers.log(ledger).size - 1
      await server.askJson(`/v1/ledgers/${ledger}/events?limit=1&wait=${last}`, { token })
    }
    const queries = [
      '',
      'actor:user-1@contoso.com',
      '-outcome:success ip:10.0.0.0/28',
      '"number 7 of" OR target:"file 2"',
      'ledger:other many',
      'nobody',
    ]
    const paths = queries.flatMap((q) => {
      const asked = new URLSearchParams({ q }).toString()
      return ['main', '*'].flatMap((ledger) => [
        `${ledger}/events?${asked}&limit=1000`,
        `${ledger}/events?${asked}&limit=30&since=2026-01-05T00:10:00Z&until=2026-01-05T00:40:00Z`,
        `${ledger}/facets?${asked}&fields=actor,target,action,outcome,ip,source,class,ledger&top=5`,
        `${ledger}/histogram?${asked}&buckets=12&by=outcome`,
        `${ledger}/histogram?${asked}&since=2026-01-04&until=2026-01-07`,
      ])
    })
    const fields = ['', 'r', 'raw.', 'raw.note', 'time', 'a', 'actor.user.name', 'zz'].map(
      (begin) => `fields?begin=${begin}`,
    )
    const asked = [...paths.map((path) => `ledgers/${path}`), ...fields]
    const all = async () => {
      const answers = new Map<string, Json>()
      for (const path of asked) {
        // A cursor holds when it was made, and where nothing is found a histogram is of that moment.
        const { next, from, ...answer } = await server.askJson(`/v1/${path}`, { token })
        if (answer.buckets?.length === 0) delete answer.to
        answers.set(path, { ...answer, isMore: next !== undefined })
        assert.ok(from === undefined || from.endsWith('Z'))
      }
      return answers
    }
    const found = await all()
    const hits: Json[] = []
    for (let cursor = ''; ;) {
      const page = await server.askJson(`/v1/ledgers/*/events?limit=17${cursor}`, { token })
      hits.push(...page.hits)
      if (page.next === undefined) break
      cursor = `&cursor=${page.next}`
    }
    ListedIndex.of(server)
    const expected = await all()
    for (const path of asked) assert.deepEqual(found.get(path), expected.get(path), path)
    assert.deepEqual(hits, expected.get('ledgers/*/events?q=&limit=1000').hits)
    assert.equal(hits.length, 200)
  },
)

test(
  'from the command line: found at once, made anew, checked, and gone where there is no index',
  { skip: noClickHouse },
  async (context) => {
    const server = await startTestServer(context, { config })
    const world = { variables: variablesFor(server) }
    await eventually(() => server.index.status().state === 'ready', 60_000)
    await filled(server)
    const { code, out, err } = await stele(world, 'search', '--wait', '149', 'outcome:failure')
    assert.equal(code, 0)
    assert.equal(out.trimEnd().split('\n').length, 39)
    assert.match(err, /^38 of 38 events · indexed up to 150 of 150\n$/)
    await eventually(async () => {
      const { ledgers } = await server.askJson('/v1/index')
      return Object.values<Json>(ledgers).every(({ indexed, size }) => indexed === size)
    })
    const made = await new Cli(world).run('rebuild-index')
    assert.deepEqual([made.code, made.err], [0, ''])
    assert.match(made.out, /^The index was made anew: \d+ entries of 4 ledgers\.\n$/)
    assert.match(
      await steleOk(world, 'check', 'index'),
      /^The index agrees with the ledgers: \d{3} entries\.\nBy itself the server has not checked all of it since its start; nothing was found\.\n$/,
    )
    assert.equal((await stele(world, 'search', 'outcome:failure', '--json')).out.trimEnd().split('\n').length, 38)
    await server.close()
    const without = await startTestServer(context, { directory: server.directory })
    await problemOf(await without.ask('/v1/ledgers/main/events'), 503, 'search-unavailable')
    await without.close()
  },
)
