// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What a verification objects to: where, what was expected there and what was found, in words fit to be shown. */

/**
 * `kept-head`, `published`, `system`, `key`: what a signature or an entry elsewhere says, and the data does not.
 * `cosignature`: of the witnessed head, that somebody else than its witnesses has written it.
 * `segment`, `seal`: of what is sealed, that its files are not what their names, or the seal, say.
 */
export type FindingKind =
  | 'file'
  | 'segment'
  | 'seal'
  | 'frame'
  | 'chain'
  | 'entry'
  | 'tile'
  | 'content'
  | 'time'
  | 'missing'
  | 'root'
  | 'system'
  | 'published'
  | 'kept-head'
  | 'cosignature'
  | 'key'
  | 'derived'
  | 'token'
  | 'unexpected'

export interface Finding {
  readonly kind: FindingKind
  readonly what: string
  /** Path below the data directory, or where else it lies. */
  readonly file?: string
  /** Bytes from the start of the file. */
  readonly offset?: number
  readonly ledger?: string
  /** The entry, or the first of `count` entries of which one is meant. */
  readonly index?: number
  readonly count?: number
  readonly expected?: string
  readonly found?: string
}

/** Kinds that say something of the entries themselves, not only of files beside them. */
const ofEntries: ReadonlySet<FindingKind> = new Set([
  'file',
  'segment',
  'seal',
  'frame',
  'chain',
  'entry',
  'content',
  'time',
  'missing',
  'root',
  'system',
  'published',
  'kept-head',
])

export function concernsEntries(finding: Finding): boolean {
  return ofEntries.has(finding.kind)
}

/** Collects findings up to a bound, and counts the rest. */
export class Findings {
  readonly #list: Finding[] = []
  readonly #maxCount: number
  #count = 0

  constructor(maxCount = 200) {
    this.#maxCount = maxCount
  }

  get count(): number {
    return this.#count
  }

  add(finding: Finding): void {
    this.#count++
    if (this.#list.length < this.#maxCount) this.#list.push(finding)
  }

  /** Counts findings that are not worth showing. */
  addUnshown(count: number): void {
    this.#count += count
  }

  /** What is wrong in the log comes first, in its order; then what else concerns entries; then the rest. */
  sorted(): Finding[] {
    const rank = (finding: Finding) =>
      !concernsEntries(finding) ? 2 : /^(?:segments|wal)\//.test(finding.file ?? '') ? 0 : 1
    return this.#list.toSorted((a, b) => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b)
      if (rank(a) !== 0) return 0
      const [fileA = '', fileB = ''] = [a.file, b.file]
      if (fileA !== fileB) return fileA < fileB ? -1 : 1
      return (a.offset ?? 0) - (b.offset ?? 0)
    })
  }
}

/** The first entry that is bad, or the narrowest range of entries that is known to hold it. */
export interface FirstBad {
  readonly ledger: string
  readonly index: number
  readonly count: number
}

/** Reads the first bad entry off findings in their order; a later one that is narrower and within it wins. */
export function firstBadEntry(findings: readonly Finding[]): FirstBad | undefined {
  const placesOf = (some: readonly Finding[]) =>
    some.flatMap(({ ledger, index, count }) =>
      ledger === undefined || index === undefined ? [] : [{ ledger, index, count: count ?? 1 }],
    )
  const [first] = placesOf(findings.filter(concernsEntries))
  if (first === undefined) return undefined
  const rest = placesOf(findings)
  const narrower = rest.filter(
    ({ ledger, index, count }) =>
      ledger === first.ledger && index >= first.index && index + count <= first.index + first.count,
  )
  return narrower.reduce((best, place) => (place.count < best.count ? place : best), first)
}
