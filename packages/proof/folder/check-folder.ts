// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checks a folder in the layout of C2SP tlog-tiles, of Stele or of another log: every entry, every tile and the root
// are computed again and held against the signed head, and contents, where there are any, against their entries. What
// the checkpoint does not count is not looked at.
//
// The size is the word of whoever wrote the checkpoint, and may be any number: the check ends where the folder does, or
// once enough is found, not where the size says.

import {
  entriesPath,
  HASH_BYTES,
  rootAt,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
  toBase64,
  type Trust,
} from '../src/index.ts'
import type { ContentRun } from './check-contents.ts'
import { checkHead, type CheckedHead, type SignedBy } from './check-head.ts'
import type { CheckedUnit, UnitJob } from './check-unit.ts'
import type { FolderFiles, FolderFinding, Hasher } from './files.ts'
import { Nodes, type Subtree } from './nodes.ts'
import { contentsFirst, contentsPath, formatRange, PATHS, UNIT_ENTRIES } from './paths.ts'
import { toHex } from './check-unit.ts'

/** Findings that are told; the rest of the unit that they are in is counted, and no other unit is looked at. */
const MAX_FINDINGS = 200
const TILE_BYTES = TILE_WIDTH * HASH_BYTES
const UNIT_LEVEL = 2

export interface FolderOptions {
  readonly files: FolderFiles
  readonly hasher: Hasher
  /** Whom to trust; without it only the folder's own key is there. */
  readonly trust?: Trust
  /** Checks a unit, in this thread or another. */
  readonly check: (job: UnitJob) => CheckedUnit | Promise<CheckedUnit>
  /** Units that are worth having under way at the same time. */
  readonly depth: number
  /** Sizes whose roots are wanted. */
  readonly wanted?: readonly number[]
  readonly onProgress?: (doneCount: number, totalCount: number) => void
}

export interface FolderReport {
  readonly origin?: string
  readonly size: number
  /** base64, of the signed head. */
  readonly root?: string
  /** The signed note. */
  readonly head?: string
  readonly vkey?: string
  readonly signedBy: SignedBy
  readonly signers: CheckedHead['signers']
  /** Statements by which keys of the log followed each other, the oldest first. */
  readonly rotations: readonly string[]
  readonly cosignatures: CheckedHead['cosignatures']
  /** Contents that are there, and fit where nothing is found wrong. */
  readonly contents: { readonly first: number; readonly end: number; readonly eventBytes: number } | undefined
  /** Hex, of the sizes that were wanted. */
  readonly rootsAt: ReadonlyMap<number, string>
  /** The first entry that is bad, or the narrowest range that is known to hold it. */
  readonly firstBad?: { readonly index: number; readonly count: number }
  readonly findings: readonly FolderFinding[]
  readonly findingCount: number
}

/** There is nothing to check: no checkpoint, or the export is not finished. */
export class NoLogError extends Error {
  override readonly name = 'NoLogError'
  readonly isDraft: boolean

  constructor(isDraft: boolean) {
    super(isDraft ? 'the export is not finished' : 'there is no checkpoint')
    this.isDraft = isDraft
  }
}

/** Throws a NoLogError, a ProofError where `trust` cannot be used, and whatever reading fails with. */
export async function checkFolder(options: FolderOptions): Promise<FolderReport> {
  return await new FolderCheck(options).run()
}

class FolderCheck {
  readonly #options: FolderOptions
  readonly #nodes: Nodes
  readonly #findings: FolderFinding[] = []
  readonly #subtrees: Subtree[] = []
  readonly #runs: ContentRun[] = []
  #findingCount = 0
  #eventBytes = 0
  #isLost = false

  constructor(options: FolderOptions) {
    this.#options = options
    this.#nodes = new Nodes(options.hasher)
  }

