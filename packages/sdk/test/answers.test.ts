// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A server that lies is found out: real answers of a real server, each changed in one place at a time.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { utf8 } from '@stele/proof'

import { SteleClient, type SteleError, type TokenRequest } from '../src/index.ts'
import { altered, flipped, misshapen, placesIn } from './lies.ts'
import { type Call, type Change, demandFoundOut, ground, isFoundOut, isUnderstanding, isWord } from './lying-ground.ts'

const events = ['{"a":1}', '{"b":2}', '{"c":3}']
const append: Call = {
  path: /\/events$/,
  make: async (client) =>
    await client.append('main', events.join('\n'), {
      media: 'application/x-ndjson',
      receipts: true,
      events: events.map(utf8),
    }),
}

test('every field of the answer to an append is checked: one that is missing, misshapen or changed is found out', async (context) => {
  const here = await ground(context)
  await demandFoundOut(here, append, misshapen)
  await demandFoundOut(here, append, altered)
})

test('an append without receipts and without a pinned key still holds its fields against each other', async (context) => {
  const here = await ground(context)
  const unpinned = { ...here, client: (lie?: { path: RegExp; change: Change }) => here.client(lie, false) }
  const plain: Call = {
    path: /\/events$/,
    make: async (client) => await client.append('main', '[1,2]', { media: 'application/json' }),
  }
  await demandFoundOut(unpinned, plain, misshapen)
  // Only whoever has the key can tell a signature from another; only whoever has the events or the receipts, how many
  // there are and which.
  const signatureChars = here.server.ledgers.origin('main').length + '—  \n'.length + 92
  const isExcused = (what: string) => {
    const [, place, length] = /^checkpoint: other at (\d+) of (\d+)$/.exec(what) ?? []
    return place === undefined ? /^(?:first|count): -1/.test(what) : Number(place) >= Number(length) - signatureChars
  }
  await demandFoundOut(unpinned, plain, altered, isExcused)
})

test('every field of an event is checked against its entry', async (context) => {
  const here = await ground(context)
  await here.client().append('main', events.join('\n'), { media: 'application/x-ndjson' })
  const read: Call = { path: /\/events\/1$/, make: async (client) => await client.event('main', 1) }
  await demandFoundOut(here, read, misshapen, isUnderstanding)
  // Who appended and how is in the entry alone: see `receipt`.
  await demandFoundOut(here, read, altered, (what) => what.startsWith('entry: ') || isWord(what))
  await assert.rejects(
    here.client({ path: /\/events\/1$/, change: () => Buffer.from('{"index":1}') }).event('main', 1),
    isFoundOut,
  )
})

test('an event with its receipt is found out wherever anything of either is changed', async (context) => {
  const here = await ground(context)
  await here.client().append('main', events.join('\n'), { media: 'application/x-ndjson' })
  const make = async (client: SteleClient) => await client.receipt('main', 1)
  const { text, event } = await make(here.client())
  assert.equal(event?.text, '{"b":2}')
  await demandFoundOut(here, { path: /\/events\/1$/, make }, misshapen, isUnderstanding)
  await demandFoundOut(here, { path: /\/events\/1$/, make }, altered, isWord)
  for (const place of placesIn(text)) {
    const lie = { path: /\/proof$/, change: () => Buffer.from(flipped(text, place)) }
    await assert.rejects(make(here.client(lie)), isFoundOut, flipped(text, place))
  }
  const bare = new SteleClient({ url: here.server.url, token: await here.server.token(['verify']) })
  assert.equal((await make(bare)).event, undefined)
})

