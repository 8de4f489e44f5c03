// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds the derived files and the anchor against the log. A running server and a crash leave files that are behind, or
 * hold more than the anchor counts; what the anchor counts must be there, and right to the byte.
 */
import { join } from 'node:path'
import { EMPTY_ROOT } from '@stele/proof'
import type { Disk } from '../platform/disk.ts'
import { timeMs } from '../platform/clock.ts'
import type { Anchor } from '../ledger/anchor.ts'
import type { SystemState } from '../state/system-state.ts'
import { listNames } from './beside.ts'
import type { Comparison, DerivedRun } from './derived-file.ts'
import type { Findings } from './finding.ts'
import { checkRecent, RECENT_NAMES } from './recent-check.ts'
import { CHUNK_RECORDS } from '../ledger/record-file.ts'
import { type LedgerReplay, toHex } from './ledger-replay.ts'
import type { Statement } from './published.ts'
import type { Replay } from './replay.ts'
import { firstCommitOf } from './replay.ts'
import type { WalkedFile } from './wal-walk.ts'

const TILE_WIDTH = 256
const RECORD_BYTES = 32
const SHOWN_NAMES = 4
const ANCHOR = 'derived/anchor.json'

/** The state of a replay at the commit of the anchor. */
export interface AnchorState {
  readonly end: Replay['end']
  readonly hash: string
  readonly lastTime: string
  readonly ledgers: ReadonlyMap<
    string,
    { readonly size: number; readonly root: string | undefined; readonly places: number | undefined }
  >
  readonly latest: ReadonlyMap<string, Statement>
  readonly before: ReadonlyMap<string, Statement>
}

export function anchorState(replay: Replay): AnchorState {
  const { end, hash, lastTime, published } = replay
  const ledgers = [...replay.ledgers.values()].map(
    ({ name, size, root, placeCount, placesKnown }) =>
      [name, { size, root, places: placesKnown ? placeCount : undefined }] as const,
  )
  return {
    end,
    hash,
    lastTime,
    ledgers: new Map(ledgers),
    latest: new Map(published.latest),
    before: new Map(published.before),
  }
}

export interface DerivedOptions {
  readonly disk: Disk
  readonly directory: string
  readonly replay: Replay
  readonly files: readonly WalkedFile[]
  /** Names under `derived/`, listed before the anchor was read. */
  readonly names: readonly string[]
  readonly anchor: Anchor | string
  /** The replay's state at the anchor; undefined where the log does not reach it. */
  readonly state: AnchorState | undefined
  /** Last commit that is sealed; 0 where none is. */
  readonly sealedCommit: number
  readonly isRunning: boolean
  readonly findings: Findings
  readonly remarks: string[]
}

export async function checkDerived(options: DerivedOptions): Promise<void> {
  const { anchor, names, replay, findings, remarks } = options
  if (typeof anchor === 'string') {
    if (names.includes('anchor.json')) findings.add({ kind: 'derived', file: ANCHOR, what: anchor })
    else if (!options.isRunning)
      remarks.push(`${ANCHOR} is not there: the next start reads the log from its beginning.`)
  } else if (anchor.commit <= options.sealedCommit && options.sealedCommit > 0) {
    if (!options.isRunning) remarks.push(`${ANCHOR} is older than the seal: the next start makes it anew.`)
  } else if (options.state === undefined) checkUnreached(anchor, options)
  else checkAnchor(anchor, options.state, options)
  for (const name of names) {
    if (name === 'anchor.json' || (options.isRunning && name === 'anchor.json.new')) continue
    if (replay.ledgers.has(name) || replay.state.ledgers.has(name)) continue
    remarks.push(`derived/${name} is not a file of Stele; it was not looked at.`)
  }
  const recent: string[] = []
  for (const ledger of replay.ledgers.values()) recent.push(...(await checkLedger(ledger, options)))
  if (recent.length > 0) {
    const are = recent.length === 1 ? 'was' : 'were'
    remarks.push(
      `${list(recent)} ${are} held against what the anchor counts and the ledger has, in length, order and range; what ` +
        'they say of events was not held against the events.',
    )
  }
  const passed = [...replay.ledgers.values()].filter(({ firstPlace }) => firstPlace > 0).map(({ name }) => name)
  if (passed.length === 0 || options.isRunning) return
  remarks.push(
    `The first records of ${list(passed.map((name) => `derived/${name}/places-…`))} were not looked at: they say where in ` +
      'the log entries were that are in segments now, and nobody reads them.',
  )
}

/** The log must reach the anchor: it was written when the commit that it names was durable. */
function checkUnreached(anchor: Anchor, { replay, findings }: DerivedOptions): void {
  const expected = `commit ${anchor.commit}`
  const what = 'the log ends before the anchor, which counts only what was durable'
  findings.add({ kind: 'missing', file: ANCHOR, what, expected, found: `commit ${replay.commit}` })
  for (const { name, size } of anchor.ledgers) {
    const index = replay.ledgers.get(name)?.size ?? 0
    if (index >= size) continue
    const count = size - index
    findings.add({
      kind: 'missing',
      file: ANCHOR,
      ledger: name,
      index,
      count,
      what: `the anchor counts ${size} entries of ${name}`,
    })
  }
}

