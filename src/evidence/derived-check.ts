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
import type { DerivedFile } from './derived-file.ts'
import type { Findings } from './finding.ts'
import { type LedgerReplay, toHex } from './ledger-replay.ts'
import type { Statement } from './published.ts'
import type { Replay } from './replay.ts'
import { firstCommitOf } from './replay.ts'
import type { WalkedFile } from './wal-walk.ts'

const TILE_WIDTH = 256
const RECORD_BYTES = 32
const ANCHOR = 'derived/anchor.json'

/** The state of a replay at the commit of the anchor. */
export interface AnchorState {
  readonly end: Replay['end']
  readonly hash: string
  readonly lastTime: string
  readonly ledgers: ReadonlyMap<
    string,
    { readonly size: number; readonly root: string | undefined; readonly places: number }
  >
  readonly latest: ReadonlyMap<string, Statement>
  readonly before: ReadonlyMap<string, Statement>
}

export function anchorState(replay: Replay): AnchorState {
  const { end, hash, lastTime, published } = replay
  const ledgers = [...replay.ledgers.values()].map(
    ({ name, size, root, placeCount: places }) => [name, { size, root, places }] as const,
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
  } else if (options.state === undefined) checkUnreached(anchor, options)
  else checkAnchor(anchor, options.state, options)
  for (const name of names) {
    if (name === 'anchor.json' || (options.isRunning && name === 'anchor.json.new')) continue
    if (replay.ledgers.has(name) || replay.state.ledgers.has(name)) continue
    remarks.push(`derived/${name} is not a file of Stele; it was not looked at.`)
  }
  for (const ledger of replay.ledgers.values()) await checkLedger(ledger, options)
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
  const isEnd = anchor.commit === replay.commit
  const lastMs = timeMs(state.lastTime)
  const facts: readonly [string, unknown, unknown][] = [
    ['originPrefix', replay.originPrefix, anchor.originPrefix],
    ['file', state.end?.firstCommit, anchor.file],
    ['position', state.end?.position, anchor.position],
    ['hash', state.hash, anchor.hash],
    [
      'files',
      earlier.map((file) => [firstCommitOf(file), file.sizeBytes]),
      anchor.files.map((file) => [file.firstCommit, file.sizeBytes]),
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
    // Where a leaf is lost there is no root to compare, and the loss has been told.
    return root === undefined ? (said ?? { name, size, root: '', places }) : { name, size, root, places }
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

async function checkLedger(ledger: LedgerReplay, options: DerivedOptions): Promise<void> {
  const { disk, directory, anchor, remarks } = options
  const names = await listNames(disk, join(directory, 'derived', ledger.name))
  const counted = typeof anchor === 'string' ? undefined : anchor.ledgers.find(({ name }) => name === ledger.name)
  const known = new Set(['places', ...ledger.levels.keys().map((level) => `level-${level}`)])
  for (const name of names) {
    // A server may have grown the tree by a level since the log was read.
    if (known.has(name) || (options.isRunning && /^(?:level-[0-9]+|places)$/.test(name))) continue
    remarks.push(`derived/${ledger.name}/${name} is not a file of Stele; it was not looked at.`)
  }
  for (const [level, file] of ledger.levels.entries()) {
    if (file === undefined) continue
    const countedBytes = Math.floor((counted?.size ?? 0) / TILE_WIDTH ** level) * RECORD_BYTES
    await checkFile(file, countedBytes, ledger.root !== undefined, level === 0 ? ledger.name : undefined, options)
  }
  await checkFile(ledger.places, (counted?.places ?? 0) * RECORD_BYTES, ledger.placesKnown, undefined, options)
}

/** `isKnown`: the log gave all of the file's bytes. `leavesOf` names the ledger whose leaf hashes these are. */
async function checkFile(
  file: DerivedFile,
  countedBytes: number,
  isKnown: boolean,
  leavesOf: string | undefined,
  { isRunning, findings, remarks }: DerivedOptions,
): Promise<void> {
  const { sizeBytes, expectedBytes, difference } = await file.finish()
  const name = file.name
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
    const entry = leavesOf === undefined ? {} : { ledger: leavesOf, index: difference.offset / RECORD_BYTES }
    findings.add({
      kind: 'derived',
      file: name,
      what: 'the file says something else than the log',
      ...difference,
      ...entry,
    })
  } else if (difference !== undefined) {
    remarks.push(
      `${name} differs from byte ${difference.offset} on, behind what the anchor counts: nobody reads it there.`,
    )
  }
  if (isKnown && !isRunning && (sizeBytes ?? 0) > expectedBytes) {
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
