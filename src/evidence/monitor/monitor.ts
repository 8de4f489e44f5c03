// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Follows logs from outside, round by round. What contradicts is kept as evidence before anybody is told; what does not
 * answer is told and tried again; nothing is forgotten by a restart.
 */
import { type Checkpoint, toBase64 } from '@stele/proof'
import { type Clock, timeMs } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Lock } from '../../platform/lock.ts'
import type { KeyStanding } from '../known-logs.ts'
import { type Contradiction, LogContradiction, type SeenNote } from './contradiction.ts'
import { compareHeads } from './heads-comparison.ts'
import { type LogSource, SourceSilent } from './log-source.ts'
import { type GivenTrust, HeadFault, headOf, witnessesOf, type WitnessSeen } from './log-trust.ts'
import { LogWatch, type VerifiedHead } from './log-watch.ts'
import { CopyFault, Mirror, MirrorFault, type MirrorOptions, mirroredHead } from './mirror.ts'
import type { MonitorState } from './state.ts'

export interface Target {
  readonly source: LogSource
  /** The key that the server tells. */
  readonly toldVkey?: string
}

interface Place {
  readonly url: string
  readonly ledger?: string
}

export type MonitorEvent =
  | (Place & {
      readonly type: 'head'
      readonly origin: string
      readonly size: number
      /** base64. */
      readonly root: string
      /** Entries more than when it was looked at before; absent the first time. */
      readonly grown?: number
      readonly key: KeyStanding
      readonly mirrored: boolean
      /** Of the policy; empty where it asks for none of this log. */
      readonly witnesses: readonly WitnessSeen[]
      readonly head: string
    })
  | (Place & {
      readonly type: 'contradiction'
      readonly kind: Contradiction['kind']
      readonly origin: string
      readonly what: string
      readonly evidence: string
      readonly isNew: boolean
    })
  | (Place & {
      /** What the disk did not take: the two notes are all that is left of it. */
      readonly type: 'evidence-lost'
      readonly kind: Contradiction['kind']
      readonly origin: string
      readonly what: string
      readonly why: string
      readonly older?: string
      readonly newer?: string
    })
  | (Place & {
      readonly type: 'unreachable' | 'answers-again' | 'not-compared' | 'mirror-failed'
      readonly what: string
    })
  | (Place & { readonly type: 'silent' | 'still'; readonly origin: string; readonly what: string })
  | (Place & {
      readonly type: 'compared'
      readonly agreeing: number
      /** Of these, by keys before the known one, whose signatures are not checked. */
      readonly earlier: number
      readonly unseen: number
    })

export interface MonitorOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** What is monitored, in words. */
  readonly url: string
  readonly state: MonitorState
  readonly given: GivenTrust
  /** What there is to watch, as the server tells it now. Throws a SourceSilent. */
  readonly discover: () => Promise<readonly Target[]>
  /** Signed heads that others saw. Throws a SourceSilent. */
  readonly foreign: () => Promise<readonly SeenNote[]>
  /** Where a log is mirrored. */
  readonly mirrorOf: (source: LogSource) => string | undefined
  /** Whether the events, too, are mirrored. */
  readonly withContent: boolean
  readonly tryLock: (path: string) => Lock | undefined
  /** Longest time without an answer or a new entry, before that is an alarm. */
  readonly staleMs: number | undefined
  readonly report: (event: MonitorEvent) => Promise<void>
  readonly onProgress: (source: LogSource, doneCount: number, totalCount: number) => void
}

/** What came of a round. */
export interface Outcome {
  contradictionCount: number
  unreachableCount: number
  staleCount: number
  mirrorFailedCount: number
}

export class Monitor {
  readonly #options: MonitorOptions
  readonly #watches = new Map<string, LogWatch>()
  /** What was told and has not passed, so that it is told once. */
  readonly #told = new Set<string>()
  #outcome: Outcome = emptyOutcome()

  constructor(options: MonitorOptions) {
    this.#options = options
  }

