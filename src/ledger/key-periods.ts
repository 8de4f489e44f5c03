// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Which keys a ledger had when, as the events of `system` tell it: the fold that the state, a start and a verification
 * share. It reads rotations and believes them; whoever needs to know that they are signed calls `verifyRotations`.
 */
import {
  formatNote,
  formatRotation,
  type KeyPeriod,
  parseRotation,
  ProofError,
  toBase64,
  verifyRotations,
} from '@stele/proof'
import type { SystemEvent } from '../schema/system-events.ts'
import type { Log } from './log.ts'
import { KeyFault, type Signer } from './signing.ts'

/** Periods of a ledger's keys, the oldest first and at least one, and the rotations between them. */
export interface KeyHistory {
  readonly origin: string
  readonly periods: readonly KeyPeriod[]
  /** Signed notes, the oldest first. */
  readonly rotations: readonly string[]
}

export type KeyEvent = Extract<SystemEvent, { type: 'ledger.created' | 'key.added' | 'key.rotated' }>

/** The ledger whose keys an event of `system` speaks of; undefined where it is another event. */
export function keyEventLedger(event: SystemEvent): string | undefined {
  if (event.type === 'ledger.created') return event.name
  return event.type === 'key.added' || event.type === 'key.rotated' ? event.ledger : undefined
}

/** The keys after an event of `system` that speaks of them. Throws a KeyFault where it cannot follow. */
export function keysAfter(before: KeyHistory | undefined, event: KeyEvent): KeyHistory {
  if (event.type === 'ledger.created') {
    return { origin: event.origin, periods: [{ vkey: event.vkey, from: 0 }], rotations: [] }
  }
  const last = before?.periods.at(-1)
  if (before === undefined || last === undefined) {
    throw new KeyFault(`system speaks of a key of ${event.ledger}, which it never created`)
  }
  const earlier = before.periods.slice(0, -1)
  if (event.type === 'key.added') {
    if (last.mldsaVkey !== undefined) throw new KeyFault(`${event.ledger} got an ML-DSA-44 key, and had one`)
    return { ...before, periods: [...earlier, { ...last, mldsaVkey: event.vkey }] }
  }
  const { origin, end, vkey, mldsaVkey } = rotationIn(event)
  if (origin !== before.origin) throw new KeyFault(`a rotation of the keys of ${event.ledger} is of ${origin}`)
  if (end.size < last.from) throw new KeyFault(`a rotation of the keys of ${event.ledger} ends before it began`)
  const next = { vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }), from: end.size }
  const rotations = [...before.rotations, event.statement]
  return { origin, periods: [...earlier, { ...last, until: end }, next], rotations }
}

function rotationIn({ ledger, statement }: Extract<KeyEvent, { type: 'key.rotated' }>) {
  try {
    return parseRotation(statement)
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new KeyFault(`a rotation of the keys of ${ledger} cannot be read: ${error.message}`)
  }
}

/** Why these rotations do not lead from the first key to the last; undefined where they do. */
export async function rotationsFault({ periods, rotations }: KeyHistory): Promise<string | undefined> {
  if (rotations.length === 0) return undefined
  try {
    const proven = await verifyRotations(periods[0]!.vkey, rotations)
    return proven.at(-1)?.vkey === periods.at(-1)?.vkey ? undefined : 'they lead to another key'
  } catch (error) {
    if (error instanceof ProofError) return error.message
    throw error
  }
}

/** The note by which `former` hands a ledger, as it is now, over to `next`. */
export function rotationNote(former: Signer, next: Signer, { size, root }: Pick<Log, 'size' | 'root'>): string {
  const { origin, vkey, mldsaVkey } = next
  const keys = { vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }) }
  const text = formatRotation({ origin, end: { size, root }, ...keys })
  return formatNote(text, [former.signatureLine(text), next.signatureLine(text)])
}

/** The keys one by one, as they are told: from and up to which size of the ledger each signs. */
export function listedKeys({ periods }: KeyHistory): { vkey: string; since: number; until?: number }[] {
  return periods.flatMap(({ vkey, mldsaVkey, from, until }) =>
    [vkey, ...(mldsaVkey === undefined ? [] : [mldsaVkey])].map((key) => ({
      vkey: key,
      since: from,
      ...(until === undefined ? {} : { until: until.size }),
    })),
  )
}

/** Words for the last head of a key that is retired. */
export function endWords({ size, root }: NonNullable<KeyPeriod['until']>): string {
  return `root ${toBase64(root)} at size ${size}`
}
