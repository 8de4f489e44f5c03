// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How `stele append` cuts files into requests: whatever the shape of a file and wherever it is cut, its events arrive.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'

import fc from 'fast-check'

import { ByteWindow } from '../src/cli/append/byte-window.ts'
import { decompressed } from '../src/cli/append/decompress.ts'
import { FileFault } from '../src/cli/append/file-fault.ts'
import { largeDocument } from '../src/cli/append/large-document.ts'
import { cutPiece, halves, type Piece, placeIn, withoutFirst } from '../src/cli/append/piece.ts'
import { formOf, type Limits, LIMITS, pieces } from '../src/cli/append/pieces.ts'
import { SystemClock } from '../src/platform/clock.ts'

async function* chunked(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function piecesOf(
  file: Buffer,
  sizes: readonly number[] = [],
  limits: Limits = LIMITS,
  shape?: string,
): Promise<Piece[]> {
  const window = new ByteWindow(chunked(file, sizes), new SystemClock())
  const found = await formOf(window, limits.flushMs)
  // Documents whose first is alone on its line look like lines: `--as documents` says so.
  const form = shape === 'documents' ? shape : found
  return await Array.fromAsync(pieces(window, form, undefined, limits))
}

function eventsOf(piece: Piece): { readonly event: string; readonly at: number }[] {
  const { count, starts, ends } = cutPiece(piece, undefined)
  return Array.from({ length: count }, (_, position) => ({
    event: piece.body.toString('latin1', starts[position], ends[position]),
    at: starts[position]!,
  }))
}

const space = fc.constantFrom('', ' ', '\t', ' \r\n ', '\n\n  ')
const inline = fc.constantFrom('', ' ', '\t')

/** An object as text, with odd keys, strings full of brackets and quotes, and white space. */
const object = (gap: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.jsonValue({ maxDepth: 2 })), gap, gap)
    .chain(([value, before, behind]) =>
      fc.constantFrom(undefined, 0).map((indent) => {
        const text = JSON.stringify({ ...value, '"]},{[': '\\"]}\\\\' }, undefined, indent)
        return `{${before}${text.slice(1, -1)}${behind}}`
      }),
    )

/** Of a source whose containers are opened. */
const signIn = fc.tuple(fc.uuid(), fc.string({ unit: 'grapheme', maxLength: 20 })).map(([id, name]) =>
  JSON.stringify({
    time: '2026-01-02T03:04:05Z',
    category: 'SignInLogs',
    resourceId: `/tenants/${id}/providers/Microsoft.aadiam`,
    identity: name,
  }),
)

interface Shaped {
  readonly shape: string
  readonly file: string
  readonly events: readonly string[]
}

const separated = <Gap>(events: fc.Arbitrary<string>, gap: fc.Arbitrary<Gap>, minLength: number) =>
  fc.array(fc.tuple(events, gap), { minLength, maxLength: 30 })

const lines: fc.Arbitrary<Shaped> = fc
  .tuple(separated(object(inline), fc.constantFrom('\n', '\r\n', ' \n', '\n\n', '\n \r\n'), 2), fc.boolean())
  .map(([pairs, isEnded]) => {
    const file = pairs.map(([event, gap], row) => event + (row === pairs.length - 1 && !isEnded ? '' : gap)).join('')
    return { shape: 'lines', file, events: pairs.map(([event]) => event) }
  })

const sequence: fc.Arbitrary<Shaped> = separated(object(space), fc.constantFrom('', ' ', '\n', '\r\n\r\n'), 1).map(
  (pairs) => ({
    shape: 'documents',
    file: pairs.map(([event, gap]) => event + gap).join(''),
    events: pairs.map(([event]) => event),
  }),
)

const list = (opening: string, closing: string, events: fc.Arbitrary<string>): fc.Arbitrary<Shaped> =>
  fc.tuple(separated(events, fc.tuple(space, space), 1), space).map(([pairs, lead]) => {
    const inner = pairs.map(([event, [before, behind]]) => before + event + behind).join(',')
    return { shape: opening, file: `${lead}${opening}${inner}${closing}\n`, events: pairs.map(([event]) => event) }
  })

