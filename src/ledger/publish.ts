// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Publishing: once a second at most, the signed checkpoints of all ledgers that changed become entries of `heads`,
 * and the head of `heads` is kept outside the data directory by compare-and-swap. What nobody outside has seen yet
 * (the last second before a crash) is protected by receipts and by nothing else.
 */
import { ed25519Verifier, openCheckpoint, rootAt } from '@stele/proof'
import { type Batch, ownBatch } from './batch.ts'
import type { Committed } from './commit.ts'
import { type HeadStore, sameBytes } from './head-store.ts'
import type { Signer } from './keys.ts'
import type { Log } from './log.ts'
import type { Published } from './recover.ts'

/** The data and the head that is kept outside contradict each other. */
export class HeadFault extends Error {
  override readonly name = 'HeadFault'
}

export interface PublisherOptions {
  readonly store: HeadStore
  readonly heads: Log
  readonly headsSigner: Signer
  /** Ledgers to publish, `heads` not among them, with what `heads` last said of each. */
  readonly logs: () => Iterable<Log>
  readonly published: Map<string, Published>
  readonly checkpoint: (log: Log) => string
  readonly append: (log: Log, batch: Batch) => Promise<Committed>
  /** Stops the writer: another one is at work on the same head, or ours was replaced. */
  readonly stop: (error: unknown) => void
}

export class Publisher {
  readonly #options: PublisherOptions
  #kept: Buffer | undefined
  #attempted: Buffer | undefined
  #unreachable: string | undefined
  #current: Promise<void> | undefined

  /** `kept` is the head that was read, and checked, at the start. */
  constructor(options: PublisherOptions, kept: Buffer | undefined) {
    this.#options = options
    this.#kept = kept
  }

  /** Why the head could not be kept outside the last time, if it could not. */
  get unreachable(): string | undefined {
    return this.#unreachable
  }

  /** Publishes what changed; one at a time, a call during another waits for that and then looks again. */
  async publish(): Promise<void> {
    while (this.#current !== undefined) await this.#current
    this.#current = this.#publish()
    try {
      await this.#current
    } finally {
      this.#current = undefined
    }
  }

  async #publish(): Promise<void> {
    const { heads, headsSigner, published, append } = this.#options
    const changed = [...this.#options.logs()].filter((log) => log.size !== (published.get(log.name)?.size ?? 0))
    if (changed.length > 0) {
      const signed = changed.map((log) => ({ log, size: log.size, root: hex(log.root), note: this.#options.checkpoint(log) }))
      const notes = signed.map((head) => Buffer.from(head.note))
      await append(heads, ownBatch(notes, 'stele.heads', 'text/plain', 'stele'))
      for (const { log, size, root } of signed) published.set(log.name, { size, root })
    }
    if (heads.size === 0) return
    await this.#keep(Buffer.from(headsSigner.checkpoint(heads.size, heads.root)))
  }

  async #keep(head: Buffer): Promise<void> {
    if (sameBytes(this.#kept, head)) return
    const { store } = this.#options
    try {
      const swapped = await this.#swap(head)
      this.#unreachable = undefined
      if (swapped) return
    } catch (error) {
      this.#unreachable = error instanceof Error ? error.message : String(error)
      return
    }
    this.#options.stop(
      new HeadFault(`the head in ${store.where} was replaced by somebody else: another writer has this ledger's key`),
    )
  }

  /** Swaps, or finds that an earlier attempt of ours whose outcome was unknown had taken effect. */
  async #swap(head: Buffer): Promise<boolean> {
    const { store } = this.#options
    const attempted = this.#attempted
    this.#attempted = head
    if (await store.swap(this.#kept, head)) {
      this.#kept = head
      return true
    }
    const found = await store.read()
    if (attempted === undefined || !sameBytes(found, attempted)) return false
    this.#kept = attempted
    if (!(await store.swap(attempted, head))) return false
    this.#kept = head
    return true
  }
}

/** Holds the head that is kept outside against the data; throws a HeadFault where they contradict. */
export async function checkKeptHead(heads: Log, signer: Signer, store: HeadStore, kept: Buffer): Promise<void> {
  const mend =
    'If an older copy of the directory was restored, bring back the newest one; ' +
    'x, name the right one with --head.'
  const { checkpoint } = await openCheckpoint(kept, ed25519Verifier(signer.vkey), signer.origin).catch((error: unknown) => {
    throw new HeadFault(`the head in ${store.where} is not one of ${signer.origin}: ${String(error)}. ${mend}`)
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
