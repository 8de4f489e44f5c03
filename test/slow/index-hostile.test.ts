// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Events made to break what reads them, from the request to the index.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { noClickHouse } from '../clickhouse-fixture.ts'
import { hostile } from '../hostile-values.ts'
import { agrees, append, caughtUp, childOf, CLICKHOUSE, finds, FOLLOWER, peakBytes } from '../index-children.ts'
import { startTestServer } from '../server-fixture.ts'

const MIB = 1024 ** 2
const MAX_FOLLOWER_BYTES = 600 * MIB
const MAX_CLICKHOUSE_BYTES = 4_096 * MIB
/** As large as an event may be. */
const LARGE = 16 * MIB - 64

const repeated = (begin: string, piece: string, end: string) =>
  begin + piece.repeat(Math.floor((LARGE - begin.length - end.length) / piece.length)) + end

/** Each takes as much of something as an event of 16 MiB can. */
function largeEvents(): Map<string, string> {
  const keys = Array.from({ length: 900_000 }, (_, at) => `"k${at}":"v${at}"`)
    .join()
    .slice(0, LARGE - 100)
  return new Map([
    ['one text', JSON.stringify({ actor: 'x', note: 'a'.repeat(LARGE - 40) })],
    ['wide letters', JSON.stringify({ note: 'ü'.repeat(LARGE / 2 - 40) })],
    ['escapes', repeated('{"note":"', String.raw`\u0001`, '"}')],
    ['empty objects', repeated('{"a":[', '{},', '0]}')],
    ['empty lists', repeated('[', '[],', '0]')],
    ['numbers', repeated('{"a":[', '7,', '0]}')],
    ['short texts', repeated('{"actor":[', '"a",', '"b"]}')],
    ['keys', `{${keys.slice(0, keys.lastIndexOf(','))}}`],
    ['JSON in a text', JSON.stringify({ properties: repeated('[', '1,', '1]').slice(-LARGE + 100) })],
    ['targets', repeated('{"targetResources":[', '{"id":"x","modifiedProperties":[{}]},', '0]}')],
  ])
}

test(
  'hostile events become rows that the check agrees with, within bounds of memory, and hold nothing else up',
  { skip: noClickHouse, timeout: 110_000 },
  async (context) => {
    const server = await startTestServer(context, { config: { noIndex: false } })
    await append(server, 10)
    await caughtUp(server)
    const [follower, clickHouse] = [childOf(FOLLOWER)!, childOf(CLICKHOUSE)!]
    const places = ['actor', 'time', 'target', 'ip', 'outcome', '__proto__', 'targetResources', 'initiatedBy']
    const lines = hostile.flatMap((json) => [
      json,
      ...places.map((place) => `{"action":"x",${JSON.stringify(place)}:${json}}`),
    ])
    let stored = 0
    for (const type of ['entra.audit/contoso', 'entra.signin/contoso', 'generic']) {
      for (const body of lines) {
        const answer = await server.ask(`/v1/ledgers/main/events?source=${type}`, { body })
        if (answer.status === 200 || answer.status === 201) stored++
        else assert.ok(answer.status < 500, `${answer.status} ${await answer.text()}`)
        await answer.text().catch(() => '')
      }
    }
    assert.ok(stored > lines.length / 2, `${stored} of ${lines.length} were stored`)
    await caughtUp(server)
    context.diagnostic(`small: follower ${Math.round(peakBytes(follower) / MIB)} MiB`)
    for (const [name, body] of largeEvents()) {
      const answer = await server.ask('/v1/ledgers/main/events', { body })
      const said =
        answer.status === 200 || answer.status === 201 ? 'stored' : ((await answer.json()) as { code: string }).code
      await caughtUp(server)
      context.diagnostic(`${name}: ${said}; follower ${Math.round(peakBytes(follower) / MIB)} MiB`)
    }
    const bytes = new Uint8Array(16 * MIB).fill(0xff)
    await (await server.ask('/v1/ledgers/main/events', { body: bytes, type: 'application/octet-stream' })).text()
    await append(server, 10)
    const last = server.ledgers.log('main').size - 1
    await caughtUp(server)
    await finds(server, last)
    const startedMs = performance.now()
    await agrees(server)
    assert.deepEqual([childOf(FOLLOWER), childOf(CLICKHOUSE)], [follower, clickHouse], 'none has died')
    const [ofFollower, ofClickHouse] = [peakBytes(follower), peakBytes(clickHouse)]
    context.diagnostic(
      `${stored} stored; peaks: follower ${Math.round(ofFollower / MIB)} MiB, ClickHouse ${Math.round(ofClickHouse / MIB)} MiB; check ${Math.round(performance.now() - startedMs)} ms`,
    )
    assert.ok(ofFollower < MAX_FOLLOWER_BYTES, `${ofFollower} bytes`)
    assert.ok(ofClickHouse < MAX_CLICKHOUSE_BYTES, `${ofClickHouse} bytes`)
  },
)
