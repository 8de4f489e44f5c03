// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Explains a data directory and changes nothing: what a verification of every byte finds, what a start would do about
 * it, and what can be done. It believes neither the directory nor itself: the start is tried, not foretold.
 */
import { join, resolve } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import type { Files } from '../platform/files.ts'
import { BACKUP_BEGUN, MANIFEST } from '../ledger/opening.ts'
import { diskReserveBytes } from '../schema/limits.ts'
import type { Finding } from './finding.ts'
import type { KeptHead } from './kept-heads.ts'
import { keysPlace, listNames } from './beside.ts'
import { type Remedy, remedyOf } from './remedies.ts'
import type { StartTrial } from './start-trial.ts'
import { type DirectoryOptions, type DirectoryReport, verifyDirectory } from './verify-directory.ts'

/** A finding, and what can be done about it. */
export type Ailment = Omit<Finding, 'kind'> & Remedy

/** Entries that are not here, or cannot be relied on. */
interface LostRange {
  readonly ledger: string
  readonly index: number
  readonly count: number
}

export interface Examination {
  /** `mended`: a start would mend what a crash left. */
  readonly verdict: 'healthy' | 'mended' | 'wrong'
  readonly directory: string
  readonly isRunning: boolean
  /** A backup that was finished: it is read and restored, and no server starts on it. */
  readonly isBackup: boolean
  /** What a start would do, each thing in a sentence; undefined where none was tried. */
  readonly start: { readonly isRefused: boolean; readonly does: readonly string[] } | undefined
  readonly ailments: readonly Ailment[]
  readonly ailmentCount: number
  readonly lost: readonly LostRange[]
  /** Ledgers of which nothing can be proven, since a hash is lost. */
  readonly unprovable: readonly string[]
  readonly entryCount: number
  /** What was looked at, and what was found, in a few words each. */
  readonly checks: readonly { readonly name: string; readonly found: string }[]
  readonly remarks: readonly string[]
}

export interface DoctorOptions extends Pick<DirectoryOptions, 'threadCount' | 'onProgress'> {
  readonly disk: Disk
  readonly files: Files
  readonly directory: string
  /** The directory as a word of a command line. */
  readonly data: string
  readonly heads: readonly KeptHead[]
  readonly isRunning: boolean
  readonly tryStart: () => Promise<StartTrial>
}

export async function examine(options: DoctorOptions): Promise<Examination> {
  const { disk, directory, heads, isRunning, data } = options
  const report = await verifyDirectory({ ...options, disk, directory, heads, isRunning })
  const names = await listNames(disk, directory)
  const isBackup = names.includes(MANIFEST) && !names.includes(BACKUP_BEGUN)
  const trial = isRunning || isBackup ? undefined : await options.tryStart()
  // Keys are in a backup where they were asked for.
  const missing = isBackup ? [] : await missingKeys(options, report)
  const beside = [...missing, ...(await besideAilments(options))]
  const [first] = (await listNames(disk, join(directory, 'wal'))).filter((name) => /^[0-9]{16}$/.test(name))
  const context = { data, findings: report.findings, firstCommit: Number(first ?? 1) }
  const refused = trialFinding(trial, directory, report.findings)
  // A server goes on behind its backup.
  const isPassed = isBackup && report.isOlder
  const findings = [...(refused === undefined ? [] : [refused]), ...(isPassed ? [] : report.findings)]
  const ailments = [...findings.map((finding) => ({ ...shown(finding), ...remedyOf(finding, context) })), ...beside]
  const isRefused = trial?.isStarted === false
  const does = trial === undefined ? [] : doings(trial, directory)
  const isWrong = ailments.length > 0 || isRefused
  return {
    verdict: isWrong ? 'wrong' : does.length > 0 ? 'mended' : 'healthy',
    directory,
    isRunning,
    isBackup,
    start: trial === undefined ? undefined : { isRefused, does },
    ailments,
    ailmentCount: ailments.length + (isPassed ? 0 : report.findingCount - report.findings.length),
    lost: isPassed ? [] : lostOf(report.findings),
    unprovable: report.ledgers.filter(({ root }) => root === undefined).map(({ name }) => name),
    entryCount: report.entryCount,
    checks: await checksOf(options, report, trial, isBackup),
    remarks: report.remarks,
  }
}

