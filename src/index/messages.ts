// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the writer and the follower process say to each other.

import type { Counts } from '../ledger/entry-stream.ts'
import type { DurableEnd } from '../ledger/wal/frame-tail.ts'
import type { CheckSchedule } from './background-check.ts'
import type { CheckFinding, IndexRange } from './check.ts'
import type { IndexAccess } from './connection.ts'

/** From the writer. */
export type Order =
  /** Sent first, and again whenever the index's server has another address or other secrets. */
  | {
      readonly type: 'open'
      readonly installId: string
      readonly directory: string
      readonly access: IndexAccess
      readonly schedule: CheckSchedule
    }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly reason: string }
  | { readonly type: 'rebuild' }
  | { readonly type: 'check' }

export type Question =
  | { readonly what: 'now' }
  | { readonly what: 'beyond'; readonly position: DurableEnd }
  | { readonly what: 'locate'; readonly next: Counts }

/** From the follower. */
export type Report =
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'progress'; readonly progress: IndexProgress }
  /** Without one: indexing goes on. */
  | { readonly type: 'trouble'; readonly trouble?: IndexTrouble }
  | { readonly type: 'check'; readonly report: CheckReport }
  /** Of the check that goes on by itself. */
  | { readonly type: 'pass'; readonly pass: BackgroundPass }
  | { readonly type: 'disagreed'; readonly disagreement: Disagreement }
  | { readonly type: 'repaired'; readonly repair: Repaired }
  | { readonly type: 'log'; readonly line: object }

/** What holds indexing up. */
export interface IndexTrouble {
  readonly reason: string
  /** The index's server does not answer at all, so it cannot be searched either. */
  readonly isGone: boolean
}

export interface IndexProgress {
  /** The table that is searched. */
  readonly table: string
  /** Of the mappings that made it. */
  readonly mapperVersion: number
  /** Entries that it holds, of each ledger. */
  readonly indexed: Readonly<Record<string, number>>
  /** How many of them may be missing in it, or be something else, as far as is known. */
  readonly doubted: Readonly<Record<string, number>>
  /** Of the table that is built beside it, else of the searched one itself as long as it is new. */
  readonly rebuild?: { readonly indexed: number; readonly size: number }
}

export interface CheckReport {
  readonly state: 'running' | 'done' | 'failed'
  readonly checked: number
  readonly size: number
  /** At most 1,000. */
  readonly findings: readonly CheckFinding[]
  readonly findingCount: number
  readonly startedAt: string
  readonly endedAt?: string
  /** Why it failed. */
  readonly reason?: string
}

/** One look of the background check over all rows. */
export interface BackgroundPass {
  readonly state: 'running' | 'done' | 'failed'
  readonly checked: number
  readonly size: number
  readonly startedAt: string
  readonly endedAt?: string
  /** Why not all of it was checked. */
  readonly reason?: string
}

/** Entries from `from` on and before `to`, of which so many were not as they must be; of ledger '': of many that there are not. */
export interface Disagreement extends IndexRange {
  readonly missing: number
  readonly changed: number
  readonly invented: number
  readonly doubled: number
}

export interface Repaired extends IndexRange {
  /** Rows that were made anew, or deleted because no entry has made them. */
  readonly rowCount: number
}
