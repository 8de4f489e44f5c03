// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Appends what is new: an event that its source sent before, or a request that its client sent before, is answered and
 * not stored again. docs/design/idempotency.md has the reasons. What is not remembered any more is stored again;
 * nothing that differs by a byte is ever left out.
 */
import assert from 'node:assert/strict'
import { parseEntry } from '@stele/proof'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { Turns } from '../platform/turns.ts'
import { Problem } from '../schema/problem.ts'
import { type Batch, EntryForms, fillSection, measure } from './batch.ts'
import { Claim } from './claim.ts'
import type { Committed, Committer, Extent } from './commit.ts'
import { verdictsOn } from './duplicates.ts'
import { indexesIn, keyExt, type KeptAnswer, type Once, OnceDigester, type OnceDigests } from './idempotency.ts'
import type { Signer } from './keys.ts'
import type { LedgerTime } from './ledger-time.ts'
import type { Log } from './log.ts'
import { DamagedError, type Reader } from './read.ts'
import type { Recent, RecentOf } from './recent.ts'

/** What an append did. Where `indexes` is absent, its events are `first` and those that follow. */
export interface Appended {
  /** Index of the body's first event; the ledger's size where there is none. */
  readonly first: number
  /** Events that were stored, and events that had been before. */
  readonly count: number
  readonly duplicates: number
  /** Of all events of the body, where some are duplicates; absent too where that is not known any more. */
  readonly indexes?: Float64Array
  /** It was answered before, to the same key. */
  readonly isRepeat?: true
  /** A stored event that was to be compared is not what was committed to. */
  readonly damaged?: DamagedError
}

/** How often entries are looked into that came while others were, before an event is stored whatever came. */
const MAX_LOOKS = 3
/** Requests whose events are compared at the same time. */
const MAX_COMPARISONS = 4
/** How long a request waits for another one with its key. */
const WAIT_MS = 10_000

interface Running {
  readonly request: string
  readonly done: Promise<unknown>
}

/** Called with what an append is about to do: once its indexes are taken, or there is nothing to store. */
type OnTaken = (first: number, count: number, indexes: Float64Array) => string | undefined

