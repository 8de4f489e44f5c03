// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Decides from a route's row, before anything of a body is read, whether the caller may call it.
 *
 * Names of ledgers cannot be probed: rights are looked at before existence. Whoever has no right on a name gets the
 * same refusal whether such a ledger exists or not (401 without a token, 403 with one); only whoever would have the
 * right, which `*` gives on every name, is told 404. A public ledger is no secret.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { allows, type Authenticator, type Credential } from '../access/credentials.ts'
import { Problem } from '../schema/problem.ts'
import type { Scope } from '../schema/system-events.ts'
import { isReserved } from '../state/administration.ts'
import type { LedgerRecord } from '../state/system-state.ts'
import type { Caller, Demand, Permission, Services } from './route.ts'

/** What of a request admission looks at. */
export interface Asking {
  readonly authorization: string | undefined
  readonly via: string
  /** Of the path, where it has one. */
  readonly ledger: string | undefined
}

/** In place of a ledger's name: all that the caller may read. */
export const EVERY_LEDGER = '*'

export type Doorkeeper = Pick<Services, 'administration' | 'authenticator' | 'ledgers'>

/** Throws `unauthenticated`, `scope-missing`, `ledger-reserved` or `ledger-unknown`; `seen` is told who it is. */
export function admit(
  permission: Permission,
  asking: Asking,
  door: Doorkeeper,
  seen: (credential: Credential) => void,
): Caller {
  if (permission === 'public') return { by: 'public', via: asking.via, credential: undefined }
  const record = asking.ledger === undefined ? undefined : openLedger(door, asking.ledger)
  const isOpen = permission.publicLedger === true && record?.public === true
  const credential = door.authenticator.authenticate(asking.authorization)
  if (credential === undefined) {
    if (isOpen) return { by: 'public', via: asking.via, credential: undefined }
    throw new Problem('unauthenticated', 'Send a token: Authorization: Bearer TOKEN.')
  }
  seen(credential)
  if (!isOpen) demand(permission, credential, asking.ledger, record)
  return { by: credential.id, via: asking.via, credential }
}

/** Whether the token that a stream was opened with is still what it was: neither expired nor revoked. */
export function staysAdmitted(headers: IncomingHttpHeaders, { by }: Caller, authenticator: Authenticator): boolean {
  try {
    return authenticator.authenticate(headers.authorization)?.id === by
  } catch {
    return false
  }
}

function demand(
  permission: Demand,
  credential: Credential,
  ledger: string | undefined,
  record: LedgerRecord | undefined,
): void {
  // Of all ledgers those are meant on which the scope is held: which they are says the handler.
  const isEvery = permission.everyLedger === true && ledger === EVERY_LEDGER
  const onLedger = permission.ledger === 'path' && !isEvery ? ledger : undefined
  if (permission.notReserved === true && ledger !== undefined && isReserved(ledger)) {
    throw new Problem('ledger-reserved', `${ledger} is one of Stele's own ledgers: only Stele appends to it.`)
  }
  const scopes = scopesOf(permission)
  if (!scopes.some((scope) => allows(credential, scope, onLedger))) {
    const where = onLedger === undefined ? '' : ' on that ledger'
    throw new Problem('scope-missing', `This needs a token with the scope ${scopes.join(' or ')}${where}.`)
  }
  if (permission.ledger === 'path' && record === undefined && !isEvery) {
    const detail =
      ledger === EVERY_LEDGER
        ? 'This is asked of one ledger, not of all: put the name of one in place of *.'
        : 'There is no ledger of that name. Writing to one does not create it.'
    throw new Problem('ledger-unknown', detail)
  }
}

/** A ledger that is being created is none before its log is open. */
function openLedger({ administration, ledgers }: Doorkeeper, name: string): LedgerRecord | undefined {
  return ledgers.has(name) ? administration.state.ledgers.get(name) : undefined
}

/** Scopes of which one is enough. */
export function scopesOf({ scope }: Demand): readonly Scope[] {
  return typeof scope === 'string' ? [scope] : scope
}
