// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where a search goes on. A cursor holds the sizes that the ledgers had when the search began, and what "now" was, so
 * that its pages are those of one moment while events arrive. It is not secret, but nobody else can make one: what it
 * says of the total goes on record. It is of one question and of ledgers that the token may read now; the key is of this
 * start of the server, so that a cursor ends with it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { HitOrder } from '../index/search.ts'
import type { Query } from '../query/tree.ts'
import type { Random } from '../platform/random.ts'
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

const VERSION = 3
const KEY_BYTES = 32
/** 128 bits. */
const TAG_BYTES = 16

const whole = z.int().nonnegative()
const form = z.tuple([
  z.literal(VERSION),
  z.base64url().length(Math.ceil((TAG_BYTES * 4) / 3)),
  whole,
  whole,
  z.boolean(),
  whole,
  whole,
  whole,
  z.int(),
  z.array(whole).min(1),
])

/** Makes cursors, and knows its own again. */
export class Cursors {
  readonly #key = new Uint8Array(KEY_BYTES)

  constructor(random: Random) {
    random.fill(this.#key, 0, KEY_BYTES)
  }

  format(question: Question, names: readonly string[], cursor: Cursor): string {
    const { nowMs, total, seenCount, last, sizes } = cursor
    const { ledger, index, timeMs } = last
    const said = [nowMs, total.count, total.exact, seenCount, ledger, index, timeMs, sizes]
    const tag = this.#tag(question, names, said).toString('base64url')
    return Buffer.from(JSON.stringify([VERSION, tag, ...said])).toString('base64url')
  }

  /**
   * Reads a cursor of this very question. `names` are the ledgers that may be read now: those that were created since
   * stand at the end, and are none of this search. Throws `invalid-field`.
   */
  parse(text: string, question: Question, names: readonly string[]): Cursor {
    const parts = form.safeParse(jsonOf(text))
    if (!parts.success) throw foreign()
    const [, tag, ...said] = parts.data
    const [nowMs, count, exact, seenCount, ledger, index, timeMs, sizes] = said
    const wanted = this.#tag(question, names.slice(0, sizes.length), said)
    if (sizes.length > names.length || !timingSafeEqual(Buffer.from(tag, 'base64url'), wanted)) throw foreign()
    return { nowMs, total: { count, exact }, seenCount, sizes, last: { ledger, index, timeMs } }
  }

  #tag(question: Question, names: readonly string[], said: readonly unknown[]): Buffer {
    const { ledger, q, about, since, until, order = 'newest' } = question
    const text = JSON.stringify([ledger, q, about ?? null, since ?? null, until ?? null, names, order, said])
    return createHmac('sha256', this.#key).update(text).digest().subarray(0, TAG_BYTES)
  }
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

function foreign(): Problem {
  const mend =
    'Give the next of the answer before, with the same ledger, q, since and until. Cursors end when the server is ' +
    'started anew: begin again without a cursor.'
  return new Problem('invalid-field', `cursor: it is not one of this search. ${mend}`)
}
