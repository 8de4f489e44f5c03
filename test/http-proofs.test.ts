// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ed25519Verifier,
  entriesPath,
  Frontier,
  hashLeaf,
  openCheckpoint,
  parseBundle,
  parseProof,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
  verifyProof,
  verifyReceipt,
} from '@stele/proof'
import { eventsOf, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const LEDGER = '/v1/ledgers/main'

async function bytesOf(server: TestServer, path: string): Promise<Buffer> {
  const response = await server.ask(`${LEDGER}/${path}`)
  assert.equal(response.status, 200, path)
  return Buffer.from(await response.arrayBuffer())
}

async function headOf(server: TestServer) {
  const { vkeys, origin } = await server.askJson(LEDGER)
  const note = await bytesOf(server, 'checkpoint')
  return (await openCheckpoint(note, ed25519Verifier(vkeys[0]), origin)).checkpoint
}

/** The tree's root out of the hash tiles of level 0 alone, as a third party would compute it. */
async function rootFromTiles(server: TestServer, size: number): Promise<Buffer> {
  const frontier = new Frontier()
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = tileWidthAt(size, 0, index)
    const tile = await bytesOf(server, tilePath(0, index, width))
    assert.equal(tile.length, width * 32)
    for (let at = 0; at < tile.length; at += 32) frontier.append(tile, at)
  }
  return Buffer.from(frontier.root())
}

test('at every small size the checkpoint, the tiles and the newest proof agree, and nothing lies beyond', async (context) => {
  const server = await startTestServer(context)
  const { vkeys } = await server.askJson(LEDGER)
  const sizes = [...Array.from({ length: 34 }, (_, position) => position + 1), 255, 256, 257, 258, 511, 512, 513, 600]
  let size = 0
  for (const next of sizes) {
    const lines = Array.from({ length: next - size }, (_, position) => `{"number":${size + position}}`).join('\n')
    await server.askJson(`${LEDGER}/events`, { body: lines, type: 'application/x-ndjson' })
    size = next
    const head = await headOf(server)
    assert.equal(head.size, size)
    assert.deepEqual(await rootFromTiles(server, size), Buffer.from(head.root))

    for (const index of new Set([0, Math.floor(size / 2), size - 1])) {
      const receipt = await bytesOf(server, `events/${index}/proof`)
      const report = await verifyReceipt(Buffer.from(`{"number":${index}}`), receipt, { vkey: vkeys[0] })
      assert.equal(report.verdict, 'valid', JSON.stringify(report))
      assert.deepEqual([report.index, report.size], [index, size])
    }

    const last = Math.floor(size / TILE_WIDTH)
    const width = size % TILE_WIDTH
    for (const beyond of [
      tilePath(0, last, width + 1),
      entriesPath(last, width + 1),
      tilePath(0, last),
      tilePath(0, last + 1, 1),
      tilePath(1, 0, Math.max(1, last + 1)),
      tilePath(2, 0, 1),
      tilePath(63, 0, 1),
    ]) {
      await problemOf(await server.ask(`${LEDGER}/${beyond}`), 404, 'not-found')
    }
  }
})

test('entry bundles hold the leaves of the tree, and a partial is a prefix of what is there, also once it is full', async (context) => {
  const server = await startTestServer(context)
  const lines = Array.from({ length: 300 }, (_, number) => `{"number":${number}}`).join('\n')
  await server.askJson(`${LEDGER}/events`, { body: lines, type: 'application/x-ndjson' })
  const bundle = await bytesOf(server, entriesPath(0))
  const tile = await bytesOf(server, tilePath(0, 0))
  for (const [position, entry] of parseBundle(bundle, TILE_WIDTH).entries()) {
    assert.deepEqual(Buffer.from(hashLeaf(entry)), tile.subarray(position * 32, position * 32 + 32))
  }
  for (let width = 1; width < TILE_WIDTH; width += 17) {
    const partial = await bytesOf(server, entriesPath(0, width))
    assert.deepEqual(partial, bundle.subarray(0, partial.length))
    assert.equal(parseBundle(partial, width).length, width)
    assert.deepEqual(await bytesOf(server, tilePath(0, 0, width)), tile.subarray(0, width * 32))
  }
  assert.equal((await bytesOf(server, tilePath(1, 0, 1))).length, 32)
})

