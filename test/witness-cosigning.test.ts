// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { openByPolicy, parsePolicy, parseNote, splitWitnessedReceipt, verifyReceipt } from '@stele/proof'

import { scratch } from './scratch.ts'
import { eventsOf, eventually, problemOf, startTestServer, type TestServer } from './server-fixture.ts'
import { addWitness, always, TestWitness } from './witness-ground.ts'

const PRIVATE = { config: { privateWitnesses: true } }

async function appendOne(server: TestServer, number: number): Promise<number> {
  return (await server.askJson('/v1/ledgers/main/events', { body: JSON.stringify({ number }) })).first
}

async function policyOf(server: TestServer) {
  const response = await server.ask('/v1/witnesses/policy')
  assert.equal(response.status, 200)
  return parsePolicy(await response.text())
}

async function witnessedSize(server: TestServer): Promise<number> {
  return (await server.askJson('/v1/witnesses')).witnessed?.size ?? 0
}

async function bytesOf(server: TestServer, path: string): Promise<Buffer> {
  const response = await server.ask(path)
  const bytes = Buffer.from(await response.arrayBuffer())
  assert.equal(response.status, 200, bytes.toString())
  return bytes
}

test('P4: a receipt that the quorum vouches for is valid under the policy of heads, offline', async (context) => {
  const server = await startTestServer(context, PRIVATE)
  const witnesses = [await TestWitness.start(context, 'one'), await TestWitness.start(context, 'two', 'mldsa')]
  for (const witness of witnesses) await addWitness(server, witness)
  const index = await appendOne(server, 1)
  const receipt = await bytesOf(server, `/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=20`)
  const report = await verifyReceipt(Buffer.from('{"number":1}'), receipt, await policyOf(server))
  assert.equal(report.verdict, 'valid', JSON.stringify(report))
  const { headsReceipt } = splitWitnessedReceipt(receipt)
  assert.ok(headsReceipt !== undefined)
  // What lies under the newest witnessed head already is answered without asking anybody.
  const askedBefore = witnesses.map(({ asked }) => asked.length)
  await bytesOf(server, `/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=0`)
  assert.deepEqual(askedBefore.length, 2)
  const refused = await verifyReceipt(Buffer.from('{"number":2}'), receipt, await policyOf(server))
  assert.equal(refused.verdict, 'invalid')
})

test('the newest witnessed head is served under the policy, and kept in the directory', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const server = await startTestServer(context, PRIVATE)
  await addWitness(server, witness)
  await appendOne(server, 1)
  await eventually(async () => (await witnessedSize(server)) === server.cosigning.publishedSize)
  const note = await bytesOf(server, '/v1/ledgers/heads/checkpoint?witnessed=true')
  const { checkpoint, cosignatures } = await openByPolicy(note, await policyOf(server))
  assert.equal(checkpoint.size, server.cosigning.newest?.size)
  assert.deepEqual(
    cosignatures.map((one) => one.witness),
    ['one'],
  )
  const path = join(server.directory, 'data', 'witnessed', 'head')
  await eventually(async () => {
    const kept = await readFile(path).catch(() => undefined)
    return kept !== undefined && kept.equals(server.cosigning.newest?.note ?? Buffer.alloc(0))
  })
})

test('a witness that is dead, hangs or lies delays no append, no publishing and no other witness', async (context) => {
  const good = await TestWitness.start(context, 'good')
  const hanging = await TestWitness.start(context, 'hanging')
  const lying = await TestWitness.start(context, 'lying')
  const broken = await TestWitness.start(context, 'broken')
  hanging.misbehaviour = () => true
  lying.misbehaviour = ({ sign }, response) => {
    const line = sign()
    response.end(
      line.replace(/[A-Za-z]=*\n$/, (end) => (end.startsWith('A') ? `B${end.slice(1)}` : `A${end.slice(1)}`)),
    )
    return true
  }
  broken.misbehaviour = always(500, 'log unknown\u001b[2J')
  const server = await startTestServer(context, PRIVATE)
  for (const witness of [good, hanging, lying, broken]) await addWitness(server, witness)
  await server.askJson('/v1/witnesses/quorum', { method: 'PUT', body: JSON.stringify({ count: 1 }) })
  const startedMs = performance.now()
  for (let number = 0; number < 20; number++) await appendOne(server, number)
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < 5_000, `${tookMs} ms`)
  await bytesOf(server, '/v1/ledgers/main/events/19/proof?witnessed=true&timeout=5')
  await eventually(async () => {
    const { witnesses } = await server.askJson('/v1/witnesses')
    return witnesses.filter(({ state }: { state: string }) => state === 'failing').length === 2
  })
  const { witnesses, witnessed } = await server.askJson('/v1/witnesses')
  assert.deepEqual(
    witnessed.cosignatures.map(({ witness }: { witness: string }) => witness),
    ['good'],
  )
  const reasonOf = (name: string) => witnesses.find((one: { name: string }) => one.name === name).reason
  assert.match(reasonOf('lying'), /does not belong|cannot be read/)
  assert.match(reasonOf('broken'), /500/)
})