  async run(): Promise<FolderReport> {
    const { files, trust, wanted = [] } = this.#options
    const head = await checkHead(files, trust)
    const isDraft = files.read(PATHS.draft, 1) !== undefined
    if (head.note === undefined) throw new NoLogError(isDraft)
    for (const finding of head.findings) this.#object(finding)
    const { checkpoint } = head
    const rootsAt = new Map<number, string>()
    // Of what a key or policy that was given does not vouch for, nothing is worth a walk over as many entries as it says.
    const isForged = trust !== undefined && head.signedBy === 'nobody'
    if (checkpoint !== undefined && !isForged) {
      const { size, root } = checkpoint
      const last = await this.#checkUnits(size)
      if (last !== 'stopped') {
        this.#checkUpperTiles(size)
        this.#holdRoot(last, size, root)
        this.#holdRange(size)
      }
      if (this.#findingCount === 0) {
        for (const at of wanted.filter((at) => at <= size)) rootsAt.set(at, toHex(await this.#rootAt(at, size)))
        await this.#holdEnds(head, size)
      }
    }
    return this.#report(head, rootsAt)
  }

  /** The last unit; `stopped` where not all were looked at, which is a finding. */
  async #checkUnits(size: number): Promise<CheckedUnit | 'stopped' | undefined> {
    const { check, depth, onProgress } = this.#options
    const firsts = this.#contentsFirsts(size)
    const ahead: Promise<CheckedUnit>[] = []
    let last: CheckedUnit | undefined
    for (let next = 0, done = 0; done < size;) {
      while (ahead.length < depth && next < size) {
        const [first, end] = [next, next + UNIT_ENTRIES]
        const contents = firsts.filter((at) => at >= first && at < end)
        const checked = Promise.resolve().then(() => check({ first, size, contents }))
        // It is awaited below, unless an earlier one fails.
        checked.catch(() => {})
        ahead.push(checked)
        next = end
      }
      last = await ahead.shift()!
      if (last.isMissing) {
        this.#objectToEnd(done, size)
        return 'stopped'
      }
      done += last.count
      this.#take(last)
      onProgress?.(done, size)
      if (this.#findingCount >= MAX_FINDINGS && done < size) {
        const what = `so much is wrong before entry ${done} that it and those behind it were not looked at`
        // The first that is told, for it says how far the others go.
        this.#findings.unshift({ kind: 'root', file: PATHS.checkpoint, what, index: 0, count: size })
        this.#findingCount++
        return 'stopped'
      }
    }
    return last
  }

  #objectToEnd(first: number, size: number): void {
    const file = entriesPath(first / TILE_WIDTH, tileWidthAt(size, 0, first / TILE_WIDTH))
    const what = `the folder holds ${first === 0 ? 'none' : `${first} at most`} of the ${size} entries that the checkpoint counts`
    this.#object({ kind: 'missing', file, what, index: first, count: size - first })
  }

