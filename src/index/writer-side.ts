// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Answers what the follower asks of the writer. It reads what the ledgers have in memory and never waits for a disk. */
import { type Counts, isSame, type Whereabouts } from '../ledger/entry-stream.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import { type DurableEnd, isBehind } from '../ledger/wal/frame-tail.ts'
import { countIn, type Durable, isIndexed } from './ledger-source.ts'
import type { Question } from './messages.ts'

interface Waiting {
  readonly position: DurableEnd
  readonly wake: () => void
}

export class WriterSide {
  readonly #ledgers: Ledgers
  readonly #stop: () => void
  #waiting: Waiting[] = []

  constructor(ledgers: Ledgers) {
    this.#ledgers = ledgers
    this.#stop = ledgers.onCommit(() => this.#wake())
  }

  async answer(question: Question): Promise<unknown> {
    if (question.what === 'now') return this.#durable()
    if (question.what === 'locate') return await this.#locate(question.next)
    if (!isBehind(question.position, this.#ledgers.durableEnd)) {
      await new Promise<void>((wake) => this.#waiting.push({ position: question.position, wake }))
    }
    return this.#durable()
  }

  close(): void {
    this.#stop()
    this.#waiting = []
  }

  #durable(): Durable {
    const names = this.#ledgers.names.filter(isIndexed)
    return {
      end: this.#ledgers.durableEnd,
      sizes: Object.fromEntries(names.map((name) => [name, this.#ledgers.log(name).size])),
    }
  }

  async #locate(next: Counts): Promise<Whereabouts> {
    const { sealed } = this.#ledgers
    try {
      return { sealed, position: await this.#unsealedPosition(next, sealed.sizes) }
    } catch (error) {
      // Where an entry lies in the WAL is forgotten once it is sealed.
      if (isSame(this.#ledgers.sealed, sealed)) throw error
      return await this.#locate(next)
    }
  }

  async #unsealedPosition(next: Counts, sealed: Counts): Promise<DurableEnd> {
    let earliest = this.#ledgers.durableEnd
    for (const name of this.#ledgers.names.filter(isIndexed)) {
      const index = Math.max(countIn(next, name), countIn(sealed, name))
      if (index >= this.#ledgers.log(name).size) continue
      const place = await this.#ledgers.placeOf(name, index)
      if (isBehind(place, earliest)) earliest = place
    }
    return earliest
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    const end = this.#ledgers.durableEnd
    const ready = this.#waiting.filter(({ position }) => isBehind(position, end))
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter(({ position }) => !isBehind(position, end))
    for (const { wake } of ready) wake()
  }
}