test('a witness that saw other sizes tells them by 409, and is asked again with the proof from there', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const server = await startTestServer(context, PRIVATE)
  await addWitness(server, witness)
  await appendOne(server, 1)
  await eventually(async () => (await witnessedSize(server)) > 0)
  const before = witness.latest?.size ?? 0
  // Removed and added again, nothing is known of what it has seen.
  await server.askJson('/v1/witnesses/one', { method: 'DELETE' })
  await addWitness(server, witness)
  await eventually(async () => (await witnessedSize(server)) > before)
  assert.ok(witness.asked.some(({ old }) => old === before))
})

test('409 without a size, and 422, are a fork: on record once, with what was sent and answered, until the witness is removed', async (context) => {
  for (const [status, body] of [
    [409, ''],
    [422, 'inconsistent'],
  ] as const) {
    const witness = await TestWitness.start(context, 'one')
    witness.misbehaviour = always(status, body)
    const server = await startTestServer(context, PRIVATE)
    await addWitness(server, witness)
    await appendOne(server, 1)
    const recorded = async () =>
      (await eventsOf(server, 'system')).filter(({ type }) => type === 'witness.contradicted')
    await eventually(async () => (await recorded()).length === 1)
    const [event] = await recorded()
    assert.equal(event.kind, 'fork')
    const evidence = await readFile(join(server.directory, 'data', event.evidence), 'utf8')
    assert.match(evidence, /^old 0$/m)
    assert.match(evidence, new RegExp(`status ${status}, ${body.length} bytes`))
    const readiness = await server.ask('/readyz')
    assert.equal(readiness.status, 503)
    assert.match(await readiness.text(), /other heads/)
    assert.equal(server.ledgers.failure, undefined)
    await appendOne(server, 2)
    await server.askJson('/v1/witnesses/one', { method: 'DELETE' })
    assert.equal((await server.ask('/readyz')).status, 200)
    assert.equal((await recorded()).length, 1)
    await server.close()
  }
})

test('a head of a second history that our own key has signed stops the writer', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const server = await startTestServer(context, PRIVATE)
  const { ledgers } = server
  witness.misbehaviour = always(409, '1000\n')
  witness.shown = ledgers.signer('heads').checkpoint(1_000, Buffer.alloc(32, 7))
  await addWitness(server, witness)
  await eventually(() => ledgers.failure !== undefined)
  assert.match(String(ledgers.failure), /second history/)
})

test('a number alone stops nothing that runs', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const server = await startTestServer(context, PRIVATE)
  witness.misbehaviour = always(409, '1000\n')
  witness.shown = 'nothing that is signed\n'
  await addWitness(server, witness)
  await eventually(async () => (await server.ask('/readyz')).status === 503)
  await appendOne(server, 1)
  const { witnesses } = await server.askJson('/v1/witnesses')
  assert.deepEqual(
    witnesses[0].contradictions.map(({ kind, told }: { kind: string; told: number }) => [kind, told]),
    [['ahead', 1_000]],
  )
})

test('without witnesses, and without their quorum in time, a witnessed proof is refused with what to do', async (context) => {
  const server = await startTestServer(context, PRIVATE)
  const index = await appendOne(server, 1)
  await problemOf(await server.ask(`/v1/ledgers/main/events/${index}/proof?witnessed=true`), 409, 'no-witnesses')
  await problemOf(await server.ask('/v1/ledgers/heads/checkpoint?witnessed=true'), 409, 'no-witnesses')
  const witness = await TestWitness.start(context, 'one')
  witness.misbehaviour = always(500, '')
  await addWitness(server, witness)
  const late = await server.ask(`/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=1`)
  await problemOf(late, 503, 'not-witnessed')
  await problemOf(await server.ask('/v1/ledgers/heads/checkpoint?witnessed=true'), 503, 'not-witnessed')
  await problemOf(await server.ask('/v1/ledgers/main/checkpoint?witnessed=true'), 422, 'invalid-field')
  await problemOf(
    await server.ask(`/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=61`),
    422,
    'invalid-field',
  )
})

test('an administrator cannot aim a witness at this machine or its network; only the operator can', async (context) => {
  const server = await startTestServer(context)
  const { vkey } = new TestWitness('one').signer
  for (const url of [
    'http://127.0.0.1:1/w',
    'http://[::1]/w',
    'http://localhost/w',
    'https://169.254.169.254/latest',
    'http://0x7f000001/',
  ]) {
    const refused = await server.ask('/v1/witnesses', { body: JSON.stringify({ name: 'one', url, vkey }) })
    await problemOf(refused, 422, 'invalid-field')
  }
})