  #take({ count, subtrees, isLost, findings, findingCount, runs, eventBytes }: CheckedUnit): void {
    this.#isLost ||= isLost
    if (count === UNIT_ENTRIES) this.#subtrees.push(...subtrees)
    for (const finding of findings) this.#object(finding)
    this.#findingCount += findingCount - findings.length
    this.#runs.push(...runs)
    this.#eventBytes += eventBytes
  }

  /** First entries of the files of contents that the checkpoint counts; others are not looked at. */
  #contentsFirsts(size: number): number[] {
    const names = this.#options.files.list(PATHS.contents)
    for (const name of names.filter((name) => contentsFirst(name) === undefined)) {
      const file = `${PATHS.contents}/${name}`
      if (file !== PATHS.range) this.#object({ kind: 'file', file, what: 'it is no file of an export' })
    }
    return names.map(contentsFirst).filter((first) => first !== undefined && first < size) as number[]
  }

  /** Tiles above the units, against the hashes that the units gave. */
  #checkUpperTiles(size: number): void {
    let hashes: Uint8Array = new Uint8Array(this.#subtrees.length * HASH_BYTES)
    for (const [at, { hash }] of this.#subtrees.entries()) hashes.set(hash, at * HASH_BYTES)
    for (let level = UNIT_LEVEL; hashes.length > 0; level++) {
      for (let index = 0; index * TILE_BYTES < hashes.length; index++) {
        this.#holdTile(level, index, size, hashes.subarray(index * TILE_BYTES, (index + 1) * TILE_BYTES))
      }
      hashes = this.#nodes.folded(hashes)
    }
  }

  #holdTile(level: number, index: number, size: number, expected: Uint8Array): void {
    const width = tileWidthAt(size, level, index)
    const path = tilePath(level, index, width)
    const { files } = this.#options
    const bytes = files.read(path, TILE_BYTES + 1) ?? files.read(tilePath(level, index), TILE_BYTES + 1)
    const below = TILE_WIDTH ** level
    const first = index * TILE_WIDTH * below
    if (bytes === undefined) {
      this.#object({ kind: 'missing', file: path, what: 'the tile is missing', index: first, count: width * below })
      return
    }
    for (let position = 0; position < width; position++) {
      const at = position * HASH_BYTES
      const [wanted, found] = [expected, bytes].map((hashes) => toHex(hashes.subarray(at, at + HASH_BYTES)))
      if (wanted === found) continue
      const range = { index: first + position * below, count: below }
      const what = 'it has another hash than the entries give'
      this.#object({ kind: 'tile', file: path, offset: at, ...range, what, expected: wanted!, found: found! })
    }
    if (bytes.length !== width * HASH_BYTES && bytes.length !== TILE_BYTES) {
      const lengths = { expected: `${width * HASH_BYTES} bytes`, found: `${bytes.length} bytes` }
      this.#object({ kind: 'tile', file: path, what: 'the tile has another length', ...lengths })
    }
  }

  /** Holds the root; it also tells, of a tile at the edge and its entries, which of the two is wrong. */
  #holdRoot(last: CheckedUnit | undefined, size: number, root: Uint8Array): void {
    const rest = last === undefined || last.count === UNIT_ENTRIES ? { subtrees: [], edge: [] } : last
    const edge = last?.edge ?? []
    const expected = toHex(root)
    const rootOf = (subtrees: readonly Subtree[]) => toHex(this.#nodes.root([...this.#subtrees, ...subtrees]))
    const found = rootOf(rest.subtrees)
    const isByTile = found !== expected && last?.otherwise !== undefined && rootOf(last.otherwise) === expected
    const wrong = found === expected ? ['tile'] : isByTile ? ['entry'] : ['tile', 'entry']
    for (const finding of edge.filter(({ kind }) => wrong.includes(kind))) this.#object(finding)
    if (found === expected || isByTile) return
    const what = this.#isLost
      ? 'the root cannot be computed, for entries and their hashes are missing'
      : 'the entries do not have the root of the signed head'
    this.#object({ kind: 'root', file: PATHS.checkpoint, index: 0, count: Math.max(1, size), what, expected, found })
  }

  /** Contents must be of one run of entries, and of the one that the export names. */
  #holdRange(size: number): void {
    const { files } = this.#options
    const run = this.#contentRun()
    for (const [at, { first }] of this.#runs.entries()) {
      const end = this.#runs[at - 1]?.end ?? first
      if (first === end) continue
      const file = contentsPath(this.#runs[at - 1]!.first)
      const what = 'contents are missing behind it'
      this.#object({ kind: 'missing', file, index: end, count: first - end, what })
    }
    const bytes = files.read(PATHS.range, 64)
    if (bytes === undefined) {
      if (run !== undefined) this.#object({ kind: 'missing', file: PATHS.range, what: 'it is missing' })
      return
    }
    const found = String.fromCharCode(...bytes)
    const expected = run === undefined ? undefined : formatRange(run.first, run.end)
    const isEmptyRange = run === undefined && /^([0-9]+) \1\n$/.test(found) && Number.parseInt(found, 10) <= size
    if (found === expected || isEmptyRange) return
    const there = run === undefined ? 'none' : `those of ${run.first} to ${run.end - 1}`
    const what = `it names other contents than are there, which are ${there}`
    this.#object({ kind: 'missing', file: PATHS.range, what, found: found.trimEnd() })
  }

  #contentRun(): ContentRun | undefined {
    const [first, last] = [this.#runs[0], this.#runs.at(-1)]
    return first === undefined || last === undefined ? undefined : { first: first.first, end: last.end }
  }

  async #holdEnds({ ends }: CheckedHead, size: number): Promise<void> {
    for (const end of ends) {
      const [expected, found] = [toHex(end.root), toHex(await this.#rootAt(end.size, size))]
      if (expected === found) continue
      const what = `a key was retired with another root at size ${end.size}`
      const range = { index: 0, count: Math.max(1, end.size) }
      this.#object({ kind: 'root', file: PATHS.checkpoint, ...range, what, expected, found })
    }
  }

  /** The root at a smaller size, out of tiles that were held against the entries. */
  async #rootAt(at: number, size: number): Promise<Uint8Array> {
    const { files } = this.#options
    return await rootAt(at, async (level, start, count) => {
      const index = Math.floor(start / TILE_WIDTH)
      const path = tilePath(level, index, tileWidthAt(size, level, index))
      const tile = files.read(path, TILE_BYTES) ?? files.read(tilePath(level, index), TILE_BYTES)
      const from = (start % TILE_WIDTH) * HASH_BYTES
      return (tile ?? new Uint8Array(0)).subarray(from, from + count * HASH_BYTES)
    })
  }

  #object(finding: FolderFinding): void {
    this.#findingCount++
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding)
  }

  #report(head: CheckedHead, rootsAt: ReadonlyMap<number, string>): FolderReport {
    const { note, checkpoint, signedBy, vkey, rotations, signers, cosignatures } = head
    const run = this.#contentRun()
    const firstBad = firstBadOf(this.#findings)
    return {
      ...(checkpoint === undefined ? {} : { origin: checkpoint.origin, root: toBase64(checkpoint.root) }),
      size: checkpoint?.size ?? 0,
      ...(note === undefined || checkpoint === undefined ? {} : { head: textOf(note) }),
      ...(vkey === undefined ? {} : { vkey }),
      signedBy,
      signers,
      rotations: rotations.map(textOf),
      cosignatures,
      contents: run === undefined ? undefined : { ...run, eventBytes: this.#eventBytes },
      rootsAt,
      ...(firstBad === undefined ? {} : { firstBad }),
      findings: this.#findings,
      findingCount: this.#findingCount,
    }
  }
}

/** Of what is wrong with entries or contents, the first; the root, which is of all of them, where there is nothing else. */
function firstBadOf(
  findings: readonly FolderFinding[],
): { readonly index: number; readonly count: number } | undefined {
  const places = findings.flatMap(({ kind, index, count = 1 }) =>
    index === undefined || kind === 'tile' ? [] : [{ kind, index, count }],
  )
  const isRoot = ({ kind }: { readonly kind: string }) => Number(kind === 'root')
  const [first] = places.toSorted((a, b) => isRoot(a) - isRoot(b) || a.index - b.index || a.count - b.count)
  return first === undefined ? undefined : { index: first.index, count: first.count }
}

/** For showing and for keeping: what is no UTF-8 was a finding before. */
function textOf(note: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(note)
}
