// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * One log, looked at again and again: each head must be signed, have the tree that its tiles show, and begin with every
 * head that was seen before. Each was shown to begin with the one before it, so the newest stands for all.
 */
import { type Checkpoint, consistencyProof, equalBytes, fromUtf8, rootAt } from '@stele/proof'
import { type Clock, timeText } from '../../platform/clock.ts'
import { ServedFault } from '../served-ledger.ts'
import {
  type Contradiction,
  type ContradictionKind,
  type ForkProof,
  LogContradiction,
  type SeenNote,
} from './contradiction.ts'
import { type LogSource, SourceSilent } from './log-source.ts'
import {
  currentKey,
  givenKey,
  type GivenTrust,
  HeadFault,
  headOf,
  knownSince,
  type LogTrust,
  openHead,
  openSigned,
  signerOfTwo,
  rotationEnd,
} from './log-trust.ts'
import type { MonitorState, WatchedLog } from './state.ts'
import { TileFault, TrustedTiles } from './trusted-tiles.ts'

/** Caches on the way may lag: a head that is smaller than it must be is asked for again before anybody is alarmed. */
const ASKED_TIMES = 3
const ASKED_AGAIN_MS = 1_000

/** A head that was verified, with the tiles below it. */
export interface VerifiedHead {
  readonly note: string
  readonly checkpoint: Checkpoint
  readonly tiles: TrustedTiles
}

export interface LogWatchOptions {
  readonly source: LogSource
  readonly given: GivenTrust
  /** The key that the server tells: counts only where nobody gave one and none is remembered. */
  readonly toldVkey?: string | undefined
  readonly state: MonitorState
  readonly clock: Clock
}

export class LogWatch {
  readonly source: LogSource
  readonly #options: LogWatchOptions
  #trust: LogTrust | undefined
  /** As the log tells them now, held against what it told before. */
  #rotations: readonly string[] = []
  #verified: VerifiedHead | undefined
  /** The last one of all, whose tiles serve again while the head stays the same. */
  #last: VerifiedHead | undefined

  constructor(options: LogWatchOptions) {
    this.#options = options
    this.source = options.source
  }

  get known(): WatchedLog | undefined {
    return this.#options.state.log(this.source.url)
  }

  /** The head that the last look verified; undefined where it failed. */
  get verified(): VerifiedHead | undefined {
    return this.#verified
  }

  get trust(): LogTrust | undefined {
    return this.#trust
  }

