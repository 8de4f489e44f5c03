// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The client: one method a call of the HTTP interface. What it returns has been checked as far as one answer can be;
// what an answer cannot show by itself (that the ledger is the one that others see) takes a pinned key, and `verify`.

import {
  equalBytes,
  fromUtf8,
  hashLeaf,
  type HashReader,
  MAX_NOTE_BYTES,
  MAX_PROOF_BYTES,
  type MediaType,
  parseEntry,
  parseProof,
  parseReceipt,
  splitWitnessedReceipt,
  TILE_WIDTH,
  tileWidthAt,
  utf8,
  verifyInclusion,
} from '@stele/proof'

import {
  type MintedToken,
  readMintedToken,
  readStatus,
  readToken,
  type ServerStatus,
  type TokenInfo,
  type TokenRequest,
} from './administration.ts'
import {
  type Appended,
  held,
  type LedgerHead,
  type LedgerInfo,
  readAppended,
  readCheckpoint,
  readEvent,
  readLedger,
  type RecordedEvent,
} from './answers.ts'
import { bytesOf, type EventsBody, gzipped } from './body.ts'
import { type CallOptions, type ClientOptions, ledgerPath } from './calls.ts'
import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { type LedgerKeys, PinnedKeys, readLedgerKeys } from './keys.ts'
import { LogClient } from './log-client.ts'
import { SearchClient } from './search-client.ts'
import { tail, type TailOptions } from './tail.ts'
import { tileReader } from './tiles.ts'
import { jsonOf } from './transport.ts'
import { readVerification, type Verification } from './verification.ts'
import { readWitnessedHead } from './witnesses.ts'

export interface AppendOptions {
  /** What the body is; JSON is a document or an array, NDJSON a value a line, the others one event. */
  readonly media: MediaType | 'application/x-ndjson'
  /** `TYPE[/INSTANCE[/STREAM]]`; recognised by content where absent. */
  readonly source?: string
  readonly gzip?: boolean
  /** Whether to get, and check, a signed checkpoint; true. */
  readonly checkpoint?: boolean
  /** Whether to get, and check, a receipt for each event; false. */
  readonly receipts?: boolean
  /** The bytes of each event, where the caller knows them: their number and the receipts are then held against them. */
  readonly events?: readonly Uint8Array[]
  /** Names this append: sent once more under the same key, it is stored once, and answered as it was the first time. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal | undefined
}

/** A proof that was checked: `entry` is number `index` of the tree that the checkpoint is of. */
export interface CheckedProof {
  /** The tlog-proof, as a file holds it. */
  readonly text: string
  readonly index: number
  readonly head: LedgerHead
  /** The bytes of the entry. */
  readonly entry: Uint8Array
  /** Whether it carries salt and entry, so that the event and a key are all that is needed besides. */
  readonly isReceipt: boolean
  /** The head of `heads` that vouches for that checkpoint, where a witnessed proof was asked for. */
  readonly witnessed?: LedgerHead
}

export interface ProofOptions extends CallOptions {
  /** Whether the proof is to lead up to a head that the server's witnesses have cosigned. */
  readonly witnessed?: boolean
  /** How long the server is to wait for its witnesses, at most 60; it decides where this is absent. */
  readonly waitSeconds?: number
}

const mediaTypes: readonly MediaType[] = ['application/json', 'text/plain', 'application/octet-stream']
const MAX_EVENT_ANSWER_BYTES = 128 * 1024 * 1024

export class SteleClient extends SearchClient {
  readonly #pins: PinnedKeys

