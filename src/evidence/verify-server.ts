// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies a ledger that a server serves: downloads every entry and tile, recomputes the tree, and holds the root
 * against the signed head, the head that was seen before, and what `heads` published. Nothing that the server says is
 * believed; its key, where nobody gave one and none is remembered, shows only that all fits together.
 */
import { hash } from 'node:crypto'
import {
  type Checkpoint,
  Frontier,
  hashLeaf,
  type KeyPeriod,
  parseEntry,
  ProofError,
  SALT_BYTES,
  TILE_WIDTH,
  tileWidthAt,
  toBase64,
  verifyRotations,
} from '@stele/proof'
import { type Finding, Findings, firstBadEntry, type FirstBad } from './finding.ts'
import { secondSuccessor } from './key-chain.ts'
import { type KeyStanding, type KnownLog, type RetiredKey, retiredKeys } from './known-logs.ts'
import { toHex } from './ledger-replay.ts'
import { ServedEvents } from './served-events.ts'
import { bundleOf, type ServedEvent, ServedFault, type ServedLedger } from './served-ledger.ts'
import { readCheckpoint, type Signatures } from './signatures.ts'
import { TileCheck } from './tile-check.ts'
import type { Verdict } from './verify-directory.ts'

export interface ServedOptions {
  readonly ledger: ServedLedger
  /** A key that the caller gave. */
  readonly pinnedVkey?: string
  /** What is remembered of the log. */
  readonly known: KnownLog | undefined
  /** Sizes and roots, hex, that `heads` published of this ledger. */
  readonly published?: readonly { readonly size: number; readonly root: string }[]
  readonly withContent: boolean
  readonly signatures: Signatures
  /** Called with each event; resolves to what is wrong with it, if anything is. */
  readonly onEvent?: (event: Uint8Array) => Promise<string | undefined>
  readonly onProgress?: (doneCount: number, totalCount: number) => void
}

export interface ServedReport {
  readonly ledger: string
  readonly verdict: Verdict
  readonly origin?: string
  readonly vkey: string
  /** Keys that it followed, from the trusted one on, and the last heads that they stand for. */
  /** The ML-DSA-44 key beside the newest, where a statement names it. */
  readonly mldsaVkey?: string
  readonly retired: readonly RetiredKey[]
  readonly key: KeyStanding
  readonly size: number
  /** base64. */
  readonly root?: string
  readonly head?: string
  /** The head that nothing has changed since. */
  readonly since?: { readonly size: number; readonly seen: string }
  readonly contentCount: number
  /** Heads in `heads` that agree. */
  readonly publishedCount: number
  readonly firstBad?: FirstBad
  readonly findings: readonly Finding[]
  readonly findingCount: number
  /** Signed heads that contradict each other, if there are. */
  readonly contradicting: readonly string[]
}

export async function verifyServedLedger(options: ServedOptions): Promise<ServedReport> {
  return await new ServedVerification(options).run()
}

/** Requests under way at the same time. */
const FETCH_COUNT = 8

class ServedVerification {
  readonly #options: ServedOptions
  readonly #findings = new Findings()
  readonly #frontier = new Frontier()
  readonly #rootsAt = new Map<number, string>()
  #wanted: number[] = []
  #periods: readonly KeyPeriod[] = []
  #lastTime = ''
  #contentCount = 0
  #contradicting: string[] = []

  constructor(options: ServedOptions) {
    this.#options = options
  }

  async run(): Promise<ServedReport> {
    const { ledger, known, published = [] } = this.#options
    let checkpoint: Checkpoint | undefined
    let head: string | undefined
    let publishedCount = 0
    try {
      head = await ledger.checkpoint()
      checkpoint = await this.#open(head)
      if (checkpoint !== undefined) {
        const before = known?.head === undefined ? undefined : readCheckpoint(Buffer.from(known.head))
        const seen = typeof before === 'object' ? before : undefined
        this.#refuseRollback(checkpoint, head, seen)
        const { size } = checkpoint
        const ends = this.#periods.flatMap(({ until }) => (until === undefined ? [] : [until.size]))
        const wanted = [
          ...ends,
          ...published.map((statement) => statement.size),
          ...(seen === undefined ? [] : [seen.size]),
        ]
        this.#wanted = [...new Set(wanted)].filter((at) => at <= size).toSorted((a, b) => a - b)
        await this.#download(size)
        this.#holdRoot(checkpoint)
        this.#holdEnds(checkpoint)
        this.#holdSeen(checkpoint, head, seen)
        publishedCount = this.#holdPublished(checkpoint)
      }
    } catch (error) {
      if (!(error instanceof ServedFault) && !(error instanceof ProofError)) throw error
      const index = error instanceof ServedFault ? error.index : undefined
      const what = `the server does not answer as a ledger must: ${error.message}`
      if (index === undefined) this.#object('root', what)
      else this.#object('entry', what, { ledger: ledger.name, index })
    }
    return this.#report(checkpoint, head, publishedCount)
  }

