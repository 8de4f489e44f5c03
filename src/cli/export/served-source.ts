// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A ledger behind the HTTP interface, as an export reads it.

import type { ExportHead, ExportSource } from '../../evidence/export-ledger.ts'
import type { ServedEvent } from '../../evidence/served-ledger.ts'
import type { Connection } from '../connect.ts'
import { ServedBySdk } from '../verify/served-by-sdk.ts'

const NOTHING_WRITTEN = 'Nothing was written'

export class ServedSource implements ExportSource {
  readonly name: string
  readonly origin: string
  readonly #vkey: string
  readonly #served: ServedBySdk

  private constructor(name: string, origin: string, vkey: string, served: ServedBySdk) {
    this.name = name
    this.origin = origin
    this.#vkey = vkey
    this.#served = served
  }

  static async open(connection: Connection, name: string, onBytes: (bytes: number) => void): Promise<ServedSource> {
    const { origin, vkeys } = await connection.call({ safe: NOTHING_WRITTEN }, (client) => client.ledger(name))
    const [vkey = ''] = vkeys
    return new ServedSource(name, origin, vkey, new ServedBySdk(connection, name, vkey, onBytes))
  }

  async head(): Promise<ExportHead> {
    // Before the checkpoint, so that none of them ends behind it.
    const rotations = await this.#served.rotations()
    return { checkpoint: await this.#served.checkpoint(), vkey: this.#vkey, rotations }
  }

  async entries(index: number, width: number): Promise<readonly Uint8Array[]> {
    return await this.#served.entries(index, width)
  }

  events(from: number): AsyncIterable<ServedEvent> {
    return this.#served.events(from)
  }
}
