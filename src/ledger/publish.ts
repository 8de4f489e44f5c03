// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Publishing: once a second at most, the signed checkpoints of all ledgers that changed become entries of `heads`,
 * and the head of `heads` is kept outside the data directory by compare-and-swap. What nobody outside has seen yet
 * (the last second before a crash) is protected by receipts and by nothing else.
 */
import { type KeyPeriod, openByPeriods, rootAt } from '@stele/proof'
import { type Batch, ownBatch } from './batch.ts'
import type { Committed } from './commit.ts'
import { type HeadStore, sameBytes } from './head-store.ts'
import type { Log } from './log.ts'
import type { PublishedFeed } from './published-feed.ts'
import { type Published, publishedHead } from './published-head.ts'
import type { Signer } from './signing.ts'

/** The data and the head that is kept outside contradict each other. */
export class HeadFault extends Error {
  override readonly name = 'HeadFault'
}

export interface PublisherOptions {
  readonly store: HeadStore
  readonly heads: Log
  /** The key of `heads`, and all that it had. */
  readonly signer: () => Signer
  readonly periods: () => readonly KeyPeriod[]
  /** When the last entry was appended, Unix seconds: for the signature that says when it was made. */
  readonly timeSeconds: () => number
  /** Ledgers to publish, `heads` not among them, with what `heads` last said of each. */
  readonly logs: () => Iterable<Log>
  readonly published: Map<string, Published>
  readonly checkpoint: (log: Log) => string
  readonly append: (log: Log, batch: Batch) => Promise<Committed>
  readonly feed: PublishedFeed
  /** Stops the writer: another one is at work on the same head, or ours was replaced. */
  readonly stop: (error: unknown) => void
}

export class Publisher {
  readonly #options: PublisherOptions
  #kept: Buffer | undefined
  /** The head that was signed last: another of the same tree would only have another time. */
  #signed: { readonly size: number; readonly vkey: string; readonly head: Buffer } | undefined
  #unreachable: string | undefined
  #current: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** `kept` is the head that was read, and checked, at the start. */
  constructor(options: PublisherOptions, kept: Buffer | undefined) {
    this.#options = options
    this.#kept = kept
  }

  /** Why the head could not be kept outside the last time, if it could not. */
  get unreachable(): string | undefined {
    return this.#unreachable
  }

  /** Publishes what changed. One at a time: all calls during another are answered by one more look after it. */
  async publish(): Promise<void> {
    if (this.#current !== undefined) return await (this.#next ??= this.#afterCurrent(this.#current))
    this.#current = this.#publish().finally(() => (this.#current = undefined))
    await this.#current
  }

  async #afterCurrent(current: Promise<void>): Promise<void> {
    // Whoever called for the current one hears of its failure.
    await current.catch(() => {})
    this.#next = undefined
    await this.publish()
  }

  async #publish(): Promise<void> {
    const { heads, published, append, feed } = this.#options
    const changed = [...this.#options.logs()].filter((log) => log.size !== (published.get(log.name)?.size ?? 0))
    if (changed.length > 0) {
      const signed = changed.map((log) => ({
        log,
        size: log.size,
        root: hex(log.root),
        note: this.#options.checkpoint(log),
      }))
      const notes = signed.map((head) => Buffer.from(head.note))
      await append(heads, ownBatch(notes, 'stele.heads', 'text/plain', 'stele'))
      for (const { log, size, root } of signed) published.set(log.name, { size, root })
    }
    if (heads.size === 0) return
    const head = this.#head()
    await this.#keep(head)
    feed.tell(head)
  }

  #head(): Buffer {
    const { heads, signer, timeSeconds } = this.#options
    const { size, root } = heads
    const key = signer()
    if (this.#signed?.size !== size || this.#signed.vkey !== key.vkey) {
      this.#signed = { size, vkey: key.vkey, head: Buffer.from(key.head(size, root, timeSeconds())) }
    }
    return this.#signed.head
  }

  async #keep(head: Buffer): Promise<void> {
    if (sameBytes(this.#kept, head)) return
    const { store, stop } = this.#options
    try {
      if (!(await store.swap(this.#kept, head))) {
        this.#kept = await this.#foundInstead()
        const swapped = sameBytes(this.#kept, head) || (await store.swap(this.#kept, head))
        if (!swapped) throw new Error('it is not replaced although it is what was expected')
      }
      this.#kept = head
      this.#unreachable = undefined
    } catch (error) {
      if (error instanceof HeadFault) stop(error)
      else this.#unreachable = error instanceof Error ? error.message : String(error)
    }
  }

  /**
   * What is kept is not what we know of. If it is a head of this very tree, a swap of ours had taken effect after all
   * (another writer's head would have another root); else there is another writer.
   */
  async #foundInstead(): Promise<Buffer> {
    const { store, heads, periods } = this.#options
    const found = await store.read()
    if (found === undefined) throw new HeadFault(`the head in ${store.where} was removed while the server was running`)
    try {
      const size = await checkKeptHead(heads, periods(), store, found)
      const keptSize = this.#kept === undefined ? 0 : publishedHead(this.#kept).size
      if (size < keptSize) throw new HeadFault(`it counts ${size} published heads, and had ${keptSize}`)
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      throw new HeadFault(`the head in ${store.where} was replaced by somebody else: ${error.message}`)
    }
    return found
  }
}

/** Holds the head that is kept outside against the data and returns its size; throws a HeadFault where they contradict. */
export async function checkKeptHead(
  heads: Log,
  periods: readonly KeyPeriod[],
  store: Pick<HeadStore, 'where'>,
  kept: Buffer,
): Promise<number> {
  const mend =
    'If an older copy of the directory was restored, bring back the newest one; ' +
    'if this is the head of another directory, name the right one with --head.'
  const { checkpoint } = await openByPeriods(kept, periods).catch((error: unknown) => {
    const origin = periods[0]?.vkey.replace(/\+.*$/s, '') ?? ''
    throw new HeadFault(`the head in ${store.where} is not one of ${origin}: ${String(error)}. ${mend}`)
  })
  if (checkpoint.size > heads.size) {
    throw new HeadFault(
      `the head in ${store.where} counts ${checkpoint.size} published heads, the data directory has ${heads.size}: ` +
        `the data is older than what was published. ${mend}`,
    )
  }
  const root = hex(await rootAt(checkpoint.size, heads.hashes))
  if (root !== hex(checkpoint.root)) {
    throw new HeadFault(
      `the head in ${store.where} says root ${hex(checkpoint.root)} at size ${checkpoint.size}, the data has ${root}: ` +
        `the data was changed below what was published. ${mend}`,
    )
  }
  return checkpoint.size
}

/** Holds every ledger against what `heads` last said of it. */
export async function checkPublished(logs: Map<string, Log>, published: Map<string, Published>): Promise<void> {
  for (const [name, { size, root }] of published) {
    const log = logs.get(name)
    if (log === undefined || log.size < size) {
      throw new HeadFault(`heads says that ${name} had ${size} entries, the data directory has ${log?.size ?? 0}`)
    }
    const found = hex(await rootAt(size, log.hashes))
    if (found !== root) throw new HeadFault(`heads says root ${root} of ${name} at size ${size}, the data has ${found}`)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
