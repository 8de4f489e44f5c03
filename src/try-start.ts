// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Tries a start of the server on a data directory without changing it: the real start, on a disk whose changes stay in
 * memory, with the head outside read and never replaced. So what it says is what a start would do.
 */
import { ConfigFault, type DirectoryConfig, openDirectory, systemParts } from './directory.ts'
import { DataFault } from './ledger/data-fault.ts'
import { type HeadStore, sameBytes } from './ledger/head-store.ts'
import { KeyFault } from './ledger/signing.ts'
import { HeadFault } from './ledger/publish.ts'
import { ShadowDisk } from './platform/shadow-disk.ts'
import { StateFault } from './state/state-fault.ts'
import type { StartTrial } from './evidence/start-trial.ts'

type TrialConfig = Pick<DirectoryConfig, 'dataDirectory' | 'stateDirectory' | 'head' | 'version'>

export async function tryStart(config: TrialConfig): Promise<StartTrial> {
  const parts = systemParts()
  const disk = new ShadowDisk(parts.disk)
  let where: string | undefined
  const shadowed = (store: HeadStore): HeadStore => {
    ;({ where } = store)
    return new ShadowHead(store)
  }
  try {
    const whole = { ...config, name: 'stele.local', log: () => {}, mayBegin: false }
    const opened = await openDirectory(whole, { ...parts, disk, lock: () => ({ release() {} }), shadowed })
    const { opening, keptHead } = opened.ledgers
    await opened.close()
    return { isStarted: true, opening, head: keptHead.where }
  } catch (error) {
    return refusal(error, where)
  } finally {
    await disk.close()
  }
}

function refusal(error: unknown, head: string | undefined): StartTrial {
  const refused = { isStarted: false as const, head }
  if (error instanceof DataFault) {
    const { file, offset, what, expected, found } = error
    return { ...refused, why: 'data', message: what, place: { file, offset, expected, found } }
  }
  if (error instanceof KeyFault) return { ...refused, why: 'key', message: error.message }
  if (error instanceof HeadFault) return { ...refused, why: 'head', message: error.message }
  if (error instanceof StateFault) return { ...refused, why: 'data', message: error.message }
  if (error instanceof ConfigFault) return { ...refused, why: 'config', message: error.message }
  throw error
}

/** The head outside as it is; what would be kept there is kept here. */
class ShadowHead implements HeadStore {
  readonly where: string
  readonly #store: HeadStore
  #kept: { readonly head: Buffer | undefined } | undefined

  constructor(store: HeadStore) {
    this.where = store.where
    this.#store = store
  }

  async read(): Promise<Buffer | undefined> {
    return this.#kept === undefined ? await this.#store.read() : this.#kept.head
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    if (!sameBytes(await this.read(), expected)) return false
    this.#kept = { head: next }
    return true
  }
}
