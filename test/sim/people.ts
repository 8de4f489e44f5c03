// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Those who use a server at the same time: writers, readers who verify what they are shown, an administrator. They
// keep what they were told (oracle.ts), and complain of everything that nothing injected excuses.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

import { consistencyProof, parseCheckpoint, verifyConsistency, verifyInclusion } from '@stele/proof'

import { append, type SeededRandom, type Stele } from '../scratch.ts'
import type { Counts } from './fault-plan.ts'
import { demandExpected, type Machine } from './machine.ts'
import type { Oracle } from './oracle.ts'

/** Acts of each in a life, so that a long one costs no more than a short one. */
const ACTS = { writer: 40, reader: 25, administrator: 5 } as const
const MAX_EVENT_BYTES = 500
const LARGE_EVENT_BYTES = 20_000

export interface PeopleParts {
  readonly stele: Stele
  readonly random: SeededRandom
  readonly oracle: Oracle
  readonly machine: Machine
  readonly counts: Counts
}

export class People {
  /** What nothing excuses. */
  failure: Error | undefined
  readonly #parts: PeopleParts
  #hasStopped = false
  #isOver = false

  constructor(parts: PeopleParts) {
    this.#parts = parts
  }

  begin(lengthMs: number): void {
    const writerCount = 1 + this.#parts.random.below(4)
    for (let writer = 0; writer < writerCount; writer++) this.#keepOn(lengthMs / ACTS.writer, () => this.#append())
    this.#keepOn(lengthMs / ACTS.reader, () => this.#read())
    this.#keepOn(lengthMs / ACTS.reader, () => this.#compare())
    this.#keepOn(lengthMs / ACTS.administrator, () => this.#administer())
  }

  /** From here on every append is refused. */
  stopped(): void {
    this.#hasStopped = true
    for (let again = 0; again < 3; again++) this.#try(async () => await this.#append())
  }

  end(): void {
    this.#isOver = true
  }

  #keepOn(pauseMs: number, act: () => Promise<void>): void {
    const { random, machine } = this.#parts
    // Bursts with nothing between them, and pauses of any length.
    const next = () => {
      const delayMs = random.below(3) > 0 ? random.next() * 5 : random.next() * pauseMs * 5
      machine.time.after(delayMs, () => {
        if (this.#isOver) return
        this.#try(act, next)
      })
    }
    next()
  }

  #try(act: () => Promise<void>, after = () => {}): void {
    act()
      .catch((error: unknown) => {
        try {
          demandExpected(error)
          this.#parts.counts.add('acts refused')
        } catch (fault) {
          this.failure ??= fault instanceof Error ? fault : new Error(String(fault))
        }
      })
      .finally(after)
  }

  async #append(): Promise<void> {
    const { random, oracle, stele } = this.#parts
    const open = [...oracle.ledgers].filter((name) => stele.ledgers.has(name))
    const ledger = open[random.below(open.length)] ?? 'main'
    const events = oracle.send(ledger, random, random.below(20) === 0 ? LARGE_EVENT_BYTES : MAX_EVENT_BYTES)
    const wasStopped = this.#hasStopped
    const { first, size, root } = await append(stele.ledgers, ledger, events)
    if (this.#isOver) return
    assert(!wasStopped, 'an append was acknowledged although the writer had stopped')
    oracle.acknowledge(ledger, first, events, size, root)
    this.#parts.machine.note(`acknowledged ${ledger} ${first} ${events.length}`)
  }

  /** Reads something acknowledged, with a proof of it in the tree of that answer. */
  async #read(): Promise<void> {
    const { random, oracle, stele, counts } = this.#parts
    const { ledgers } = stele
    const known = oracle.acknowledged[random.below(oracle.acknowledged.length)]
    if (known === undefined) return
    const position = random.below(known.events.length)
    const index = known.first + position
    const { event, entryBytes } = await ledgers.event(known.ledger, index)
    assert(event.equals(known.events[position]!), `${known.ledger} ${index} reads otherwise than it was acknowledged`)
    const shown = this.#checkpoint(known.ledger)
    const proof = await ledgers.prove(known.ledger, index, shown.size)
    const leaf = createHash('sha256').update(Buffer.of(0)).update(entryBytes).digest()
    verifyInclusion(leaf, index, shown.size, proof, shown.root)
    counts.add('proofs verified')
  }

  /** The tree only grows: what was shown before is the beginning of what is shown now. */
  async #compare(): Promise<void> {
    const { random, oracle, stele, machine, counts } = this.#parts
    const { ledgers } = stele
    const names = ledgers.names.filter((name) => ledgers.has(name))
    const name = names[random.below(names.length)]!
    const before = this.#checkpoint(name)
    await machine.time.sleep(random.below(2_000))
    const now = this.#checkpoint(name)
    assert(now.size >= before.size, `${name} shrank from ${before.size} to ${now.size}`)
    const proof = await consistencyProof(before.size, now.size, ledgers.log(name).hashes)
    verifyConsistency(before.size, before.root, now.size, now.root, proof)
    if (this.#isOver) return
    oracle.see(name, now.size, now.root)
    counts.add('proofs verified')
  }

  #checkpoint(ledger: string): { readonly size: number; readonly root: Uint8Array } {
    const note = this.#parts.stele.ledgers.checkpoint(ledger)
    const { size, root } = parseCheckpoint(note.slice(0, note.lastIndexOf('\n\n') + 1))
    this.#parts.oracle.see(ledger, size, root)
    return { size, root }
  }

  async #administer(): Promise<void> {
    const { random, oracle, stele } = this.#parts
    const { administration, ledgers } = stele
    const acts = [
      async () => {
        const name = `ledger-${random.below(1_000_000)}`
        await administration.createLedger({ name }, 'tester')
        if (!this.#isOver) oracle.ledgers.add(name)
      },
      async () => {
        const { id } = await administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'tester')
        if (!this.#isOver) oracle.tokens.add(id)
      },
      async () => {
        const [id] = [...oracle.tokens].filter((token) => !oracle.revoked.has(token))
        if (id === undefined) return
        await administration.revokeToken(id, 'tester')
        if (!this.#isOver) oracle.revoked.add(id)
      },
      async () => await administration.confirmClock('tester'),
      async () => await ledgers.publish(),
    ]
    await acts[random.below(acts.length)]!()
  }
}