const arrays = list('[', ']', object(space))
const graph = list(
  '{"@odata.context": "https://x/[{\\"value\\":[", "value" :\n [',
  '],\r\n "@odata.nextLink":"]}"}',
  signIn,
)
const records = list('{"records":[', ']}', signIn)
const texts: fc.Arbitrary<Shaped> = separated(
  fc.stringMatching(/^[a-z<!][^\r\n\0]{0,40}$/u),
  fc.constantFrom('\n', '\r\n', '\n\n'),
  1,
).map((pairs) => ({
  shape: 'text',
  file: pairs.map(([event, gap]) => event + gap).join(''),
  events: pairs.map(([event]) => event),
}))

const shaped = fc
  .tuple(fc.oneof(lines, sequence, arrays, graph, records, texts), fc.boolean())
  .map(([{ shape, file, events }, hasMark]) => ({
    shape,
    file: Buffer.from(hasMark ? `\ufeff${file}` : file),
    events: events.map((event) => Buffer.from(event).toString('latin1')),
  }))
const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 })
const limits = fc
  .record({
    batchBytes: fc.integer({ min: 1, max: 600 }),
    batchEvents: fc.integer({ min: 1, max: 9 }),
    maxEvents: fc.integer({ min: 1, max: 9 }),
  })
  .map((some): Limits => ({ ...some, flushMs: 50 }))

test('the events of a file of any shape, read in chunks and cut into bodies of any size, arrive byte-identical and in order', async () => {
  await fc.assert(
    fc.asyncProperty(shaped, sizes, limits, async ({ shape, file, events }, chunks, limit) => {
      const found = (await piecesOf(file, chunks, limit, shape)).flatMap(eventsOf).map(({ event }) => event)
      assert.deepEqual(found, events)
    }),
    { seed: 7, numRuns: 500, endOnFailure: true },
  )
})

test('every byte of every body is traced back to its offset and line in the file', async () => {
  await fc.assert(
    fc.asyncProperty(shaped, sizes, limits, async ({ shape, file }, chunks, limit) => {
      for (const piece of await piecesOf(file, chunks, limit, shape)) {
        for (const { event, at } of eventsOf(piece)) {
          const { offset, line } = placeIn(piece, at)
          assert.equal(file.toString('latin1', offset, offset + event.length), event)
          assert.equal(line, file.toString('latin1', 0, offset).split('\n').length)
        }
      }
    }),
    { seed: 7, numRuns: 300, endOnFailure: true },
  )
})

test('a body without its first events holds the others, and half a body and the other half hold all', async () => {
  await fc.assert(
    fc.asyncProperty(shaped, limits, fc.nat(), async ({ shape, file }, limit, draw) => {
      for (const piece of await piecesOf(file, [], { ...limit, maxEvents: 1000, batchEvents: 1000 }, shape)) {
        const all = eventsOf(piece).map(({ event }) => event)
        const skipped = draw % all.length
        const rest = eventsOf(withoutFirst(piece, skipped, cutPiece(piece, undefined))).map(({ event }) => event)
        assert.deepEqual(rest, all.slice(skipped))
        const parts = halves(piece) ?? [piece]
        assert.deepEqual(
          parts.flatMap(eventsOf).map(({ event }) => event),
          all,
        )
      }
    }),
    { seed: 7, numRuns: 300, endOnFailure: true },
  )
})