function checkAnchor(anchor: Anchor, state: AnchorState, options: DerivedOptions): void {
  const { replay, findings } = options
  const earlier = options.files.filter((file) => firstCommitOf(file) < anchor.file)
  // Files that were sealed since are gone.
  const counted = anchor.files.filter(({ firstCommit }) => firstCommit > options.sealedCommit)
  // A server that runs may write on any moment behind it, and knows times of what is to come.
  const isEnd = anchor.commit === replay.commit && !options.isRunning
  const lastMs = timeMs(state.lastTime)
  const facts: readonly [string, unknown, unknown][] = [
    ['originPrefix', replay.originPrefix, anchor.originPrefix],
    ['file', state.end?.firstCommit, anchor.file],
    ['position', state.end?.position, anchor.position],
    ['hash', state.hash, anchor.hash],
    [
      'files',
      earlier.map((file) => [firstCommitOf(file), file.sizeBytes]),
      counted.map((file) => [file.firstCommit, file.sizeBytes]),
    ],
    // Times of appends that were not yet durable when the anchor was written are in it too.
    ['lastMs', isEnd ? lastMs : Math.max(lastMs, anchor.lastMs), anchor.lastMs],
    ['ledgers', ledgerFacts(state, anchor, replay.state), rowTexts(anchor.ledgers)],
  ]
  for (const [field, expectedValue, foundValue] of facts) {
    const [expected, found] = [JSON.stringify(expectedValue), JSON.stringify(foundValue)]
    if (expected === found) continue
    findings.add({
      kind: 'derived',
      file: ANCHOR,
      what: `the anchor has another ${field} than the log`,
      expected,
      found,
    })
  }
  checkAnchorPublished(anchor, state, isEnd, findings)
}

/** Rows of ledgers as the anchor should have them; besides it may name ledgers that have no entries. */
function ledgerFacts(state: AnchorState, anchor: Anchor, system: SystemState): string[] {
  const empty = anchor.ledgers.filter(({ name }) => !state.ledgers.has(name) && system.ledgers.has(name))
  const rows = [...state.ledgers].map(([name, { size, root, places }]) => {
    const said = anchor.ledgers.find((row) => row.name === name)
    // Where a leaf is lost there is no root to compare, and the loss has been told; so it is with places.
    const known = { name, size, root: root ?? said?.root ?? '', places: places ?? said?.places ?? 0 }
    return root === undefined ? (said ?? known) : known
  })
  return rowTexts([...rows, ...empty.map(({ name }) => ({ name, size: 0, root: toHex(EMPTY_ROOT), places: 0 }))])
}

function rowTexts(rows: readonly Pick<Anchor['ledgers'][number], 'name' | 'size' | 'root' | 'places'>[]): string[] {
  return rows.map(({ name, size, root, places }) => `${name} ${size} ${root} ${places}`).toSorted()
}

/** The anchor may lag one statement behind `heads`: it is written before the publisher hears of its commit. */
function checkAnchorPublished(
  anchor: Anchor,
  { latest, before }: AnchorState,
  isEnd: boolean,
  findings: Findings,
): void {
  const said = new Map(anchor.published.map((row) => [row.name, `${row.size} ${row.root}`]))
  for (const name of new Set([...latest.keys(), ...said.keys()])) {
    const [now, earlier] = [latest.get(name), before.get(name)].map((row) =>
      row === undefined ? undefined : `${row.size} ${row.root}`,
    )
    const found = said.get(name)
    if (found === now || (!isEnd && found === earlier)) continue
    const what = `the anchor says something else of ${name} than heads`
    findings.add({ kind: 'derived', file: ANCHOR, what, expected: now ?? 'nothing', found: found ?? 'nothing' })
  }
}