  /**
   * Fetches the head, of at least `floor` entries, and verifies it. Throws a LogContradiction, and a SourceSilent where
   * the log does not answer; what is remembered is then as it was.
   */
  async look(floor = 0): Promise<VerifiedHead> {
    const { clock } = this.#options
    this.#verified = undefined
    const before = this.known
    const seen = before === undefined ? undefined : headOf(Buffer.from(before.head))
    const least = Math.max(floor, seen?.size ?? 0)
    this.#rotations = await this.#fetchRotations()
    let served = await this.#fetch('again')
    for (let tries = 1; served.checkpoint.size < least && tries < ASKED_TIMES; tries++) {
      await clock.sleep(ASKED_AGAIN_MS)
      served = await this.#fetch('again')
    }
    const { note, checkpoint } = served
    const last = this.#last !== undefined && isSameTree(this.#last.checkpoint, checkpoint) ? this.#last : undefined
    const tiles = last?.tiles ?? (await this.below(note, async () => await this.#open(checkpoint)))
    const verified = { note, checkpoint, tiles }
    if (before !== undefined) await this.#holdSeen(verified, before)
    await this.#holdRotations(verified, before?.rotations.length ?? 0)
    await this.#remember(verified, before, seen)
    this.#last = verified
    this.#verified = verified
    return verified
  }

  /**
   * Holds a signed head of this log that was seen elsewhere against a verified one. Throws a LogContradiction, a
   * SourceSilent, and a HeadFault for one that the log has not signed, or that a retired key signed and that is not of
   * this tree: that one may be a thief's.
   */
  async hold(verified: VerifiedHead, note: string, from: string): Promise<void> {
    const { checkpoint } = verified
    // Witnesses are asked of what the log serves as its head; what it once signed binds it without them.
    const trust = { ...this.#trusted(checkpoint.origin), policy: undefined }
    const { checkpoint: older, retiredAt } = await openSigned(Buffer.from(note), trust)
    try {
      await this.#holdHead(verified, older, { note, from })
    } catch (error) {
      if (retiredAt === undefined || !(error instanceof LogContradiction)) throw error
      if (error.contradiction.kind === 'tree') throw error
      const what = `a head of ${older.size} entries, for which a key stands that was retired at ${retiredAt}, is not of this log`
      throw new HeadFault('key', `${what}: somebody else has that key, or the log forked before that rotation`)
    }
  }

  /**
   * As `hold`, of a head of this log that `heads` recorded. Whoever pins a key that followed another one does not have
   * that one: what it signed is `earlier`, and is held against the tree alone. Nothing is left open by that, for the
   * pinned key has signed where the one before it ended.
   */
  async holdRecorded(verified: VerifiedHead, note: string, from: string): Promise<'signed' | 'earlier'> {
    const { checkpoint, tiles } = verified
    try {
      await this.hold(verified, note, from)
      return 'signed'
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      const { origin, size, root } = headOf(Buffer.from(note))
      const since = await knownSince(this.#trusted(checkpoint.origin))
      if (origin !== checkpoint.origin || since === undefined || size > since) throw error
      const begun = await this.below(verified.note, async () => await rootAt(size, tiles.read))
      if (equalBytes(begun, root)) return 'earlier'
      throw new HeadFault('key', `no known key has signed it, and the log had another root at ${size} entries`)
    }
  }

  /** The key that signs the log's heads now. */
  async currentKey(): Promise<string> {
    return this.#trust === undefined ? '' : await currentKey(this.#trust)
  }

  /** What leads from the key that was given to the one that signs now. */
  get rotations(): readonly string[] {
    return this.#rotations
  }

  async #holdHead(verified: VerifiedHead, older: Checkpoint, seen: SeenNote): Promise<void> {
    const { checkpoint, tiles } = verified
    if (isSameTree(older, checkpoint)) return
    const notes = { older: seen, newer: { note: verified.note, from: this.source.url } }
    if (older.size === checkpoint.size) {
      throw this.contradiction('fork', `the log signed two roots for ${older.size} entries`, notes)
    }
    if (older.size > checkpoint.size) throw await this.#smaller(older, checkpoint, notes)
    const proof = await this.below(verified.note, async () => await forkProof(older, checkpoint, tiles))
    if (proof === undefined) return
    const what = `the log's head of ${checkpoint.size} entries does not begin with the ${older.size} entries of a head that it signed before`
    throw this.contradiction('fork', what, { ...notes, proof })
  }

  async #holdSeen(verified: VerifiedHead, { head, lastSeen, vkey }: WatchedLog): Promise<void> {
    try {
      // The log itself showed it here: that is an alarm whoever had the key, though others need not believe it.
      const trust = { ...this.#trusted(verified.checkpoint.origin), policy: undefined }
      const older = await openHead(Buffer.from(head), trust)
      await this.#holdHead(verified, older, { note: head, from: `this monitor, ${lastSeen}` })
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      const notes = { older: { note: head, from: `this monitor, ${lastSeen}, signed by ${vkey}` } }
      const newer = { note: verified.note, from: this.source.url }
      throw this.contradiction('key', `the head that was seen before is signed by another key: ${error.message}`, {
        ...notes,
        newer,
      })
    }
  }

  /** The head as it is served now; `again`: a key that was rotated in this moment is looked for before it is wrong. */
  async #fetch(tries: 'again' | 'last'): Promise<{ readonly note: string; readonly checkpoint: Checkpoint }> {
    const bytes = await this.source.checkpoint().catch((error: unknown) => {
      throw error instanceof ServedFault ? new SourceSilent(error.message) : error
    })
    try {
      const { origin } = headOf(bytes)
      const trust = this.#trusted(origin)
      const checkpoint = await openHead(bytes, trust)
      this.#trust = trust
      return { note: fromUtf8(bytes), checkpoint }
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      if (error.kind === 'malformed') throw new SourceSilent(`what it serves as its head is none: ${error.message}`)
      if (tries === 'again' && error.kind === 'key' && this.source.rotations !== undefined) {
        this.#rotations = await this.#fetchRotations()
        return await this.#fetch('last')
      }
      throw this.#unsigned(bytes, error)
    }
  }

  #unsigned(bytes: Uint8Array, { kind, message }: HeadFault): LogContradiction {
    const { origin } = headOf(bytes)
    const vkey = givenKey(this.#options.given, origin)
    const first = { origin, ...(vkey === undefined ? {} : { vkey, isPinned: true }) }
    const what = kind === 'quorum' ? `its head is not witnessed: ${message}` : `its head is not signed: ${message}`
    return this.contradiction(kind === 'quorum' ? kind : 'key', what, {
      newer: { note: fromUtf8(bytes), from: this.source.url },
      ...(this.known === undefined ? first : {}),
    })
  }

  /** What the log tells of its keys only grows. */
  async #fetchRotations(): Promise<readonly string[]> {
    const known = this.known?.rotations ?? []
    if (this.source.rotations === undefined) return known
    const told = await this.source.rotations().catch((error: unknown) => {
      throw error instanceof ServedFault ? new SourceSilent(error.message) : error
    })
    const other = known.findIndex((statement, position) => told[position] !== statement)
    if (other === -1) return told
    const [older = '', newer] = [known[other], told[other]]
    const notes = {
      older: { note: older, from: 'this monitor' },
      ...(newer === undefined ? {} : { newer: { note: newer, from: this.source.url } }),
    }
    const trust = { ...this.#trusted(this.known?.origin ?? ''), rotations: known }
    const old = newer === undefined ? undefined : await signerOfTwo(trust, older, newer)
    if (old !== undefined) {
      const what = `the retired key ${old} has signed two different successors, and the log now tells the second: either its operator forked it, or somebody else holds that key`
      throw this.contradiction('successors', what, { ...notes, rotations: known })
    }
    const what = `it told of a rotation of its key that it now ${newer === undefined ? 'hides' : 'tells otherwise'}`
    throw this.contradiction('rotation', what, notes)
  }

  /**
   * Each new rotation must be signed by both keys, and end at a head that the tree begins with. A witnessed head may be
   * behind a rotation, which is then held against a later one.
   */
  async #holdRotations(verified: VerifiedHead, heldCount: number): Promise<void> {
    const trust = this.#trusted(verified.checkpoint.origin)
    for (const [position, statement] of this.#rotations.entries()) {
      if (position < heldCount && trust.policy === undefined) continue
      const from = `rotation ${position} of ${this.source.url}`
      try {
        const end = await rotationEnd(statement, trust)
        if (trust.policy !== undefined && end.size > verified.checkpoint.size) continue
        await this.#holdHead(verified, end, { note: statement, from })
      } catch (error) {
        if (!(error instanceof HeadFault)) throw error
        const what = `what it tells of a rotation of its key does not hold: ${error.message}`
        throw this.contradiction('rotation', what, { newer: { note: statement, from } })
      }
    }
  }

  /** By what heads of this log count; `origin` is the one that a head says. */
  #trusted(origin: string): LogTrust {
    const { given, toldVkey } = this.#options
    const { known } = this
    const expected = known?.origin ?? origin
    const pinned = givenKey(given, expected) ?? (known?.isPinned === true ? known.vkey : undefined)
    const vkey = pinned ?? known?.vkey ?? toldVkey
    if (vkey === undefined) {
      throw new HeadFault('key', `it is of ${origin}, and no key of that log was given`)
    }
    const isListed = given.policy?.logs.some(({ key }) => key.name === expected) === true
    return {
      origin: expected,
      vkey,
      isPinned: pinned !== undefined,
      rotations: this.#rotations,
      policy: isListed ? given.policy : undefined,
    }
  }

