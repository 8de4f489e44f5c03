// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys of a drill's copy. Where the copy ends before a key was followed by another, the key that it names is
 * nowhere any more: then the copy gets keys of its own, and all of it is signed anew as if they had always been its keys.
 */
import { join } from 'node:path'
import { parseEntry, SALT_BYTES } from '@stele/proof'
import { keysDirectory } from '../ledger/keys-directory.ts'
import { parseKey, type Signer, signerOf } from '../ledger/signing.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import { parseSystemEvent } from '../state/administration.ts'
import { type LedgerRecord, SystemState } from '../state/system-state.ts'
import { DrillFault } from './drill-fault.ts'
import {
  changedHistory,
  committed,
  eventsOf,
  type History,
  type HistoryEvent,
  signedAgain,
  writeHistory,
} from './forge.ts'

interface KeysOptions {
  readonly disk: Disk
  readonly random: Random
  readonly directory: string
}

/** Puts the keys of the ledgers that the copied log creates beside it, and returns the ledgers' names. */
export async function takeKeys(
  options: KeysOptions,
  history: History,
  to: string,
  isWhole: boolean,
): Promise<string[]> {
  const { disk, directory } = options
  const state = new SystemState()
  for (const [index, { entry, content }] of eventsOf(history, 'system').entries()) {
    state.apply(parseSystemEvent(index, content.subarray(SALT_BYTES)), parseEntry(entry).at)
  }
  const ledgers = [...state.ledgers.values()]
  const keys = await keysDirectory(disk, directory)
  const texts = new Map<string, Buffer>()
  for (const ledger of ledgers) {
    const text = await keyFileOf(disk, keys, ledger)
    if (text !== undefined) texts.set(ledger.name, text)
    else if (isWhole) throw new DrillFault(`the key of ${ledger.name} that system names is not in ${keys}`)
  }
  await disk.makeDirectory(join(to, 'keys'))
  if (texts.size < ledgers.length) await signAnew(options, history, ledgers, to)
  else for (const [name, text] of texts) await replaceFile(disk, join(to, 'keys', `${name}.key`), text)
  return ledgers.map(({ name }) => name)
}

/** The file that holds the key which the copy names; a server that runs, or was killed, may not have put it in its place. */
async function keyFileOf(
  disk: Disk,
  keys: string,
  { name, origin, keys: named }: LedgerRecord,
): Promise<Buffer | undefined> {
  const { vkey } = named.periods.at(-1)!
  for (const path of [join(keys, `${name}.key`), join(keys, 'pending', `${name}.key`)]) {
    const bytes = await disk.readFile(path)
    if (bytes !== undefined && parseKey(path, bytes.toString('latin1'), origin).vkey === vkey) return bytes
  }
  return undefined
}

async function signAnew(
  { disk, random }: KeysOptions,
  history: History,
  ledgers: readonly LedgerRecord[],
  to: string,
): Promise<void> {
  const signers = new Map<string, Signer>()
  for (const { name, origin, keys } of ledgers) {
    const seeds = {
      ed25519: seed(random),
      ...(keys.periods[0]?.mldsaVkey === undefined ? {} : { mldsa44: seed(random) }),
    }
    const { signer, text } = signerOf(origin, seeds)
    signers.set(name, signer)
    await replaceFile(disk, join(to, 'keys', `${name}.key`), Buffer.from(text))
  }
  const renamed = changedHistory(history, 'system', (event, index) => withKeys(event, index, signers))
  await disk.remove(join(to, 'wal'))
  await writeHistory(disk, to, renamed, signedAgain(signers), 'all')
}

function seed(random: Random): Buffer {
  const bytes = Buffer.alloc(32)
  random.fill(bytes, 0, bytes.length)
  return bytes
}

/** An event of `system` as it were had the ledgers these keys from their beginning. */
function withKeys(event: HistoryEvent, index: number, signers: ReadonlyMap<string, Signer>): readonly HistoryEvent[] {
  const [salt, bytes] = [event.content.subarray(0, SALT_BYTES), event.content.subarray(SALT_BYTES)]
  const said = parseSystemEvent(index, bytes)
  const other = (change: SystemEvent) => [committed(event, salt, Buffer.from(JSON.stringify(change)))]
  if (said.type === 'key.rotated') return []
  if (said.type === 'ledger.created') return other({ ...said, vkey: signers.get(said.name)!.vkey })
  if (said.type === 'key.added') return other({ ...said, vkey: signers.get(said.ledger)!.mldsaVkey! })
  return [event]
}
