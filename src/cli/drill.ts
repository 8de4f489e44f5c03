// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'

import type { DrillReport, DrillStep, Finder } from '../evidence/drill.ts'
import { defineCommand } from './command.ts'
import { DEFAULT_DATA, jsonOption } from './connect.ts'
import { bytesText, clipped, count, entries, jsonLine, printable, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf, variable } from './environment.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'

const DEFAULT_CAP_MB = 32
const BYTES_PER_MB = 1024 * 1024
const MIN_WIDTH = 72
const MAX_WIDTH = 120
const UNTOUCHED = 'The directory was not changed'

export const drill = defineCommand({
  name: 'drill',
  summary: 'Tampers with a copy of a ledger and shows what finds it',
  description:
    'The directory is only read; its server may run. A copy of the beginning of its log, with its keys, is made in a folder of its own below TMPDIR, else /tmp, for this user alone, and removed at the end; one that a killed drill left there is removed first. Each tampering is done to a fresh copy and held against stele verify with the head kept outside, against stele verify without it, against a receipt that somebody else holds, and against a start of the server.',
  operands: '',
  options: {
    data: { type: 'string', value: 'DIR', help: `the data directory; else ${DEFAULT_DATA}` },
    ledger: { type: 'string', value: 'NAME', help: 'the ledger that is tampered with; else the largest' },
    cap: {
      type: 'string',
      value: 'MB',
      help: `copies at most that much of the log, from its beginning; else ${DEFAULT_CAP_MB}`,
    },
    ...jsonOption,
  },
  examples: [
    { command: 'stele drill', does: 'tampers with copies of ./stele-data, and prints what found it' },
    { command: 'stele drill --data /srv/stele --ledger main', does: 'the same with the ledger main of that directory' },
  ],
  exitCodes: {
    0: 'all was found that has to be',
    1: 'something was not found that has to be',
    2: 'the command line is wrong',
    3: 'the directory could not be read, is not sound as it is, or the drill was interrupted',
  },
  run: async ({ options }, environment) => {
    const capBytes = capOf(options.cap) * BYTES_PER_MB
    const data = options.data ?? DEFAULT_DATA
    const { ledger } = options
    const report = await held(data, { capBytes, ...(ledger === undefined ? {} : { ledger }) }, environment)
    const { stdout } = environment
    await stdout.write(options.json === true ? jsonLine(report) : describe(report, data, stdout.columns))
    return report.allFound ? 0 : 1
  },
})

function capOf(text: string | undefined): number {
  const cap = text === undefined ? DEFAULT_CAP_MB : /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (cap === 0)
    throw usageFailure(`--cap ${printable(text ?? '')} is no number of megabytes`, 'Give one from 1 to 9999')
  return cap
}

async function held(
  data: string,
  limits: { readonly capBytes: number; readonly ledger?: string },
  environment: Environment,
): Promise<DrillReport> {
  const { disk, clock, random, interrupted, openCopy: open, files, stderr } = environment
  const directory = pathOf(environment, data)
  const status = await files.status(join(directory, 'wal'), 'follow').catch((error: unknown) => {
    throw fileFailure(error, data, 'read', UNTOUCHED)
  })
  if (status?.kind !== 'directory') {
    const what = `${printable(data)} is not a data directory of Stele`
    throw new Failure(3, what, "Name the one that 'stele serve' is given with --data")
  }
  const temporary = pathOf(environment, variable(environment, 'TMPDIR') ?? '/tmp')
  const show = async (text: string) => (stderr.isTerminal ? await stderr.write(`\r\u001b[K${text}`) : undefined)
  const { drill: hold } = await import('../evidence/drill.ts')
  const { drillFolder, removeDeadFolders } = await import('../evidence/drill-folder.ts')
  const workFolder = drillFolder(temporary, random)
  const removed = await removeDeadFolders(disk, files, temporary).catch((error: unknown) => {
    throw fileFailure(error, temporary, 'read', UNTOUCHED)
  })
  for (const folder of removed) await stderr.write(`Removed ${printable(folder)}, which a killed drill had left.\n`)
  try {
    const onStep = ({ number, count: steps, what }: { number: number; count: number; what: string }) => {
      void show(clipped(`${number} of ${steps}: somebody ${what} `, Math.max(stderr.columns, MIN_WIDTH) - 1)).catch(
        () => {},
      )
    }
    await show('Making a copy … ')
    return await hold({ disk, clock, random, directory, workFolder, open, onStep, interrupted, ...limits })
  } catch (error) {
    throw failureOf(error, data, environment)
  } finally {
    await show('')
  }
}