  async #open(checkpoint: Checkpoint): Promise<TrustedTiles> {
    const { source } = this
    return await TrustedTiles.open(async (level, index, width) => await source.tile(level, index, width), checkpoint)
  }

  /** Does what reads below a signed head; that it is not served as it was signed is a contradiction. */
  async below<T>(note: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof LogContradiction) throw error
      const newer = { note, from: this.source.url }
      if (error instanceof TileFault) {
        const served = { path: `tile/${error.level}/${error.index}`, bytes: error.bytes }
        throw this.contradiction('tree', `below its signed head ${error.message}`, { newer, served })
      }
      if (error instanceof ServedFault) {
        throw this.contradiction('tree', `below its signed head the log answers as none can: ${error.message}`, {
          newer,
        })
      }
      throw error
    }
  }

  /** A head that is smaller than one that was seen: where the log still shows the larger tree, that says more. */
  async #smaller(
    older: Checkpoint,
    now: Checkpoint,
    notes: Pick<Contradiction, 'older' | 'newer'>,
  ): Promise<LogContradiction> {
    let proof: ForkProof | undefined
    try {
      proof = await forkProof(now, older, await this.#open(older))
    } catch (error) {
      if (!(error instanceof TileFault) && !(error instanceof ServedFault) && !(error instanceof SourceSilent))
        throw error
    }
    if (proof === undefined) {
      return this.contradiction('shrink', `the log had ${older.size} entries, and now shows ${now.size}`, notes)
    }
    const what = `the log's head of ${now.size} entries is not the beginning of its head of ${older.size}`
    return this.contradiction('fork', what, { ...notes, proof })
  }

  /** What the log has said against itself, in the form in which it is kept. */
  contradiction(kind: ContradictionKind, what: string, rest: Partial<Contradiction> = {}): LogContradiction {
    const { known, source } = this
    const trust = this.#trust
    return new LogContradiction({
      kind,
      url: source.url,
      ...(source.ledger === undefined ? {} : { ledger: source.ledger }),
      origin: known?.origin ?? trust?.origin ?? source.url,
      vkey: known?.vkey ?? trust?.vkey ?? this.#options.toldVkey ?? '',
      isPinned: known?.isPinned ?? trust?.isPinned ?? false,
      rotations: this.#rotations,
      what,
      ...rest,
    })
  }

  async #remember(
    { note, checkpoint }: VerifiedHead,
    before: WatchedLog | undefined,
    seen: Checkpoint | undefined,
  ): Promise<void> {
    const { state, clock } = this.#options
    const { origin, vkey, isPinned } = this.#trusted(checkpoint.origin)
    const now = timeText(clock.wallMs())
    const hasGrown = seen === undefined || checkpoint.size > seen.size
    await state.keep({
      v: 1,
      url: this.source.url,
      ...(this.source.ledger === undefined ? {} : { ledger: this.source.ledger }),
      origin,
      vkey,
      isPinned: isPinned || before?.isPinned === true,
      rotations: [...this.#rotations],
      firstSeen: before?.firstSeen ?? now,
      lastSeen: now,
      grownAt: hasGrown || before === undefined ? now : before.grownAt,
      head: note,
      ...(before?.comparedCount === undefined ? {} : { comparedCount: before.comparedCount }),
      ...(before?.mirror === undefined ? {} : { mirror: before.mirror }),
    })
  }
}

/** The proof that a head excludes a smaller one; undefined where it begins with it. */
async function forkProof(small: Checkpoint, large: Checkpoint, tiles: TrustedTiles): Promise<ForkProof | undefined> {
  const oldRoot = await rootAt(small.size, tiles.read)
  if (equalBytes(oldRoot, small.root)) return undefined
  const hashes = await consistencyProof(small.size, large.size, tiles.read)
  return { oldSize: small.size, size: large.size, oldRoot, hashes }
}

function isSameTree(one: Checkpoint, other: Checkpoint): boolean {
  return one.size === other.size && equalBytes(one.root, other.root)
}
