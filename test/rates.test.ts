// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Limits of a token: what its rate lets in, what is refused and until when, from the bucket up to the command line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Credential } from '../src/access/credentials.ts'
import { Rates } from '../src/access/rates.ts'
import { Problem } from '../src/schema/problem.ts'
import type { RateLimits } from '../src/schema/system-events.ts'
import { stele, steleOk, variablesFor } from './cli-fixture.ts'
import { TurnedClock } from './scratch.ts'
import { eventsOf, problemOf, startTestServer } from './server-fixture.ts'

const limited = (limits: RateLimits): Credential => ({
  id: 'x',
  scopes: new Set(['append']),
  ledgers: ['*'],
  sources: undefined,
  limits,
})

/** Seconds that the refusal names; undefined where the append is let in. */
function refusedFor(rates: Rates, credential: Credential, events: number, bytes = 1): number | undefined {
  try {
    rates.take(credential, events, bytes)
    return undefined
  } catch (error) {
    assert(error instanceof Problem && error.code === 'rate-limited' && error.status === 429)
    return error.place.retryAfter
  }
}

test('a token sends its burst at once, then as much as its rate gives; the refusal says whole seconds, rounded up', () => {
  const clock = new TurnedClock()
  const rates = new Rates(clock)
  const token = limited({ eventsPerSecond: 10, burstSeconds: 2 })
  assert.equal(refusedFor(rates, token, 20), undefined)
  assert.equal(refusedFor(rates, token, 1), 1)
  clock.pass(1_000)
  assert.equal(refusedFor(rates, token, 35), undefined, 'a larger body than the burst is let in, and paid for after')
  assert.equal(refusedFor(rates, token, 1), 3)
  clock.pass(2_599)
  assert.equal(refusedFor(rates, token, 1), 1)
  clock.pass(1)
  assert.equal(refusedFor(rates, token, 1), undefined)
  clock.pass(1_000_000)
  assert.equal(refusedFor(rates, token, 20), undefined)
  assert.equal(refusedFor(rates, token, 1), 1, 'what was not used does not add up beyond the burst')
})

test('bytes are limited like events, and whichever is used up first refuses; a token without limits never waits', () => {
  const rates = new Rates(new TurnedClock())
  const token = limited({ eventsPerSecond: 1_000, bytesPerSecond: 100, burstSeconds: 1 })
  assert.equal(refusedFor(rates, token, 1, 350), undefined)
  assert.equal(refusedFor(rates, token, 1, 1), 3)
  const free: Credential = { ...limited({}), limits: undefined }
  for (let round = 0; round < 1_000; round++) assert.equal(refusedFor(rates, free, 1e6, 1e9), undefined)
})

test('whatever is sent whenever, in the long run no more is let in than burst, rate and one body', () => {
  const step = fc.record({ passMs: fc.integer({ min: 0, max: 3_000 }), events: fc.integer({ min: 1, max: 50 }) })
  const property = fc.property(
    fc.array(step, { maxLength: 200 }),
    fc.integer({ min: 1, max: 40 }),
    (steps, perSecond) => {
      const clock = new TurnedClock()
      const rates = new Rates(clock)
      const token = limited({ eventsPerSecond: perSecond, burstSeconds: 1 })
      let passedMs = 0
      let letIn = 0
      for (const { passMs, events } of steps) {
        clock.pass(passMs)
        passedMs += passMs
        const waitSeconds = refusedFor(rates, token, events)
        if (waitSeconds === undefined) letIn += events
        assert.ok(letIn <= perSecond + (perSecond * passedMs) / 1_000 + 50)
        if (waitSeconds === undefined) continue
        // Whoever waits as long as was said is let in.
        clock.pass(waitSeconds * 1_000)
        passedMs += waitSeconds * 1_000
        assert.equal(refusedFor(rates, token, 1), undefined)
        letIn++
      }
    },
  )
  fc.assert(property, { seed: 7, numRuns: 200 })
})

