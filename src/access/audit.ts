// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The record of who read what: one entry in `access` a request, durable before the first byte of content is sent.
 * If it cannot be written, the read is refused. Refused attempts are counted, and summed up once a minute into
 * `system`, so that a flood of them is neither lost nor able to fill the log.
 */
import type { Ledgers } from '../ledger/ledgers.ts'
import { ownBatch } from '../ledger/batch.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import { Problem, type ProblemCode } from '../schema/problem.ts'
import type { Administration } from '../state/administration.ts'
import type { SpaceGuard } from './space.ts'

const SUMMED_UP_EVERY_MS = 60_000
/** Distinct (credential, address, code, action) counted a minute; the rest are counted together. */
const MAX_COUNTED = 1_000
const THROTTLED_AFTER_COUNT = 120
/** No summary of refusals is longer. */
const SUMMARY_BYTES = 512
/** Indexes that a record names one by one; of more it has the first, the last and how many. */
const MAX_NAMED_INDEXES = 50

/** What a search asked for, as it was written. */
export interface Asked {
  readonly query: string
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** Fields whose values were counted. */
  readonly fields?: readonly string[]
}

/** How many a search found, of which a page shows some; where that is not exact, there are more. */
export interface Total {
  readonly count: number
  readonly exact: boolean
}

/** What of one ledger a search read: the entries that it showed, or those below `size`, which it counted or exports. */
export type LedgerRead =
  | { readonly ledger: string; readonly indexes: readonly number[] }
  | { readonly ledger: string; readonly size: number }
  | { readonly ledger: string; readonly first: number; readonly last: number; readonly count: number }

/** What a stream gave, once it is over. */
export interface StreamEnd {
  readonly count: number
  readonly ledgers?: readonly LedgerRead[]
  /** Finds of the index that the ledger did not bear out. */
  readonly leftOut?: number
  /** Whether all of it was given. */
  readonly whole?: boolean
  /** Base64: of all the bytes. */
  readonly sha256?: string
}

export interface ReadRecord extends Partial<StreamEnd> {
  /** Credential id; `public` never reads content. */
  readonly by: string
  /** Peer address. */
  readonly via: string
  readonly action: string
  /** `*` where a search was over all that the credential may read. */
  readonly ledger: string
  /** First index read, where it was by index. */
  readonly first?: number
  readonly total?: Total
  /** Of a tail or an export: recorded when it opens and when it closes. */
  readonly phase?: 'open' | 'close'
  readonly asked?: Asked
  /** Of an export. */
  readonly format?: string
}

export interface RefusalRecord {
  readonly by: string | undefined
  readonly via: string
  readonly code: ProblemCode
  readonly action: string
}

interface Count {
  readonly refusal: RefusalRecord
  count: number
  readonly sinceMs: number
  untilMs: number
}

export class Audit {
  readonly #ledgers: Ledgers
  readonly #administration: Administration
  readonly #space: SpaceGuard
  readonly #clock: Clock
  readonly #stop: () => void
  #counts = new Map<string, Count>()
  #unauthenticated = new Map<string, number>()

  constructor(ledgers: Ledgers, administration: Administration, space: SpaceGuard, clock: Clock) {
    this.#ledgers = ledgers
    this.#administration = administration
    this.#space = space
    this.#clock = clock
    this.#stop = clock.every(SUMMED_UP_EVERY_MS, () => {
      // Refused for want of room, the counts are kept; any other failure has stopped the writer, which says so itself.
      this.sumUp().catch(() => {})
    })
  }

  /** Resolves once the record is durable; rejects with `audit-unavailable`. */
  async read(record: ReadRecord): Promise<void> {
    const { by, via, action, ledger, first, count, total, phase, asked, ledgers, format, leftOut, whole, sha256 } =
      record
    const { label } = this.#administration.state.tokens.get(by) ?? {}
    const found = total === undefined ? {} : { total: total.count, exact: total.exact }
    const search = asked === undefined ? {} : { ...askedText(asked), ledgers: ledgersRead(ledgers ?? []) }
    const given = { format, leftOut, whole, sha256 }
    const read = { type: 'read', v: 1, action, ledger, first, count, ...found, phase, ...search, ...given }
    const event = { ...read, by, label, via }
    try {
      const bytes = Buffer.from(JSON.stringify(event))
      const batch = ownBatch([bytes], 'stele.access', 'application/json', by)
      await this.#space.admit('audit', bytes.length, 1, async () => await this.#ledgers.append('access', batch))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Problem('audit-unavailable', `Reading is refused because it cannot be recorded: ${reason}`)
    }
  }

  /** Counts a refused attempt. */
  refuse(refusal: RefusalRecord): void {
    const nowMs = this.#clock.wallMs()
    const known = this.#unauthenticated.has(refusal.via) || this.#unauthenticated.size < MAX_COUNTED
    if (refusal.code === 'unauthenticated' && known) {
      this.#unauthenticated.set(refusal.via, (this.#unauthenticated.get(refusal.via) ?? 0) + 1)
    }
    const one = JSON.stringify([refusal.by, refusal.via, refusal.code, refusal.action])
    const full = this.#counts.size >= MAX_COUNTED && !this.#counts.has(one)
    const key = full ? `others ${refusal.code}` : one
    const counted = this.#counts.get(key)
    if (counted === undefined) {
      const kept = full ? { by: undefined, via: 'others', code: refusal.code, action: 'various' } : refusal
      this.#counts.set(key, { refusal: kept, count: 1, sinceMs: nowMs, untilMs: nowMs })
    } else {
      counted.count++
      counted.untilMs = nowMs
    }
  }

  /** Whether an address has failed to authenticate so often within the minute that it has to wait. */
  throttled(via: string): boolean {
    return (this.#unauthenticated.get(via) ?? 0) >= THROTTLED_AFTER_COUNT
  }

  /** Writes the counts of refused attempts into `system` and begins anew; where there is no room they are kept. */
  async sumUp(): Promise<void> {
    this.#unauthenticated = new Map()
    const { size } = this.#counts
    if (size > 0) await this.#space.admit('audit', size * SUMMARY_BYTES, size, async () => await this.#write())
  }

  /** Sums up a last time. */
  async close(): Promise<void> {
    this.#stop()
    if (this.#ledgers.failure === undefined) await this.#write()
  }

  async #write(): Promise<void> {
    const counts = [...this.#counts.values()]
    this.#counts = new Map()
    if (counts.length === 0) return
    await this.#administration.record(
      counts.map(({ refusal: { by, via, code, action }, count, sinceMs, untilMs }) => ({
        type: 'refused' as const,
        v: 1 as const,
        ...(by === undefined ? {} : { credential: by }),
        via,
        code,
        action,
        count,
        since: timeText(sinceMs),
        until: timeText(untilMs),
      })),
    )
  }
}

/** The whole of it: what was looked for must not be hidden behind what is cut. A query that can be read is bounded. */
function askedText({ query, since, until, fields }: Asked): object {
  return { query: query.toWellFormed(), since, until, fields }
}

function ledgersRead(ledgers: readonly LedgerRead[]): object[] {
  const indexCount = ledgers.reduce((sum, read) => sum + ('indexes' in read ? read.indexes.length : 0), 0)
  return ledgers.map((read) => {
    if (!('indexes' in read)) return read
    const { ledger, indexes } = read
    if (indexCount <= MAX_NAMED_INDEXES) return { ledger, indexes }
    const [first, last] = [Math.min(...indexes), Math.max(...indexes)]
    return { ledger, first, last, count: indexes.length }
  })
}
