// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Statements of rotation in the forms in which people have them: signed notes one behind the other, as `stele key list
// --rotations` prints them and as the files of an export's `rotations` are; or the JSON of `GET …/keys`. Nothing of them is
// trusted: `verifyRotations` follows them, and only as far as each key has signed the next.

import {
  ALG_ED25519,
  fromUtf8,
  type KeyTrust,
  parseRotation,
  parseVkey,
  ProofError,
  type Report,
  type Trust,
} from '../src/index.ts'

/** Most statements of one log that are followed: each takes two signatures to check. */
export const MAX_ROTATIONS = 1_000

const HEADER = 'stele/key-rotation/v1'

/**
 * Those of the log `origin`, in the order in which they stand; others are passed over, but not where there are only
 * others. Throws `rotation-malformed`, and `origin-unexpected` where all are of other logs.
 */
export function givenRotations(bytes: Uint8Array, origin: string): string[] {
  const all = statementsIn(bytes)
  const own = all.filter((statement) => originOf(statement) === origin)
  if (own.length === 0 && all.length > 0) {
    const [other = ''] = all
    throw new ProofError('origin-unexpected', `the rotations are of ${originOf(other)}, and none of them of ${origin}`)
  }
  if (own.length > MAX_ROTATIONS) {
    throw new ProofError('rotation-malformed', `there are ${own.length} rotations, more than ${MAX_ROTATIONS}`)
  }
  for (const [position, statement] of own.entries()) {
    try {
      parseRotation(statement)
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      const what = `rotation ${position + 1} of ${own.length} is not whole: ${error.message}`
      throw new ProofError('rotation-malformed', what, { position })
    }
  }
  return own
}

/** Whether these bytes are such a file and not an event: in it is at least one statement. */
export function holdsRotations(bytes: Uint8Array): boolean {
  try {
    return statementsIn(bytes).length > 0
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}

/**
 * Whether a report found the head signed by none of the keys that were given while it names their log: a later key may
 * have followed, and statements, or newer ones, may lead to it.
 */
export function mayHaveFollowed(
  { checks, origin, heads }: Pick<Report, 'checks' | 'origin' | 'heads'>,
  trust: Trust,
): trust is KeyTrust {
  if ('quorum' in trust) return false
  const { name, alg } = parseVkey(trust.vkey)
  const isOther = checks.some(({ ok, code }) => ok === false && code === 'signature-missing')
  return isOther && alg === ALG_ED25519 && (origin === name || heads?.origin === name)
}

/** Each begins as a statement does; the rest is not read. */
function statementsIn(bytes: Uint8Array): string[] {
  const text = fromUtf8(bytes)
  const statements = /^\s*[[{]/.test(text) ? inJson(text) : text.split(new RegExp(`^(?=${HEADER}$)`, 'm'))
  const other = statements.findIndex((statement) => !statement.startsWith(`${HEADER}\n`))
  if (other < 0) return statements
  const what =
    statements.length === 1
      ? `this holds no rotation: one begins with ${HEADER}`
      : `rotation ${other + 1} does not begin with ${HEADER}`
  throw new ProofError('rotation-malformed', what)
}

function originOf(statement: string): string {
  return statement.split('\n', 2)[1] ?? ''
}

/** What one ledger answers or several, or the list alone. */
function inJson(text: string): string[] {
  const malformed = new ProofError('rotation-malformed', 'the JSON has no list `rotations` of signed statements')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed
  }
  return [value].flat().flatMap((part: unknown) => {
    if (typeof part === 'string') return [part]
    const isLedger = typeof part === 'object' && part !== null && 'rotations' in part
    if (!isLedger || !Array.isArray(part.rotations)) throw malformed
    return part.rotations.map((statement: unknown) => {
      if (typeof statement !== 'string') throw malformed
      return statement
    })
  })
}