test('a limited token is refused over HTTP with Retry-After, counted and summed up; others, and its reads, go on', async (context) => {
  const server = await startTestServer(context)
  const body = JSON.stringify({
    scopes: ['append', 'read'],
    ledgers: ['main'],
    limits: { eventsPerSecond: 1, burstSeconds: 5 },
  })
  const { token, id, limits } = await server.askJson('/v1/tokens', { body })
  assert.deepEqual(limits, { eventsPerSecond: 1, burstSeconds: 5 })
  const path = '/v1/ledgers/main/events'
  const eight = JSON.stringify(Array.from({ length: 8 }, () => ({})))
  await server.askJson(path, { token, body: eight })
  const refused = await server.ask(path, { token, body: '{}' })
  assert.match(refused.headers.get('retry-after') ?? '', /^[34]$/)
  const { detail, limit } = await problemOf(refused, 429, 'rate-limited')
  assert.equal(limit, 1)
  assert.match(detail, /may append 1 events a second\. Nothing was stored; try again in \d s\./)
  await server.askJson(path, { body: '{}' })
  await server.askJson(`${path}/0`, { token })
  assert.match(await (await server.ask('/metrics')).text(), /stele_refusals_total\{code="rate-limited"\} 1/)
  assert.equal(server.ledgers.log('main').size, 9)
  await server.close()
  const again = await startTestServer(context, { directory: server.directory })
  assert.deepEqual(again.administration.state.tokens.get(id)?.limits, { eventsPerSecond: 1, burstSeconds: 5 })
  const summed = (await eventsOf(again, 'system')).find(({ code }) => code === 'rate-limited')
  assert.deepEqual([summed.credential, summed.action, summed.count], [id, 'appendEvents', 1])
})

test('the command line makes a limited token, and lists its limits in words', async (context) => {
  const server = await startTestServer(context)
  const world = { variables: variablesFor(server) }
  const create = ['token', 'create', '--scope', 'append'] as const
  const { err } = await stele(world, ...create, '--rate', '1500/s', '--rate-bytes', '2.5MB/s', '--burst', '60s')
  assert.match(err, /; at most 1,500 events\/s and 2\.5 MB\/s, 60 s of it at once; does not expire\n/)
  assert.match(await steleOk(world, 'token', 'list'), /at most 1,500 events\/s and 2\.5 MB\/s, 60 s of it at once/)
  const made = JSON.parse(await steleOk(world, ...create, '--rate-bytes', '64KiB', '--json'))
  assert.deepEqual(made.limits, { bytesPerSecond: 65_536 })
  for (const [option, value] of [
    ['--rate', '0'],
    ['--rate', '5/m'],
    ['--rate-bytes', 'much'],
    ['--burst', '5s'],
  ] as const) {
    const wrong = await stele(world, ...create, option, value)
    assert.equal(wrong.code, 2)
    assert.match(wrong.err, /Nothing was done\. (?:Write it as|Give --rate)/)
  }
})

test('limits on a token that does not append are refused, by the server and by the command line', async (context) => {
  const server = await startTestServer(context)
  const body = JSON.stringify({ scopes: ['read', 'verify'], ledgers: ['main'], limits: { eventsPerSecond: 5 } })
  const { detail } = await problemOf(await server.ask('/v1/tokens', { body }), 422, 'invalid-field')
  assert.match(detail, /limits are of appending: leave them out, or give the scope append/)
  const world = { variables: variablesFor(server) }
  for (const limit of ['--rate=5/s', '--rate-bytes=5MB/s']) {
    const { code, err } = await stele(world, 'token', 'create', '--scope', 'read,verify', limit)
    assert.equal(code, 2)
    assert.match(err, /--rate and --rate-bytes limit appending\. Nothing was done\. Leave them out, or add append to/)
  }
  assert.equal(server.administration.state.tokens.size, 1)
})

test('a body that is refused is paid for by its decoded bytes and as one event, with a key and without', async (context) => {
  const server = await startTestServer(context)
  const headers = { 'content-encoding': 'gzip' }
  const body = gzipSync(`[${'1,'.repeat(3_000_000)}x`)
  for (const more of [{}, { 'idempotency-key': 'k' }]) {
    const asked = { scopes: ['append'], ledgers: ['main'], limits: { bytesPerSecond: 1_000, burstSeconds: 1 } }
    const { token } = await server.askJson('/v1/tokens', { body: JSON.stringify(asked) })
    const sent = { body, headers: { ...headers, ...more }, token }
    await problemOf(await server.ask('/v1/ledgers/main/events', sent), 413, 'too-many-events')
    const problem = await problemOf(await server.ask('/v1/ledgers/main/events', sent), 429, 'rate-limited')
    assert.ok(problem.retryAfter === undefined || problem.retryAfter > 5_000)
  }
  const asked = { scopes: ['append'], ledgers: ['main'], limits: { eventsPerSecond: 1, burstSeconds: 1 } }
  const { token } = await server.askJson('/v1/tokens', { body: JSON.stringify(asked) })
  await problemOf(await server.ask('/v1/ledgers/main/events', { body: '{', token }), 400, 'malformed-json')
  await problemOf(await server.ask('/v1/ledgers/main/events', { body: '{}', token }), 429, 'rate-limited')
})