function shown({ what, file, offset, ledger, index, count, expected, found }: Finding): Omit<Ailment, keyof Remedy> {
  return {
    what,
    ...(file === undefined ? {} : { file }),
    ...(offset === undefined ? {} : { offset }),
    ...(ledger === undefined ? {} : { ledger }),
    ...(index === undefined ? {} : { index }),
    ...(count === undefined ? {} : { count }),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  }
}

/** What a start objects to, where the verification did not say it already. */
function trialFinding(
  trial: StartTrial | undefined,
  directory: string,
  findings: readonly Finding[],
): Finding | undefined {
  if (trial === undefined || trial.isStarted || trial.why === 'key') return undefined
  const { place, message, why } = trial
  if (place === undefined)
    return findings.length > 0 ? undefined : { kind: why === 'head' ? 'kept-head' : 'system', what: message }
  const file = below(directory, place.file)
  if (findings.some((finding) => finding.file?.startsWith(file) === true)) return undefined
  const { offset, expected, found } = place
  return { kind: 'file', what: message, file, ...(isFolder(file) ? {} : { offset }), expected, found }
}

/** What a start would do about what it finds. */
function doings(trial: StartTrial, directory: string): string[] {
  if (!trial.isStarted) {
    const { place, message } = trial
    const file = place === undefined ? '' : below(directory, place.file)
    const where = place === undefined ? '' : `${file}${isFolder(file) ? '' : ` at byte ${place.offset}`}: `
    const held = place === undefined ? '' : `; expected ${place.expected}, found ${place.found}`
    return [`refuse: ${where}${message}${held}`]
  }
  const { cut, rederived, headMissing, unrecordedCuts } = trial.opening
  const done: string[] = []
  if (cut !== undefined) {
    const { file, position, bytes } = cut
    const where = `at byte ${position} of ${below(directory, file)}`
    done.push(
      `cut off a torn end of ${bytes} bytes ${where}, of which nothing was acknowledged, and record that in system`,
    )
  }
  const earlier = unrecordedCuts.length - (cut === undefined ? 0 : 1)
  if (earlier > 0) done.push(`record in system what ${earlier} earlier start${earlier === 1 ? '' : 's'} cut off`)
  if (rederived !== undefined) done.push(`make the derived files again: ${rederived}`)
  if (headMissing) done.push(`keep the head outside for the first time, in ${trial.head}`)
  return done
}

async function missingKeys({ disk, directory, data }: DoctorOptions, { ledgers }: DirectoryReport): Promise<Ailment[]> {
  const { keysName } = await keysPlace(disk, directory)
  const names = new Set(await listNames(disk, resolve(directory, keysName)))
  const pending = new Set(await listNames(disk, resolve(directory, keysName, 'pending')))
  return ledgers.flatMap(({ name, origin }) => {
    const key = `${name}.key`
    if (origin === undefined || names.has(key) || pending.has(key)) return []
    const finding: Finding = {
      kind: 'key',
      file: `${keysName}/${key}`,
      what: `the key of ${name} is missing`,
      expected: `the key of ${origin}`,
      found: 'none',
    }
    return [{ ...shown(finding), ...remedyOf(finding, { data, findings: [], firstCommit: 1 }) }]
  })
}

/** Secrets that others can read, and a disk on which nothing can be written. */
async function besideAilments({ disk, files, directory, data }: DoctorOptions): Promise<Ailment[]> {
  const ailments: Ailment[] = []
  const { keysName } = await keysPlace(disk, directory)
  const keys = (await listNames(disk, resolve(directory, keysName))).filter((name) => name.endsWith('.key'))
  for (const file of ['admin.token', ...keys.map((name) => `${keysName}/${name}`)]) {
    const status = await files.status(resolve(directory, file), 'follow')
    if (status === undefined || status.isPrivate) continue
    ailments.push({
      file,
      what: 'others than its owner may read or write it',
      expected: 'mode 0600',
      found: 'a mode that lets others in',
      meaning: 'Whoever has read it can sign, or ask, in this server’s name.',
      remedy: 'Take the rights away; where somebody may have read it, treat it as stolen.',
      command: `chmod 600 ${file.startsWith('/') ? file : `${data}/${file}`}`,
    })
  }
  const { freeBytes, totalBytes } = await disk.space(directory)
  if (freeBytes < diskReserveBytes(totalBytes)) {
    ailments.push({
      what: 'the disk is all but full: events are refused',
      expected: `${diskReserveBytes(totalBytes)} bytes free`,
      found: `${freeBytes}`,
      meaning: 'What was acknowledged is safe.',
      remedy: 'Make room on that disk; never in the directory itself.',
      command: `df -h ${data}`,
    })
  }
  return ailments
}

