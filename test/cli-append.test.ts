// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele append` against a real server: what is in the files is in the ledger, byte for byte, once, in order.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'

import fc from 'fast-check'

import { ground, numbered } from './cli-append-ground.ts'
import { stele, steleOk } from './cli-fixture.ts'

const shared = join(import.meta.dirname, '../../shared/fixtures')

test('any events in a file of any shape arrive byte-identical and in order', async (context) => {
  const { write, world, stored } = await ground(context)
  let before = 0
  const shapes: readonly ((events: readonly string[]) => string)[] = [
    (events) => events.join('\n'),
    (events) => `\ufeff${events.map((event) => ` ${event} \r\n`).join('')}`,
    (events) => `[ ${events.join(' ,\n')} ]`,
    (events) => events.map((event) => `\n${event}`).join(''),
  ]
  const object = fc
    .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 4 })
    .map((value) => JSON.stringify(value))
  await fc.assert(
    fc.asyncProperty(
      fc.array(object, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(...shapes),
      fc.constantFrom('', '.gz', '.zst'),
      async (events, shape, packing) => {
        const bytes = Buffer.from(shape(events))
        write('file', packing === '' ? bytes : packing === '.gz' ? gzipSync(bytes) : zstdCompressSync(bytes))
        await steleOk(world, 'append', 'file')
        const found = (await stored()).slice(before)
        before += found.length
        assert.deepEqual(
          found,
          events.map((event) => Buffer.from(event).toString('latin1')),
        )
      },
    ),
    { seed: 7, numRuns: 40, endOnFailure: true },
  )
})

test('a file larger than a request is sent in several, and a document is sent whole', async (context) => {
  const { write, world, stored, server } = await ground(context)
  const events = numbered(2_500)
  write('lines.ndjson', events.join('\n'))
  const lines = JSON.parse(await steleOk(world, 'append', 'lines.ndjson', '--json'))
  assert.deepEqual(
    { ...lines, root: '', files: [] },
    {
      ledger: 'main',
      url: server.url,
      events: 2_500,
      first: 0,
      last: 2_499,
      size: 2_500,
      root: '',
      requests: 3,
      bytes: events.join('\n').length,
      files: [],
    },
  )
  assert.equal(lines.root, Buffer.from(server.ledgers.log('main').root).toString('base64'))
  write('document.json', `[${events.join(',')}]`)
  assert.equal(JSON.parse(await steleOk(world, 'append', 'document.json', '--json')).requests, 1)
  assert.deepEqual(await stored(), [...events, ...events])
})

test('a document with more events than a body may have is sent in several, each with its own brackets', async (context) => {
  const { write, world, stored } = await ground(context)
  const events = Array.from({ length: 70_000 }, (_, index) => String(index))
  write('array.json', `[${events.join(',\n')}]`)
  const { requests } = JSON.parse(await steleOk(world, 'append', 'array.json', '--json'))
  assert.equal(requests, 70)
  assert.deepEqual(await stored(), events)
})

test(
  'every line of every Entra fixture arrives as it is, as a file, in a folder, compressed, and from standard input',
  { skip: existsSync(shared) ? false : '../shared/fixtures is not there' },
  async (context) => {
    const { write, world, stored, server } = await ground(context)
    const files = readdirSync(shared, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.startsWith('entra-') && path.endsWith('.ndjson') && !path.endsWith('.index.ndjson'))
      .toSorted()
    assert.ok(files.length >= 8)
    const texts = files.map((path) => readFileSync(join(shared, path)))
    const events = texts.flatMap((text) =>
      text
        .toString('latin1')
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== ''),
    )
    for (const [position, text] of texts.entries()) {
      write(`plain/${position + 10}/export.ndjson`, text)
      write(`packed/${position + 10}.gz`, position % 2 === 0 ? gzipSync(text) : zstdCompressSync(text))
    }
    const stdin = texts.map((text) => text.toString('utf8').replace(/\n*$/, '\n')).join('')
    const ways = [['plain'], ['packed'], files.map((path) => join(shared, path)), ['-']]
    for (const [number, way] of ways.entries()) {
      // In a ledger of its own: in the same one they would all be there already.
      await server.createLedger(`way-${number}`)
      await steleOk({ ...world, stdin }, 'append', '--ledger', `way-${number}`, ...way)
      assert.deepEqual(await stored(`way-${number}`), events)
    }
  },
)

