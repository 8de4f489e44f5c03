// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The state of the administration: the fold of the ledger `system`, nothing else. Live acts and replay go through
 * the same `apply`, so a restart gives the state that there was.
 */
import { type KeyEvent, type KeyHistory, keysAfter } from '../ledger/key-periods.ts'
import { KeyFault } from '../ledger/signing.ts'
import type { RateLimits, Scope, SystemEvent } from '../schema/system-events.ts'
import { StateFault } from './state-fault.ts'
import { WitnessList } from './witness-list.ts'

export interface LedgerRecord {
  readonly name: string
  readonly origin: string
  /** The Ed25519 key in force. */
  readonly vkey: string
  /** All keys that it had. */
  readonly keys: KeyHistory
  readonly public: boolean
  readonly createdAt: string
  readonly createdBy: string
}

export interface TokenRecord {
  readonly id: string
  /** SHA-256 of the token's text, hex: the secret itself is nowhere. */
  readonly hash: string
  readonly scopes: readonly Scope[]
  /** Names of ledgers; `*` is all. */
  readonly ledgers: readonly string[]
  readonly sources?: readonly string[]
  readonly limits?: RateLimits
  readonly expiresAt?: string
  readonly label?: string
  readonly createdAt: string
  readonly createdBy: string
  readonly revokedAt?: string
  readonly revokedBy?: string
}

/** A verification of the directory that is on record. */
export interface VerificationRecord {
  readonly at: string
  /** What it found, where it found something. */
  readonly failure: Pick<Extract<SystemEvent, { type: 'verification.failed' }>, 'findingCount' | 'first'> | undefined
}

export class SystemState {
  readonly witnesses = new WitnessList()
  #install: { readonly name: string; readonly installId: string } | undefined
  #clockJump: { readonly wall: string; readonly ledger: string } | undefined
  #clean = true
  #verification: VerificationRecord | undefined
  readonly #ledgers = new Map<string, LedgerRecord>()
  readonly #tokens = new Map<string, TokenRecord>()

  get install(): { readonly name: string; readonly installId: string } {
    if (this.#install === undefined) throw new StateFault('system does not begin with an install event')
    return this.#install
  }

  get ledgers(): ReadonlyMap<string, LedgerRecord> {
    return this.#ledgers
  }

  get tokens(): ReadonlyMap<string, TokenRecord> {
    return this.#tokens
  }

  /** The clock jump that no administrator has confirmed yet. */
  get clockJump(): { readonly wall: string; readonly ledger: string } | undefined {
    return this.#clockJump
  }

  /** The last one on record: each that failed, and now and then one that passed. */
  get verification(): VerificationRecord | undefined {
    return this.#verification
  }

  /** Whether the server was last stopped, not killed. */
  get stoppedCleanly(): boolean {
    return this.#clean
  }

  /** Takes in one event; `at` is its entry's ledger time. Throws a StateFault where it cannot follow. */
  apply(event: SystemEvent, at: string): void {
    switch (event.type) {
      case 'install':
        if (this.#install !== undefined) throw new StateFault('system has a second install event')
        this.#install = { name: event.name, installId: event.installId }
        return
      case 'ledger.created': {
        if (this.#ledgers.has(event.name)) throw new StateFault(`ledger ${event.name} was created twice`)
        const { name, origin, vkey } = event
        const keys = keysAfter(undefined, event)
        this.#ledgers.set(name, { name, origin, vkey, keys, public: event.public, createdAt: at, createdBy: event.by })
        return
      }
      case 'key.added':
      case 'key.rotated':
        this.#changeKeys(event.ledger, event)
        return
      case 'token.created': {
        if (this.#tokens.has(event.id)) throw new StateFault(`token ${event.id} was created twice`)
        const { type: _, v: __, by, ...record } = event
        this.#tokens.set(event.id, { ...record, createdAt: at, createdBy: by } as TokenRecord)
        return
      }
      case 'token.revoked': {
        const token = this.#tokens.get(event.id)
        if (token === undefined) throw new StateFault(`token ${event.id} was revoked but never created`)
        this.#tokens.set(event.id, { ...token, revokedAt: at, revokedBy: event.by })
        return
      }
      case 'clock.jumped':
        this.#clockJump = { wall: event.wall, ledger: event.ledger }
        return
      case 'clock.confirmed':
        this.#clockJump = undefined
        return
      case 'server.started':
        this.#clean = false
        return
      case 'server.stopped':
        this.#clean = true
        return
      case 'verification.passed':
        this.#verification = { at, failure: undefined }
        return
      case 'verification.failed': {
        const { findingCount, first } = event
        this.#verification = { at, failure: { findingCount, first } }
        return
      }
      case 'witness.added':
      case 'witness.removed':
      case 'witness.quorum':
      case 'witness.contradicted':
      case 'witness.quorum.unmet':
      case 'witness.quorum.met':
        this.witnesses.apply(event, at)
        return
      case 'recovered':
      case 'derived.rebuilt':
      case 'head.missing':
      case 'index.rebuild.requested':
      case 'index.check.requested':
      case 'index.disagreed':
      case 'index.repaired':
      case 'verification.requested':
      case 'refused':
        return
    }
  }

  #changeKeys(name: string, event: KeyEvent): void {
    const ledger = this.#ledgers.get(name)
    if (ledger === undefined) throw new StateFault(`system speaks of a key of ${name}, which it never created`)
    try {
      const keys = keysAfter(ledger.keys, event)
      this.#ledgers.set(name, { ...ledger, keys, vkey: keys.periods.at(-1)!.vkey })
    } catch (error) {
      if (error instanceof KeyFault) throw new StateFault(error.message)
      throw error
    }
  }
}
