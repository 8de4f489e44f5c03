// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A ledger behind the HTTP interface, as src/evidence verifies one. What only the connection can be blamed for ends the
// command; an answer that no ledger can give is a verdict.

import { utf8 } from '@stele/proof'
import { type SteleClient, SteleError } from '@stele/sdk'

import { type ServedEvent, ServedFault, type ServedLedger } from '../../evidence/served-ledger.ts'
import type { Connection } from '../connect.ts'
import { NOTHING_SHOWN } from './options.ts'

export class ServedBySdk implements ServedLedger {
  readonly name: string
  readonly vkey: string
  readonly #connection: Connection
  readonly #onBytes: (bytes: number) => void

  constructor(connection: Connection, name: string, vkey: string, onBytes: (bytes: number) => void) {
    this.name = name
    this.vkey = vkey
    this.#connection = connection
    this.#onBytes = onBytes
  }

  async checkpoint(): Promise<string> {
    return (await this.#call(async (client) => await client.checkpoint(this.name))).checkpoint
  }

  async rotations(): Promise<readonly string[]> {
    return (await this.#call(async (client) => await client.keys(this.name))).rotations
  }

  async tile(level: number, index: number, width: number): Promise<Uint8Array> {
    const tile = await this.#call(async (client) => await client.tile(this.name, level, index, width))
    this.#onBytes(tile.length)
    return tile
  }

  async entries(index: number, width: number): Promise<readonly Uint8Array[]> {
    const entries = await this.#call(async (client) => await client.entries(this.name, index, width))
    this.#onBytes(entries.reduce((sum, entry) => sum + entry.length, 0))
    return entries
  }

  async *events(from: number): AsyncGenerator<ServedEvent, void> {
    const stop = new AbortController()
    const events = this.#connection.client.tail(this.name, { from, signal: stop.signal })[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#call(async () => await events.next())
        if (next.done === true) return
        const { index, entryLine, salt, event } = next.value
        this.#onBytes(event.length + utf8(entryLine).length)
        yield { index, entryLine, salt, event }
      }
    } finally {
      stop.abort()
      // It ends with the reason for which it was stopped.
      await events.return?.(undefined).catch(() => {})
    }
  }

  async #call<T>(make: (client: SteleClient) => Promise<T>): Promise<T> {
    return await this.#connection.call({ safe: NOTHING_SHOWN }, async (client) => {
      try {
        return await make(client)
      } catch (error) {
        if (!(error instanceof SteleError)) throw error
        if (error.failure === 'untrustworthy' || error.code === 'content-damaged') throw new ServedFault(error.message)
        throw error
      }
    })
  }
}
