// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** docs/format.md fixes the formats to the byte; here its worked examples are computed again by the code. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  contentHash,
  ed25519Verifier,
  type ExportSummary,
  formatEntry,
  formatExportSummary,
  formatNote,
  formatProof,
  hashLeaf,
  hashNode,
  openExportSummary,
  sha256,
} from '@stele/proof'
import { type ExportedEntry, ExportFolder } from '../src/evidence/export-folder.ts'
import { ownBatch, fillSection, measure } from '../src/ledger/batch.ts'
import { parseKey } from '../src/ledger/signing.ts'
import { checkSegment } from '../src/ledger/segment/check-segment.ts'
import { ObjectWriter } from '../src/ledger/segment/object-writer.ts'
import { encodeBlock } from '../src/ledger/segment/part.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import { encodeFileHeader } from '../src/ledger/wal/format.ts'
import { FrameBuilder } from '../src/ledger/wal/frame-builder.ts'
import { MemoryDisk } from './memory-disk.ts'
import { scratch } from './scratch.ts'

const doc = readFileSync(new URL('../docs/format.md', import.meta.url), 'utf8')

/** The fenced block that follows a heading or sentence with this name in backquotes. */
function example(name: string): string {
  const match = new RegExp(`<!-- example: ${name} -->\\n+\`\`\`[a-z]*\\n([\\s\\S]*?)\`\`\``).exec(doc)
  assert(match?.[1] !== undefined, `docs/format.md has no example ${name}`)
  return match[1]
}

const salt = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const event = Buffer.from('{"hello":"world"}')
const at = '2026-01-02T03:04:05.678Z'
const originPrefix = 'stele.local/abcdefghijklm'
const fileId = Buffer.alloc(16, 0xab)
const key = 'PRIVATE+KEY+stele.local/abcdefghijklm/main+c51fe2a4+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n'

function frame() {
  const builder = new FrameBuilder()
  const batch = ownBatch([event], 'generic', 'application/json', 'x5dowcyt2hwt')
  const { entriesBytes, contentsBytes } = measure(batch)
  const section = builder.addSection('main', 0, 1, entriesBytes, contentsBytes)
  fillSection(section, batch, at, { fill: (into, offset) => into.set(salt, offset) })
  const leaf = section.bytes.subarray(section.hashesAt, section.hashesAt + 32)
  const sealed = builder.seal(fileId, 1, Buffer.alloc(32), [{ ledger: 'main', size: 1, root: leaf }])
  const entry = section.bytes.subarray(section.entriesAt + 1, section.contentsAt)
  return { sealed, entry: Buffer.from(entry), leaf: Buffer.from(leaf) }
}

/** Hex in rows of 32 bytes behind their offsets; rows of zeros left out. */
function dump(bytes: Buffer): string {
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 32) {
    const row = bytes.subarray(offset, offset + 32)
    if (row.some((byte) => byte !== 0)) text += `${String(offset).padStart(4, '0')}  ${row.toString('hex')}\n`
  }
  return text
}

test('docs/format.md: the content hash, entry and leaf hash of the example are what the code computes', () => {
  const { entry, leaf } = frame()
  assert.equal(example('content hash'), `${Buffer.from(contentHash(salt, event)).toString('base64url')}\n`)
  assert.equal(example('entry'), `${entry.toString()}\n`)
  assert.equal(example('leaf hash'), `${leaf.toString('hex')}\n`)
  assert.deepEqual(Buffer.from(hashLeaf(entry)), leaf)
  assert.equal(example('node hash'), `${Buffer.from(hashNode(leaf, leaf)).toString('hex')}\n`)
})

test('docs/format.md: the WAL file header and frame of the example are what the code writes', () => {
  const header = encodeFileHeader({ fileId, firstCommit: 1, previousHash: Buffer.alloc(32), originPrefix })
  assert.equal(example('file header'), dump(header))
  assert.equal(example('frame'), dump(frame().sealed.bytes))
})

test('docs/format.md: the key, checkpoint and receipt of the example are what the code writes', () => {
  const signer = parseKey('main.key', key, `${originPrefix}/main`)
  const { entry, leaf } = frame()
  const checkpoint = signer.checkpoint(1, leaf)
  assert.equal(example('private key'), key)
  assert.equal(example('vkey'), `${signer.vkey}\n`)
  assert.equal(example('checkpoint'), checkpoint)
  const extra = Buffer.concat([salt, entry])
  assert.equal(example('receipt'), formatProof({ extra, index: 0, hashes: [], checkpoint }))
})

test('docs/format.md: the export summary of the example is what the code writes and reads', async () => {
  const signer = parseKey('main.key', key, `${originPrefix}/main`)
  const summary: ExportSummary = {
    origin: signer.origin,
    size: 1,
    root: frame().leaf,
    entries: 1,
    asked: '2026-01-02T03:04:06.000Z',
    format: 'ndjson',
    query: '"hello world" OR é',
    until: '2026-02-01T00:00:00.000Z',
    bytes: 0,
    sha256: sha256(new Uint8Array(0)),
    count: 0,
    leftOut: 0,
  }
  const text = formatExportSummary(summary)
  const note = formatNote(text, [signer.signatureLine(text)])
  assert.equal(example('export summary'), note)
  const opened = await openExportSummary(Buffer.from(note), [ed25519Verifier(signer.vkey)])
  assert.equal(opened.summary.query, summary.query)
})

