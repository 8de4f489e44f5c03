// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What lies in a data directory beside the log: keys, the first admin token, the lock, names that are not Stele's. It
 * is read before the log, because a running server changes it only after the log.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { type Disk, isIrregular } from '../platform/disk.ts'
import { readAnchor, type ReadAnchor } from '../ledger/anchor.ts'
import { BACKUP_BEGUN, MANIFEST, OWN_NAMES } from '../ledger/opening.ts'
import type { SystemState } from '../state/system-state.ts'
import type { Findings } from './finding.ts'
import type { Signatures } from './signatures.ts'

const KEY = '.key'

export interface Beside {
  readonly names: readonly string[]
  readonly lock: Buffer | undefined
  readonly adminToken: Buffer | undefined
  /** Texts of key files by ledger. */
  readonly keys: ReadonlyMap<string, Buffer>
  readonly pendingKeys: ReadonlyMap<string, Buffer>
  /** Names under `keys/` that no key has. */
  readonly strangers: readonly string[]
  /** Names under `derived/`. */
  readonly derived: readonly string[]
  /** The anchor, or why there is none to use. */
  readonly anchor: ReadAnchor | string
}

export async function readBeside(disk: Disk, directory: string, isRunning: boolean): Promise<Beside> {
  const names = await listNames(disk, directory)
  const keyNames = await listNames(disk, join(directory, 'keys'))
  const pendingNames = await listNames(disk, join(directory, 'keys', 'pending'))
  const isKey = (name: string) => name.endsWith(KEY)
  return {
    names,
    // Closing a file ends all locks that this very process has on it, so the lock of a server is left alone.
    lock: isRunning ? Buffer.alloc(0) : await readBytes(disk, join(directory, 'LOCK')),
    adminToken: await readBytes(disk, join(directory, 'admin.token')),
    keys: await readKeys(disk, join(directory, 'keys'), keyNames.filter(isKey)),
    pendingKeys: await readKeys(disk, join(directory, 'keys', 'pending'), pendingNames.filter(isKey)),
    strangers: [
      ...keyNames.filter((name) => !isKey(name) && name !== 'pending').map((name) => `keys/${name}`),
      ...pendingNames.filter((name) => !isKey(name)).map((name) => `keys/pending/${name}`),
    ],
    derived: await listNames(disk, join(directory, 'derived')),
    anchor: await readAnchor(disk, directory),
  }
}

async function readKeys(disk: Disk, directory: string, names: readonly string[]): Promise<Map<string, Buffer>> {
  const keys = new Map<string, Buffer>()
  for (const name of names) {
    const bytes = await readBytes(disk, join(directory, name))
    if (bytes !== undefined) keys.set(name.slice(0, -KEY.length), bytes)
  }
  return keys
}

/** Holds all of it against what `system` says. `remarks` takes what is worth saying and is no fault. */
export function checkBeside(
  beside: Beside,
  state: SystemState,
  originPrefix: string,
  signatures: Signatures,
  findings: Findings,
  remarks: string[],
): void {
  checkLock(beside, findings, remarks)
  checkToken(beside, state, findings, remarks)
  for (const [name, bytes] of beside.keys) checkKey(`keys/${name}${KEY}`, name, bytes)
  for (const [name, bytes] of beside.pendingKeys) {
    if (state.ledgers.has(name)) checkKey(`keys/pending/${name}${KEY}`, name, bytes)
    else {
      const made = signatures.keyOf(`keys/pending/${name}${KEY}`, bytes.toString('latin1'), `${originPrefix}/${name}`)
      if ('fault' in made) findings.add({ kind: 'key', file: `keys/pending/${name}${KEY}`, what: made.fault })
      else
        remarks.push(
          `keys/pending/${name}${KEY} is a key for a ledger that was never created; the next start drops it.`,
        )
    }
  }
  for (const name of state.ledgers.keys()) {
    if (beside.keys.has(name) || beside.pendingKeys.has(name)) continue
    remarks.push(`keys/${name}${KEY} is not there: without it the server does not start.`)
  }
  for (const name of [...beside.names.filter((top) => !OWN_NAMES.includes(top)), ...beside.strangers]) {
    const isBackup = name === MANIFEST || name === BACKUP_BEGUN
    const unknown = `${name} is not a file of Stele; it was not looked at.`
    remarks.push(isBackup ? 'This is a backup: stele restore makes a data directory of it.' : unknown)
  }

  function checkKey(file: string, name: string, bytes: Buffer): void {
    const ledger = state.ledgers.get(name)
    if (ledger === undefined) {
      findings.add({ kind: 'key', file, what: `system names no ledger ${name}: its data is not here` })
      return
    }
    const made = signatures.keyOf(file, bytes.toString('latin1'), ledger.origin)
    if ('fault' in made) findings.add({ kind: 'key', file, what: made.fault })
    else if (made.signer.vkey !== ledger.vkey) {
      findings.add({
        kind: 'key',
        file,
        what: 'not the key that system names',
        expected: ledger.vkey,
        found: made.signer.vkey,
      })
    }
  }
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

function checkToken({ adminToken }: Beside, state: SystemState, findings: Findings, remarks: string[]): void {
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

/** The anchor is signed by the key of `heads`, which lies beside it: without that key a start does not believe it. */
export function checkAnchorSignature(
  { anchor, keys }: Beside,
  originPrefix: string,
  signatures: Signatures,
  findings: Findings,
  remarks: string[],
): void {
  if (typeof anchor === 'string') return
  const key = keys.get('heads')
  const made = key === undefined ? undefined : signatures.keyOf('', key.toString('latin1'), `${originPrefix}/heads`)
  if (made === undefined || 'fault' in made) {
    remarks.push('The signature of derived/anchor.json was not checked: the key of heads is not there.')
  } else if (!anchor.isSignedBy(made.signer)) {
    findings.add({ kind: 'derived', file: 'derived/anchor.json', what: 'the anchor is not signed by the key of heads' })
  }
}

/** Names in a folder; none where it is a file. */
export async function listNames(disk: Disk, path: string): Promise<string[]> {
  try {
    return await disk.list(path)
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) return []
    throw error
  }
}

/** A file's bytes; none where it is a folder, a pipe or a device. */
async function readBytes(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(path)
  } catch (error) {
    if (isIrregular(error) || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
