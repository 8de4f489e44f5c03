// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The witnesses that are asked for cosignatures, and what is on record of them: the part of the fold of `system` that
 * speaks of them. A witness that was removed is remembered, for its cosignatures stay where they were kept.
 */
import { equalBytes, parseVkey, ProofError, type VerifierKey } from '@stele/proof'
import { Problem } from '../schema/problem.ts'
import type { SystemEvent, WitnessQuorum, WitnessRequest } from '../schema/system-events.ts'
import { StateFault } from './state-fault.ts'

const ALG_ED25519_COSIGNATURE = 0x04
const ALG_MLDSA44 = 0x06
/** Verifiers of notes must read 16 signatures, of which two are the log's own. */
const MAX_WITNESSES = 14

export type WitnessEvent = Extract<SystemEvent, { type: `witness.${string}` }>
type Contradicted = Extract<SystemEvent, { type: 'witness.contradicted' }>

/** What a witness has said that cannot be, if we are right: on record until somebody removes the witness. */
interface WitnessContradiction extends Pick<Contradicted, 'kind' | 'size' | 'told' | 'evidence'> {
  readonly at: string
}

export interface WitnessRecord {
  readonly name: string
  readonly vkey: string
  /** Without a slash at its end. */
  readonly url: string
  readonly addedAt: string
  readonly addedBy: string
  readonly contradictions: readonly WitnessContradiction[]
}

/** The quorum has not been met since `since`, which was put on record at `at`. */
export interface QuorumAlarm {
  readonly at: string
  readonly since: string
}

export class WitnessList {
  readonly #asked = new Map<string, WitnessRecord>()
  readonly #removed: WitnessRecord[] = []
  #quorum: WitnessQuorum = 'all'
  #alarm: QuorumAlarm | undefined

  /** Those that are asked, in the order in which they were added. */
  get asked(): readonly WitnessRecord[] {
    return [...this.#asked.values()]
  }

  /** Those that were asked once, too. */
  get known(): readonly WitnessRecord[] {
    return [...this.#asked.values(), ...this.#removed]
  }

  get(name: string): WitnessRecord | undefined {
    return this.#asked.get(name)
  }

  /** As it was said. */
  get quorum(): WitnessQuorum {
    return this.#quorum
  }

  /** How many must cosign; 0 where nobody is asked. */
  get neededCount(): number {
    return this.#quorum === 'all' ? this.#asked.size : Math.min(this.#quorum, this.#asked.size)
  }

  /** What is on record and has not been withdrawn. */
  get alarm(): QuorumAlarm | undefined {
    return this.#alarm
  }

  apply(event: WitnessEvent, at: string): void {
    switch (event.type) {
      case 'witness.added': {
        const { name, vkey, url, by } = event
        if (this.#asked.has(name)) throw new StateFault(`witness ${name} was added twice`)
        this.#asked.set(name, { name, vkey, url, addedAt: at, addedBy: by, contradictions: [] })
        return
      }
      case 'witness.removed':
        this.#removed.push(this.#demand(event.name))
        this.#asked.delete(event.name)
        if (this.#asked.size === 0) this.#alarm = undefined
        return
      case 'witness.quorum':
        this.#quorum = event.count
        return
      case 'witness.contradicted': {
        const { name, kind, size, told, evidence } = event
        const witness = this.#demand(name)
        const said = { at, kind, size, evidence, ...(told === undefined ? {} : { told }) }
        this.#asked.set(name, { ...witness, contradictions: [...witness.contradictions, said] })
        return
      }
      case 'witness.quorum.unmet':
        this.#alarm = { at, since: event.since }
        return
      case 'witness.quorum.met':
        this.#alarm = undefined
        return
    }
  }

  /** The witness as it is recorded. Throws a Problem where it cannot be one, or would count twice. */
  demandNew(request: WitnessRequest, ownVkeys: readonly string[]): WitnessRequest {
    const { name } = request
    if (this.#asked.has(name)) throw new Problem('witness-exists', `There is a witness ${name} already.`)
    if (this.#asked.size >= MAX_WITNESSES) {
      throw new Problem('quorum-impossible', `There are ${MAX_WITNESSES} witnesses, and no more can be asked.`)
    }
    const key = witnessKey(request.vkey)
    // By the bytes: under another name or algorithm byte it would be the same signer all the same.
    const isSame = (vkey: string) => equalBytes(parseVkey(vkey).publicKey, key.publicKey)
    const other = this.asked.find(({ vkey }) => isSame(vkey))
    if (other !== undefined) throw new Problem('witness-exists', `${other.name} has that key already: it counts once.`)
    const namesake = this.asked.find(({ vkey }) => parseVkey(vkey).name === key.name)
    if (namesake !== undefined) {
      const detail = `${namesake.name} is the witness ${key.name} already, by another of its keys: it counts once. To ask it by this one, remove ${namesake.name} first.`
      throw new Problem('witness-exists', detail)
    }
    if (ownVkeys.some(isSame)) throw new Problem('invalid-field', 'vkey: that is a key of this very log.')
    return { name, vkey: request.vkey, url: demandUrl(request.url) }
  }

  demandRemovable(name: string): void {
    if (!this.#asked.has(name)) throw new Problem('witness-unknown', `There is no witness ${name}.`)
    const count = this.#quorum
    if (count === 'all' || count < this.#asked.size || this.#asked.size === 1) return
    const detail = `${count} witnesses must cosign, and without ${name} there are ${this.#asked.size - 1}. Lower the quorum first.`
    throw new Problem('quorum-impossible', detail)
  }

  demandQuorum(count: WitnessQuorum): void {
    if (count === 'all' || count <= this.#asked.size) return
    const { size } = this.#asked
    throw new Problem(
      'quorum-impossible',
      `${count} witnesses cannot cosign: there ${size === 1 ? 'is' : 'are'} ${size}.`,
    )
  }

  #demand(name: string): WitnessRecord {
    const witness = this.#asked.get(name)
    if (witness === undefined) throw new StateFault(`witness ${name} was never added`)
    return witness
  }
}

function witnessKey(vkey: string): VerifierKey {
  try {
    const key = parseVkey(vkey)
    if (key.alg === ALG_ED25519_COSIGNATURE || key.alg === ALG_MLDSA44) return key
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new Problem('invalid-field', `vkey: ${error.message}.`)
  }
  const detail = 'vkey: that is no key of a witness: it must be an Ed25519 (04) or ML-DSA-44 (06) cosignature key.'
  throw new Problem('invalid-field', detail)
}

/** An address that a path can be put behind. */
function demandUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.username !== '' || url.password !== '' || /[?#]/.test(text)) {
    throw new Problem('invalid-field', 'url: give an address without user, query and fragment.')
  }
  return text.replace(/\/+$/, '')
}
