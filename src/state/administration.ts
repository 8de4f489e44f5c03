// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Administrative acts: each is checked against the state, appended to `system`, and takes effect only once it is
 * durable. They are taken one after another, so no act is judged by a state that another is about to change.
 */
import type { z } from 'zod'
import { RESERVED_LEDGERS } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import {
  type LedgerRequest,
  ledgerRequestSchema,
  type SystemEvent,
  systemEventSchema,
  type TokenRequest,
  tokenRequestSchema,
  type QuorumRequest,
  quorumRequestSchema,
  type WitnessRequest,
  witnessRequestSchema,
} from '../schema/system-events.ts'
import { type Batch, ownBatch } from '../ledger/batch.ts'
import { keysAfter, rotationsFault } from '../ledger/key-periods.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { ClockJump } from '../ledger/ledger-time.ts'
import { rotateKeys } from '../ledger/rotate.ts'
import { KeyFault } from '../ledger/signing.ts'
import { timeMs, timeText } from '../platform/clock.ts'
import { StateFault } from './state-fault.ts'
import { SystemState, type LedgerRecord, type TokenRecord } from './system-state.ts'
import type { WitnessRecord } from './witness-list.ts'

/** Whoever acts on the machine itself, without a token. */
export const LOCAL = 'local'
const STELE = 'stele'
const REPLAY_BYTES = 1024 * 1024

export interface AdministrationOptions {
  readonly ledgers: Ledgers
  readonly version: string
  /** Makes a token: its id, its text, and the hash under which it is recorded. */
  readonly mintToken: () => { readonly id: string; readonly token: string; readonly hash: string }
  /** Keeps the first admin token for the person who started the server, before anything is durable. */
  readonly keepAdminToken: (token: string) => Promise<void>
  /** Throws where somebody elsewhere knows more of these ledgers than is here; nothing was written by then. */
  readonly hold?: (state: SystemState) => Promise<void>
}

export class Administration {
  readonly state: SystemState
  readonly #ledgers: Ledgers
  readonly #mintToken: AdministrationOptions['mintToken']
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(options: AdministrationOptions, state: SystemState) {
    this.state = state
    this.#ledgers = options.ledgers
    this.#mintToken = options.mintToken
  }

  /** Replays `system`, or begins it; opens every ledger, starts publishing, and records what the start found. */
  static async open(options: AdministrationOptions): Promise<Administration> {
    const administration = new Administration(options, new SystemState())
    if (options.ledgers.opening.begun) await administration.#begin(options.keepAdminToken)
    else await administration.#replay()
    await administration.#activate()
    await options.hold?.(administration.state)
    await administration.#recordStart(options.version)
    await administration.#addMldsa44()
    await options.ledgers.startPublishing()
    return administration
  }

