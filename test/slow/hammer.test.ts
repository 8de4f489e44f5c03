// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Writers and readers at once, over HTTP. A reader believes nothing: every checkpoint is signed and of a tree that
// begins with the one before, made sure of by tiles alone, and receipts of what was just acknowledged are valid.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  type Checkpoint,
  consistencyProof,
  ed25519Verifier,
  type HashReader,
  openCheckpoint,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
  verifyConsistency,
  verifyReceipt,
} from '@stele/proof'

import { SeededRandom } from '../scratch.ts'
import { startTestServer, type TestServer } from '../server-fixture.ts'

const MS = 20_000
const LEDGERS = ['main', 'one', 'two'] as const
const WRITERS = 6
const READERS = 4
const EVENTS = 40
/** What is kept for proofs and places grows by less than this while it runs. */
const MAX_GROWTH_BYTES = 400_000_000

interface Known {
  readonly ledger: string
  readonly index: number
  readonly event: Buffer
}

class Hammer {
  readonly known: Known[] = []
  readonly counts = { events: 0, receipts: 0, consistent: 0 }
  readonly #server: TestServer
  readonly #random = new SeededRandom(1)
  #isOver = false

  constructor(server: TestServer) {
    this.#server = server
  }

  async run(): Promise<void> {
    const timer = setTimeout(() => (this.#isOver = true), MS)
    const writers = Array.from({ length: WRITERS }, async (_, number) => await this.#write(LEDGERS[number % 3]!))
    const readers = Array.from({ length: READERS }, async (_, number) => await this.#read(LEDGERS[number % 3]!))
    try {
      await Promise.all([...writers, ...readers])
    } finally {
      clearTimeout(timer)
    }
  }

  async #write(ledger: string): Promise<void> {
    while (!this.#isOver) {
      const events = Array.from({ length: EVENTS }, () =>
        Buffer.from(JSON.stringify({ filler: this.#random.bytes(500).toString('base64') })),
      )
      const path = `/v1/ledgers/${ledger}/events`
      const { first } = await this.#server.askJson(path, { body: events.join('\n'), type: 'application/x-ndjson' })
      this.counts.events += EVENTS
      const at = this.#random.below(EVENTS)
      // In memory of its own: a slice of Node's pool would keep all that was cut from it.
      const event = Buffer.from(Uint8Array.from(events[at]!).buffer)
      this.known.push({ ledger, index: first + at, event })
    }
  }

  async #read(ledger: string): Promise<void> {
    const { vkeys, origin } = await this.#server.askJson(`/v1/ledgers/${ledger}`)
    let before: Checkpoint | undefined
    while (!this.#isOver) {
      const note = await this.#bytes(`/v1/ledgers/${ledger}/checkpoint`)
      const { checkpoint } = await openCheckpoint(note, ed25519Verifier(vkeys[0]), origin)
      if (before !== undefined && before.size > 0) {
        assert(checkpoint.size >= before.size, `${ledger} shrank from ${before.size} to ${checkpoint.size}`)
        const proof = await consistencyProof(before.size, checkpoint.size, this.#tiles(ledger, checkpoint.size))
        verifyConsistency(before.size, before.root, checkpoint.size, checkpoint.root, proof)
        this.counts.consistent++
      }
      before = checkpoint
      await this.#receipt(ledger, vkeys[0])
    }
  }

  async #receipt(ledger: string, vkey: string): Promise<void> {
    const own = this.known.filter((one) => one.ledger === ledger)
    const one = own[this.#random.below(own.length)]
    if (one === undefined) return
    const receipt = await this.#bytes(`/v1/ledgers/${ledger}/events/${one.index}/proof`)
    const report = await verifyReceipt(one.event, receipt, { vkey })
    assert.equal(report.verdict, 'valid', JSON.stringify(report))
    assert.equal(report.index, one.index)
    this.counts.receipts++
  }

  #tiles(ledger: string, size: number): HashReader {
    return async (level, start, count) => {
      const tile = Math.floor(start / TILE_WIDTH)
      const path = tilePath(level, tile, tileWidthAt(size, level, tile))
      const at = (start % TILE_WIDTH) * 32
      return (await this.#bytes(`/v1/ledgers/${ledger}/${path}`)).subarray(at, at + count * 32)
    }
  }

  async #bytes(path: string): Promise<Buffer> {
    const answer = await this.#server.ask(path)
    assert.equal(answer.status, 200, path)
    return Buffer.from(await answer.arrayBuffer())
  }
}

test('P3: while writers append, every checkpoint that readers see begins with the one before, and every receipt is valid', async (context) => {
  const server = await startTestServer(context)
  for (const ledger of LEDGERS.slice(1)) await server.createLedger(ledger)
  const hammer = new Hammer(server)
  const before = process.memoryUsage().rss
  await hammer.run()
  const grown = process.memoryUsage().rss - before
  const { events, receipts, consistent } = hammer.counts
  assert(events > 1_000 && receipts > 50 && consistent > 50)
  assert(grown < MAX_GROWTH_BYTES, `the process grew by ${Math.round(grown / 1e6)} MB`)
  context.diagnostic(
    `${events} events appended in ${MS / 1000} s beside ${consistent} consistency proofs and ${receipts} receipts; ` +
      `the process grew by ${Math.round(grown / 1e6)} MB`,
  )
})
