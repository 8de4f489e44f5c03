// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Heads that were kept outside a data directory: those that are named, else those in the user's state directory.

import { join } from 'node:path'

import type { KeptHead } from '../../evidence/kept-heads.ts'
import { SEAL_FILE } from '../../evidence/open-log.ts'
import { openWal } from '../../evidence/wal-walk.ts'
import { readAnchor } from '../../ledger/anchor.ts'
import { StateDirectory, UrlHeadStore } from '../../ledger/head-store.ts'
import { readSeal } from '../../ledger/seal.ts'
import { GuardedHttpClient } from '../../platform/http-client.ts'
import { printable } from '../display.ts'
import { type Environment, stateDirectory } from '../environment.ts'
import { Failure } from '../failure.ts'
import { NOTHING_SHOWN, readNamed } from './options.ts'

export async function keptHeads(
  names: readonly string[],
  directory: string,
  environment: Environment,
): Promise<KeptHead[]> {
  return names.length > 0 ? await namedHeads(names, environment) : await usualHeads(directory, environment)
}

export async function namedHeads(names: readonly string[], environment: Environment): Promise<KeptHead[]> {
  const heads: KeptHead[] = []
  for (const name of names) {
    const bytes = /^https?:\/\//.test(name) ? await readUrl(name) : await readNamed(name, environment)
    heads.push({ where: printable(name), bytes })
  }
  return heads
}

/** A head that `stele serve --head URL` keeps. */
async function readUrl(url: string): Promise<Buffer> {
  const bytes = await new UrlHeadStore(new GuardedHttpClient(), url).read().catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new Failure(3, `the head at ${printable(url)} could not be read: ${printable(why)}`, NOTHING_SHOWN)
  })
  if (bytes === undefined) throw new Failure(3, `no head is kept at ${printable(url)}`, NOTHING_SHOWN)
  return bytes
}

/**
 * The head in the user's state directory, by the install that the log, the seal and the anchor name, and by the install that this path held
 * when it was last opened: of another one's data in its place, that is what tells.
 */
async function usualHeads(directory: string, environment: Environment): Promise<KeptHead[]> {
  const states = new StateDirectory(environment.disk, stateDirectory(environment))
  const { files, close } = await openWal(environment.disk, directory)
  await close()
  const held = await states.heldBefore(directory)
  const seal = await environment.disk.readFile(join(directory, SEAL_FILE))
  const read = seal === undefined ? undefined : readSeal(seal)
  const anchor = await readAnchor(environment.disk, directory)
  const named = [
    files[0]?.header?.originPrefix,
    held?.originPrefix,
    typeof read === 'object' ? read.seal.originPrefix : undefined,
    typeof anchor === 'object' ? anchor.anchor.originPrefix : undefined,
  ]
  const prefixes = named.filter((prefix) => prefix !== undefined)
  const heads: KeptHead[] = []
  for (const prefix of new Set(prefixes)) {
    const where = states.headPath(prefix)
    const bytes = await environment.disk.readFile(where)
    if (bytes !== undefined) heads.push({ where, bytes })
  }
  return heads
}
