// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the outside knows of a ledger, in plain arrays: what was sent, what was acknowledged, and every root that was
// seen. Nothing in here comes from the code under test but what it said.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

import { Frontier, parseCheckpoint } from '@stele/proof'

import type { Ledgers } from '../../src/ledger/ledgers.ts'
import { hex, type SeededRandom, type Stele } from '../scratch.ts'

const READ_BYTES = 1024 * 1024

interface Batch {
  readonly number: number
  readonly ledger: string
  readonly events: readonly Buffer[]
}

export interface Acknowledged {
  readonly ledger: string
  readonly first: number
  readonly events: readonly Buffer[]
  readonly size: number
}

export class Oracle {
  readonly acknowledged: Acknowledged[] = []
  readonly ledgers = new Set(['main'])
  readonly tokens = new Set<string>()
  readonly revoked = new Set<string>()
  eventCount = 0
  #sent: Batch[] = []
  /** By ledger and size: every root that anybody was shown. */
  readonly #roots = new Map<string, Map<number, string>>()

  /** What is known at this moment. What is sent later is known to both. */
  copy(): Oracle {
    const copy = new Oracle()
    copy.acknowledged.push(...this.acknowledged)
    copy.eventCount = this.eventCount
    for (const name of this.ledgers) copy.ledgers.add(name)
    for (const id of this.tokens) copy.tokens.add(id)
    for (const id of this.revoked) copy.revoked.add(id)
    copy.#sent = this.#sent
    for (const [ledger, roots] of this.#roots) copy.#roots.set(ledger, new Map(roots))
    return copy
  }

  /** Two oracles of one history that know as much have the same. */
  get cursor(): string {
    const seen = [...this.#roots.values()].reduce((sum, roots) => sum + roots.size, 0)
    return `${this.acknowledged.length} ${this.ledgers.size} ${this.tokens.size} ${this.revoked.size} ${seen}`
  }

  /** A batch that is about to be sent; each event says which one of which batch it is. */
  send(ledger: string, random: SeededRandom, maxBytes: number): readonly Buffer[] {
    const number = this.#sent.length
    const events = Array.from({ length: 1 + random.below(4) }, (_, position) =>
      Buffer.concat([Buffer.from(`${number} ${position} `), random.bytes(random.below(maxBytes))]),
    )
    this.#sent.push({ number, ledger, events })
    return events
  }

  acknowledge(ledger: string, first: number, events: readonly Buffer[], size: number, root: Uint8Array): void {
    assert(first + events.length <= size, `${ledger}: acknowledged at ${first}, beyond its size ${size}`)
    this.acknowledged.push({ ledger, first, events, size })
    this.eventCount += events.length
    this.see(ledger, size, root)
  }

  /** Somebody was shown this root: no other may ever be shown for the size. */
  see(ledger: string, size: number, root: Uint8Array): void {
    const known = this.#roots.get(ledger) ?? new Map<number, string>()
    this.#roots.set(ledger, known)
    const before = known.get(size)
    assert(before === undefined || before === hex(root), `${ledger} was shown with two roots at size ${size}`)
    known.set(size, hex(root))
  }

  /** A head that was kept outside is one that was shown. */
  seeKept(note: Buffer): void {
    const text = note.toString('utf8')
    const { size, root } = parseCheckpoint(text.slice(0, text.lastIndexOf('\n\n') + 1))
    this.see('heads', size, root)
  }

  /** Holds all that there is against all that is known. */
  async check({ ledgers, administration }: Stele): Promise<void> {
    const { state } = administration
    for (const name of this.ledgers) assert(state.ledgers.has(name), `ledger ${name} was acknowledged and is gone`)
    for (const id of this.tokens) assert(state.tokens.has(id), `token ${id} was acknowledged and is gone`)
    for (const id of this.revoked) assert(state.tokens.get(id)?.revokedAt, `token ${id} was revoked and is not`)
    for (const name of ledgers.names) await this.#checkLedger(ledgers, name)
    for (const [ledger, roots] of this.#roots)
      assert(roots.size === 0 || ledgers.names.includes(ledger), `${ledger} is gone`)
  }

  async #checkLedger(ledgers: Ledgers, name: string): Promise<void> {
    const { size, root } = ledgers.log(name)
    const wanted = this.#roots.get(name) ?? new Map<number, string>()
    const frontier = new Frontier()
    const stored: Buffer[] = []
    let at = ''
    while (stored.length < size) {
      const read = await ledgers.events(name, stored.length, size, READ_BYTES)
      assert(read.length > 0)
      for (const { entry, entryBytes, event } of read) {
        assert(entry.at >= at, `${name} ${stored.length}: time goes back from ${at} to ${entry.at}`)
        ;({ at } = entry)
        stored.push(event)
        frontier.append(createHash('sha256').update(Buffer.of(0)).update(entryBytes).digest())
        const seen = wanted.get(frontier.size)
        const found = seen === undefined ? '' : hex(frontier.root())
        assert(seen === undefined || seen === found, `${name} had root ${seen} at ${frontier.size}, and has ${found}`)
      }
    }
    assert.equal(hex(frontier.root()), hex(root), `${name}: the root at ${size} is not that of its entries`)
    const lost = [...wanted.keys()].find((seen) => seen > size)
    assert(lost === undefined, `${name} was shown with ${lost} entries, and has ${size}`)
    for (const { ledger, first, events } of this.acknowledged) {
      if (ledger !== name) continue
      for (const [position, event] of events.entries()) {
        const what = `${ledger} ${first + position} is not what was acknowledged`
        assert(stored[first + position]?.equals(event), what)
      }
    }
    if (this.ledgers.has(name) || name.startsWith('ledger-')) this.#checkSent(name, stored)
  }

  /** What is there was sent, whole batches of it, each once. */
  #checkSent(name: string, stored: readonly Buffer[]): void {
    const seen = new Set<number>()
    for (let index = 0; index < stored.length;) {
      const [number, position] = stored[index]!.toString('latin1').split(' ', 2)
      const batch = this.#sent[Number(number)]
      assert(batch?.ledger === name && position === '0', `${name} ${index} was never sent like that`)
      assert(!seen.has(batch.number), `${name} ${index}: what was sent once is there twice`)
      seen.add(batch.number)
      for (const event of batch.events) assert(stored[index++]?.equals(event), `${name} ${index - 1} is torn`)
    }
  }
}
