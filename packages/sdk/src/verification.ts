// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the server says of its own stored data. That is its word: whoever does not trust it verifies for himself.

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'

const outcomes = ['passed', 'failed', 'unfinished'] as const

export interface VerificationFinding {
  readonly what: string
  /** Path below the data directory, or where else it lies. */
  readonly file?: string
  /** Bytes from the start of the file. */
  readonly offset?: number
  readonly ledger?: string
  readonly index?: number
}

/** A pass over all stored data that has ended. */
export interface VerificationPass {
  readonly startedAt: string
  readonly endedAt: string
  /** Somebody asked for it, so it did not rest. */
  readonly isRequested: boolean
  /** `failed`: something is not as it must be. `unfinished`: not everything could be looked at. */
  readonly outcome: (typeof outcomes)[number]
  readonly entryCount: number
  readonly readBytes: number
  /** The first of them; none for a token that is not for all ledgers. */
  readonly findings: readonly VerificationFinding[]
  readonly findingCount: number
  /** Why it is unfinished. */
  readonly reason?: string
}

export interface Verification {
  /** The pass that goes on. */
  readonly running?: {
    readonly startedAt: string
    readonly isRequested: boolean
    readonly doneBytes: number
    readonly totalBytes: number
  }
  /** When one was last asked for: a pass that started since then is what was asked for. */
  readonly requestedAt?: string
  /** The last pass that ended since the server started. */
  readonly last?: VerificationPass
  /** What the last one on record found, before the server started or since, unless one passed since. */
  readonly failureOnRecord?: { readonly at: string; readonly findingCount: number }
  /** When the last one ended that found nothing. */
  readonly lastPassedAt?: string
}

export function readVerification(value: unknown): Verification {
  const fields = new Fields('the verification', value)
  const requestedAt = fields.optionalTime('requestedAt')
  const lastPassedAt = fields.optionalTime('lastPassedAt')
  return {
    ...(fields.has('running') ? { running: readRunning(fields.object('running')) } : {}),
    ...(requestedAt === undefined ? {} : { requestedAt }),
    ...(fields.has('last') ? { last: readPass(fields.object('last')) } : {}),
    ...(fields.has('failureOnRecord') ? { failureOnRecord: readFailure(fields.object('failureOnRecord')) } : {}),
    ...(lastPassedAt === undefined ? {} : { lastPassedAt }),
  }
}

function readRunning(value: unknown): NonNullable<Verification['running']> {
  const fields = new Fields('the pass that goes on', value)
  const [doneBytes, totalBytes] = [fields.whole('doneBytes'), fields.whole('totalBytes')]
  if (doneBytes > totalBytes) throw untrustworthy(`${doneBytes} bytes of ${totalBytes} were verified`)
  return { startedAt: fields.time('startedAt'), isRequested: fields.flag('isRequested'), doneBytes, totalBytes }
}

function readFailure(value: unknown): NonNullable<Verification['failureOnRecord']> {
  const fields = new Fields('the failure on record', value)
  return { at: fields.time('at'), findingCount: fields.whole('findingCount') }
}

function readPass(value: unknown): VerificationPass {
  const fields = new Fields('the last verification', value)
  const outcome = fields.oneOf('outcome', outcomes)
  const findings = fields.list('findings').map(readFinding)
  const findingCount = fields.whole('findingCount')
  const reason = fields.optionalText('reason')
  if (findings.length > findingCount) throw untrustworthy(`${findings.length} findings are counted as ${findingCount}`)
  if ((outcome === 'failed') !== findingCount > 0) throw untrustworthy(`it ${outcome} with ${findingCount} findings`)
  if ((outcome === 'unfinished') !== (reason !== undefined)) throw untrustworthy('the verification has no reason')
  return {
    startedAt: fields.time('startedAt'),
    endedAt: fields.time('endedAt'),
    isRequested: fields.flag('isRequested'),
    outcome,
    entryCount: fields.whole('entryCount'),
    readBytes: fields.whole('readBytes'),
    findings,
    findingCount,
    ...(reason === undefined ? {} : { reason }),
  }
}

function readFinding(value: unknown): VerificationFinding {
  const fields = new Fields('a finding', value)
  const file = fields.optionalText('file')
  return {
    what: fields.text('what'),
    ...(file === undefined ? {} : { file }),
    ...(fields.has('offset') ? { offset: fields.whole('offset') } : {}),
    ...(fields.has('ledger') ? { ledger: fields.ledger('ledger') } : {}),
    ...(fields.has('index') ? { index: fields.whole('index') } : {}),
  }
}