test('the alarm of a missing quorum is on record once, and once that it is met again', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  witness.misbehaviour = always(503, '')
  const config = { privateWitnesses: true, witnessAlarmMs: 300 }
  const first = await startTestServer(context, { config })
  await addWitness(first, witness)
  await appendOne(first, 1)
  const typesIn = async (server: TestServer) =>
    (await eventsOf(server, 'system'))
      .map(({ type }) => type)
      .filter((type: string) => type.startsWith('witness.quorum.'))
  await eventually(async () => (await typesIn(first)).length === 1)
  await eventually(async () => /stele_witness_quorum_met 0/.test(await (await first.ask('/metrics')).text()))
  assert.match(await (await first.ask('/readyz')).text(), /Too few witnesses/)
  witness.misbehaviour = undefined
  await eventually(async () => (await typesIn(first)).length === 2)
  assert.deepEqual(await typesIn(first), ['witness.quorum.unmet', 'witness.quorum.met'])
  assert.match(await (await first.ask('/metrics')).text(), /stele_witness_quorum_met 1/)
})

test('what had the quorum of before is not handed out under a larger one, nor with the line of a witness that was removed', async (context) => {
  const [one, two] = [await TestWitness.start(context, 'one'), await TestWitness.start(context, 'two')]
  two.misbehaviour = always(500, '')
  const server = await startTestServer(context, PRIVATE)
  await addWitness(server, one)
  await eventually(async () => (await witnessedSize(server)) > 0)
  await addWitness(server, two)
  assert.equal(await witnessedSize(server), 0)
  await problemOf(await server.ask('/v1/ledgers/heads/checkpoint?witnessed=true'), 503, 'not-witnessed')
  two.misbehaviour = undefined
  await eventually(async () => (await witnessedSize(server)) > 0)
  await server.askJson('/v1/witnesses/one', { method: 'DELETE' })
  await eventually(async () => (await witnessedSize(server)) === server.cosigning.publishedSize)
  const note = (await bytesOf(server, '/v1/ledgers/heads/checkpoint?witnessed=true')).toString()
  assert.ok(note.includes('witness.test/two') && !note.includes('witness.test/one'))
})

test('an alarm that is on record is not recorded again by the next start, and its end is', async (context) => {
  const directory = scratch(context)
  const witness = await TestWitness.start(context, 'one')
  witness.misbehaviour = always(503, '')
  const config = { privateWitnesses: true, witnessAlarmMs: 200 }
  const first = await startTestServer(context, { config, directory })
  await addWitness(first, witness)
  const alarms = async (server: TestServer) =>
    (await eventsOf(server, 'system'))
      .map(({ type }) => type)
      .filter((type: string) => type.startsWith('witness.quorum.'))
  await eventually(async () => (await alarms(first)).length === 1)
  await first.close()
  const second = await startTestServer(context, { config, directory })
  await eventually(async () => (await second.ask('/readyz')).status === 503)
  await sleep(500)
  assert.deepEqual(await alarms(second), ['witness.quorum.unmet'])
  witness.misbehaviour = undefined
  await eventually(async () => (await alarms(second)).length === 2)
  assert.deepEqual(await alarms(second), ['witness.quorum.unmet', 'witness.quorum.met'])
})

test('what waits for witnesses ends with its caller and with the server, which stops at once', async (context) => {
  const server = await startTestServer(context, PRIVATE)
  const witness = await TestWitness.start(context, 'one')
  witness.misbehaviour = () => true
  await addWitness(server, witness)
  const index = await appendOne(server, 1)
  const caller = new AbortController()
  const path = `/v1/ledgers/main/events/${index}/proof?witnessed=true&timeout=60`
  const gone = server.ask(path, { signal: caller.signal })
  const late = server.ask(path)
  await sleep(300)
  caller.abort()
  await assert.rejects(gone)
  const startedMs = performance.now()
  const closing = server.close()
  await problemOf(await late, 503, 'stopping')
  await closing
  assert.ok(performance.now() - startedMs < 5_000)
})

test('heads carry what each witness has signed and nothing else', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const stranger = new TestWitness('stranger')
  const { signer } = stranger
  witness.misbehaviour = ({ head, sign }, response) => {
    const { text } = parseNote(Buffer.from(head.note))
    response.end(signer.cosign(text, 1_700_000_000) + sign())
    return true
  }
  const server = await startTestServer(context, PRIVATE)
  await addWitness(server, witness)
  await eventually(async () => (await witnessedSize(server)) > 0)
  const note = (await bytesOf(server, '/v1/ledgers/heads/checkpoint?witnessed=true')).toString()
  assert.ok(note.includes('witness.test/one'))
  assert.ok(!note.includes('stranger'))
})

test('a cosignature of another time is not believed', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  witness.misbehaviour = ({ sign }, response) => {
    response.end(sign(1_700_000_000))
    return true
  }
  const server = await startTestServer(context, PRIVATE)
  await addWitness(server, witness)
  await eventually(async () => (await server.askJson('/v1/witnesses')).witnesses[0].state === 'failing')
  const { witnesses, witnessed } = await server.askJson('/v1/witnesses')
  assert.match(witnesses[0].reason, /2023-11-14.*clock/)
  assert.equal(witnessed, undefined)
})