test('a page of Microsoft Graph is opened, and its members are recognised', async (context) => {
  const { write, world, stored, server } = await ground(context)
  const member = (id: number) =>
    `{ "id":"${id}","activityDateTime":"2026-01-02T03:04:05Z","activityDisplayName":"Add user","loggedByService":"Core Directory","operationType":"Add","initiatedBy":{} }`
  write('page.json', `{\n "@odata.context": "https://graph",\n "value": [\n  ${member(1)},\n  ${member(2)}\n ]\n}\n`)
  await steleOk(world, 'append', 'page.json')
  assert.deepEqual(await stored(), [member(1), member(2)])
  assert.equal((await server.ledgers.event('main', 1)).entry.source, 'entra.audit')
})

test('text is an event a line, anything else is one event, and --as says otherwise', async (context) => {
  const { write, world, stored, server } = await ground(context)
  write('app.log', 'first line\r\n\r\nsecond ünì\n   \nthird')
  write('photo.png', Buffer.of(0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3))
  write('bracket.log', '[2026-01-02] signed in\n[2026-01-03] signed out\n')
  await steleOk(world, 'append', 'app.log', 'photo.png')
  const { code, err } = await stele(world, 'append', 'bracket.log')
  assert.equal(code, 2)
  assert.match(err, /bracket\.log, line 1, byte 5 .* was refused: .*\. Nothing was stored\. .* give --as text\.\n$/)
  await steleOk(world, 'append', '--as', 'text', 'bracket.log')
  await steleOk(world, 'append', '--as', 'bytes', 'bracket.log')
  const found = await stored()
  assert.deepEqual(found, [
    'first line',
    Buffer.from('second ünì').toString('latin1'),
    'third',
    '\x89PNG\x00\x01\x02\x03',
    '[2026-01-02] signed in',
    '[2026-01-03] signed out',
    '[2026-01-02] signed in\n[2026-01-03] signed out\n',
  ])
  const medias = await Promise.all(
    found.map(async (_, index) => (await server.ledgers.event('main', index)).entry.media),
  )
  assert.deepEqual(medias, [
    ...Array(3).fill('text/plain'),
    'application/octet-stream',
    'text/plain',
    'text/plain',
    'application/octet-stream',
  ])
})

test('folders are read in the order of names, without dot files, links, binaries and data directories of Stele', async (context) => {
  const { write, world, stored, folder } = await ground(context)
  write('in/b.json', '{"from":"b"}')
  write('in/a/2.json', '{"from":"a/2"}')
  write('in/a/10.json', '{"from":"a/10"}')
  write('in/.hidden.json', '{"from":"hidden"}')
  write('in/.git/x.json', '{"from":"git"}')
  write('in/c.bin', Buffer.of(0, 1, 2))
  write('in/d.empty', '')
  write('outside.json', '{"from":"outside"}')
  symlinkSync(join(folder, 'outside.json'), join(folder, 'in/e.json'))
  symlinkSync(folder, join(folder, 'in/f'))
  write('in/stele-data/LOCK', '')
  write('in/stele-data/wal/1', '')
  write('in/stele-data/admin.token', 'secret')
  const { code, err } = await stele(world, 'append', 'in', 'outside.json')
  assert.equal(code, 0)
  assert.deepEqual(await stored(), ['{"from":"a/10"}', '{"from":"a/2"}', '{"from":"b"}', '{"from":"outside"}'])
  assert.deepEqual(err.trim().split('\n').toSorted(), [
    'stele: left out in/c.bin: neither JSON nor text. Name it itself to store it as one event.',
    'stele: left out in/e.json: a symbolic link.',
    'stele: left out in/f: a symbolic link.',
    'stele: left out in/stele-data: a data directory of Stele, with its keys.',
  ])
})
