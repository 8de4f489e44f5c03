// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A log as a monitor asks for it, by its C2SP tlog-tiles interface. Nothing that it answers is believed. */
import type { ServedEvent } from '../served-ledger.ts'

/** Methods throw a SourceSilent where no answer came, and a ServedFault for one that no log can give. */
export interface LogSource {
  /** The log's prefix: what names it to the monitor. */
  readonly url: string
  /** Name of the ledger, of a Stele server. */
  readonly ledger?: string
  /** The bytes that are served as checkpoint. */
  checkpoint(): Promise<Uint8Array>
  /** The first `width` hashes of a tile. */
  tile(level: number, index: number, width: number): Promise<Uint8Array>
  /** The first `width` entries of a bundle. */
  entries(index: number, width: number): Promise<readonly Uint8Array[]>
  /** Statements of its key's rotations, oldest first: signed notes. Absent where the log tells none. */
  rotations?(): Promise<readonly string[]>
  /** Events from `from` on, of a ledger whose content may be read; undefined where it may not. The server records it. */
  events?(from: number): AsyncIterable<ServedEvent> | undefined
}

/** No answer came, or none that says anything of the log: a connection, a refusal, an overload. */
export class SourceSilent extends Error {
  override readonly name = 'SourceSilent'
  /** The HTTP status, where there was an answer with one. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }

  /** Whether the server refused, so that waiting will not help. */
  get isRefusal(): boolean {
    return this.status === 401 || this.status === 403
  }
}
