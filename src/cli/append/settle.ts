// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What to believe when a request broke off and nobody knows whether its events were stored. Sending them again could
// store them twice, and giving up could lose them: so the ledger itself is asked.

import { type Entry, parseEntry, TILE_WIDTH } from '@stele/proof'
import { type Appended, type LedgerInfo, type SteleClient, SteleError } from '@stele/sdk'

/** Others may be appending too; beyond so many entries nobody searches. */
const MAX_SEARCHED = 262_144

/**
 * Looks for the events, all of which follow each other in the ledger if they were stored, among the entries from
 * `floor` on that `by` (where known) appended. `nowhere`: they are not there. `unknown`: the token may not look, or there
 * is too much to look at.
 */
export async function findEvents(
  client: SteleClient,
  info: LedgerInfo,
  floor: number,
  events: readonly Uint8Array[],
  by: string | undefined,
): Promise<Appended | 'nowhere' | 'unknown'> {
  const { name: ledger, size, root } = info
  if (size === floor) return 'nowhere'
  if (size - floor > MAX_SEARCHED) return 'unknown'
  try {
    const entries = await entriesFrom(client, ledger, floor, size)
    for (let at = 0; at + events.length <= entries.length; at++) {
      const isCandidate = events.every(({ length }, position) => {
        const entry = entries[at + position]!
        return entry.size === length && (by === undefined || entry.by === by)
      })
      if (isCandidate && (await isSame(client, ledger, floor + at, events))) {
        return { ledger, first: floor + at, count: events.length, size, root }
      }
    }
    return 'nowhere'
  } catch (error) {
    if (error instanceof SteleError && error.failure === 'refused' && (error.status === 401 || error.status === 403)) {
      return 'unknown'
    }
    throw error
  }
}

/** Sizes of all agree; that the first and the last have the very bytes settles it. */
async function isSame(
  client: SteleClient,
  ledger: string,
  first: number,
  events: readonly Uint8Array[],
): Promise<boolean> {
  const last = events.length - 1
  for (const position of last === 0 ? [0] : [0, last]) {
    const { event } = await client.event(ledger, first + position)
    if (Buffer.compare(event, events[position]!) !== 0) return false
  }
  return true
}

async function entriesFrom(client: SteleClient, ledger: string, start: number, end: number): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let bundle = Math.floor(start / TILE_WIDTH); bundle * TILE_WIDTH < end; bundle++) {
    const width = Math.min(TILE_WIDTH, end - bundle * TILE_WIDTH)
    const lines = await client.entries(ledger, bundle, width)
    for (const line of lines.slice(Math.max(0, start - bundle * TILE_WIDTH))) entries.push(parseEntry(line))
  }
  return entries
}
