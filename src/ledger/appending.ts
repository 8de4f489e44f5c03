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
import { FairTurns, Turns } from '../platform/turns.ts'
import { RESERVED_LEDGERS } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import { type Batch, EntryForms, fillInSlices, fillSection, measure } from './batch.ts'
import { Claim } from './claim.ts'
import type { AppendRequest, Committed, Committer, Extent } from './commit.ts'
import { verdictsOn } from './duplicates.ts'
import {
  indexesIn,
  keptIn,
  keyExt,
  type KeptAnswer,
  type Once,
  OnceDigester,
  type OnceDigests,
  type RecentKeys,
} from './idempotency.ts'
import type { Signer } from './signing.ts'
import type { LedgerTime } from './ledger-time.ts'
import type { Log } from './log.ts'
import type { HeadFault } from './publish.ts'
import { DamagedError, type Reader } from './read.ts'
import type { Recent } from './recent.ts'
import type { Section } from './wal/format.ts'

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
/** Requests whose events are compared at the same time; of those that wait, each credential's in turn. */
const MAX_COMPARISONS = 4
/** About what an entry takes beside its event. */
const ENTRY_BYTES = 256
/** How long a request waits for another one with its key. */
const WAIT_MS = 10_000
/** Beyond, a body or a batch is hashed in slices. */
const LARGE_BYTES = 4 * 1024 * 1024

/** The ledgers, as far as they are appended to. */
export interface AppendedTo {
  readonly time: LedgerTime
  log(ledger: string): Log
  signer(ledger: string): Signer
}

interface Running {
  readonly request: string
  readonly done: Promise<unknown>
}

/**
 * Called with what an append is about to do: its first new index, how many are new, and the indexes of all events.
 * Answers what the first new entry says of the request.
 */
export type Stamp = (first: number, count: number, indexes: Float64Array) => string | undefined

