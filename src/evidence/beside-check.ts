// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds what lies beside the log against what `system` says. */
import { hash } from 'node:crypto'
import { BACKUP_BEGUN, MANIFEST, OWN_NAMES } from '../ledger/opening.ts'
import type { Signer } from '../ledger/signing.ts'
import type { LedgerRecord, SystemState } from '../state/system-state.ts'
import { type Beside, KEY } from './beside.ts'
import type { Findings } from './finding.ts'
import type { Signatures } from './signatures.ts'

export interface BesideCheck {
  readonly beside: Beside
  readonly state: SystemState
  readonly originPrefix: string
  readonly isRunning: boolean
  readonly signatures: Signatures
  readonly findings: Findings
  /** Takes what is worth saying and is no fault. */
  readonly remarks: string[]
}

export function checkBeside(check: BesideCheck): void {
  const { beside, findings, remarks } = check
  checkLock(beside, findings, remarks)
  checkToken(check)
  checkKeys(check)
  for (const name of [...beside.names.filter((top) => !OWN_NAMES.includes(top)), ...beside.strangers]) {
    const isBackup = name === MANIFEST || name === BACKUP_BEGUN
    const unknown = `${name} is not a file of Stele; it was not looked at.`
    remarks.push(isBackup ? 'This is a backup: stele restore makes a data directory of it.' : unknown)
  }
}

function checkKeys(check: BesideCheck): void {
  const { beside, state, findings, remarks } = check
  const { keys, pendingKeys, keysName, keysFault } = beside
  if (keysFault !== undefined) findings.add({ kind: 'key', file: 'keys.json', what: keysFault })
  for (const ledger of state.ledgers.values()) {
    const place = `${keysName}/${ledger.name}${KEY}`
    const waits = `${keysName}/pending/${ledger.name}${KEY}`
    const key = read(check, place, ledger, keys.get(ledger.name))
    const waiting = read(check, waits, ledger, pendingKeys.get(ledger.name))
    if (key === undefined && waiting === undefined) {
      if (!keys.has(ledger.name)) remarks.push(`${place} is not there: without it the server does not start.`)
    } else if (key !== undefined && isNamed(key, ledger)) {
      if (waiting !== undefined) remarks.push(`${waits} was never put in force; the next start drops it.`)
    } else if (!isFollowed(check, ledger, key, waiting)) {
      const [file, found] = key === undefined ? [waits, waiting] : [place, key]
      const what = 'not the key that system names'
      findings.add({ kind: 'key', file, what, expected: ledger.vkey, found: found?.vkey ?? 'none' })
    }
  }
  for (const name of keys.keys()) {
    if (state.ledgers.has(name)) continue
    const what = `system names no ledger ${name}: its data is not here`
    findings.add({ kind: 'key', file: `${keysName}/${name}${KEY}`, what })
  }
  for (const [name, bytes] of pendingKeys) if (!state.ledgers.has(name)) checkOrphan(check, name, bytes)
}

/** The key that `system` names waits for its place, as a crash leaves it; or a server is about to move it. */
function isFollowed(
  { isRunning }: BesideCheck,
  ledger: LedgerRecord,
  key: Signer | undefined,
  waiting: Signer | undefined,
): boolean {
  const isFormer = key === undefined || ledger.keys.periods.some(({ vkey }) => vkey === key.vkey)
  return isFormer && (isRunning || (waiting !== undefined && isNamed(waiting, ledger)))
}

function isNamed({ vkey, mldsaVkey }: Signer, { keys }: LedgerRecord): boolean {
  const named = keys.periods.at(-1)
  return vkey === named?.vkey && mldsaVkey === named.mldsaVkey
}

/** The key in a file's bytes; what is wrong with them is a finding. */
function read(
  { signatures, findings }: BesideCheck,
  file: string,
  { origin }: LedgerRecord,
  bytes: Buffer | undefined,
): Signer | undefined {
  if (bytes === undefined) return undefined
  const made = signatures.keyOf(file, bytes.toString('latin1'), origin)
  if ('signer' in made) return made.signer
  findings.add({ kind: 'key', file, what: made.fault })
  return undefined
}

/** A key that waits for a ledger which was never created. */
function checkOrphan(
  { beside, originPrefix, signatures, findings, remarks }: BesideCheck,
  name: string,
  bytes: Buffer,
) {
  const file = `${beside.keysName}/pending/${name}${KEY}`
  const made = signatures.keyOf(file, bytes.toString('latin1'), `${originPrefix}/${name}`)
  if ('fault' in made) findings.add({ kind: 'key', file, what: made.fault })
  else remarks.push(`${file} is a key for a ledger that was never created; the next start drops it.`)
}

function checkLock({ lock }: Beside, findings: Findings, remarks: string[]): void {
  if (lock === undefined) remarks.push('LOCK is not there; the next start makes it.')
  else if (lock.length > 0) {
    findings.add({
      kind: 'unexpected',
      file: 'LOCK',
      offset: 0,
      what: 'the lock holds bytes',
      expected: '0 bytes',
      found: `${lock.length}`,
    })
  }
}

function checkToken({ beside: { adminToken }, state, findings, remarks }: BesideCheck): void {
  if (adminToken === undefined) {
    remarks.push('admin.token is not there.')
    return
  }
  const text = adminToken.toString('latin1')
  // As access/credentials.ts records it; the newline is the file's.
  const recorded = hash('sha256', text.slice(0, -1), 'hex')
  const token = [...state.tokens.values()].find((record) => record.hash === recorded)
  if (!text.endsWith('\n') || token === undefined) {
    findings.add({ kind: 'token', file: 'admin.token', what: 'not a token that system names' })
  } else if (token.revokedAt !== undefined) {
    remarks.push(`The token in admin.token was revoked at ${token.revokedAt}.`)
  }
}