  /** The key that is trusted. */
  get #trusted(): string {
    return this.#options.pinnedVkey ?? this.#options.known?.vkey ?? this.#options.ledger.vkey
  }

  /** The key in force. */
  get #vkey(): string {
    return this.#periods.at(-1)?.vkey ?? this.#trusted
  }

  get #key(): ServedReport['key'] {
    const { pinnedVkey, known } = this.#options
    return pinnedVkey !== undefined || known?.pinned === true ? 'pinned' : 'not pinned'
  }

  /** The head must be signed by the key that is trusted, or one that follows it, whichever the server tells. */
  async #open(head: string): Promise<Checkpoint | undefined> {
    const { ledger, signatures } = this.#options
    this.#periods = await this.#follow()
    const checkpoint = readCheckpoint(Buffer.from(head))
    const fault =
      typeof checkpoint === 'string'
        ? checkpoint
        : await signatures.faultOf(Buffer.from(head), checkpoint.size, this.#periods)
    if (fault === undefined && typeof checkpoint === 'object') return checkpoint
    this.#object('key', `the head of ${ledger.name} is not signed by its key: ${fault}`)
    return undefined
  }

  /** From the trusted key to the one that the server tells, by what each signed of the next. */
  async #follow(): Promise<readonly KeyPeriod[]> {
    const { ledger } = this.#options
    const vkey = this.#trusted
    const alone = [{ vkey, from: 0 }]
    if (ledger.vkey === vkey) return alone
    const place = { expected: vkey, found: ledger.vkey }
    try {
      const rotations = await ledger.rotations()
      const second = await secondSuccessor(this.#options.known, rotations)
      if (second !== undefined) {
        this.#object('key', second, place)
        return alone
      }
      const periods = await verifyRotations(vkey, rotations)
      if (periods.at(-1)?.vkey === ledger.vkey) return periods
      this.#object('key', 'the server tells another key than the one that is known, and no rotation leads to it', place)
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      const what = `the server tells another key than the one that is known: ${error.message}`
      this.#object('key', what, place)
    }
    return alone
  }

  /** What a retired key stood for must be the beginning of what there is. */
  #holdEnds({ size }: Checkpoint): void {
    for (const { until } of this.#periods) {
      if (until === undefined) continue
      const found = until.size > size ? `${size} entries` : this.#rootsAt.get(until.size)
      if (found === toHex(until.root)) continue
      const range = { ledger: this.#options.ledger.name, index: 0, count: Math.max(1, until.size) }
      const what = `a rotation of its keys says another root at ${until.size} entries`
      this.#object('key', what, { ...range, expected: toHex(until.root), found: found ?? 'none' })
    }
  }

  #refuseRollback({ size }: Checkpoint, head: string, seen: Checkpoint | undefined): void {
    const { ledger, known } = this.#options
    if (seen === undefined || size >= seen.size || known?.head === undefined) return
    this.#contradicting = [known.head, head]
    const range = { ledger: ledger.name, index: size, count: seen.size - size }
    const what = `the ledger had ${seen.size} entries on ${known.lastSeen}, and now has ${size}`
    this.#object('missing', what, { ...range, expected: `${seen.size} entries`, found: `${size}` })
  }

  /** Fetches bundles and tiles ahead, and takes them in order. */
  async #download(size: number): Promise<void> {
    const { ledger, withContent, onProgress } = this.#options
    const tiles = new TileCheck(ledger, size, this.#findings)
    const events = withContent ? new ServedEvents(ledger, this.#findings, size) : undefined
    this.#noteWanted()
    const bundleCount = Math.ceil(size / TILE_WIDTH)
    const ahead: Promise<readonly Uint8Array[]>[] = []
    try {
      for (let index = 0; index < bundleCount; index++) {
        while (ahead.length < FETCH_COUNT && index + ahead.length < bundleCount) {
          const next = index + ahead.length
          const fetched = ledger.entries(next, tileWidthAt(size, 0, next))
          fetched.catch(() => {})
          ahead.push(fetched)
        }
        const fetched = ahead.shift() ?? Promise.resolve([])
        const entries = await bundleOf(ledger, index, tileWidthAt(size, 0, index), fetched)
        for (const [position, entry] of entries.entries()) {
          const at = index * TILE_WIDTH + position
          this.#take(at, entry, tiles)
          const event = await events?.next(at)
          if (event !== undefined) await this.#takeEvent(at, entry, event)
        }
        await tiles.step()
        onProgress?.(this.#frontier.size, size)
      }
      await tiles.finish()
    } finally {
      await events?.close()
    }
  }

  #take(index: number, entry: Uint8Array, tiles: TileCheck): void {
    const { name } = this.#options.ledger
    try {
      const { at } = parseEntry(entry)
      if (at < this.#lastTime) this.#object('time', 'the ledger time goes back', { ledger: name, index })
      this.#lastTime = at
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      this.#object('entry', `the entry is not in its form: ${error.message}`, { ledger: name, index })
    }
    const leaf = hashLeaf(entry)
    tiles.expect(0, leaf, 0)
    this.#frontier.append(leaf, 0, (level, bytes, offset) => tiles.expect(level, bytes, offset))
    this.#noteWanted()
  }

  async #takeEvent(index: number, entry: Uint8Array, served: ServedEvent): Promise<void> {
    const place = { ledger: this.#options.ledger.name, index }
    const { entryLine, salt, event } = served
    const content = Buffer.concat([salt, event])
    const isSame = served.index === index && Buffer.from(entryLine).equals(entry)
    const fits = salt.length === SALT_BYTES && entryLine.includes(`"sha256":"${hash('sha256', content, 'base64url')}"`)
    if (!isSame) this.#object('entry', 'the event comes with another entry than the one in the tree', place)
    else if (!fits) this.#object('content', 'the event is not the one that its entry commits to', place)
    this.#contentCount++
    const objection = await this.#options.onEvent?.(event)
    if (objection !== undefined) this.#object('published', objection, place)
  }

  #noteWanted(): void {
    while (this.#wanted[0] === this.#frontier.size) {
      this.#rootsAt.set(this.#frontier.size, toHex(this.#frontier.root()))
      this.#wanted.shift()
    }
  }

  #holdRoot({ size, root }: Checkpoint): void {
    const found = toHex(this.#frontier.root())
    if (found === toHex(root)) return
    const range = { ledger: this.#options.ledger.name, index: 0, count: Math.max(1, size) }
    this.#object('root', 'the entries do not have the root of the signed head', {
      ...range,
      expected: toHex(root),
      found,
    })
  }

  #holdSeen({ size }: Checkpoint, head: string, seen: Checkpoint | undefined): void {
    const { ledger, known } = this.#options
    if (seen === undefined || seen.size > size || known?.head === undefined) return
    const found = this.#rootsAt.get(seen.size)
    if (found === toHex(seen.root)) return
    this.#contradicting = [known.head, head]
    const range = { ledger: ledger.name, index: 0, count: Math.max(1, seen.size) }
    const what = `the first ${seen.size} entries are not those that were there on ${known.lastSeen}`
    this.#object('kept-head', what, { ...range, expected: toHex(seen.root), found: found ?? 'none' })
  }

  /** How many published heads agree. The first contradiction is told; later ones follow from it. */
  #holdPublished({ size }: Checkpoint): number {
    const { published = [], ledger } = this.#options
    let before = 0
    for (const [position, statement] of published.entries()) {
      const found = statement.size > size ? `${size} entries` : this.#rootsAt.get(statement.size)
      if (found !== statement.root) {
        const index = Math.min(before, Math.max(0, statement.size - 1))
        const range = { ledger: ledger.name, index, count: Math.max(1, statement.size - before) }
        const what = `heads published another root at ${statement.size} entries`
        this.#object('published', what, { ...range, expected: statement.root, found: found ?? 'none' })
        return position
      }
      before = statement.size
    }
    return published.length
  }

  #object(kind: Finding['kind'], what: string, rest: Omit<Finding, 'kind' | 'what'> = {}): void {
    this.#findings.add({ kind, what, ...rest })
  }

  #beside(): { readonly mldsaVkey?: string } {
    const mldsaVkey = this.#periods.at(-1)?.mldsaVkey
    return mldsaVkey === undefined ? {} : { mldsaVkey }
  }

  #report(checkpoint: Checkpoint | undefined, head: string | undefined, publishedCount: number): ServedReport {
    const { ledger, known } = this.#options
    const findings = this.#findings.sorted()
    const isGood = this.#findings.count === 0
    const seenSize = known?.head === undefined ? undefined : readCheckpoint(Buffer.from(known.head))
    const since =
      isGood && typeof seenSize === 'object' && seenSize.size > 0 && known !== undefined
        ? { size: seenSize.size, seen: known.lastSeen }
        : undefined
    const firstBad = firstBadEntry(findings)
    const trusted = this.#key === 'pinned' ? 'signed' : 'self-consistent'
    return {
      ledger: ledger.name,
      verdict: !isGood ? 'changed' : since === undefined ? trusted : 'unchanged',
      vkey: this.#vkey,
      ...this.#beside(),
      retired: retiredKeys(this.#periods),
      key: this.#key,
      size: checkpoint?.size ?? 0,
      ...(checkpoint === undefined ? {} : { origin: checkpoint.origin, root: toBase64(checkpoint.root) }),
      ...(head === undefined ? {} : { head }),
      ...(since === undefined ? {} : { since }),
      contentCount: this.#contentCount,
      publishedCount,
      ...(firstBad === undefined ? {} : { firstBad }),
      findings,
      findingCount: this.#findings.count,
      contradicting: this.#contradicting,
    }
  }
}
