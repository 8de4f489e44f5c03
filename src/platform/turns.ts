// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Resolves once all promises that are settled have been gone on with, before anything is waited for. */
export async function afterThisTurn(): Promise<void> {
  await new Promise<void>((resolve) => process.nextTick(resolve))
}

/** Lets so many works go on at the same time; the others wait in order. */
export class Turns {
  readonly #waiting: (() => void)[] = []
  #freeCount: number

  constructor(count: number) {
    this.#freeCount = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#freeCount > 0) this.#freeCount--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#freeCount++
      else next()
    }
  }
}

/** The same, where who has much to do does not keep the others waiting: works of several keys begin in turn. */
export class FairTurns {
  readonly #waiting = new Map<string, (() => void)[]>()
  #freeCount: number

  constructor(count: number) {
    this.#freeCount = count
  }

  /** Rejects with the signal's reason where that fires before its turn. */
  async run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#freeCount > 0) this.#freeCount--
    else await this.#wait(key, signal)
    try {
      return await work()
    } finally {
      const next = this.#next()
      if (next === undefined) this.#freeCount++
      else next()
    }
  }

  async #wait(key: string, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#queue(key).push(resolve)
    const leave = () => {
      const left = this.#queue(key).filter((waiting) => waiting !== resolve)
      if (left.length === 0) this.#waiting.delete(key)
      else this.#waiting.set(key, left)
      reject(signal?.reason instanceof Error ? signal.reason : new Error('nobody waits any more'))
    }
    signal?.addEventListener('abort', leave, { once: true })
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  #queue(key: string): (() => void)[] {
    const known = this.#waiting.get(key)
    if (known !== undefined) return known
    const queue: (() => void)[] = []
    this.#waiting.set(key, queue)
    return queue
  }

  /** The oldest work of the key whose turn it is; that key is then the last. */
  #next(): (() => void) | undefined {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const [key, queue] = first
    const next = queue.shift()
    this.#waiting.delete(key)
    if (queue.length > 0) this.#waiting.set(key, queue)
    return next
  }
}
