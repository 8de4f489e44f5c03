// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keeper process: seals completed WAL files when the writer says so, and verifies the directory in the background.
 * It changes nothing but to make segments, and what it says is believed by nobody: the writer reads them again. It holds
 * no state, so it may be killed at any time.
 */
import { join } from 'node:path'
import { DataFault } from '../ledger/data-fault.ts'
import { UrlHeadStore } from '../ledger/head-store.ts'
import { sealWalFile } from '../ledger/sealing.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { fileBytes } from '../ledger/wal/files.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import { GuardedHttpClient } from '../platform/http-client.ts'
import { BackgroundVerification, type PassHooks } from './background.ts'
import type { KeeperOrder, KeeperReport } from './keeper-messages.ts'
import type { KeptHead } from './kept-heads.ts'
import { SealingPace } from './sealing-share.ts'
import { type DirectoryReport, verifyDirectory } from './verify-directory.ts'

export interface KeeperParts {
  readonly send: (report: KeeperReport) => void
  readonly disk: Disk
  readonly clock: Clock
  /** The processor's time that this process has used so far. */
  readonly cpuMs: () => number
}

export class Keeper {
  readonly #parts: KeeperParts
  #store: DirectoryStore | undefined
  #directory = ''
  #keptHead = ''
  #verification: BackgroundVerification | undefined
  /** Of one core, for sealing. */
  #share = 1
  /** Work on the segments: one after the other. */
  #turn: Promise<void> = Promise.resolve()

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  take(order: KeeperOrder): void {
    if (order.type === 'open') this.#open(order)
    else if (order.type === 'seal') this.#inTurn(async (store) => await this.#seal(store, order))
    else if (order.type === 'share') this.#share = order.share
    else this.#verification?.request()
  }

  #open({ directory, keptHead, schedule }: KeeperOrder & { type: 'open' }): void {
    const { send, clock, disk } = this.#parts
    this.#directory = directory
    this.#keptHead = keptHead
    this.#store = new DirectoryStore(disk, join(directory, 'segments'))
    this.#inTurn(async (store) => {
      // The keeper before this one is gone, and what it was writing will never be finished.
      await store.removeDrafts()
      await this.#tellSegments(store)
    })
    this.#verification = new BackgroundVerification({
      clock,
      schedule,
      totalBytes: async () => await this.#totalBytes(),
      verify: async (hooks) => await this.#verify(hooks),
      onProgress: (progress) => send({ type: 'progress', progress }),
      onResult: (result) => send({ type: 'result', result }),
    })
    void this.#verification.run()
  }

  #inTurn(work: (store: DirectoryStore) => Promise<void>): void {
    const store = this.#store
    if (store === undefined) return
    this.#turn = this.#turn
      .then(async () => await work(store))
      .catch((error: unknown) => this.#log({ level: 'error', message: 'segments', reason: reasonOf(error) }))
  }

  async #seal(store: DirectoryStore, { id, task }: KeeperOrder & { type: 'seal' }): Promise<void> {
    const { send, disk, clock, cpuMs } = this.#parts
    const paced = new SealingPace(clock, cpuMs, () => this.#share)
    const pace = async (): Promise<void> => await paced.rest()
    try {
      const seal = await sealWalFile({ disk, directory: this.#directory, store, pace }, task)
      send({ type: 'sealed', id, seal })
    } catch (error) {
      send({ type: 'unsealed', id, reason: reasonOf(error), isFault: error instanceof DataFault })
      return
    }
    await this.#tellSegments(store)
  }

  async #tellSegments(store: DirectoryStore): Promise<void> {
    const objects = await store.list('')
    const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0)
    this.#parts.send({ type: 'segments', segments: { count: Math.floor(objects.length / 2), sizeBytes } })
  }

  async #totalBytes(): Promise<number> {
    const { disk } = this.#parts
    const objects = (await this.#store?.list('')) ?? []
    let sum = objects.reduce((bytes, object) => bytes + object.sizeBytes, 0)
    for (const name of await disk.list(join(this.#directory, 'wal'))) {
      // One that was sealed and removed meanwhile counts for nothing.
      sum += await fileBytes(disk, join(this.#directory, 'wal', name)).catch(() => 0)
    }
    return sum
  }

  async #verify(hooks: PassHooks): Promise<DirectoryReport> {
    const { disk } = this.#parts
    // Read before the log: the writer moves its head only behind it.
    const heads = await this.#heads()
    return await verifyDirectory({ disk, directory: this.#directory, heads, isRunning: true, ...hooks })
  }

  /** Without the head the bytes are verified all the same; that it cannot be reached is told by the writer. */
  async #heads(): Promise<KeptHead[]> {
    const where = this.#keptHead
    try {
      const isUrl = /^https?:\/\//.test(where)
      const bytes = isUrl
        ? await new UrlHeadStore(new GuardedHttpClient(), where).read()
        : await this.#parts.disk.readFile(where)
      return bytes === undefined ? [] : [{ where, bytes }]
    } catch (error) {
      this.#log({ level: 'warn', message: 'verified without the head that is kept outside', reason: reasonOf(error) })
      return []
    }
  }

  #log(line: object): void {
    this.#parts.send({ type: 'log', line })
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