test('gzip and Zstandard are undone by content, in any chunks, several members and frames in a row', async () => {
  const parts = ['{"a":1}\n', 'x'.repeat(300_000), '{"b":2}\n'].map((text) => Buffer.from(text))
  for (const compress of [gzipSync, zstdCompressSync]) {
    const packed = Buffer.concat(parts.map((part) => compress(part)))
    for (const size of [1, 2, 3, 7, 64, 1000, packed.length, ...parts.map((part) => compress(part).length)]) {
      const found = Buffer.concat(await Array.fromAsync(decompressed(chunked(packed, [size]))))
      assert.deepEqual(found, Buffer.concat(parts), `${compress.name} in chunks of ${size}`)
    }
  }
})

test('compressed data that is cut off, or has anything else behind it, is refused', async () => {
  for (const compress of [gzipSync, zstdCompressSync]) {
    const packed = compress(Buffer.from('{"a":1}\n'.repeat(10_000)))
    const broken = [
      packed.subarray(0, -1),
      packed.subarray(0, 20),
      Buffer.concat([packed, Buffer.from('more')]),
      Buffer.concat([packed, Buffer.alloc(64)]),
    ]
    for (const [position, file] of broken.entries()) {
      for (const size of [1, 5, file.length]) {
        await assert.rejects(
          Array.fromAsync(decompressed(chunked(file, [size]))),
          FileFault,
          `${compress.name} ${position} ${size}`,
        )
      }
    }
  }
})

test('what is broken in a file is left in the bodies, so that the server refuses it', async () => {
  const broken = [
    '{"a":1}\n{"a":\n',
    '[{"a":1},]',
    '[{"a":1},,{"b":2}]',
    '[{"a":1} {"b":2}]',
    '[{"a":1}',
    '[{"a":1},',
    '{"a":1}}',
    '{"a":1}\n]',
    '[1,2]x',
  ]
  for (const file of broken) {
    for (const batchEvents of [1, 2, 1000]) {
      const found = await piecesOf(Buffer.from(file), [], { ...LIMITS, maxEvents: 1, batchEvents })
      assert.throws(() => found.forEach(eventsOf), { name: 'Problem' }, `${file} by ${batchEvents}`)
    }
  }
})

test('what is broken in a large document is left in one of its parts', async () => {
  const member = '{"time":"2026-01-02T03:04:05Z","category":"SignInLogs"}'
  const broken = [
    '[{"a":1},{"a":2},]',
    '[{"a":1},,{"a":2}]',
    '[,{"a":1}]',
    '[{"a":1} {"a":2}]',
    '[{"a":1},{"a":2}',
    '[{"a":1},{"a":2},',
    '[{"a":1},{"a":2}}',
    '[{"a":1},{"a":]',
    `{"records":[${member},${member},]}`,
    `{"records":[${member},${member}]`,
    `{"records":[${member},${member}],}`,
    `{"records":[${member},${member}]]`,
  ]
  for (const text of broken) {
    for (const batchEvents of [1, 2, 3]) {
      const limits = { ...LIMITS, batchEvents }
      const window = new ByteWindow(chunked(Buffer.from(text), [3]), new SystemClock())
      await window.more()
      const found = await Array.fromAsync(largeDocument(window, undefined, limits))
      assert.throws(() => found.forEach(eventsOf), { name: 'Problem' }, `${text} by ${batchEvents}`)
    }
  }
})

test('UTF-16 is named, with the command that converts it', async () => {
  for (const mark of [Buffer.of(0xff, 0xfe), Buffer.of(0xfe, 0xff)]) {
    await assert.rejects(piecesOf(Buffer.concat([mark, Buffer.from('{"a":1}', 'utf16le')])), /iconv/)
  }
})

test('a large object that is no container is refused before anything of it is sent', async () => {
  const file = Buffer.from(`{"data":[${Array.from({ length: 50 }, () => '{"a":1}').join(',')}]}`)
  const limit = { ...LIMITS, maxEvents: 3 }
  // As one event it is small enough.
  assert.equal((await piecesOf(file, [], limit)).length, 1)
  const mixed = Buffer.from(`{"value":[${'{"id":1},'.repeat(70_000)}{"id":1}]}`)
  assert.equal((await piecesOf(mixed)).length, 1)
})