test('a tile has one address, and every other spelling of it is none', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(`${LEDGER}/events`, { body: '{}' })
  await bytesOf(server, 'tile/0/000.p/1')
  for (const path of [
    'tile/0/0.p/1',
    'tile/00/000.p/1',
    'tile/0/000.p/01',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p',
    'tile/0/x000/000.p/1',
    'tile/-1/000.p/1',
    'tile/64/000.p/1',
    'tile/0/00%30.p/1',
    'tile/0%2f000.p/1',
    'tile/0//000.p/1',
    'tile/0/000.p/1/',
    'tile/0/000.p/1?x=1',
    'tile/0/../0/000.p/1x',
    'tile/data/000.p/1',
    'tile/',
    'tile/0/x999/x999/x999/x999/x999/999.p/1',
  ]) {
    const response = await server.ask(`${LEDGER}/${path}`)
    assert.ok(response.status === 404, `${path}: ${response.status} ${await response.text()}`)
  }
})

test('tiles of a public ledger may be cached by all, others by their reader, checkpoints by nobody', async (context) => {
  const server = await startTestServer(context)
  await server.createLedger('open', true)
  for (const [ledger, who] of [
    ['open', 'public'],
    ['main', 'private'],
  ]) {
    await server.askJson(`/v1/ledgers/${ledger}/events`, { body: '{}' })
    const tile = await server.ask(`/v1/ledgers/${ledger}/tile/entries/000.p/1`)
    assert.equal(tile.headers.get('cache-control'), `${who}, max-age=31536000, immutable`)
    assert.equal(tile.headers.get('content-type'), 'application/octet-stream')
    const checkpoint = await server.ask(`/v1/ledgers/${ledger}/checkpoint`)
    assert.equal(checkpoint.headers.get('cache-control'), 'no-cache')
    assert.equal(checkpoint.headers.get('content-type'), 'text/plain; charset=utf-8')
  }
})

test('the checkpoint of an empty ledger is of size 0, and it has no tile', async (context) => {
  const server = await startTestServer(context)
  assert.equal((await headOf(server)).size, 0)
  await problemOf(await server.ask(`${LEDGER}/tile/0/000.p/1`), 404, 'not-found')
})

test('only who may read gets the salt with a proof, and that is recorded; the proof alone is not', async (context) => {
  const server = await startTestServer(context)
  await server.createLedger('open', true)
  const body = '{"answer":"yes"}'
  await server.askJson('/v1/ledgers/open/events', { body })
  const proof = '/v1/ledgers/open/events/0/proof'
  const { vkeys } = await server.askJson('/v1/ledgers/open')
  const [entry] = parseBundle(
    Buffer.from(await (await server.ask('/v1/ledgers/open/tile/entries/000.p/1', { token: undefined })).arrayBuffer()),
    1,
  )
  const bare = [undefined, await server.token(['verify']), await server.token(['append'])]
  for (const token of bare) {
    const text = await (await server.ask(proof, { token })).text()
    assert.equal(parseProof(text).extra, undefined)
    assert.equal((await verifyProof(entry!, text, { vkey: vkeys[0] })).verdict, 'valid')
  }
  assert.deepEqual(await eventsOf(server, 'access'), [])
  const text = await (await server.ask(proof, { token: await server.token(['read']) })).text()
  assert.equal((await verifyReceipt(Buffer.from(body), text, { vkey: vkeys[0] })).verdict, 'valid')
  const [record, ...more] = await eventsOf(server, 'access')
  assert.deepEqual([record.action, record.ledger, record.first, record.count], ['receipt.read', 'open', 0, 1])
  assert.equal(more.length, 0)
})
