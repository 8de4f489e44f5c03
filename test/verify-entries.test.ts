// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Verifying entries and trees without the events, and the short way to read an entry that both kinds take.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatEntry, parseEntry, ProofError } from '@stele/proof'

import { EntryForms } from '../src/ledger/entry-forms.ts'
import { segmentPaths, sealedDirectory, verified } from './evidence-ground.ts'
import { SeededRandom } from './scratch.ts'

test('without the events a changed entry is found and a changed event is not, and the report says which were looked at', async () => {
  const sealed = await sealedDirectory()
  const bare = async (disk = sealed.disk) => await verified({ disk, head: sealed.head }, { withContent: false })
  const whole = await bare()
  assert.equal(whole.verdict, 'unchanged')
  assert.ok(whole.remarks.some((remark) => /events in segments were not looked at/.test(remark)))
  assert.ok(!(await verified(sealed)).remarks.some((remark) => /events in segments/.test(remark)))
  for (const [kind, expected] of [
    ['log', 'changed'],
    ['content', 'unchanged'],
  ] as const) {
    const disk = sealed.disk.copy()
    const path = segmentPaths(disk, 'main').find((one) => one.endsWith(`.${kind}`))!
    const bytes = Buffer.from(disk.bytesOf(path))
    // Within the first part, behind the header.
    bytes[700]! ^= 1
    disk.put(path, bytes)

    assert.equal((await bare(disk)).verdict, expected, kind)
    assert.equal((await verified({ disk, head: sealed.head })).verdict, 'changed', kind)
  }
})

test('an entry that is read the short way is one that the strict parser reads, and says the same', () => {
  const random = new SeededRandom(7)
  const entry = (size: number) => {
    const sha256 = Buffer.from(random.bytes(32)).toString('base64url')
    const rest = { source: 'generic/a', by: 'token1', media: 'application/json', size, sha256 } as const
    return Buffer.from(formatEntry({ at: '2026-01-02T03:04:05.678Z', ...rest }))
  }
  const forms = new EntryForms()
  const first = entry(975)
  forms.learn(first, 975, parseEntry(first).sha256, parseEntry(first).at)
  let taken = 0
  for (let turn = 0; turn < 20_000; turn++) {
    const line = entry(random.below(turn % 2 === 0 ? 1_000 : 2 ** 24))
    const changes = turn % 4
    for (let change = 0; change < changes; change++) line[random.below(line.length)] = 0x20 + random.below(0x5f)
    const strict = strictly(line)
    const time = forms.timeOfAny(line)
    if (changes === 0) assert.equal(time, strict?.at)
    if (time === undefined) continue
    taken++
    assert.ok(strict !== undefined, line.toString())
    const { at, size, sha256 } = strict
    assert.equal(at, time)
    assert.equal(forms.timeOf(line, size, sha256), time)
    assert.equal(forms.timeOf(line, size + 1, sha256), undefined)
    assert.equal(forms.timeOf(line, size, `!${sha256.slice(1)}`), undefined)
  }
  assert.ok(taken > 5_000)
})

function strictly(line: Uint8Array) {
  try {
    return parseEntry(line)
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}
