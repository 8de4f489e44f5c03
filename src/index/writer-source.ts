// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Counts, Whereabouts } from '../ledger/entry-stream.ts'
import type { DurableEnd } from '../ledger/wal/frame-tail.ts'
import type { Durable, LedgerSource } from './ledger-source.ts'
import type { Question } from './messages.ts'

/** Asks the writer over the channel between the processes. */
export class WriterSource implements LedgerSource {
  readonly #ask: (id: number, question: Question) => void
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0

  constructor(ask: (id: number, question: Question) => void) {
    this.#ask = ask
  }

  async now(): Promise<Durable> {
    return (await this.#asked({ what: 'now' })) as Durable
  }

  async beyond(position: DurableEnd): Promise<Durable> {
    return (await this.#asked({ what: 'beyond', position })) as Durable
  }

  async locate(next: Counts): Promise<Whereabouts> {
    return (await this.#asked({ what: 'locate', next })) as Whereabouts
  }

  answer(id: number, value: unknown): void {
    this.#waiting.get(id)?.resolve(value)
    this.#waiting.delete(id)
  }

  refuse(id: number, reason: string): void {
    this.#waiting.get(id)?.reject(new Error(reason))
    this.#waiting.delete(id)
  }

  async #asked(question: Question): Promise<unknown> {
    const id = ++this.#lastId
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#ask(id, question)
    })
  }
}