  /** Throws a TypeError for an address, a token or a key that can't be one (a ProofError for the key). */
  constructor(options: ClientOptions) {
    super(options)
    this.#pins = new PinnedKeys(options.vkeys ?? [], {
      rotations: async (ledger) => (await this.keys(ledger)).rotations,
      hashes: (ledger, size) => this.hashes(ledger, size),
    })
  }

  /** Appends the events of one body, all or none; resolves once they are durable. */
  async append(ledger: string, body: EventsBody, options: AppendOptions): Promise<Appended> {
    const { media, source, checkpoint = true, receipts = false, events, idempotencyKey, signal } = options
    const bytes = await bytesOf(body)
    const floor = this.seen.floor(ledger)
    const answer = await this.transport.request({
      method: 'POST',
      path: `${ledgerPath(ledger)}/events`,
      query: {
        source,
        checkpoint: checkpoint ? undefined : 'false',
        receipts: receipts ? 'true' : undefined,
      },
      headers: {
        'content-type': media,
        ...(options.gzip === true ? { 'content-encoding': 'gzip' } : {}),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      body: options.gzip === true ? await gzipped(bytes) : bytes,
      isRepeatable: idempotencyKey !== undefined,
      accept: 'application/json',
      signal,
    })
    const { origin, ...appended } = await readAppended(jsonOf('the answer to the append', answer), {
      ledger,
      checkpoint,
      receipts,
      events,
      floor,
      isKeyed: idempotencyKey !== undefined,
      pins: this.#pins,
    })
    const { size, root } = appended
    this.seen.learn(ledger, floor, { size, root, ...(origin === undefined ? {} : { origin }) })
    return appended
  }

  /** One event with its entry and salt. Reading content is recorded by the server. */
  async event(ledger: string, index: number, options: CallOptions = {}): Promise<RecordedEvent> {
    const path = `${ledgerPath(ledger)}/events/${index}`
    const value = await this.json('the event', path, { ...options, maxBytes: MAX_EVENT_ANSWER_BYTES })
    return await readEvent(value, index)
  }

  /** The exact bytes of one event. Nothing about them can be checked without salt and entry: see `event`. */
  async eventBytes(
    ledger: string,
    index: number,
    options: CallOptions = {},
  ): Promise<{ readonly bytes: Uint8Array; readonly media: MediaType }> {
    const path = `${ledgerPath(ledger)}/events/${index}/event`
    const answer = await this.get(path, '*/*', { ...options, maxBytes: MAX_EVENT_ANSWER_BYTES })
    const media = mediaTypes.find((known) => known === answer.type)
    if (media === undefined) throw untrustworthy(`an event is said to be ${answer.type}`)
    return { bytes: answer.bytes, media }
  }

  /**
   * A proof against the current checkpoint, or up to a witnessed head; what the cosignatures on that are worth, only a
   * policy can say. Where it does not carry the entry, that is read from the ledger.
   */
  async proof(ledger: string, index: number, options: ProofOptions = {}): Promise<CheckedProof> {
    const floor = this.seen.floor(ledger)
    const { witnessed: isWitnessed = false, waitSeconds, ...call } = options
    const path = `${ledgerPath(ledger)}/events/${index}/proof`
    const query = isWitnessed ? { witnessed: 'true', timeout: waitSeconds?.toString() } : {}
    const answer = await this.get(path, 'text/plain', { ...call, query, maxBytes: 2 * MAX_PROOF_BYTES })
    return await held('the proof', async () => {
      const text = fromUtf8(answer.bytes)
      const { receipt, headsReceipt } = splitWitnessedReceipt(answer.bytes)
      const proof = parseProof(receipt)
      if (proof.index !== index)
        throw untrustworthy(`a proof of event ${index} was asked for, and is of ${proof.index}`)
      const head = await readCheckpoint(fromUtf8(proof.checkpoint), ledger, this.#pins)
      const isReceipt = proof.extra !== undefined
      const entry = isReceipt ? parseReceipt(receipt).entry : await this.entry(ledger, index, head.size, call)
      parseEntry(entry)
      verifyInclusion(hashLeaf(entry), index, head.size, proof.hashes, head.root)
      // What witnesses have seen may be behind the ledger.
      this.seen.learn(ledger, isWitnessed ? 0 : floor, head)
      const checked = { text, index, head, entry, isReceipt }
      if (!isWitnessed) {
        if (headsReceipt !== undefined) throw untrustworthy('a proof was asked for, and two came')
        return checked
      }
      return { ...checked, witnessed: await readWitnessedHead(ledger, head, proof.checkpoint, headsReceipt) }
    })
  }

  /**
   * A proof together with the event, each held against the other: all of both is then what the checkpoint is of. With a
   * token that may not read there is the proof alone.
   */
  async receipt(
    ledger: string,
    index: number,
    options: ProofOptions = {},
  ): Promise<CheckedProof & { readonly event?: RecordedEvent }> {
    const proof = await this.proof(ledger, index, options)
    if (!proof.isReceipt) return proof
    const event = await this.event(ledger, index, { signal: options.signal })
    return await held('the receipt', () => {
      const { salt, entry } = parseReceipt(splitWitnessedReceipt(utf8(proof.text)).receipt)
      if (!equalBytes(salt, event.salt) || fromUtf8(entry) !== event.entryLine) {
        throw untrustworthy(`the receipt of event ${index} is not of the event that came with it`)
      }
      return { ...proof, event }
    })
  }

  /**
   * Holds an event that came without a proof, a hit or one of a tail, against the ledger: its entry is in the tree that
   * the checkpoint is of. Throws where it is not.
   */
  async confirm(
    ledger: string,
    event: Pick<RecordedEvent, 'index' | 'entryLine'>,
    options: CallOptions = {},
  ): Promise<CheckedProof> {
    const proof = await this.proof(ledger, event.index, options)
    if (fromUtf8(proof.entry) !== event.entryLine) {
      throw untrustworthy(`event ${event.index} is not the one that the ledger ${ledger} has there`)
    }
    return proof
  }

  /** The signed checkpoint of the current size. */
  async checkpoint(ledger: string, options: CallOptions = {}): Promise<LedgerHead> {
    const floor = this.seen.floor(ledger)
    const path = `${ledgerPath(ledger)}/checkpoint`
    const answer = await this.get(path, 'text/plain', { ...options, maxBytes: MAX_NOTE_BYTES })
    const head = await held('the checkpoint', async () => readCheckpoint(fromUtf8(answer.bytes), ledger, this.#pins))
    this.seen.learn(ledger, floor, head)
    return head
  }

  /** A tile: `width` hashes of 32 bytes, not checked. Where a partial one is gone, the full one is there. */
  async tile(
    ledger: string,
    level: number,
    index: number,
    width: number = TILE_WIDTH,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    return await this.#log(ledger).tile(level, index, width, options)
  }

  /** The first `width` entries of a bundle, not checked. */
  async entries(
    ledger: string,
    index: number,
    width: number = TILE_WIDTH,
    options: CallOptions = {},
  ): Promise<readonly Uint8Array[]> {
    return await this.#log(ledger).entries(index, width, options)
  }

  /** The bytes of one entry of a ledger that has `size`, not checked. */
  async entry(ledger: string, index: number, size: number, options: CallOptions = {}): Promise<Uint8Array> {
    const bundle = Math.floor(index / TILE_WIDTH)
    const entries = await this.entries(ledger, bundle, tileWidthAt(size, 0, bundle), options)
    const entry = entries[index - bundle * TILE_WIDTH]
    if (entry === undefined) throw untrustworthy(`there is no entry ${index} in a ledger of ${size}`)
    return entry
  }

  /** Reads the hashes of the tree of `size` entries, for proofs that are made on this side. */
  hashes(ledger: string, size: number, options: CallOptions = {}): HashReader {
    return tileReader(size, async (level, index, width) => await this.tile(ledger, level, index, width, options))
  }

  /** Events from `from` on, and those to come, each exactly once and in order. Ends when the signal fires. */
  async *tail(ledger: string, options: TailOptions = {}): AsyncGenerator<RecordedEvent, void> {
    const { signal } = options
    // Without a place to go on from, an interruption before the first event would hide what came meanwhile.
    const from = options.from ?? (await this.ledger(ledger, { signal })).size
    const connect = (next: number) =>
      this.transport.stream({
        method: 'GET',
        path: `${ledgerPath(ledger)}/tail`,
        query: { from: String(from) },
        headers: next === from ? {} : { 'last-event-id': String(next - 1) },
        accept: 'text/event-stream',
        signal,
      })
    yield* tail(connect, { sleep: this.sleep, attempts: this.attempts }, { ...options, from })
  }

  async ledgers(options: CallOptions = {}): Promise<readonly LedgerInfo[]> {
    const floors = this.seen.floors()
    const value = await this.json('the ledgers', '/v1/ledgers', options)
    const infos = await Promise.all(
      new Fields('the ledgers', value).list('ledgers').map(async (one) => readLedger(one, this.#pins)),
    )
    if (new Set(infos.map(({ name }) => name)).size < infos.length) throw untrustworthy('a ledger is listed twice')
    for (const info of infos) this.seen.learn(info.name, floors.get(info.name) ?? 0, info)
    return infos
  }

  async ledger(name: string, options: CallOptions = {}): Promise<LedgerInfo> {
    const floor = this.seen.floor(name)
    const info = await readLedger(await this.json('the ledger', ledgerPath(name), options), this.#pins)
    if (info.name !== name) throw untrustworthy(`the ledger ${name} was asked for, and ${info.name} came`)
    this.seen.learn(name, floor, info)
    return info
  }

  /** The keys that a ledger has and had: as told by the server, and held against the statements that lead through them. */
  async keys(ledger: string, options: CallOptions = {}): Promise<LedgerKeys> {
    return await this.#keys(await this.json('the keys', `${ledgerPath(ledger)}/keys`, options), ledger)
  }

  /** Lets new keys follow those of a ledger. */
  async rotateKey(ledger: string, options: CallOptions = {}): Promise<LedgerKeys> {
    return await this.#keys(await this.post('the keys', `${ledgerPath(ledger)}/keys`, undefined, options), ledger)
  }

  async createLedger(
    request: { readonly name: string; readonly public?: boolean },
    options: CallOptions = {},
  ): Promise<LedgerInfo> {
    const info = await readLedger(await this.post('the ledger', '/v1/ledgers', request, options))
    if (info.name !== request.name || info.public !== (request.public ?? false) || info.size > 0) {
      throw untrustworthy('the ledger is not the one that was asked for, or not new')
    }
    return info
  }

  async tokens(options: CallOptions = {}): Promise<readonly TokenInfo[]> {
    const value = await this.json('the tokens', '/v1/tokens', options)
    return new Fields('the tokens', value).list('tokens').map(readToken)
  }

  /** The secret is in the answer, and nowhere else. */
  async createToken(request: TokenRequest, options: CallOptions = {}): Promise<MintedToken> {
    return readMintedToken(await this.post('the token', '/v1/tokens', request, options), request)
  }

  async revokeToken(id: string, options: CallOptions = {}): Promise<TokenInfo> {
    const path = `/v1/tokens/${encodeURIComponent(id)}`
    const answer = await this.transport.request({ method: 'DELETE', path, accept: 'application/json', ...options })
    const token = readToken(jsonOf('the token', answer))
    if (token.id !== id || token.revokedAt === undefined) throw untrustworthy(`the token ${id} was not revoked`)
    return token
  }

  /** Lets ledger time follow the server's clock again, after a jump that somebody has looked at. */
  async confirmClock(options: CallOptions = {}): Promise<ServerStatus> {
    const status = readStatus(await this.post('the status', '/v1/clock/confirm', undefined, options))
    if (status.clockJump !== undefined) throw untrustworthy('the jump of the clock was not confirmed')
    return status
  }

  async status(options: CallOptions = {}): Promise<ServerStatus> {
    return readStatus(await this.json('the status', '/v1/status', options))
  }

  /** What the server last found when it verified its stored data, and how far it is now. It is the server's word. */
  async verification(options: CallOptions = {}): Promise<Verification> {
    return readVerification(await this.json('the verification', '/v1/verification', options))
  }

  /** Has the server verify all its stored data now; it goes on by itself. */
  async startVerification(options: CallOptions = {}): Promise<Verification> {
    return readVerification(await this.post('the verification', '/v1/verification', undefined, options))
  }

  /** Whether a server is there at all. Throws where none answers. */
  async health(options: CallOptions = {}): Promise<void> {
    const fields = new Fields('the health', await this.json('the health', '/healthz', options))
    fields.oneOf('status', ['alive'])
  }

  #log(ledger: string): LogClient {
    return new LogClient(this.transport, ledgerPath(ledger))
  }

  async #keys(value: unknown, ledger: string): Promise<LedgerKeys> {
    const keys = await readLedgerKeys(value, ledger)
    this.#pins.demandPinned(keys)
    return keys
  }
}
