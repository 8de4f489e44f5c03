// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds the entries of `heads` against the data: each is a checkpoint of one ledger, signed by the key that `system`
 * names, of a size and root that the ledger had after some commit. These are the only roots of past sizes.
 */
import type { KeyHistory } from '../ledger/key-periods.ts'
import type { Findings } from './finding.ts'
import { toHex } from './ledger-replay.ts'
import { UNKNOWN_ROOT } from './sealed-roots.ts'
import type { Signatures } from './signatures.ts'

/** An entry of `heads` and where its content lies. */
export interface HeadsEntry {
  readonly index: number
  readonly note: Buffer
  readonly file: string
  /** Not of what is sealed, which is compressed. */
  readonly offset?: number
}

interface StatementPlace {
  readonly kind: 'published'
  readonly file: string
  readonly offset?: number
  readonly ledger: string
  readonly index: number
}

/** A size and root that `heads` says a ledger had. */
export interface Statement {
  readonly size: number
  readonly root: string
  /** Index of the statement in `heads`. */
  readonly index: number
}

/**
 * Commits between a checkpoint and its entry in `heads` are a handful, whatever the load: the entry is queued in the
 * moment in which the checkpoint is made.
 */
const MAX_KEPT_ROOTS = 262_144
const MAX_OPEN_CHECKS = 256

export class Published {
  readonly #findings: Findings
  readonly #signatures: Signatures
  readonly #watched: ReadonlySet<number>
  readonly #rootBefore: (ledger: string, size: number) => Promise<string | undefined>
  readonly #roots = new Map<string, string>()
  readonly #latest = new Map<string, Statement>()
  readonly #before = new Map<string, Statement>()
  readonly #failed = new Set<string>()
  readonly #upTo = new Map<number, ReadonlyMap<string, Statement>>()
  #checks: Promise<void>[] = []

  /**
   * `watched`: sizes of `heads` of which `upTo` will be asked. `rootBefore` tells roots that were not noted, of sizes
   * that were sealed before their statement was read.
   */
  constructor(
    findings: Findings,
    signatures: Signatures,
    watched: readonly number[],
    rootBefore: (ledger: string, size: number) => Promise<string | undefined>,
  ) {
    this.#findings = findings
    this.#rootBefore = rootBefore
    this.#signatures = signatures
    this.#watched = new Set(watched)
  }

  /** What `heads` said last of each ledger. */
  get latest(): ReadonlyMap<string, Statement> {
    return this.#latest
  }

  /** What it had said before that. */
  get before(): ReadonlyMap<string, Statement> {
    return this.#before
  }

  /** What the first `size` entries of `heads` said last of each ledger; `size` must be one of those to be watched. */
  upTo(size: number): ReadonlyMap<string, Statement> {
    return this.#upTo.get(size) ?? new Map()
  }

  /** Notes that a ledger had this root, hex, after a commit. */
  noteRoot(ledger: string, size: number, root: string): void {
    this.#roots.set(`${ledger} ${size}`, root)
    if (this.#roots.size <= MAX_KEPT_ROOTS) return
    const [oldest] = this.#roots.keys()
    if (oldest !== undefined) this.#roots.delete(oldest)
  }

  /** The root, hex, that a ledger had at a size where a commit ended, as far as it is noted. */
  notedRoot(ledger: string, size: number): string | undefined {
    return this.#roots.get(`${ledger} ${size}`)
  }

  /** A ledger of which some leaf is not known has no roots to compare any more. */
  giveUp(ledger: string): void {
    this.#failed.add(ledger)
  }

  /** Takes an entry of `heads`. `ledgerOf` tells the ledger of an origin, as far as `system` is known. */
  async take(
    entry: HeadsEntry,
    ledgerOf: (origin: string) => { name: string; keys: KeyHistory } | undefined,
    systemKnown: boolean,
  ): Promise<void> {
    const { index, note, file, offset } = entry
    const place = {
      kind: 'published' as const,
      file,
      ...(offset === undefined ? {} : { offset }),
      ledger: 'heads',
      index,
    }
    const checkpoint = this.#signatures.read(note)
    if (typeof checkpoint === 'string') {
      this.#findings.add({ ...place, what: `the entry is not a signed checkpoint: ${checkpoint}` })
      return
    }
    const ledger = ledgerOf(checkpoint.origin)
    if (ledger === undefined && !systemKnown) return
    if (ledger === undefined || ledger.name === 'heads') {
      this.#findings.add({ ...place, what: `the checkpoint is of ${checkpoint.origin}, which system does not name` })
      return
    }
    const { size } = checkpoint
    const said = toHex(checkpoint.root)
    this.#checks.push(this.#checkSignature(note, size, ledger, place))
    if (this.#checks.length >= MAX_OPEN_CHECKS) await this.finish()
    await this.#compare(ledger.name, size, said, place)
    const latest = this.#latest.get(ledger.name)
    if (latest !== undefined) this.#before.set(ledger.name, latest)
    this.#latest.set(ledger.name, { size, root: said, index })
    if (this.#watched.has(index + 1)) this.#upTo.set(index + 1, new Map(this.#latest))
  }

  /** Waits for the checks of signatures that are under way. */
  async finish(): Promise<void> {
    const checks = this.#checks
    this.#checks = []
    await Promise.all(checks)
  }

  async #checkSignature(
    note: Buffer,
    size: number,
    { name, keys }: { name: string; keys: KeyHistory },
    place: StatementPlace,
  ): Promise<void> {
    const fault = await this.#signatures.faultOf(note, size, keys.periods)
    if (fault !== undefined)
      this.#findings.add({ ...place, what: `the checkpoint of ${name} is not signed by its key: ${fault}` })
  }

  /** The first contradiction of a ledger is told with the entries that it is about; later ones follow from it. */
  async #compare(name: string, size: number, said: string, place: StatementPlace): Promise<void> {
    const earlier = this.#latest.get(name)
    if (this.#failed.has(name)) return
    const root = this.#roots.get(`${name} ${size}`) ?? (await this.#rootBefore(name, size))
    if (root === UNKNOWN_ROOT) return
    if (root === said && size >= (earlier?.size ?? 0)) return
    this.#failed.add(name)
    const first = earlier === undefined || earlier.size >= size ? 0 : earlier.size
    const what =
      root === undefined
        ? `heads ${place.index} says that ${name} had ${size} entries, and no commit near it ended there`
        : root === said
          ? `heads ${place.index} says that ${name} had ${size} entries, after it had more`
          : `heads ${place.index} says another root of ${name} at size ${size} than its entries give`
    const range = { ledger: name, index: Math.min(first, Math.max(0, size - 1)), count: Math.max(1, size - first) }
    const found = root === undefined ? 'none' : `${size} ${root}`
    this.#findings.add({ ...place, ...range, what, expected: `${size} ${said}`, found })
  }
}
