// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  ed25519Verifier,
  type ExportSummary,
  formatExportSummary,
  formatNote,
  isExportSummary,
  openExportSummary,
  parseCheckpoint,
  parseExportSummary,
  parseRotation,
  utf8,
} from '../src/index.ts'
import { logSigner } from './signers.ts'

const origin = 'stele.local/abcdefghijklm/main'
const signer = logSigner(origin)
const summary: ExportSummary = {
  origin,
  size: 1_204_331,
  root: new Uint8Array(32).fill(7),
  entries: 1_204_402,
  asked: '2026-03-01T09:30:00.000Z',
  format: 'csv',
  query: 'actor:"ali\\"ce" after:-7d\n"é\u2028"',
  since: '2026-02-01T00:00:00.000Z',
  bytes: 48_211,
  sha256: new Uint8Array(32).fill(9),
  count: 12,
  first: 17,
  last: 1_200_100,
  leftOut: 1,
}
const text = formatExportSummary(summary)
const note = formatNote(text, [signer.sign(text)])

test('a summary is read as it was written, and can be taken for no checkpoint and no rotation', async () => {
  assert.deepEqual(parseExportSummary(text), summary)
  const { first: _, last: __, since: ___, ...rest } = summary
  const none: ExportSummary = { ...rest, until: summary.asked, count: 0, leftOut: 0, query: '' }
  assert.deepEqual(parseExportSummary(formatExportSummary(none)), none)
  assert.throws(() => parseCheckpoint(text), { code: 'checkpoint-malformed' })
  assert.throws(() => parseRotation(note), { code: 'rotation-malformed' })
  assert.ok(isExportSummary(utf8(note)) && !isExportSummary(utf8(`x${note}`)) && !isExportSummary(new Uint8Array(0)))
  const opened = await openExportSummary(utf8(note), [ed25519Verifier(signer.vkey)])
  assert.deepEqual(opened.summary, summary)
})

test('only a key of the ledger itself vouches for a summary, and only for this very text', async () => {
  const other = logSigner('stele.local/abcdefghijklm/other')
  const keys = [signer, other].map(({ vkey }) => ed25519Verifier(vkey))
  const foreign = utf8(formatNote(text, [other.sign(text)]))
  await assert.rejects(openExportSummary(foreign, keys), { code: 'origin-unexpected' })
  await assert.rejects(openExportSummary(foreign, keys.slice(0, 1)), { code: 'signature-missing' })
  for (const [from, to] of [
    ['count 12', 'count 11'],
    ['left-out 1', 'left-out 0'],
    ['after:-7d', 'after:-8d'],
    ['1204331', '1204332'],
  ] as const) {
    const changed = note.replace(from, to)
    assert.notEqual(changed, note)
    await assert.rejects(openExportSummary(utf8(changed), keys), { code: 'signature-invalid' })
  }
})

test('a summary that has not exactly its lines, or says what cannot be, is refused', () => {
  const refused = (from: string | RegExp, to: string) => {
    const changed = text.replace(from, to)
    assert.notEqual(changed, text)
    assert.throws(() => parseExportSummary(changed), { code: 'summary-malformed' }, to)
  }
  refused('/v1', '/v2')
  refused('1204331', '01204331')
  refused('1204331', '1204403')
  refused('entries ', 'Entries ')
  refused('.000Z', 'Z')
  refused('2026-03-01', '2026-13-01')
  refused('format csv', 'format c v')
  refused('query "', 'query  "')
  refused('\u2028', '\\u2028')
  refused('until -\n', '')
  refused('until -\n', 'until -\nuntil -\n')
  refused('count 12', 'count 0')
  refused('count 12', 'count 1200085')
  refused('first 17', 'first -')
  refused('last 1200100', 'last 1204331')
  refused('last 1200100', 'last 16')
  refused('It is not shown', 'It is shown')
  refused(/\n$/, '\nmore\n')
})