export class Appending {
  readonly #clock: Clock
  readonly #random: Random
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #recent: Recent
  readonly #time: LedgerTime
  readonly #signer: (ledger: string) => Signer
  readonly #forms = new EntryForms()
  readonly #comparisons = new Turns(MAX_COMPARISONS)
  readonly #digesters = new Map<string, OnceDigester>()
  /** Requests with a key that are on their way. */
  readonly #running = new Map<string, Running>()

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    committer: Committer,
    reader: Reader,
    recent: Recent,
    time: LedgerTime,
    signer: (ledger: string) => Signer,
  ) {
    this.#clock = clock
    this.#random = random
    this.#committer = committer
    this.#reader = reader
    this.#recent = recent
    this.#time = time
    this.#signer = signer
  }

  /** Appends a batch as it is; resolves once it is durable. */
  async all(log: Log, batch: Batch): Promise<Committed> {
    const forms = this.#forms.of(batch)
    const extent = { count: batch.count, ...measure(batch, forms) }
    const committed = await this.#commit(log, () => ({ batch, forms, extent }))
    assert(committed !== undefined)
    return committed
  }

  /** Appends what of a batch is new. */
  async new(log: Log, batchOf: () => Batch | undefined, once: Once | undefined): Promise<Appended> {
    if (once !== undefined) return await this.#once(log, once, batchOf)
    const batch = batchOf()
    return batch === undefined ? nothingIn(log) : await this.#append(log, batch, undefined)
  }

  /** The same, unless a request with the same key did. */
  async #once(log: Log, once: Once, batch: () => Batch | undefined): Promise<Appended> {
    const digests = this.#digester(log.name).digests(once)
    const recent = this.#recent.of(log.name)
    const id = `${log.name} ${digests.key}`
    for (let running = this.#running.get(id); running !== undefined; running = this.#running.get(id)) {
      demandSame(running.request, digests)
      await this.#isDone(running)
    }
    const kept = recent.keys.find(digests.key, this.#time.nowMs())
    if (kept !== undefined) {
      demandSame(kept.request, digests)
      return await this.#keptAnswer(log, kept)
    }
    const appending = this.#appendOnce(log, recent, digests, batch)
    // What becomes of it is the first request's to tell.
    const done = appending.then(
      () => this.#running.delete(id),
      () => this.#running.delete(id),
    )
    this.#running.set(id, { request: digests.request, done })
    return await appending
  }

  async #appendOnce(
    log: Log,
    recent: RecentOf,
    digests: OnceDigests,
    batchOf: () => Batch | undefined,
  ): Promise<Appended> {
    // Nothing of the work may come before the request is known to be running.
    await Promise.resolve()
    const batch = batchOf()
    const keep = (entry: number | undefined, first: number, count: number, duplicates: number) => {
      const atMs = this.#time.nowMs()
      recent.keys.add(digests.key, { request: digests.request, entry, first, count, duplicates, atMs })
    }
    if (batch === undefined) {
      keep(undefined, log.size, 0, 0)
      return nothingIn(log)
    }
    return await this.#append(log, batch, (first, count, indexes) => {
      keep(count === 0 ? undefined : first, indexes[0]!, count, indexes.length - count)
      return count === 0 ? undefined : JSON.stringify(keyExt(digests, count, indexes))
    })
  }

  async #append(log: Log, batch: Batch, onTaken: OnTaken | undefined): Promise<Appended> {
    const recent = this.#recent
    const reader = this.#reader
    if (batch.ids === undefined) return await this.#appendPlain(log, batch, onTaken)
    const { ids, inFlight } = recent.of(log.name)
    const claim = new Claim(batch, ids, recent.seeds)
    let damaged: DamagedError | undefined
    for (let look = 0; ; look++) {
      const demand = look < MAX_LOOKS ? 'looked into' : 'whatever'
      let isMade = false
      const committing = this.#commit(log, (first) => {
        isMade = claim.make(first, demand)
        return isMade ? this.#taken(claim.stored, first, claim.indexes, onTaken) : undefined
      })
      inFlight.add(committing)
      const committed = await committing.finally(() => inFlight.delete(committing))
      if (isMade) return { ...appended(batch, claim.indexes, committed), ...(damaged === undefined ? {} : { damaged }) }
      const suspicions = claim.suspicions(log.reservedSize)
      if (suspicions.some(({ index }) => index >= log.size)) await Promise.allSettled(inFlight)
      const durable = suspicions.filter(({ index }) => index < log.size)
      const verdicts = await this.#comparisons.run(
        async () => await verdictsOn(log, reader, recent.nativeIds.of, batch, durable),
      )
      claim.found(verdicts)
      damaged ??= verdicts.damaged
    }
  }

  async #appendPlain(log: Log, batch: Batch, onTaken: OnTaken | undefined): Promise<Appended> {
    const committed = await this.#commit(log, (first) => this.#taken(batch, first, undefined, onTaken))
    return appended(batch, undefined, committed)
  }

  /** What is to be written, with what its first entry says of the request; undefined where that is nothing. */
  #taken(
    stored: Batch,
    first: number,
    indexes: Float64Array | undefined,
    onTaken: OnTaken | undefined,
  ): Taken | undefined {
    const { count } = stored
    const said = onTaken?.(first, count, indexes ?? Float64Array.from({ length: count }, (_, at) => first + at))
    if (count === 0) return undefined
    const batch = said === undefined ? stored : { ...stored, ext: withKey(stored.ext, said) }
    const forms = this.#forms.of(batch)
    return { batch, forms, extent: { count, ...measure(batch, forms) } }
  }

  async #commit(log: Log, take: (first: number) => Taken | undefined): Promise<Committed | undefined> {
    let taken: Taken | undefined
    return await this.#committer.append({
      log,
      claim: (first) => (taken = take(first))?.extent,
      fill: (section) => fillSection(section, taken!.batch, this.#time.nowText(), this.#random, taken!.forms),
    })
  }

  /** Waits for another request with the same key; throws where that takes too long. */
  async #isDone({ done }: Running): Promise<void> {
    const over = new AbortController()
    const late = this.#clock.sleep(WAIT_MS, over.signal).then(
      () => true,
      () => false,
    )
    const isLate = await Promise.race([done.then(() => false), late])
    over.abort()
    if (!isLate) return
    const detail = 'A request with this Idempotency-Key is on its way still. Send this one again in a moment.'
    throw new Problem('idempotency-busy', detail, { retryAfter: 1 })
  }

  async #keptAnswer(log: Log, { entry, first, count, duplicates }: KeptAnswer): Promise<Appended> {
    const facts = { first, count, duplicates, isRepeat: true as const }
    if (duplicates === 0 || entry === undefined) return facts
    try {
      const [line] = await this.#reader.entries(log, entry, entry + 1)
      const indexes = line === undefined ? undefined : indexesIn(parseEntry(line))
      return indexes === undefined ? facts : { ...facts, indexes }
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error
      return { ...facts, damaged: error }
    }
  }

  #digester(ledger: string): OnceDigester {
    const known = this.#digesters.get(ledger)
    if (known !== undefined) return known
    const digester = new OnceDigester(this.#signer(ledger))
    this.#digesters.set(ledger, digester)
    return digester
  }
}

interface Taken {
  readonly batch: Batch
  readonly forms: ReturnType<EntryForms['of']>
  readonly extent: Extent
}

function nothingIn(log: Log): Appended {
  return { first: log.size, count: 0, duplicates: 0 }
}

function appended(batch: Batch, indexes: Float64Array | undefined, committed: Committed | undefined): Appended {
  const count = committed?.count ?? 0
  if (indexes === undefined) return { first: committed!.first, count, duplicates: 0 }
  return { first: indexes[0]!, count, duplicates: batch.count - count, indexes }
}

function withKey(ext: ReadonlyMap<number, string> | undefined, said: string): ReadonlyMap<number, string> {
  const first = ext?.get(0)
  const whole = `{"idempotency":${said}${first === undefined ? '}' : `,${first.slice(1)}`}`
  return new Map([...(ext ?? []), [0, whole]])
}

function demandSame(request: string, digests: OnceDigests): void {
  if (request === digests.request) return
  const detail =
    'This Idempotency-Key was used for another request: other bytes, another media type or another source. ' +
    'Nothing of this one was stored; send it with a key of its own.'
  throw new Problem('idempotency-mismatch', detail)
}
