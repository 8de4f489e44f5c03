// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { sameBytes } from './head-store.ts'

/** The heads of `heads` that were published, for those who carry them elsewhere: nobody waits for them. */
export class PublishedFeed {
  readonly #listeners = new Set<(head: Buffer) => void>()
  #last: Buffer | undefined

  /** The signed note that was published last; what it speaks of is durable. */
  get last(): Buffer | undefined {
    return this.#last
  }

  /** Calls `listener` with each head from now on; returns what ends that. */
  on(listener: (head: Buffer) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(head: Buffer): void {
    if (sameBytes(head, this.#last)) return
    this.#last = head
    for (const listener of this.#listeners) listener(head)
  }
}