test('a proof and a checkpoint are found out wherever a byte of them is changed, and the bare proof too', async (context) => {
  const here = await ground(context)
  await here.client().append('main', events.join('\n'), { media: 'application/x-ndjson' })
  const verifier = await here.server.token(['verify'])
  const texts: readonly Call[] = [
    { path: /\/checkpoint$/, make: async (client) => await client.checkpoint('main') },
    { path: /\/proof$/, make: async (client) => await client.proof('main', 1) },
  ]
  for (const { path, make } of texts) {
    let text = ''
    await make(here.client({ path, change: (body) => ((text = body.toString('utf8')), body) }))
    // The salt says nothing without the event: see `receipt`.
    const salt = text.indexOf('extra ') + 'extra '.length
    const places = placesIn(text).filter((place) => salt < 6 || place < salt || place >= salt + 22)
    for (const lie of [
      ...places.map((place) => flipped(text, place)),
      '',
      text.slice(0, -1),
      `${text}\n`,
      `\ufeff${text}`,
    ]) {
      await assert.rejects(make(here.client({ path, change: () => Buffer.from(lie) })), isFoundOut, JSON.stringify(lie))
    }
  }
  const bare = new SteleClient({ url: here.server.url, token: verifier, vkeys: [here.server.ledgers.vkey('main')] })
  const { isReceipt, entry, text } = await bare.proof('main', 2)
  assert.deepEqual(
    { isReceipt, entry: Buffer.from(entry) },
    { isReceipt: false, entry: (await here.server.ledgers.event('main', 2)).entryBytes },
  )
  for (const lie of placesIn(text).map((place) => flipped(text, place))) {
    const url = here.server.url
    const lying = new SteleClient({
      url,
      token: verifier,
      vkeys: [here.server.ledgers.vkey('main')],
      fetch: async (path, init) => (path.endsWith('/proof') ? new Response(lie) : await fetch(path, init)),
    })
    await assert.rejects(lying.proof('main', 2), isFoundOut, JSON.stringify(lie))
  }
})

