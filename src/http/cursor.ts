// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where a search goes on. A cursor holds the sizes that the ledgers had when the search began, and what "now" was, so
 * that its pages are those of one moment while events arrive. It is not secret and not signed: it only narrows. The
 * ledgers are always those that the token may read now, sizes beyond what there is are refused, and so is a cursor of
 * another question; whoever forges one gets a part of what they could ask for anyway.
 */
import { hash } from 'node:crypto'
import { z } from 'zod'
import type { HitOrder } from '../index/search.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import type { Query } from '../query/tree.ts'
import { Problem } from '../schema/problem.ts'

/** What is asked, as it was written; `ledgers` in the order in which they were created. */
export interface Question {
  readonly ledger: string
  readonly q: string
  /** What a hit must be besides. A tree, so that no text that somebody wrote is read in the midst of another. */
  readonly about?: Query
  readonly since: string | undefined
  readonly until: string | undefined
  /** Newest first, where it is not said. */
  readonly order?: HitOrder
}

export interface Cursor {
  /** Unix milliseconds of the first page: what relative times of the query are relative to. */
  readonly nowMs: number
  readonly total: { readonly count: number; readonly exact: boolean }
  /** How many hits the pages before had. */
  readonly seenCount: number
  /** Size of each ledger, in the order of the names. */
  readonly sizes: readonly number[]
  /** The last hit of the page before: position of its ledger among the sizes, index, time. */
  readonly last: { readonly ledger: number; readonly index: number; readonly timeMs: number }
}

const VERSION = 2
const DIGEST_CHARS = 11

const whole = z.int().nonnegative()
const form = z.tuple([
  z.literal(VERSION),
  z.string().length(DIGEST_CHARS),
  whole,
  whole,
  z.boolean(),
  whole,
  whole,
  whole,
  z.int(),
  z.array(whole).min(1),
])

export function formatCursor(question: Question, names: readonly string[], cursor: Cursor): string {
  const { nowMs, total, seenCount, last, sizes } = cursor
  const { ledger, index, timeMs } = last
  const digest = digestOf(question, names)
  const parts: z.infer<typeof form> = [
    VERSION,
    digest,
    nowMs,
    total.count,
    total.exact,
    seenCount,
    ledger,
    index,
    timeMs,
    [...sizes],
  ]
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/**
 * Reads a cursor of this very question. `names` are the ledgers that may be read now: those that were created since
 * stand at the end, and are none of this search. Throws `invalid-field`.
 */
export function parseCursor(text: string, question: Question, names: readonly string[]): Cursor {
  const parts = form.safeParse(jsonOf(text))
  if (!parts.success) throw foreign()
  const [, digest, nowMs, count, exact, seenCount, ledger, index, timeMs, sizes] = parts.data
  const isOurs = sizes.length <= names.length && digest === digestOf(question, names.slice(0, sizes.length))
  // No page shows an entry twice.
  const mostCount = sizes.reduce((sum, size) => sum + size, 0)
  if (!isOurs || seenCount > mostCount || index >= (sizes[ledger] ?? 0) || timeMs < MIN_TIME_MS || timeMs > MAX_TIME_MS)
    throw foreign()
  return { nowMs, total: { count, exact }, seenCount, sizes, last: { ledger, index, timeMs } }
}

function jsonOf(text: string): unknown {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) return undefined
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

function digestOf({ ledger, q, about, since, until, order = 'newest' }: Question, names: readonly string[]): string {
  const text = JSON.stringify([ledger, q, about ?? null, since ?? null, until ?? null, names, order])
  return hash('sha256', text, 'base64url').slice(0, DIGEST_CHARS)
}

function foreign(): Problem {
  const mend = 'Give the next of the answer before, with the same ledger, q, since and until, or leave it out.'
  return new Problem('invalid-field', `cursor: it is not one of this search. ${mend}`)
}
