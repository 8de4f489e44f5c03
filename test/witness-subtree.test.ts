// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// sign-subtree: a part of a tree is signed only where the witness is known to have cosigned the whole.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { subtreeCosignature, subtreeProof, TestLog, testWitness } from './witnessing-ground.ts'

function body(log: TestLog, start: number, end: number, note: string, size = log.size): string {
  const hash = log.rangeRoot(start, end).toString('base64')
  const proof = subtreeProof(start, end, log.leaves.slice(0, size))
  return `subtree ${start} ${end}\n${hash}\n${proof.map((line) => `${line.toString('base64')}\n`).join('')}\n${note}`
}

test('parts of a cosigned tree are signed with ML-DSA-44 and no time, by the latest checkpoint or by an own cosignature', async (context) => {
  const log = new TestLog('log').grow(14)
  const witness = await testWitness(context, [log])
  const early = await witness.post(log.request(0))
  const earlyNote = `${log.note()}${early.body}`
  for (const [start, end] of [
    [8, 13],
    [0, 14],
    [0, 8],
    [4, 8],
    [13, 14],
    [12, 14],
  ] as const) {
    for (const note of [log.text(), log.note(), earlyNote]) {
      const { status, body: line } = await witness.post(body(log, start, end, note), '/sign-subtree')
      assert.equal(status, 200, `${start} ${end} ${line}`)
      subtreeCosignature(witness.vkeys, log.origin, start, end, log.rangeRoot(start, end), line)
    }
  }
  log.grow(3)
  const late = await witness.post(log.request(14))
  assert.equal(late.status, 200)
  // Not the latest any more: our own cosignature on it speaks for it, and without it the latest is told.
  const [old, unknown] = [earlyNote, log.note(log.text(14))].map((note) => body(log, 8, 13, note, 14))
  assert.equal((await witness.post(old!, '/sign-subtree')).status, 200)
  const refused = await witness.post(unknown!, '/sign-subtree')
  assert.deepEqual([refused.status, refused.body], [409, `${log.note()}${late.body}`])
})

test('what is no part of it, not of the form, or of another log is not signed', async (context) => {
  const [log, other] = [new TestLog('log').grow(14), new TestLog('other').grow(14)]
  const witness = await testWitness(context, [log])
  const ask = async (text: string) => (await witness.post(text, '/sign-subtree')).status
  assert.equal(await ask(body(log, 8, 13, log.text())), 404)
  await witness.post(log.request(0))
  const good = body(log, 8, 13, log.text())
  assert.equal(await ask(good), 200)
  assert.equal(await ask(body(other, 8, 13, other.text())), 404)
  assert.equal(await ask(good.replace(/\n[^\n]+\n/, `\n${Buffer.alloc(32).toString('base64')}\n`)), 422)
  assert.equal(await ask(body(log, 8, 13, log.text(13), 13)), 409)
  const line = `— witness.example.com/1 ${Buffer.alloc(76).toString('base64')}\n`
  const many = good.replace(/\n[^\n]+\n/, (hash) => `${hash}${line.repeat(9)}`)
  const malformed = [
    '',
    many,
    good.replace('8 13', '13 8'),
    good.replace('8 13', '8 15'),
    good.replace('8 13', '7 13'),
    good.replace('8 13', '8'),
    good.replace('8 13', '08 13'),
    good.replace('subtree', 'tree'),
    good.slice(0, -1),
  ]
  for (const text of malformed) assert.equal(await ask(text), 400, text)
  assert.equal(await ask(good.replace(/\n[^\n]+\n/, (hash) => `${hash}${line.repeat(8)}`)), 200)
})