test('tiles and entries of another length are found out, and a part that is gone is taken from the whole', async (context) => {
  const here = await ground(context)
  const many = Array.from({ length: 300 }, (_, n) => n).join('\n')
  await here.client().append('main', many, { media: 'application/x-ndjson' })
  const whole = await here.client().tile('main', 0, 0)
  assert.equal(whole.length, 256 * 32)
  for (const change of [
    (body: Buffer) => body.subarray(1),
    (body: Buffer) => Buffer.concat([body, Buffer.alloc(32)]),
    () => Buffer.alloc(0),
  ]) {
    await assert.rejects(here.client({ path: /\/tile\/0\//, change }).tile('main', 0, 0), isFoundOut)
    await assert.rejects(here.client({ path: /\/tile\/entries\//, change }).entries('main', 1, 44), isFoundOut)
  }
  const url = here.server.url
  const token = here.server.adminToken
  const forgetful = new SteleClient({
    url,
    token,
    fetch: async (path, init) => (path.includes('.p/') ? new Response('', { status: 404 }) : await fetch(path, init)),
  })
  assert.deepEqual(await forgetful.tile('main', 0, 0, 7), whole.subarray(0, 7 * 32))
  assert.equal((await forgetful.entries('main', 0, 9)).length, 9)
  await assert.rejects(forgetful.tile('main', 0, 1, 7), (error: SteleError) => error.status === 404)
})

test('hashes read by tiles lead to the root that the checkpoint signs, at every size', async (context) => {
  const { rootAt, inclusionProof, verifyInclusion, hashLeaf } = await import('@stele/proof')
  const here = await ground(context)
  const client = here.client()
  for (const count of [1, 254, 1, 1, 300]) {
    await client.append('main', `[${Array(count).fill('0').join(',')}]`, { media: 'application/json' })
    const { size, root } = await client.checkpoint('main')
    assert.deepEqual(await rootAt(size, client.hashes('main', size)), root)
    const entry = await client.entry('main', size - 1, size)
    verifyInclusion(
      hashLeaf(entry),
      size - 1,
      size,
      await inclusionProof(size - 1, size, client.hashes('main', size)),
      root,
    )
  }
})

test('a ledger that shrinks, forks or changes its name under the eyes of a client is found out', async (context) => {
  const here = await ground(context)
  const origin = here.server.ledgers.origin('main')
  await here.client().append('main', '[1,2,3]', { media: 'application/json' })
  const small = here.server.ledgers.checkpoint('main')
  await here.client().append('main', '[4]', { media: 'application/json' })
  let lie: Change | undefined
  const client = here.client({ path: /./, change: (body) => lie?.(body) ?? body }, false)
  await client.checkpoint('main')
  const lies: readonly (readonly [RegExp, Change])[] = [
    [/had 4 entries before, and now has 3/, () => Buffer.from(small)],
    [
      /two roots for the size 4/,
      (body) =>
        Buffer.from(body.toString('utf8').replace(/\n4\n[^\n]+/, `\n4\n${Buffer.alloc(32, 7).toString('base64')}`)),
    ],
    [/was .* before, and now is other/, (body) => Buffer.from(body.toString('utf8').replaceAll(origin, `other/main`))],
    [/is of .*, not of a ledger main/, (body) => Buffer.from(body.toString('utf8').replaceAll(origin, `${origin}2`))],
  ]
  for (const [said, change] of lies) {
    lie = change
    await assert.rejects(
      client.checkpoint('main'),
      (error) => isFoundOut(error) && said.test((error as Error).message),
      String(said),
    )
  }
  lie = (body) => Buffer.from(JSON.stringify({ ...JSON.parse(body.toString('utf8')), size: 3 }))
  await assert.rejects(client.ledger('main'), isFoundOut)
  lie = undefined
  await client.checkpoint('main')
})

test('a client with a pinned key believes no checkpoint that this key has not signed', async (context) => {
  const here = await ground(context)
  await here.server.createLedger('other')
  const other = here.server.ledgers.vkey('other')
  const stranger = new SteleClient({ url: here.server.url, token: here.server.adminToken, vkeys: [other] })
  await assert.rejects(stranger.checkpoint('main'), isFoundOut)
  await assert.rejects(stranger.append('main', '[1]', { media: 'application/json' }), isFoundOut)
  assert.equal((await stranger.checkpoint('other')).size, 0)
})

test('answers about ledgers, tokens and the server are checked field by field', async (context) => {
  const here = await ground(context)
  let serial = 0
  const request: TokenRequest = {
    scopes: ['append', 'read'],
    ledgers: ['main'],
    sources: ['generic'],
    limits: { eventsPerSecond: 100, bytesPerSecond: 1_000_000, burstSeconds: 5 },
    expiresAt: '2099-01-02T03:04:05.678Z',
    label: 'l',
  }
  const { id } = await here.client().createToken(request)
  // What only the server can know: that a list is shorter, that an optional field is there, what a name is.
  const own =
    /(?:createdBy|revokedBy|label|version|name|installId|where|ledgers\.\d|sources\.\d|id): ""|recovery|head|walBytes/
  const shorter = /: \[\]$|limits: \{\}|(?:sources|limits(?:\.\w+)?|expiresAt|label|revokedAt|revokedBy): undefined/
  const calls: readonly (Call & { readonly unknowable: RegExp })[] = [
    { path: /\/ledgers$/, make: (client) => client.ledgers(), unknowable: /public: true|^ledgers: \[\]/ },
    { path: /\/ledgers\/main$/, make: (client) => client.ledger('main'), unknowable: /public: true/ },
    { path: /\/ledgers$/, make: (client) => client.createLedger({ name: `l${serial++}` }), unknowable: /$^/ },
    { path: /\/tokens$/, make: (client) => client.tokens(), unknowable: RegExp(`${own.source}|${shorter.source}`) },
    { path: /\/tokens$/, make: (client) => client.createToken(request), unknowable: /(?:id|createdBy): ""/ },
    {
      path: /\/tokens\//,
      make: (client) => client.revokeToken(id),
      unknowable: RegExp(`${own.source}|${shorter.source}`),
    },
    {
      path: /\/status$/,
      make: (client) => client.status(),
      unknowable: RegExp(`${own.source}|reasons: |ready: |index.reason: (?:""|undefined)`),
    },
  ]
  for (const { unknowable, ...call } of calls)
    await demandFoundOut(here, call, misshapen, (what) => unknowable.test(what))
  const create: Call = { path: /\/tokens$/, make: (client) => client.createToken(request) }
  await demandFoundOut(here, create, altered, (what) => /^(?:id|createdAt|createdBy|token): /.test(what))
  const lies = [
    { path: /healthz/, change: () => Buffer.from('{"status":"dead"}') },
    { path: /healthz/, change: () => Buffer.from('{') },
  ]
  for (const lie of lies) await assert.rejects(here.client(lie).health(), isFoundOut)
  await here.client().health()
  assert.equal((await here.client().confirmClock()).ready, true)
})

test('exact bytes come back with one of the media types that there are', async (context) => {
  const here = await ground(context)
  const client = here.client()
  await client.append('main', Buffer.of(0, 255, 1), { media: 'application/octet-stream', gzip: true })
  assert.deepEqual(await client.eventBytes('main', 0), {
    bytes: new Uint8Array([0, 255, 1]),
    media: 'application/octet-stream',
  })
  async function* stream() {
    yield utf8('[1,')
    yield utf8('2]')
  }
  assert.equal((await client.append('main', stream(), { media: 'application/json', source: 'generic' })).count, 2)
  const url = here.server.url
  const odd = new SteleClient({
    url,
    fetch: async () => new Response('<script>', { headers: { 'content-type': 'text/html' } }),
  })
  await assert.rejects(odd.eventBytes('main', 0), isFoundOut)
  await assert.rejects(odd.ledgers(), isFoundOut)
})
