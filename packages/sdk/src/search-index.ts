// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Answers about the index behind a search.

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { type Progress, readLedgers, readProgress } from './search.ts'

export const INDEX_STATES = ['off', 'starting', 'building', 'ready', 'unavailable'] as const
export type IndexState = (typeof INDEX_STATES)[number]

export interface IndexStatus {
  readonly state: IndexState
  /** Why it cannot be searched, or why what is new cannot be found for now. */
  readonly reason?: string
  /** Of the ledgers that the token may search. */
  readonly ledgers: Readonly<Record<string, Progress>>
  /** Version of the mappings whose forms are searched. */
  readonly mapperVersion: number
  /** Counts how often the index was made anew; 0 while that is not known. */
  readonly generation: number
  /** How far the index is that is being made. */
  readonly rebuild?: Progress
  /** The check that goes on by itself; for who may see all ledgers. */
  readonly background?: BackgroundCheck
}

export interface BackgroundCheck {
  /** The pass over all rows that goes on. */
  readonly running?: { readonly startedAt: string; readonly checked: number; readonly size: number }
  /** The last one that ended. */
  readonly last?: {
    readonly startedAt: string
    readonly endedAt: string
    readonly checked: number
    readonly size: number
    /** Why not all was checked. */
    readonly reason?: string
  }
  /** Rows that were not as the ledgers have them, since the server's start. */
  readonly disagreements: Readonly<Record<IndexFinding['kind'], number>>
  /** Rows that were made anew, or deleted because no entry has made them. */
  readonly repairedRows: number
}

export interface IndexFinding {
  readonly ledger: string
  readonly index: number
  /** `missing`: only the ledger has it; `invented`: only the index; `doubled`: the index has it more than once. */
  readonly kind: (typeof kinds)[number]
  /** What of it was changed. */
  readonly columns?: readonly string[]
}

const kinds = ['missing', 'invented', 'changed', 'doubled'] as const

export interface IndexCheck {
  readonly state: 'running' | 'done' | 'failed'
  readonly checked: number
  readonly size: number
  /** The first of them. */
  readonly findings: readonly IndexFinding[]
  readonly findingCount: number
  readonly startedAt: string
  readonly endedAt?: string
  /** Why it failed. */
  readonly reason?: string
}

export function readIndexStatus(value: unknown): IndexStatus {
  const fields = new Fields("the index's status", value)
  const reason = fields.optionalText('reason')
  const rebuild = fields.has('rebuild') ? new Fields('the rebuild', fields.object('rebuild')) : undefined
  return {
    state: fields.oneOf('state', INDEX_STATES),
    ...(reason === undefined ? {} : { reason }),
    ledgers: readLedgers(fields),
    mapperVersion: fields.whole('mapperVersion'),
    generation: fields.whole('generation'),
    ...(rebuild === undefined ? {} : { rebuild: readProgress(rebuild) }),
    ...(fields.has('background') ? { background: readBackground(fields.object('background')) } : {}),
  }
}

function readBackground(value: unknown): BackgroundCheck {
  const fields = new Fields("the index's own check", value)
  const counts = new Fields('what disagreed', fields.object('disagreements'))
  const pass = (name: string) => (fields.has(name) ? new Fields('a pass', fields.object(name)) : undefined)
  const [running, last] = [pass('running'), pass('last')]
  const reached = (of: Fields) => ({
    startedAt: of.time('startedAt'),
    checked: of.whole('checked'),
    size: of.whole('size'),
  })
  const reason = last?.optionalText('reason')
  return {
    ...(running === undefined ? {} : { running: reached(running) }),
    ...(last === undefined
      ? {}
      : { last: { ...reached(last), endedAt: last.time('endedAt'), ...(reason === undefined ? {} : { reason }) } }),
    disagreements: {
      missing: counts.whole('missing'),
      invented: counts.whole('invented'),
      changed: counts.whole('changed'),
      doubled: counts.whole('doubled'),
    },
    repairedRows: fields.whole('repairedRows'),
  }
}

export function readIndexCheck(value: unknown): IndexCheck {
  const fields = new Fields("the index's check", value)
  const state = fields.oneOf('state', ['running', 'done', 'failed'] as const)
  const findings = fields.list('findings').map(readFinding)
  const findingCount = fields.whole('findingCount')
  const endedAt = fields.optionalTime('endedAt')
  const reason = fields.optionalText('reason')
  const check = {
    state,
    checked: fields.whole('checked'),
    size: fields.whole('size'),
    startedAt: fields.time('startedAt'),
  }
  if (findings.length > findingCount) throw untrustworthy(`${findings.length} findings are counted as ${findingCount}`)
  if ((endedAt === undefined) !== (state === 'running')) throw untrustworthy('the check has no end, or one too early')
  return {
    ...check,
    findings,
    findingCount,
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function readFinding(value: unknown): IndexFinding {
  const fields = new Fields('a finding', value)
  return {
    ledger: fields.ledger('ledger'),
    index: fields.whole('index'),
    kind: fields.oneOf('kind', kinds),
    ...(fields.has('columns') ? { columns: fields.texts('columns') } : {}),
  }
}
