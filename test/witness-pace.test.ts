// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which head each witness gets next, and where `heads` says what: pure, so that paces and histories can be drawn.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { HeadChoice } from '../src/witness/head-choice.ts'
import { type HeadsReader, Statements } from '../src/witness/statements.ts'

const COSIGNATURE = { time: 1, line: '' }

function headOf(size: number) {
  return { size, root: String(size), note: Buffer.alloc(0), text: '', ownLines: [] }
}

/** Heads are published one a tick, and each witness takes its ticks to cosign one; the sizes that all have cosigned. */
function witnessed(paces: readonly number[], tickCount: number): number[] {
  const choice = new HeadChoice()
  const witnesses = paces.map((pace, position) => ({ name: String(position), pace, seen: 0, size: 0, until: 0 }))
  const sizes: number[] = []
  for (let tick = 1; tick <= tickCount; tick++) {
    choice.add(headOf(tick))
    for (const witness of witnesses) {
      if (witness.size > 0 && tick >= witness.until) {
        const head = choice.all.find(({ size }) => size === witness.size)
        head?.cosignatures.set(witness.name, COSIGNATURE)
        head?.asked.delete(witness.name)
        witness.seen = witness.size
        witness.size = 0
        if (head?.cosignatures.size === paces.length) {
          sizes.push(head.size)
          choice.dropBefore(head.size)
        }
      }
      if (witness.size > 0) continue
      const next = choice.next(witness.name, witness.seen)
      if (next === undefined) continue
      assert.ok(next.size >= witness.seen, 'no witness goes back')
      next.asked.add(witness.name)
      witness.size = next.size
      witness.until = tick + witness.pace
    }
  }
  return sizes
}

test('witnesses of whatever paces cosign the same heads again and again, none far behind the slowest', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }), (paces) => {
      const slowest = Math.max(...paces)
      const sizes = witnessed(paces, 40 * slowest)
      assert.ok(sizes.length >= 8, `${paces.join(' ')}: ${sizes.join(' ')}`)
      assert.deepEqual(
        sizes,
        sizes.toSorted((a, b) => a - b),
      )
    }),
    { seed: 11, numRuns: 200 },
  )
})

test('one that never answers is waited for by nobody: the others take each new head', () => {
  const choice = new HeadChoice()
  choice.add(headOf(1))
  choice.next('dead', 0)?.asked.add('dead')
  for (let size = 1; size <= 10; size++) {
    choice.add(headOf(size))
    const head = choice.next('good', size - 1)
    assert.equal(head?.size, size)
    head?.cosignatures.set('good', COSIGNATURE)
  }
})

test('however long no quorum is met, a bounded number of heads is kept, the newest among them', () => {
  const choice = new HeadChoice()
  for (let size = 1; size <= 5_000; size++) choice.add(headOf(size))
  assert.ok(choice.all.length <= 256)
  assert.equal(choice.newest?.size, 5_000)
})

const LEDGERS = ['main', 'system', 'other'] as const

function readerOf(said: readonly string[], reads: { count: number }): HeadsReader {
  const sizes = new Map<string, number>()
  const events = said.map((ledger) => {
    const size = (sizes.get(ledger) ?? 0) + 1
    sizes.set(ledger, size)
    const root = Buffer.alloc(32, size).toString('base64')
    return { event: Buffer.from(`stele.test/x/${ledger}\n${size}\n${root}\n\n— x AAAAAAA=\n`) }
  })
  return async (start, end) => {
    reads.count++
    // As few or as many as a ledger may answer with.
    return await Promise.resolve(events.slice(start, Math.min(end, start + 7)))
  }
}

test('what heads says last of a ledger, before any size, is what reading all of it would say', async () => {
  const { signal } = new AbortController()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...LEDGERS), { minLength: 1, maxLength: 60 }),
      fc.array(fc.tuple(fc.constantFrom(...LEDGERS), fc.nat(60), fc.boolean()), { maxLength: 12 }),
      async (said, asked) => {
        const statements = new Statements(readerOf(said, { count: 0 }))
        let floor = 0
        for (const [ledger, wanted, forgets] of asked) {
          const headsSize = Math.max(floor, Math.min(wanted, said.length))
          const index = said.slice(0, headsSize).lastIndexOf(ledger)
          const size = said.slice(0, index + 1).filter((name) => name === ledger).length
          const expected = index === -1 ? undefined : { index, size }
          assert.deepEqual(await statements.newest(ledger, headsSize, signal), expected)
          if (!forgets) continue
          statements.forgetBefore(headsSize)
          floor = headsSize
        }
      },
    ),
    { seed: 5, numRuns: 300 },
  )
})

test('a ledger of which heads says nothing costs one pass over heads, however often it is asked for', async () => {
  const { signal } = new AbortController()
  const reads = { count: 0 }
  const said = Array.from({ length: 3_000 }, () => 'main')
  const statements = new Statements(readerOf(said, reads))
  assert.equal(await statements.newest('other', said.length, signal), undefined)
  const once = reads.count
  for (let tries = 0; tries < 50; tries++) await statements.newest('other', said.length, signal)
  assert.equal(reads.count, once)
})
