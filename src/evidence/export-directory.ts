// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A ledger in a data directory, as an export reads it. Its head is signed here, by the key that lies beside the data and
 * that `system` names; where that key is not there, the last head that `heads` published is taken.
 */
import { SALT_BYTES, TILE_WIDTH } from '@stele/proof'
import { systemEventSchema, type SystemEvent } from '../schema/system-events.ts'
import { DataFault } from '../ledger/data-fault.ts'
import { type KeyHistory, keyEventLedger, type KeyEvent, keysAfter, rotationsFault } from '../ledger/key-periods.ts'
import { KeyStore } from '../ledger/keys.ts'
import { keysDirectory } from '../ledger/keys-directory.ts'
import { KeyFault, type Signer } from '../ledger/signing.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import type { DirectoryLedgers } from './directory-ledgers.ts'
import { ExportRefused } from './export-draft.ts'
import type { ExportHead, ExportSource } from './export-ledger.ts'
import type { ServedEvent } from './served-ledger.ts'
import { readCheckpoint, Signatures } from './signatures.ts'

/** Entries of `heads` that are looked through for a ledger before all are. */
const NEAR_COUNT = 65_536

export class DirectorySource implements ExportSource {
  readonly name: string
  readonly origin: string
  readonly #ledgers: DirectoryLedgers
  readonly #keys: KeyHistory
  readonly #signers: readonly Signer[]
  #walk: { readonly entries: AsyncGenerator<Buffer>; next: number } | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(ledgers: DirectoryLedgers, name: string, keys: KeyHistory, signers: readonly Signer[]) {
    this.#ledgers = ledgers
    this.name = name
    this.origin = keys.origin
    this.#keys = keys
    this.#signers = signers
  }

  /** Throws ExportRefused where there is no such ledger. */
  static async open(disk: Disk, directory: string, ledgers: DirectoryLedgers, name: string): Promise<DirectorySource> {
    const { known, keys } = await keysOf(ledgers, name)
    if (keys === undefined) {
      throw new ExportRefused(`${directory} has no ledger ${name}`, `The ledgers are ${known.join(', ')}`)
    }
    const fault = await rotationsFault(keys)
    if (fault !== undefined)
      throw new DataFault(directory, 0, `the rotations of ${name}'s keys are not signed`, '', fault)
    return new DirectorySource(ledgers, name, keys, await signersOf(disk, directory, name, keys.origin))
  }

  async head(): Promise<ExportHead> {
    const { periods, rotations } = this.#keys
    const vkey = periods.at(-1)!.vkey
    const signer = this.#signers.find((one) => one.vkey === vkey)
    const { size, root } = this.#ledgers.end(this.name)
    if (signer !== undefined) return { checkpoint: signer.checkpoint(size, root), vkey, rotations }
    const checkpoint = (await this.#published(NEAR_COUNT)) ?? (await this.#published(Infinity))
    const published = checkpoint === undefined ? undefined : await this.#signedBy(checkpoint)
    if (checkpoint !== undefined && published !== undefined) return { checkpoint, vkey: published, rotations }
    const what = `the key of ${this.origin} is not there, and no head of it was published`
    throw new ExportRefused(what, 'Put the key back, or export from the running server')
  }

  /** Bundles are asked for in order, several ahead, and one walk gives them all. */
  async entries(bundle: number, width: number): Promise<readonly Uint8Array[]> {
    const read = this.#turn.then(async () => await this.#bundle(bundle * TILE_WIDTH, width))
    this.#turn = read.catch(() => {})
    return await read
  }

  async *events(from: number): AsyncGenerator<ServedEvent> {
    for await (const { index, entry, content } of this.#ledgers.walk(this.name, from)) {
      const [salt, event] = [content.subarray(0, SALT_BYTES), content.subarray(SALT_BYTES)]
      yield { index, entryLine: entry.toString('latin1'), salt, event }
    }
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#walk?.entries.return(undefined)
  }

  async #bundle(first: number, width: number): Promise<Buffer[]> {
    if (this.#walk?.next !== first) {
      await this.#walk?.entries.return(undefined)
      this.#walk = { entries: this.#lines(first), next: first }
    }
    const walk = this.#walk
    const entries: Buffer[] = []
    while (entries.length < width) {
      const next = await walk.entries.next()
      if (next.done === true) break
      entries.push(next.value)
    }
    walk.next += entries.length
    return entries
  }

  async *#lines(first: number): AsyncGenerator<Buffer> {
    for await (const { entry } of this.#ledgers.walk(this.name, first)) yield Buffer.from(entry)
  }

  /** The last head of this ledger among so many last entries of `heads`. */
  async #published(count: number): Promise<string | undefined> {
    let last: string | undefined
    const from = Math.max(0, this.#ledgers.end('heads').size - count)
    for await (const { content } of this.#ledgers.walk('heads', from)) {
      const note = content.subarray(SALT_BYTES)
      const checkpoint = readCheckpoint(note)
      if (typeof checkpoint !== 'string' && checkpoint.origin === this.origin) last = note.toString('utf8')
    }
    return last
  }

  /** The key that signed a head. */
  async #signedBy(checkpoint: string): Promise<string | undefined> {
    const signatures = new Signatures()
    for (const { vkey } of this.#keys.periods.toReversed()) {
      if ((await signatures.fault(Buffer.from(checkpoint), { vkey })) === undefined) return vkey
    }
    return undefined
  }
}

/** The keys of a ledger, as `system` tells them, and the names of all ledgers. */
async function keysOf(ledgers: DirectoryLedgers, ledger: string) {
  const known: string[] = []
  let keys: KeyHistory | undefined
  for await (const { content } of ledgers.walk('system', 0)) {
    const event = keyEventOf(content.subarray(SALT_BYTES))
    if (event === undefined) continue
    if (event.type === 'ledger.created') known.push(event.name)
    if (keyEventLedger(event) === ledger) keys = keysAfter(keys, event)
  }
  return { known, keys }
}

function keyEventOf(event: Buffer): KeyEvent | undefined {
  let read: SystemEvent | undefined
  try {
    read = systemEventSchema.safeParse(JSON.parse(event.toString('utf8'))).data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return read?.type === 'ledger.created' || read?.type === 'key.added' || read?.type === 'key.rotated'
    ? read
    : undefined
}

/** Keys of the ledger that lie there, of this origin; none where there are none. */
async function signersOf(disk: Disk, directory: string, ledger: string, origin: string): Promise<readonly Signer[]> {
  const noRandom: Random = { fill: () => {} }
  try {
    const keys = await keysDirectory(disk, directory)
    return await new KeyStore(disk, noRandom, '', keys).candidates(ledger, origin)
  } catch (error) {
    if (error instanceof KeyFault) return []
    throw error
  }
}
