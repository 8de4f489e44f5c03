// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A log by its C2SP tlog-tiles interface, whoever runs it: a ledger of Stele, Tessera, Sunlight. Answers are bounded in
// size and time, redirects are not followed, and nothing is checked but forms: that is for whoever holds a signed head.

import {
  entriesPath,
  HASH_BYTES,
  MAX_ENTRY_BYTES,
  MAX_NOTE_BYTES,
  parseBundle,
  TILE_WIDTH,
  tilePath,
} from '@stele/proof'

import { held } from './answers.ts'
import type { CallOptions } from './calls.ts'
import { SteleError, untrustworthy } from './error.ts'
import { type Fetch, platformFetch, platformSleep, type Sleep } from './platform.ts'
import { type Answer, type Call, Transport } from './transport.ts'

export interface LogOptions {
  /** The log's prefix, below which `checkpoint` and `tile/` are. */
  readonly url: string
  readonly token?: string
  readonly fetch?: Fetch
  readonly sleep?: Sleep
  /** How often a call is tried in all; 3. */
  readonly attempts?: number
  /** Longest silence of the server; a minute. */
  readonly timeoutMs?: number
}

export class LogClient {
  readonly #transport: Transport
  readonly #prefix: string

  /** `prefix` is what stands between the transport's address and the log's own paths. */
  constructor(transport: Transport, prefix: string) {
    this.#transport = transport
    this.#prefix = prefix
  }

  /** Throws a TypeError for an address or a token that can't be one. */
  static at(options: LogOptions): LogClient {
    const { url, token, fetch = platformFetch, sleep = platformSleep, attempts = 3, timeoutMs = 60_000 } = options
    return new LogClient(new Transport({ url, token, fetch, sleep, attempts, timeoutMs }), '')
  }

  /** The bytes that the log serves as its checkpoint, whatever they are. `query` is for what a log adds to the form. */
  async checkpoint(options: CallOptions & Pick<Call, 'query'> = {}): Promise<Uint8Array> {
    return (await this.#get('checkpoint', 'text/plain', MAX_NOTE_BYTES, options)).bytes
  }

  /** A tile: `width` hashes of 32 bytes. Where a partial one is gone, the full one is there. */
  async tile(level: number, index: number, width: number = TILE_WIDTH, options: CallOptions = {}): Promise<Uint8Array> {
    return await wholeOrPart(width, async (asked) => {
      const maxBytes = TILE_WIDTH * HASH_BYTES
      const { bytes } = await this.#get(tilePath(level, index, asked), 'application/octet-stream', maxBytes, options)
      if (bytes.length !== asked * HASH_BYTES)
        throw untrustworthy(`a tile of ${asked} hashes has ${bytes.length} bytes`)
      return bytes.subarray(0, width * HASH_BYTES)
    })
  }

  /** The first `width` entries of a bundle. */
  async entries(index: number, width: number = TILE_WIDTH, options: CallOptions = {}): Promise<readonly Uint8Array[]> {
    return await wholeOrPart(width, async (asked) => {
      const maxBytes = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
      const { bytes } = await this.#get(entriesPath(index, asked), 'application/octet-stream', maxBytes, options)
      return await held('the entries', () => parseBundle(bytes, asked).slice(0, width))
    })
  }

  /** What lies at the address itself, of at most `maxBytes`. */
  async document(maxBytes: number, options: CallOptions = {}): Promise<Uint8Array> {
    const call = { method: 'GET' as const, path: this.#prefix, accept: '*/*', maxBytes, ...options }
    return (await this.#transport.request(call)).bytes
  }

  async #get(path: string, accept: string, maxBytes: number, options: Pick<Call, 'query' | 'signal'>): Promise<Answer> {
    const call = { method: 'GET' as const, path: `${this.#prefix}/${path}`, accept, maxBytes, ...options }
    return await this.#transport.request(call)
  }
}

/** Asks for a part; a log may drop that once the whole is full. */
async function wholeOrPart<T>(width: number, get: (width: number) => Promise<T>): Promise<T> {
  try {
    return await get(width)
  } catch (error) {
    if (width === TILE_WIDTH || !(error instanceof SteleError) || error.status !== 404) throw error
    return await get(TILE_WIDTH).catch(() => {
      throw error
    })
  }
}
