// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { compare, KINDS, STRICTER } from './go-vectors.ts'

const folder = join(import.meta.dirname, 'fixtures/go')

for (const kind of KINDS) {
  test(`P9: of what Go code made and judged, ${kind} get the same verdict, but for those refused on purpose`, async (context) => {
    const { count, accepted, differences } = await compare(folder, kind)
    assert.ok(accepted >= 5 && count >= 30, `${accepted} of ${count} vectors are accepted by those who made them`)
    const stricter = Object.keys(STRICTER[kind] ?? {}).map((name) => ({ name, how: 'stricter' as const }))
    assert.deepEqual(differences, stricter)
    context.diagnostic(`${kind}: ${count} vectors, ${accepted} accepted`)
  })
}

test('a vector with the other verdict, or with another reading, would be found', async (context) => {
  const copy = mkdtempSync(join(tmpdir(), 'stele-vectors-'))
  context.after(() => rmSync(copy, { recursive: true }))
  cpSync(folder, copy, { recursive: true })
  const change = (kind: string, from: RegExp, to: string) => {
    const path = join(copy, `${kind}.json`)
    const text = readFileSync(path, 'utf8')
    assert.match(text, from, kind)
    writeFileSync(path, text.replace(from, to))
  }
  change('notes', /"signers": 2/, '"signers": 1')
  change('cosignatures', /"time": 1/, '"time": 2')
  change('proofs', /"inclusion": ".{4}/, '"inclusion": "0000')
  change('tiles', /"tile\/0\/000": ".{4}/, '"tile/0/000": "AAAA')
  for (const kind of ['subtrees', 'proof-files', 'policies']) change(kind, /"accepted": true/, '"accepted": false')
  for (const kind of KINDS) {
    const { differences } = await compare(copy, kind)
    const expected = Object.keys(STRICTER[kind] ?? {}).length + 1
    assert.equal(differences.length, expected, kind)
    assert.equal(differences.filter(({ how }) => how !== 'stricter').length, 1, kind)
  }
})