/** Ranges of entries that findings speak of, the narrowest that are known. */
function lostOf(findings: readonly Finding[]): LostRange[] {
  const ranges = findings.flatMap(({ kind, ledger, index, count = 1 }) =>
    ledger === undefined || index === undefined || kind === 'derived' ? [] : [{ ledger, index, count }],
  )
  const isWithin = (a: LostRange, b: LostRange) =>
    a.ledger === b.ledger && a.index >= b.index && a.index + a.count <= b.index + b.count
  return ranges.filter(
    (range, at) =>
      !ranges.some((other, position) => {
        const isSame = isWithin(other, range) && isWithin(range, other)
        return isSame ? position < at : isWithin(other, range)
      }),
  )
}

async function checksOf(
  { disk, directory, isRunning, heads }: DoctorOptions,
  report: DirectoryReport,
  trial: StartTrial | undefined,
  isBackup: boolean,
): Promise<{ name: string; found: string }[]> {
  const { freeBytes } = await disk.space(directory)
  const names = await listNames(disk, directory)
  const held = report.heads.map(
    ({ where, ledger, size, holds, missing = 0 }) =>
      `${where}, ${ledger} at ${size}: ${holds ? 'holds' : missing > 0 ? `newer than this data by ${missing}` : 'DOES NOT HOLD'}`,
  )
  const none =
    heads.length > 0 ? 'it cannot be read' : 'none was found: an older copy of the directory would not be noticed'
  const { segmentCount, segmentBytes, walBytes, commitCount, entryCount, ledgers, unfinished } = report
  const torn =
    unfinished === undefined
      ? `${count(walBytes)} bytes in ${count(commitCount)} commits, whole`
      : `${count(walBytes)} bytes in ${count(commitCount)} commits, its last frame is not whole, at byte ${unfinished.position} of ${unfinished.file}`
  return [
    { name: 'lock', found: isRunning ? 'a server runs on the directory' : 'no server has it' },
    {
      name: 'segments',
      found: segmentCount === 0 ? 'none' : `${count(segmentCount)}, together ${count(segmentBytes)} bytes`,
    },
    { name: 'log', found: walBytes === 0 ? 'none is here' : torn },
    { name: 'entries', found: `${count(entryCount)} in ${ledgers.length} ledgers` },
    { name: 'head outside', found: held.length > 0 ? held.join('; ') : none },
    { name: 'witnesses', found: witnessesWords(report.witnessed) },
    { name: 'space', found: `${count(freeBytes)} bytes are free` },
    { name: 'index', found: names.includes('index') ? 'there' : 'not there; the server makes one' },
    {
      name: 'start',
      found:
        trial === undefined
          ? isBackup
            ? 'not tried: this is a backup'
            : 'not tried: a server runs'
          : trial.isStarted
            ? 'tried in memory: it starts'
            : 'tried in memory: refused',
    },
  ]
}

function count(figure: number): string {
  return figure.toLocaleString('en-US')
}

function witnessesWords({ witnesses, needed, head, cosignatures }: DirectoryReport['witnessed']): string {
  if (witnesses.length === 0 && head === undefined) return 'none is asked'
  const asked = `${needed} of ${witnesses.length} must cosign (${witnesses.join(', ')})`
  if (head === undefined) return `${asked}; no witnessed head is here`
  const { size, holds, missing = 0 } = head
  const holding = holds ? 'holds' : missing > 0 ? `newer than this data by ${missing}` : 'DOES NOT HOLD'
  const by = cosignatures.map(({ witness, time }) => `${witness} at ${time}`).join(', ')
  return `${asked}; ${head.where}, heads at ${size}, by ${by}: ${holding}`
}

/** Of what lies in a folder as a whole no byte can be named. */
function isFolder(file: string): boolean {
  return /^(?:wal|derived|segments(?:\/[^_/][^/]*)?)$/.test(file)
}

function below(directory: string, path: string): string {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path
}