function failureOf(error: unknown, data: string, { interrupted }: Environment): unknown {
  if (interrupted.aborted) return new Failure(3, 'the drill was interrupted', `${UNTOUCHED}, and the copy was removed`)
  if (!(error instanceof Error)) return error
  if ('syscall' in error) return fileFailure(error, data, 'read', `${UNTOUCHED}, and the copy was removed`)
  if (!error.name.endsWith('Fault')) return error
  if (error.name === 'NoLedgerFault') return new Failure(2, printable(error.message), UNTOUCHED)
  const mend = `'stele verify --data ${shellWord(data)}' says all that is wrong`
  return new Failure(3, printable(error.message), UNTOUCHED, mend)
}

const COLUMNS: readonly (readonly [Finder, string, string])[] = [
  ['kept head', 'with the', 'kept head'],
  ['directory alone', 'without', 'it'],
  ['receipt', 'by a', 'receipt'],
]
const CELL = 11
const STARTS = 7

function describe(report: DrillReport, data: string, columns: number): string {
  const width = Math.min(Math.max(columns, MIN_WIDTH), MAX_WIDTH)
  const { ledger, entryCount, ownCount, copiedBytes, isWhole, steps } = report
  const part = isWhole ? 'The copy' : 'The copy, the beginning of the log,'
  const intro = `${part} had ${bytesText(copiedBytes)} of log with ${entries(entryCount)} of ${ledger}, and the drill appended ${count(ownCount)} of its own to it. ${printable(data)} was only read.`
  const nameWidth = Math.min(66, width - CELL * COLUMNS.length - STARTS)
  const cell = (text: string) => text.padEnd(CELL)
  const head = [
    `${' '.repeat(nameWidth)}${COLUMNS.map(([, above]) => cell(above)).join('')}server`,
    `${'Somebody'.padEnd(nameWidth)}${COLUMNS.map(([, , below]) => cell(below)).join('')}starts`,
  ]
  const rows = steps.flatMap((step) => {
    const [first = '', ...more] = wrapped(`${step.isFound ? '' : 'NOT FOUND: '}${step.what}`, nameWidth - 2)
    const cells = COLUMNS.map(([finder]) => cell(step.foundBy.includes(finder) ? 'found' : '–')).join('')
    const named = step.first === undefined ? [] : wrapped(place(step.first), nameWidth - 4).map((line) => `  ${line}`)
    return [`${first.padEnd(nameWidth)}${cells}${step.startRefused === undefined ? 'yes' : 'no'}`, ...more, ...named]
  })
  const lines = [...wrapped(intro, width), '', ...head, ...rows, '', ...wrapped(verdict(report), width)]
  return `${lines.map(printable).join('\n').trimEnd()}\n`
}

/** What `verify` points at. */
function place(first: NonNullable<DrillStep['first']>): string {
  const { ledger, index, count: many = 1, file, offset } = first
  const range =
    many === 1 ? `entry ${count(index ?? 0)}` : `entries ${count(index ?? 0)} to ${count((index ?? 0) + many - 1)}`
  const parts = [
    ...(ledger === undefined || index === undefined ? [] : [`${range} of ${ledger}`]),
    ...(file === undefined ? [] : [offset === undefined ? file : `${file} at byte ${count(offset)}`]),
  ]
  return `names ${parts.join(', ')}`
}

/** What was found, and in the same breath what was not. */
function verdict({ steps, allFound }: DrillReport): string {
  const unseen = (finder: Finder) => steps.filter(({ notFoundBy }) => notFoundBy.includes(finder)).length
  const first = allFound
    ? 'All was found that has to be.'
    : 'Something was not found that has to be: do not rely on this directory, and report it.'
  const alone = `Without a head kept outside, ${count(unseen('directory alone'))} of ${count(steps.length)} would not be found: a directory alone shows only that it fits together.`
  const forged =
    'Whoever has the signing keys and can also replace the head outside signs another history as the true one: verify finds nothing, and the server starts. Only a receipt that somebody else holds shows it, or a witness (stele witness add). So keep the head where nobody who administers this machine can write, and give out receipts.'
  return `${first} ${alone} ${forged}`
}