export class Appending {
  readonly #clock: Clock
  readonly #random: Random
  readonly #ledgers: AppendedTo
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #recent: Recent
  readonly #forms = new EntryForms()
  readonly #comparisons = new FairTurns(MAX_COMPARISONS)
  readonly #digesting = new Turns(1)
  readonly #digesters = new Map<string, OnceDigester>()
  /** Requests with a key that are on their way. */
  readonly #running = new Map<string, Running>()

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    ledgers: AppendedTo,
    committer: Committer,
    reader: Reader,
    recent: Recent,
  ) {
    this.#clock = clock
    this.#random = random
    this.#ledgers = ledgers
    this.#committer = committer
    this.#reader = reader
    this.#recent = recent
  }

  /** Ends appending for good: somebody elsewhere holds what contradicts these ledgers. */
  stop(error: HeadFault): void {
    this.#committer.stop(error)
  }

  /** Appends a batch as it is; resolves once it is durable. */
  async all(ledger: string, batch: Batch): Promise<Committed> {
    const log = this.#ledgers.log(ledger)
    const forms = this.#forms.of(batch)
    const extent = { count: batch.count, ...measure(batch, forms) }
    const committed = await this.#commit(log, batch, () => ({ batch, forms, extent }))
    assert(committed !== undefined)
    return committed
  }

  /** Appends a batch in a commit of its own, made once nothing else is on its way; see `Committer.appendAlone`. */
  async alone(ledger: string, make: () => Promise<Batch>, onDurable: () => void): Promise<Committed> {
    const log = this.#ledgers.log(ledger)
    return await this.#committer.appendAlone(async () => {
      const batch = await make()
      const forms = this.#forms.of(batch)
      const extent = { count: batch.count, ...measure(batch, forms) }
      return this.#request(log, batch, () => ({ batch, forms, extent }))
    }, onDurable)
  }

  /** From now on the ledger has another key: what was answered to requests under the old one is forgotten. */
  forgetKeys(ledger: string): void {
    this.#digesters.delete(ledger)
  }

  /** Appends what of a batch is new. */
  async new(ledger: string, batch: Batch, stamp?: Stamp): Promise<Appended> {
    const log = this.#ledgers.log(ledger)
    if (batch.ids === undefined) return await this.#appendPlain(log, batch, stamp)
    const recent = this.#recent
    const { ids, inFlight } = recent.of(log.name)
    const claim = new Claim(batch, ids, recent.seeds)
    let damaged: DamagedError | undefined
    for (let look = 0; ; look++) {
      const demand = look < MAX_LOOKS ? 'looked into' : 'whatever'
      let isMade = false
      const committing = this.#commit(log, batch, (first) => {
        isMade = claim.make(first, demand)
        return isMade ? this.#taken(claim.stored, first, claim.indexes, stamp) : undefined
      })
      inFlight.add(committing)
      const committed = await committing.finally(() => inFlight.delete(committing))
      if (isMade) return { ...appended(batch, claim.indexes, committed), ...(damaged === undefined ? {} : { damaged }) }
      const suspicions = claim.suspicions(log.reservedSize)
      if (suspicions.some(({ index }) => index >= log.size)) await Promise.allSettled(inFlight)
      const durable = suspicions.filter(({ index }) => index < log.size)
      const verdicts = await this.#comparisons.run(
        batch.by,
        async () => await verdictsOn(log, this.#reader, batch, durable),
      )
      claim.found(verdicts)
      damaged ??= verdicts.damaged
    }
  }

  /** Calls `append`, which hands the stamp on to `new`, unless a request with the same key did. */
  async once(ledger: string, once: Once, append: (stamp: Stamp) => Promise<Appended>): Promise<Appended> {
    const log = this.#ledgers.log(ledger)
    const digests = await this.#digestsOf(log, once)
    const { keys } = this.#recent.of(log.name)
    const id = `${log.name} ${digests.key}`
    for (;;) {
      const running = this.#running.get(id)
      const kept = running === undefined ? keys.find(digests.key, this.#ledgers.time.nowMs()) : undefined
      if (running !== undefined) {
        demandSame(running.request, digests)
        await this.#isDone(running)
      } else if (kept === undefined) {
        break
      } else if (kept.isUnproven) {
        await this.#prove(log, keys, digests.key, kept)
      } else {
        demandSame(kept.request, digests)
        return await this.#keptAnswer(log, kept)
      }
    }
    const appending = this.#appendOnce(keys, digests, append)
    const end = () => void this.#running.delete(id)
    // What becomes of it is the first request's to tell.
    this.#running.set(id, { request: digests.request, done: appending.then(end, end) })
    return await appending
  }

  async #appendOnce(
    keys: RecentKeys,
    digests: OnceDigests,
    append: (stamp: Stamp) => Promise<Appended>,
  ): Promise<Appended> {
    // Nothing of the work may come before the request is known to be running.
    await Promise.resolve()
    const keep = (entry: number | undefined, first: number, count: number, duplicates: number) => {
      const atMs = this.#ledgers.time.nowMs()
      keys.add(digests.key, { request: digests.request, entry, first, count, duplicates, atMs })
    }
    const appended = await append((first, count, indexes) => {
      if (count === 0) return undefined
      keep(first, indexes[0]!, count, indexes.length - count)
      return JSON.stringify(keyExt(digests, count, indexes))
    })
    // No entry tells of what stored nothing.
    if (appended.count === 0) keep(undefined, appended.first, 0, appended.duplicates)
    return appended
  }

  async #appendPlain(log: Log, batch: Batch, stamp: Stamp | undefined): Promise<Appended> {
    const committed = await this.#commit(log, batch, (first) => this.#taken(batch, first, undefined, stamp))
    return appended(batch, undefined, committed)
  }

  /** What is to be written, with what its first entry says of the request; undefined where that is nothing. */
  #taken(stored: Batch, first: number, indexes: Float64Array | undefined, stamp: Stamp | undefined): Taken | undefined {
    const { count } = stored
    const said = stamp?.(first, count, indexes ?? Float64Array.from({ length: count }, (_, at) => first + at))
    if (count === 0) return undefined
    const batch = said === undefined ? stored : { ...stored, ext: withKey(stored.ext, said) }
    const forms = this.#forms.of(batch)
    return { batch, forms, extent: { count, ...measure(batch, forms) } }
  }

  async #commit(log: Log, batch: Batch, take: (first: number) => Taken | undefined): Promise<Committed | undefined> {
    return await this.#committer.append(this.#request(log, batch, take))
  }

  #request(log: Log, batch: Batch, take: (first: number) => Taken | undefined): AppendRequest {
    let taken: Taken | undefined
    return {
      log,
      expectedBytes: batch.body.length + batch.count * ENTRY_BYTES,
      isOwn: (RESERVED_LEDGERS as readonly string[]).includes(log.name),
      claim: (first) => (taken = take(first))?.extent,
      fill: (section) => this.#fill(section, taken!),
    }
  }

  /** A huge batch lets others have their turn in between. */
  #fill(section: () => Section, { batch, forms, extent }: Taken): Promise<void> | undefined {
    const at = this.#ledgers.time.nowText()
    if (extent.contentsBytes > LARGE_BYTES || extent.entriesBytes > LARGE_BYTES) {
      return fillInSlices(section, batch, at, this.#random, forms, async () => await this.#clock.sleep(0))
    }
    fillSection(section(), batch, at, this.#random, forms)
    return undefined
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

  /** Puts what the entries say of a key in the place of what a derived file said; throws where they cannot be read. */
  async #prove(log: Log, keys: RecentKeys, digest: string, unproven: KeptAnswer): Promise<void> {
    const index = unproven.entry!
    let damaged: DamagedError | undefined
    try {
      const [line] = await this.#reader.entries(log, index, index + 1)
      const said = line === undefined ? undefined : keptIn(parseEntry(line), index)
      if (said?.digest === digest && keys.prove(digest, unproven, said.kept)) return
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error
      damaged = error
    }
    await this.#recent.renewKeys(log, this.#reader)
    if (keys.find(digest, this.#ledgers.time.nowMs())?.isUnproven !== true) return
    throw damaged ?? new DamagedError(`what ${log.name} keeps of an Idempotency-Key, and entries that may tell more`)
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

  /** Large bodies are hashed one at a time, and let others have their turn in between. */
  async #digestsOf(log: Log, once: Once): Promise<OnceDigests> {
    const digester = this.#digester(log.name)
    if (once.body.length <= LARGE_BYTES) return digester.digests(once)
    const pause = async () => await this.#clock.sleep(0)
    return await this.#digesting.run(async () => await digester.digestsInSteps(once, pause))
  }

  #digester(ledger: string): OnceDigester {
    const known = this.#digesters.get(ledger)
    if (known !== undefined) return known
    const digester = new OnceDigester(this.#ledgers.signer(ledger))
    this.#digesters.set(ledger, digester)
    return digester
  }
}

interface Taken {
  readonly batch: Batch
  readonly forms: ReturnType<EntryForms['of']>
  readonly extent: Extent
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