  /** Looks at every log once. Throws what the disk throws where the state cannot be kept. */
  async round(): Promise<Outcome> {
    this.#outcome = emptyOutcome()
    const { foreign, state } = this.#options
    const others = await this.#silently({ url: 'heads of others' }, foreign, [])
    await this.#discover()
    if (this.#watches.size === 0 && this.#outcome.unreachableCount === 0) {
      this.#outcome.unreachableCount++
      await this.#tellOnce({ type: 'unreachable', url: this.#options.url, what: 'it shows no log at all' })
    }
    // What `heads` says is at most as old as what is read of the others behind it.
    const watches = [...this.#watches.values()].toSorted((a, b) => Number(isHeads(b)) - Number(isHeads(a)))
    const grown: LogWatch[] = []
    for (const watch of watches) if (await this.#look(watch, others)) grown.push(watch)
    const heads = watches.find(isHeads)
    if (heads !== undefined) await this.#compare(heads, watches, grown)
    await this.#judgeAge()
    await state.publishHeads()
    return this.#outcome
  }

  async #discover(): Promise<void> {
    const { url, state, given, clock, discover } = this.#options
    const targets = await this.#silently({ url }, discover, [])
    for (const { source, toldVkey } of targets) {
      if (this.#watches.has(source.url)) continue
      this.#watches.set(source.url, new LogWatch({ source, given, toldVkey, state, clock }))
    }
  }

  /** Whether the log has grown. */
  async #look(watch: LogWatch, others: readonly SeenNote[]): Promise<boolean> {
    const place = placeOf(watch.source)
    const before = watch.known
    let hasGrown = false
    await this.#judged(watch, async () => {
      let verified = await watch.look()
      const { origin } = verified.checkpoint
      for (const other of others.filter(({ note }) => headOf(Buffer.from(note)).origin === origin)) {
        verified = await this.#holdForeign(watch, verified, other)
      }
      const mirrored = await this.#mirror(watch, verified)
      const { checkpoint, note } = verified
      const grown = before === undefined ? undefined : checkpoint.size - headOf(Buffer.from(before.head)).size
      hasGrown = grown !== 0
      await this.#options.report({
        type: 'head',
        ...place,
        origin,
        size: checkpoint.size,
        root: toBase64(checkpoint.root),
        ...(grown === undefined ? {} : { grown }),
        key: watch.trust?.isPinned === true ? 'pinned' : 'not pinned',
        mirrored,
        witnesses: watch.trust === undefined ? [] : await witnessesOf(Buffer.from(note), watch.trust),
        head: note,
      })
    })
    return hasGrown
  }

  async #holdForeign(watch: LogWatch, verified: VerifiedHead, other: SeenNote): Promise<VerifiedHead> {
    const { size } = headOf(Buffer.from(other.note))
    // The other one may have looked a moment later.
    const current = size > verified.checkpoint.size ? await watch.look(size) : verified
    try {
      await watch.hold(current, other.note, other.from)
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      await this.#tellOnce({ type: 'not-compared', ...placeOf(watch.source), what: `${other.from}: ${error.message}` })
    }
    return current
  }

  async #mirror(watch: LogWatch, verified: VerifiedHead): Promise<boolean> {
    const { mirrorOf } = this.#options
    const { source } = watch
    const folder = mirrorOf(source)
    if (folder === undefined) return false
    const { checkpoint, note } = verified
    try {
      const held = await this.#mirroredHead(folder, watch, verified)
      if (held?.size === checkpoint.size) return true
      const mirror = new Mirror(this.#mirrorOptions(folder, watch, checkpoint.size), verified)
      await watch.below(note, async () => await mirror.follow(held, await watch.currentKey(), watch.rotations))
      return true
    } catch (error) {
      if (error instanceof CopyFault) {
        const served = { path: error.path, bytes: error.bytes }
        const newer = { note, from: source.url }
        throw watch.contradiction(error.kind, `below its signed head ${error.message}`, { newer, served })
      }
      if (!isDiskError(error) && !(error instanceof MirrorFault)) throw error
      this.#outcome.mirrorFailedCount++
      await this.#tellOnce({ type: 'mirror-failed', ...placeOf(source), what: error.message })
      return false
    }
  }

  #mirrorOptions(folder: string, watch: LogWatch, totalCount: number): MirrorOptions {
    const { disk, tryLock, withContent, state, onProgress } = this.#options
    const { source, known } = watch
    return {
      disk,
      tryLock,
      folder,
      source,
      // Reading `access` makes it grow: without end, if each round read what the one before has left.
      withContent: withContent && source.ledger !== 'access',
      keptSize: known?.mirror?.folder === folder ? known.mirror.size : undefined,
      keep: async (size) => {
        const { known: current } = watch
        if (current !== undefined) await state.keep({ ...current, mirror: { folder, size } })
      },
      onProgress: (done) => onProgress(source, done, totalCount),
    }
  }

  /** The head of what is mirrored, held against the log's. */
  async #mirroredHead(folder: string, watch: LogWatch, verified: VerifiedHead): Promise<Checkpoint | undefined> {
    const note = await mirroredHead(this.#options.disk, folder)
    if (note === undefined) return undefined
    try {
      const held = headOf(Buffer.from(note))
      await watch.hold(verified, note, `the mirror in ${folder}`)
      return held
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      throw new MirrorFault(`what ${folder} holds is not of this log: ${error.message}`)
    }
  }

  /** Reading `heads` is on record at the server and makes `access` grow, so that alone is no reason to read on. */
  async #compare(heads: LogWatch, watches: readonly LogWatch[], grown: readonly LogWatch[]): Promise<void> {
    const isOfInterest = ({ source }: LogWatch): boolean => source.ledger !== 'heads' && source.ledger !== 'access'
    if (heads.verified === undefined) return
    if (!grown.some(isOfInterest) && watches.some(isOfInterest)) return
    const place = placeOf(heads.source)
    await this.#judged(heads, async () => {
      const watchOf = (origin: string): LogWatch | undefined => watches.find(({ known }) => known?.origin === origin)
      const compared = await compareHeads(heads, watchOf, this.#options.state)
      const { isRead, agreeingCount, earlierCount, unseenCount } = compared
      const what = 'what it published of its ledgers was not compared with them: that takes the scope read on heads'
      if (!isRead) return await this.#tellOnce({ type: 'not-compared', ...place, what })
      if (agreeingCount + unseenCount === 0) return
      const counts = { agreeing: agreeingCount, earlier: earlierCount, unseen: unseenCount }
      await this.#options.report({ type: 'compared', ...place, ...counts })
    })
  }

  /** Does what may find a contradiction or no answer. */
  async #judged({ source }: LogWatch, work: () => Promise<void>): Promise<void> {
    try {
      await this.#silently(placeOf(source), work, undefined)
    } catch (error) {
      if (!(error instanceof LogContradiction)) throw error
      this.#outcome.contradictionCount++
      await this.#tellOnce({ ...(await this.#kept(error.contradiction)), ...placeOf(source) })
    }
  }

  /** Keeps a contradiction; where the disk does not take it, it is told all the same. */
  async #kept(contradiction: Contradiction): Promise<MonitorEvent> {
    const { url, kind, origin, what, older, newer } = contradiction
    try {
      const { path, isNew } = await this.#options.state.keepEvidence(contradiction)
      return { type: 'contradiction', url, kind, origin, what, evidence: path, isNew }
    } catch (error) {
      if (!isDiskError(error)) throw error
      return {
        type: 'evidence-lost',
        url,
        kind,
        origin,
        what,
        why: error.message,
        ...(older === undefined ? {} : { older: older.note }),
        ...(newer === undefined ? {} : { newer: newer.note }),
      }
    }
  }

  /** Does what may have no answer, and tells when that begins and when it ends. */
  async #silently<T>(place: Place, work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      const done = await work()
      const wasSilent = [...this.#told].filter((told) => told.startsWith(`unreachable ${place.url} `))
      for (const told of wasSilent) this.#told.delete(told)
      if (wasSilent.length > 0)
        await this.#options.report({ type: 'answers-again', ...place, what: 'it answers again' })
      return done
    } catch (error) {
      if (!(error instanceof SourceSilent)) throw error
      this.#outcome.unreachableCount++
      await this.#tellOnce({ type: 'unreachable', ...place, what: error.message })
      return otherwise
    }
  }

  /** A log that has not answered, or not grown, for longer than it may. */
  async #judgeAge(): Promise<void> {
    const { state, clock, staleMs } = this.#options
    if (staleMs === undefined) return
    const now = clock.wallMs()
    for (const { url, ledger, origin, lastSeen, grownAt } of state.logs) {
      const place = { url, ...(ledger === undefined ? {} : { ledger }), origin }
      const silentMs = now - timeMs(lastSeen)
      const isSilent = silentMs > staleMs
      const isStill = !isSilent && now - timeMs(grownAt) > staleMs
      if (isSilent || isStill) this.#outcome.staleCount++
      if (isSilent)
        await this.#tellOnce({ type: 'silent', ...place, what: `no head of it was verified since ${lastSeen}` })
      else this.#forget('silent', url)
      if (isStill) await this.#tellOnce({ type: 'still', ...place, what: `it has not grown since ${grownAt}` })
      else this.#forget('still', url)
    }
  }

  async #tellOnce(event: MonitorEvent): Promise<void> {
    const told = `${event.type} ${event.url} ${'what' in event ? event.what : ''}`
    if (this.#told.has(told)) return
    this.#told.add(told)
    await this.#options.report(event)
  }

  #forget(type: string, url: string): void {
    for (const told of [...this.#told].filter((known) => known.startsWith(`${type} ${url} `))) this.#told.delete(told)
  }
}

function emptyOutcome(): Outcome {
  return { contradictionCount: 0, unreachableCount: 0, staleCount: 0, mirrorFailedCount: 0 }
}

function placeOf({ url, ledger }: LogSource): Place {
  return { url, ...(ledger === undefined ? {} : { ledger }) }
}

function isHeads({ source }: LogWatch): boolean {
  return source.ledger === 'heads'
}

function isDiskError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}