/** A zstd frame of one block as it is, for what has fewer than 256 bytes (RFC 8878, section 3.1.1). */
function storedFrame(raw: Buffer): Buffer {
  const block = Buffer.alloc(3)
  block.writeUIntLE(raw.length * 8 + 1, 0, 3)
  return Buffer.concat([Buffer.from('28b52ffd20', 'hex'), Buffer.of(raw.length), block, raw])
}

test('docs/format.md: the segment of the example is what the code writes and reads', async () => {
  const store = new MemoryStore()
  const { entry, leaf } = frame()
  const content = Buffer.concat([salt, event])
  const bundle = Buffer.concat([Buffer.of(0, entry.length), entry])
  const run = { ledger: 'main', first: 0, count: 1, root: leaf }
  const written = async (kind: 'log' | 'content', raw: Buffer, behind: Buffer) => {
    const writer = await ObjectWriter.begin(store, kind, `${originPrefix}/main`)
    await writer.copy(0, storedFrame(raw), raw.length)
    await writer.write(behind)
    const info = await writer.finish(run)
    assert.equal(example(`segment ${kind}`), dump(await store.read(info.key, 0, info.sizeBytes)))
    return info
  }
  const segment = {
    ...run,
    root: leaf.toString('hex'),
    log: await written('log', bundle, leaf),
    content: await written('content', encodeBlock([content.length], content), Buffer.alloc(0)),
  }
  assert.equal(example('segment names'), `${segment.log.key}\n${segment.content.key}\n`)
  for await (const flaw of checkSegment(store, segment)) assert.fail(flaw.what)
  const reader = await SegmentReader.open(store, segment)
  assert.deepEqual([...(await reader.entries(0, 1)), ...(await reader.contents(0, 1))], [entry, content])
})

/** The export that holds these entries, on a disk in memory. */
async function exportOf(entries: readonly ExportedEntry[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const folder = await ExportFolder.open(disk, '/')
  await folder.append(entries)
  const signer = parseKey('main.key', key, `${originPrefix}/main`)
  await folder.finish({ checkpoint: signer.checkpoint(folder.size, folder.root()), vkey: signer.vkey })
  return disk
}

test('docs/format.md: the export of the example is what the code writes and verifies', async () => {
  const { entry } = frame()
  const disk = await exportOf([{ entry, content: { salt, event, isJson: true } }])
  const textOf = (path: string) => disk.bytesOf(path).toString('utf8')
  assert.equal(example('export contents'), textOf('/contents/0000000000000000.ndjson'))
  const files = ['contents/range', 'tile/0/000.p/1', 'tile/entries/000.p/1'].map((path, position) => {
    const bytes = disk.bytesOf(`/${path}`)
    return `${path}  ${position === 0 ? bytes.toString() : `${bytes.toString('hex')}\n`}`
  })
  assert.equal(example('export files'), files.join(''))
  assert.equal(textOf('/checkpoint'), example('checkpoint'))
  assert.equal(textOf('/log.vkey'), example('vkey'))
  assert.deepEqual(disk.paths.length, 6, 'there is nothing else in it')
})

test('docs/format.md: the other forms of an event in an export are what the code writes', async () => {
  const events = [Buffer.from('{}'), Buffer.from('two\nlines'), Buffer.from('fffe00', 'hex')]
  const media = ['application/json', 'text/plain', 'application/octet-stream'] as const
  const disk = await exportOf(
    events.map((one, index) => {
      const sha256 = Buffer.from(contentHash(salt, one)).toString('base64url')
      const entry = formatEntry({
        at,
        source: 'generic',
        by: 'x5dowcyt2hwt',
        media: media[index]!,
        size: one.length,
        sha256,
      })
      return { entry: Buffer.from(entry), content: { salt, event: one, isJson: index === 0 } }
    }),
  )
  const [, ...lines] = disk
    .bytesOf('/contents/0000000000000000.ndjson')
    .toString()
    .split(/(?<=\n)/)
  assert.equal(example('export forms'), lines.join(''))
})

test('docs/format.md: the commands that check an export by ordinary tools print the hash of the entry', async (context) => {
  const folder = scratch(context)
  mkdirSync(join(folder, 'contents'))
  writeFileSync(join(folder, 'contents', '0000000000000000.ndjson'), example('export contents'))
  const ran = spawnSync('sh', ['-c', example('export check')], { cwd: folder, encoding: 'utf8' })
  if (/openssl: (?:not found|command not found)/.test(ran.stderr)) return context.skip('there is no openssl')
  assert.equal(ran.stdout, example('content hash'))
})
