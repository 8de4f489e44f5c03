// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What tests of repeated events and requests stand on: events whose source gives them ids, sent as the HTTP interface
// sends them, to ledgers on a disk in memory that is closed, killed or cut.

import { parseEntry } from '@stele/proof'

import type { Appended, Stamp } from '../src/ledger/appending.ts'
import type { LedgerSizes } from '../src/ledger/opening.ts'
import { cut } from '../src/sources/cut.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { type Ground, MemoryHeadStore, openStele, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

/** A change in the directory as Graph writes it. */
export function audit(id: string, text = ''): string {
  return (
    `{"id":"${id}","activityDateTime":"2026-01-02T03:04:05Z","loggedByService":"Core Directory","operationType":"Add",` +
    `"initiatedBy":{"user":{"id":"inner"}},"targetResources":[{"id":"inner"}],"resultReason":"${text}"}`
  )
}

export interface Sending {
  /** `type[/instance[/stream]]`; recognised where it is not said. */
  readonly source?: string
  readonly by?: string
  readonly key?: string
}

/** Sends events as one NDJSON body. */
export async function send(
  { ledgers }: Pick<Stele, 'ledgers'>,
  events: readonly string[],
  { source, by = 'tester', key }: Sending = {},
): Promise<Appended> {
  const body = Buffer.from(events.join('\n'))
  const [type, ...below] = source?.split('/') ?? []
  const found = cut(body, 'application/x-ndjson', type === undefined ? undefined : { type })
  const sources = found.sources.map((type) => [type, ...below].join('/'))
  const batch = { ...found, body, by, via: '127.0.0.1', sources }
  const append = async (stamp?: Stamp) => await ledgers.appending.new('main', batch, stamp)
  return key === undefined
    ? await append()
    : await ledgers.appending.once('main', { by, key, about: source ?? '', body }, append)
}

/** Indexes of the events of a body. */
export function indexesOf({ first, count, duplicates, indexes }: Appended): number[] {
  return indexes === undefined ? Array.from({ length: count + duplicates }, (_, at) => first + at) : [...indexes]
}

/** What the entry `index` says in `ext`. */
export async function extOf({ ledgers }: Pick<Stele, 'ledgers'>, index: number): Promise<unknown> {
  const [line] = await ledgers.entries('main', index, index + 1)
  return parseEntry(line!).ext
}

/** A clock on which who waits for something else to happen waits for ever, if it is patient. */
class WaitingClock extends TurnedClock {
  isPatient = true

  override async sleep(_ = 0, signal?: AbortSignal): Promise<void> {
    if (!this.isPatient || signal === undefined) return await super.sleep()
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
  }
}

/** A directory that is opened again and again. */
export class Repeated {
  disk = new PowerCutDisk()
  readonly clock = new WaitingClock()
  readonly #head = new MemoryHeadStore()
  readonly #random = new SeededRandom(5)
  readonly #sizes: Partial<LedgerSizes>

  constructor(sizes: Partial<LedgerSizes> = {}) {
    this.#sizes = sizes
  }

  async open(): Promise<Stele> {
    const { disk, clock } = this
    const ground: Ground = { disk, directory, clock, random: this.#random, head: this.#head, sizes: this.#sizes }
    return await openStele(ground)
  }

  /** Stops a process in one of these ways, changes what it left, and starts the next one. */
  async again(stele: Stele, how: Ending): Promise<Stele> {
    if (how === 'killed') this.disk = this.disk.afterKill(this.#random)
    else await stele.close()
    const gone = lost[how] ?? []
    for (const path of this.disk.paths) if (gone.some((end) => path.endsWith(end))) this.disk.tamper(path, undefined)
    return await this.open()
  }
}

const lost: Partial<Record<Ending, readonly string[]>> = {
  'stopped, without ids': ['/ids'],
  'stopped, without keys': ['/keys'],
  'stopped, without anchor': ['/anchor.json'],
}

export const ENDINGS = [
  'stopped',
  'killed',
  'stopped, without ids',
  'stopped, without keys',
  'stopped, without anchor',
] as const

export type Ending = (typeof ENDINGS)[number]