  async createLedger(request: LedgerRequest, by: string): Promise<LedgerRecord> {
    return await this.#inTurn(async () => {
      const { name, public: open = false } = parsed(ledgerRequestSchema, request)
      if (isReserved(name))
        throw new Problem('ledger-reserved', `${name} is one of Stele's own ledgers; take another name.`)
      const known = this.state.ledgers.get(name)
      if (known !== undefined) {
        if (this.#ledgers.has(name)) throw new Problem('ledger-exists', `There is a ledger ${name} already.`)
        // It was recorded, and then the disk failed before it could be opened.
        await this.#ledgers.activate(name, known.keys)
        return known
      }
      const { vkey } = await this.#ledgers.keyring.prepare(name)
      const origin = this.#ledgers.origin(name)
      await this.#record([{ type: 'ledger.created', v: 1, name, origin, vkey, public: open, by }], by)
      const record = this.#recordOf(name)
      await this.#ledgers.activate(name, record.keys)
      return record
    })
  }

  /** Lets the keys of a ledger be followed by new ones; the old ones sign nothing from then on. */
  async rotateKey(name: string, by: string): Promise<LedgerRecord> {
    return await this.#inTurn(async () => {
      if (!this.#ledgers.has(name)) throw new Problem('ledger-unknown', `There is no ledger ${name}.`)
      let event: SystemEvent | undefined
      await rotateKeys(
        this.#ledgers,
        name,
        (statement) => {
          event = { type: 'key.rotated', v: 1, ledger: name, statement, by }
          // What the state would not take in must not become durable.
          keysAfter(this.#recordOf(name).keys, event)
          return this.#batch([event], by)
        },
        () => {
          // Its time is no part of the state.
          if (event !== undefined) this.state.apply(event, '')
          return this.#recordOf(name).keys.periods
        },
      )
      return this.#recordOf(name)
    })
  }

  /** The token's text is in the answer and nowhere else. */
  async createToken(request: TokenRequest, by: string): Promise<{ id: string; token: string; record: TokenRecord }> {
    return await this.#inTurn(async () => {
      const { scopes, ledgers, sources, limits, expiresAt, label } = parsed(tokenRequestSchema, request)
      const unknown = ledgers.find((name) => name !== '*' && !this.state.ledgers.has(name))
      if (unknown !== undefined) throw new Problem('ledger-unknown', `There is no ledger ${unknown}; create it first.`)
      if (expiresAt !== undefined && expiresAt <= timeText(this.#ledgers.time.nowMs())) {
        throw new Problem('invalid-field', `expiresAt ${expiresAt} has passed already.`)
      }
      const { id, token, hash } = this.#mintToken()
      const optional = {
        ...(sources === undefined ? {} : { sources }),
        ...(limits === undefined ? {} : { limits }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(label === undefined ? {} : { label }),
      }
      await this.#record([{ type: 'token.created', v: 1, id, hash, scopes, ledgers, ...optional, by }], by)
      return { id, token, record: this.#tokenOf(id) }
    })
  }

  async revokeToken(id: string, by: string): Promise<TokenRecord> {
    return await this.#inTurn(async () => {
      const token = this.state.tokens.get(id)
      if (token === undefined) throw new Problem('not-found', `There is no token ${id}.`)
      if (token.revokedAt === undefined) await this.#record([{ type: 'token.revoked', v: 1, id, by }], by)
      return this.#tokenOf(id)
    })
  }

  async addWitness(request: WitnessRequest, by: string): Promise<WitnessRecord> {
    return await this.#inTurn(async () => {
      const { ledgers, witnesses } = this.state
      const periods = [...ledgers.values()].flatMap(({ keys }) => keys.periods)
      const own = periods.flatMap(({ vkey, mldsaVkey }) => (mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]))
      const witness = witnesses.demandNew(parsed(witnessRequestSchema, request), own)
      await this.#record([{ type: 'witness.added', v: 1, ...witness, by }], by)
      const record = witnesses.get(witness.name)
      if (record === undefined) throw new StateFault(`witness ${witness.name} is not in the state`)
      return record
    })
  }

  async removeWitness(name: string, by: string): Promise<void> {
    await this.#inTurn(async () => {
      this.state.witnesses.demandRemovable(name)
      await this.#record([{ type: 'witness.removed', v: 1, name, by }], by)
    })
  }

  async setWitnessQuorum(request: QuorumRequest, by: string): Promise<void> {
    await this.#inTurn(async () => {
      const { count } = parsed(quorumRequestSchema, request)
      const { witnesses } = this.state
      witnesses.demandQuorum(count)
      if (witnesses.quorum !== count) await this.#record([{ type: 'witness.quorum', v: 1, count, by }], by)
    })
  }

  async confirmClock(by: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.state.clockJump === undefined) return
      await this.#record([{ type: 'clock.confirmed', v: 1, by }], by)
      this.#ledgers.time.confirm()
    })
  }

  /** Records that the index is to be made anew, or to be held against the ledgers; it is no part of the state. */
  async requestOfIndex(act: 'rebuild' | 'check', by: string): Promise<void> {
    const event = { type: `index.${act}.requested` as const, v: 1 as const, by }
    await this.#inTurn(async () => await this.#record([event], by))
  }

  /** Records that the directory is to be verified now. */
  async requestVerification(by: string): Promise<void> {
    await this.#inTurn(async () => await this.#record([{ type: 'verification.requested', v: 1, by }], by))
  }

  async clockJumped(jump: ClockJump): Promise<void> {
    const event = {
      type: 'clock.jumped' as const,
      v: 1 as const,
      wall: timeText(jump.wallMs),
      ledger: timeText(jump.ledgerMs),
    }
    await this.#inTurn(async () => await this.#record([event], STELE))
  }

  /** Records what Stele itself observed. */
  async record(events: readonly SystemEvent[]): Promise<void> {
    await this.#inTurn(async () => await this.#record(events, STELE))
  }

  /** The last entry before a clean stop. */
  async recordStop(): Promise<void> {
    await this.record([{ type: 'server.stopped', v: 1 }])
  }

  async #begin(keepAdminToken: (token: string) => Promise<void>): Promise<void> {
    const prefix = this.#ledgers.originPrefix
    const slash = prefix.lastIndexOf('/')
    const events: SystemEvent[] = [
      { type: 'install', v: 1, name: prefix.slice(0, slash), installId: prefix.slice(slash + 1) },
    ]
    for (const name of [...RESERVED_LEDGERS, 'main']) {
      const { vkey, mldsaVkey } = await this.#ledgers.keyring.prepare(name)
      const origin = this.#ledgers.origin(name)
      events.push({ type: 'ledger.created', v: 1, name, origin, vkey, public: false, by: STELE })
      if (mldsaVkey !== undefined) events.push({ type: 'key.added', v: 1, ledger: name, vkey: mldsaVkey, by: STELE })
    }
    const { id, token, hash } = this.#mintToken()
    const scopes = ['append' as const, 'read' as const, 'verify' as const, 'admin' as const]
    events.push({ type: 'token.created', v: 1, id, hash, scopes, ledgers: ['*'], label: 'admin.token', by: STELE })
    await keepAdminToken(token)
    await this.#ledgers.ensureLog('system')
    await this.#record(events, STELE)
  }

  async #replay(): Promise<void> {
    const { size } = await this.#ledgers.ensureLog('system')
    for (let index = 0; index < size;) {
      const stored = await this.#ledgers.events('system', index, size, REPLAY_BYTES)
      for (const { event, entry } of stored) this.state.apply(parseSystemEvent(index++, event), entry.at)
    }
    const { clockJump } = this.state
    if (clockJump === undefined) return
    this.#ledgers.time.distrust({ wallMs: timeMs(clockJump.wall), ledgerMs: timeMs(clockJump.ledger) })
  }

  async #activate(): Promise<void> {
    for (const { name, keys } of this.state.ledgers.values()) {
      const fault = await rotationsFault(keys)
      if (fault !== undefined)
        throw new KeyFault(`the rotations of the keys of ${name} in system do not hold: ${fault}`)
      await this.#ledgers.activate(name, keys)
    }
    const unknown = this.#ledgers.names.find((name) => !this.state.ledgers.has(name))
    if (unknown !== undefined) throw new StateFault(`the WAL has entries of ${unknown}, which system never created`)
    const orphan = (await this.#ledgers.keyring.namesOnDisk()).find((name) => !this.state.ledgers.has(name))
    if (orphan !== undefined) {
      throw new KeyFault(`there is a key of ${orphan}, a ledger that system never created: its data is not here`)
    }
  }

  async #recordStart(version: string): Promise<void> {
    const { opening, keptHead } = this.#ledgers
    const events: SystemEvent[] = [{ type: 'server.started', v: 1, version }]
    for (const { file, position, bytes } of opening.unrecordedCuts) {
      const ledgers = [...this.state.ledgers.keys()].map((name) => {
        const { size, root } = this.#ledgers.log(name)
        return { name, size, root: Buffer.from(root).toString('base64') }
      })
      events.push({ type: 'recovered', v: 1, file, position, bytesCut: bytes, ledgers })
    }
    if (opening.rederived !== undefined) events.push({ type: 'derived.rebuilt', v: 1, reason: opening.rederived })
    if (opening.headMissing) events.push({ type: 'head.missing', v: 1, where: keptHead.where })
    // One batch, so that no commit lies between a cut and its record (ledger/cut-note.ts).
    await this.record(events)
    if (opening.unrecordedCuts.length > 0) await this.#ledgers.cutsRecorded()
  }

  /** A directory of before has no ML-DSA-44 key of `heads`. */
  async #addMldsa44(): Promise<void> {
    if (this.#recordOf('heads').keys.periods.at(-1)?.mldsaVkey !== undefined) return
    const vkey = await this.#ledgers.keyring.prepareMldsa44('heads')
    await this.record([{ type: 'key.added', v: 1, ledger: 'heads', vkey, by: STELE }])
    await this.#ledgers.activate('heads', this.#recordOf('heads').keys)
  }

  #batch(events: readonly SystemEvent[], by: string): Batch {
    const bytes = events.map((event) => Buffer.from(JSON.stringify(event)))
    return ownBatch(bytes, 'stele.system', 'application/json', by)
  }

  /** Appends, and takes in once durable. */
  async #record(events: readonly SystemEvent[], by: string): Promise<void> {
    const committed = await this.#ledgers.append('system', this.#batch(events, by))
    const stored = await this.#ledgers.events('system', committed.first, committed.first + events.length, Infinity)
    for (const [position, event] of events.entries()) this.state.apply(event, stored[position]?.entry.at ?? '')
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => {})
    return await turn
  }

  #recordOf(name: string): LedgerRecord {
    const record = this.state.ledgers.get(name)
    if (record === undefined) throw new StateFault(`ledger ${name} is not in the state`)
    return record
  }

  #tokenOf(id: string): TokenRecord {
    const record = this.state.tokens.get(id)
    if (record === undefined) throw new StateFault(`token ${id} is not in the state`)
    return record
  }
}

/** One event of `system`; an unknown type or version stops the start. */
export function parseSystemEvent(index: number, event: Uint8Array): SystemEvent {
  const result = systemEventSchema.safeParse(jsonOf(event))
  if (result.success) return result.data
  const mend = 'Start the Stele version that wrote it, or a newer one.'
  throw new StateFault(`entry ${index} of system is not an event that this version knows. ${mend}`)
}

function jsonOf(event: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(event).toString('utf8'))
  } catch {
    return undefined
  }
}

export function isReserved(ledger: string): boolean {
  return (RESERVED_LEDGERS as readonly string[]).includes(ledger)
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  throw new Problem('invalid-field', `${field === '' ? 'body' : field}: ${issue?.message ?? 'not as expected'}.`)
}