/** Answers the files of ids and keys that were held against the anchor. */
async function checkLedger(ledger: LedgerReplay, options: DerivedOptions): Promise<string[]> {
  const { disk, directory, anchor, remarks, sealedCommit, state } = options
  const names = await listNames(disk, join(directory, 'derived', ledger.name))
  const isCounted = typeof anchor !== 'string' && (anchor.commit > sealedCommit || sealedCommit === 0)
  const counted = isCounted ? anchor.ledgers.find(({ name }) => name === ledger.name) : undefined
  const known = new Set<string>()
  for (const [level, run] of ledger.levels.entries()) {
    if (run === undefined) continue
    const records = { from: level === 0 ? (counted?.leavesFrom ?? 0) : 0, count: 0 }
    records.count = Math.floor((counted?.size ?? 0) / TILE_WIDTH ** level)
    await checkRun(run, { ...records, ledger, level, known, isKnown: ledger.root !== undefined }, options)
  }
  const places = { from: counted?.placesFrom ?? 0, count: counted?.places ?? 0, isKnown: ledger.placesKnown }
  await checkRun(ledger.places, { ...places, ledger, known }, options)
  const held = isCounted && state !== undefined ? await checkRecent(anchor, ledger.name, options) : []
  for (const name of RECENT_NAMES) {
    const file = `derived/${ledger.name}/${name}`
    known.add(name)
    if (!names.includes(name) || held.includes(file) || options.isRunning) continue
    remarks.push(`${file} was not looked at: no anchor that could be used counts what is in it.`)
  }
  for (const name of names) {
    // A server may have grown the tree by a level since the log was read.
    if (known.has(name) || (options.isRunning && /^(?:level-[0-9]+|places)/.test(name))) continue
    // Of those it is said once for all ledgers.
    if (isGivenUp(name, ledger)) continue
    remarks.push(`derived/${ledger.name}/${name} is not a file of Stele; it was not looked at.`)
  }
  return held
}

/** As many names as anybody reads. */
function list(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES)
  const rest = names.length - shown.length
  const last = rest > 0 ? `${rest} more` : shown.pop()
  return shown.length === 0 ? `${last}` : `${shown.join(', ')} and ${last}`
}

/** Places of what is sealed only: nobody reads them. */
function isGivenUp(name: string, { sealedSize, firstPlace }: LedgerReplay): boolean {
  const [, chunk] = /^places-([0-9]{8})$/.exec(name) ?? []
  return chunk !== undefined && sealedSize > 0 && firstPlace > 0 && Number(chunk) * CHUNK_RECORDS <= firstPlace
}

interface RunFacts {
  readonly ledger: LedgerReplay
  /** Of the tree; undefined for places. */
  readonly level?: number
  /** Records that the anchor counts on: from where, and how many there were in all. */
  readonly from: number
  readonly count: number
  /** The log gave all of the run's records. */
  readonly isKnown: boolean
  /** Takes the names of its files. */
  readonly known: Set<string>
}

async function checkRun(run: DerivedRun, facts: RunFacts, options: DerivedOptions): Promise<void> {
  const comparisons = await run.finish()
  for (const [position, comparison] of comparisons.entries()) {
    const { name, firstRecord } = comparison
    facts.known.add(name.slice(name.lastIndexOf('/') + 1))
    const isCounted = firstRecord + CHUNK_RECORDS > facts.from || !run.isChunked
    const countedBytes = isCounted ? Math.max(0, facts.count - firstRecord) * RECORD_BYTES : 0
    const limit = Math.min(countedBytes, run.isChunked ? CHUNK_RECORDS * RECORD_BYTES : Infinity)
    checkFile(comparison, limit, position === comparisons.length - 1, run.isChunked, facts, options)
  }
}

function checkFile(
  { name, firstRecord, sizeBytes, expectedBytes, difference }: Comparison,
  countedBytes: number,
  isLast: boolean,
  isChunked: boolean,
  { ledger, level, isKnown }: RunFacts,
  { isRunning, findings, remarks }: DerivedOptions,
): void {
  // A server gives files up as it seals.
  if (sizeBytes === undefined && isRunning && isChunked) return
  if ((sizeBytes ?? 0) < countedBytes) {
    const what = sizeBytes === undefined ? 'the file is not there' : 'the file is cut'
    const expected = `${countedBytes} bytes that the anchor counts`
    findings.add({
      kind: 'derived',
      file: name,
      offset: sizeBytes ?? 0,
      what,
      expected,
      found: `${sizeBytes ?? 'none'}`,
    })
  }
  if (difference !== undefined && difference.offset < countedBytes) {
    const record = firstRecord + difference.offset / RECORD_BYTES
    findings.add({
      kind: 'derived',
      file: name,
      what: 'the file says something else than the log',
      ...difference,
      ...(level === undefined ? {} : below(record, level, ledger)),
    })
  } else if (difference !== undefined) {
    remarks.push(
      `${name} differs from byte ${difference.offset} on, behind what the anchor counts: nobody reads it there.`,
    )
  }
  if (isKnown && !isRunning && (isLast || isChunked) && (sizeBytes ?? 0) > expectedBytes) {
    const what = 'the file goes on behind the log'
    findings.add({
      kind: 'derived',
      file: name,
      offset: expectedBytes,
      what,
      expected: `${expectedBytes} bytes`,
      found: `${sizeBytes}`,
    })
  }
}

/** The entries below a hash of the tree. */
function below(record: number, level: number, { name, size }: LedgerReplay) {
  const width = TILE_WIDTH ** level
  return { ledger: name, index: record * width, count: Math.max(1, Math.min(width, size - record * width)) }
}
