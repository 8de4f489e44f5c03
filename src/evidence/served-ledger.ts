// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A ledger behind an interface, as a verification asks for it; nothing that it answers is believed. */
import { TILE_WIDTH } from '@stele/proof'

/** An event as the server hands it out. */
export interface ServedEvent {
  readonly index: number
  readonly entryLine: string
  readonly salt: Uint8Array
  readonly event: Uint8Array
}

/** A ledger behind an interface. Its methods throw a ServedFault for answers that cannot be a ledger's. */
export interface ServedLedger {
  readonly name: string
  /** As the server tells it. */
  readonly vkey: string
  checkpoint(): Promise<string>
  /** Statements by which one key followed another, the oldest first. */
  rotations(): Promise<readonly string[]>
  /** Hashes of one tile, `width` of them. */
  tile(level: number, index: number, width: number): Promise<Uint8Array>
  /** Entries of one bundle, `width` of them. */
  entries(index: number, width: number): Promise<readonly Uint8Array[]>
  /** Events from an index on; reading them is recorded by the server. */
  events(from: number): AsyncIterable<ServedEvent>
}

/** The server answered, and the answer cannot be right. */
export class ServedFault extends Error {
  override readonly name = 'ServedFault'
  /** The entry that it is about, where it is about one. */
  readonly index: number | undefined

  constructor(message: string, index?: number) {
    super(message)
    this.index = index
  }
}

/** A bundle of that width; where the server cannot hand it out, throws a ServedFault that names the first entry lost. */
export async function bundleOf(
  ledger: ServedLedger,
  index: number,
  width: number,
  fetched: Promise<readonly Uint8Array[]>,
): Promise<readonly Uint8Array[]> {
  try {
    return await fetched
  } catch (error) {
    if (!(error instanceof ServedFault)) throw error
    let [whole, lost] = [0, width]
    while (lost - whole > 1) {
      const middle = Math.floor((whole + lost) / 2)
      if (await servesEntries(ledger, index, middle)) whole = middle
      else lost = middle
    }
    throw new ServedFault(error.message, index * TILE_WIDTH + whole)
  }
}

async function servesEntries(ledger: ServedLedger, index: number, width: number): Promise<boolean> {
  try {
    return (await ledger.entries(index, width)).length === width
  } catch (error) {
    if (error instanceof ServedFault) return false
    throw error
  }
}
