// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { DirectorySource } from '../evidence/export-directory.ts'
import { DirectoryLedgers } from '../evidence/directory-ledgers.ts'
import { ExportRefused } from '../evidence/export-draft.ts'
import {
  type Bound,
  ExportFault,
  exportLedger,
  type ExportOptions,
  type ExportSource,
  type ExportSummary,
} from '../evidence/export-ledger.ts'
import { keyChain } from '../evidence/key-chain.ts'
import { KnownLogFault, KnownLogs } from '../evidence/known-logs.ts'
import { ServedFault } from '../evidence/served-ledger.ts'
import { NoDirectoryError } from '../evidence/verify-directory.ts'
import { DataFault } from '../ledger/data-fault.ts'
import { ObjectMissing } from '../ledger/store/object-store.ts'
import { isNoRoom } from '../platform/disk.ts'
import { tryLock } from '../platform/lock.ts'
import { parseTime, TIME_FORMS } from '../query/time.ts'
import { Progress } from './append/progress.ts'
import { defineCommand } from './command.ts'
import { connect, DEFAULT_DATA, DEFAULT_LEDGER, jsonOption, ledgerOption, serverOptions } from './connect.ts'
import { bytesText, count, counted, entries, jsonLine, printable, shellQuoted, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf, stateDirectory } from './environment.ts'
import { ServedSource } from './export/served-source.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'

const SAFE = 'The folder is no export yet, and nobody takes it for one; what was written of it is kept'
const AGAIN = 'Run the same command again to go on'

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Writes a ledger as a folder that anybody can verify',
  description:
    'The folder has the form of C2SP tlog-tiles, which other programs read, and beside it the events with their salts, a line of JSON each: all of them, those of a range, or none. Entries and tree are always whole, for they prove the events. All of it is verified while it is written.\nThe checkpoint comes last: a folder without one is unfinished, and the same command goes on with it. A server records in the ledger access that events were read; what is read from a data directory on this machine, nobody records.',
  operands: 'DIR',
  options: {
    ...ledgerOption,
    from: { type: 'string', value: 'INDEX|TIME', help: 'only events from this entry on, or of this time on' },
    to: { type: 'string', value: 'INDEX|TIME', help: 'only events before this entry, or before this time' },
    'no-content': {
      type: 'boolean',
      help: 'no events: entries and tree alone, for which a token may do that may only verify',
    },
    data: {
      type: 'string',
      value: 'DIR',
      help: 'reads a data directory on this machine, whether a server runs on it or not',
    },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele export ./main-2026-09', does: 'writes the ledger main with all its events' },
    {
      command: 'stele export ./q3 --ledger payments --from 2026-07-01 --to 2026-10-01',
      does: 'writes the events of a quarter, with all that proves them',
    },
    { command: `stele export ./main --data ${DEFAULT_DATA}`, does: 'the same of a data directory, without a server' },
    { command: "stele verify ./main --key 'VKEY'", does: 'what whoever gets the folder types' },
  ],
  exitCodes: {
    0: 'the folder is a whole export, and verified',
    1: 'what was read is not what its signed head is of; the folder is no export',
    2: 'the command line is wrong, the server refused, or the folder is no place for this export',
    3: 'the server or a file could not be reached, read or written, or it was interrupted',
  },
  run: async ({ options, operands }, environment) => {
    const [out, ...more] = operands
    if (out === undefined || more.length > 0) {
      throw usageFailure('export needs one DIR to write', "'stele export --help' shows how it is used")
    }
    const { ledger = DEFAULT_LEDGER, data, from, to } = options
    if (data !== undefined && (options.url !== undefined || options.token !== undefined)) {
      throw usageFailure('--data goes without --url and --token', 'Name the directory, or the server')
    }
    const isBare = options['no-content'] === true
    if (isBare && (from !== undefined || to !== undefined)) {
      throw usageFailure('--no-content leaves no events to choose', 'Leave out --from and --to, or --no-content')
    }
    const contents = isBare ? undefined : boundsOf({ from, to }, environment)
    const asked = `${ledger}, ${isBare ? 'no content' : `events from ${from ?? 'the first'} to ${to ?? 'the last'}`}`
    const { stdout, stderr, clock } = environment
    let amount = { events: 0, readBytes: 0, totalBytes: undefined as number | undefined }
    const progress = new Progress(stderr, clock, () => amount)
    try {
      const run = {
        asked,
        contents,
        out,
        onBytes: (bytes: number) => (amount = { ...amount, readBytes: amount.readBytes + bytes }),
      }
      const onProgress: ExportOptions['onProgress'] = ({ doneCount }) => (amount = { ...amount, events: doneCount })
      const exported = async (source: ExportSource) => await exportFrom(source, { ...run, onProgress }, environment)
      const summary =
        data === undefined
          ? await exported(await ServedSource.open(await connect(options, environment), ledger, run.onBytes))
          : await fromDirectory(data, ledger, environment, exported)
      await progress.end()
      const text =
        options.json === true
          ? jsonLine(shown(summary, out))
          : summaryText(summary, out, progress.elapsedMs, stdout.columns)
      await stdout.write(text)
      return 0
    } catch (error) {
      await progress.end()
      throw failureOf(error, out, data)
    }
  },
})

interface RunOptions {
  readonly asked: string
  readonly contents: ExportOptions['contents']
  readonly out: string
  readonly onProgress: ExportOptions['onProgress']
}

async function exportFrom(
  source: ExportSource,
  { asked, contents, out, onProgress }: RunOptions,
  environment: Environment,
): Promise<ExportSummary> {
  const { disk, clock, interrupted } = environment
  const knownLogs = new KnownLogs(disk, clock, tryLock, stateDirectory(environment))
  const known = await knownLogs.find(source.origin)
  const summary = await exportLedger({
    disk,
    folder: pathOf(environment, out),
    source,
    asked,
    contents,
    lock: tryLock,
    ...(onProgress === undefined ? {} : { onProgress }),
    keyObjection: async ({ vkey, rotations }) => (await keyChain(knownLogs, known, vkey, rotations)).objection,
    demandGoingOn: () => {
      if (interrupted.aborted) throw new Failure(3, 'the export was interrupted', SAFE, AGAIN)
    },
  })
  const { origin, head, rotations } = summary
  const { objection: _, ...keys } = await keyChain(knownLogs, known, summary.vkey, rotations)
  await knownLogs.remember({ origin, ...keys, pinned: false, head })
  return summary
}

async function fromDirectory<T>(
  data: string,
  ledger: string,
  environment: Environment,
  work: (source: ExportSource) => Promise<T>,
): Promise<T> {
  const { disk } = environment
  const directory = pathOf(environment, data)
  const ledgers = await DirectoryLedgers.open(disk, directory)
  try {
    const source = await DirectorySource.open(disk, directory, ledgers, ledger)
    try {
      return await work(source)
    } finally {
      await source.close()
    }
  } finally {
    await ledgers.close()
  }
}

function boundsOf(
  { from, to }: { readonly from: string | undefined; readonly to: string | undefined },
  environment: Environment,
): NonNullable<ExportOptions['contents']> {
  const nowMs = environment.clock.wallMs()
  return {
    ...(from === undefined ? {} : { from: boundOf('--from', from, nowMs) }),
    ...(to === undefined ? {} : { to: boundOf('--to', to, nowMs) }),
  }
}

function boundOf(option: string, text: string, nowMs: number): Bound {
  if (/^[0-9]{1,15}$/.test(text)) return { index: Number(text) }
  const atMs = parseTime(text, nowMs)
  if (atMs !== undefined) return { atMs }
  throw usageFailure(`${option} is neither an index nor a time: ${printable(text)}`, `Give a number, or ${TIME_FORMS}`)
}

function failureOf(error: unknown, out: string, data: string | undefined): unknown {
  if (error instanceof ExportRefused) {
    return new Failure(2, printable(error.message), 'Nothing was written', printable(error.mend))
  }
  if (error instanceof ExportFault || error instanceof ServedFault) {
    const mend =
      data === undefined ? 'Run stele verify against that server' : `Run stele verify --data ${shellWord(data)}`
    return new Failure(1, printable(error.message), SAFE, mend)
  }
  if (error instanceof DataFault || error instanceof ObjectMissing) {
    const mend = `'stele verify --data ${shellWord(data ?? 'DIR')}' says all that is wrong`
    return new Failure(1, `the directory is damaged: ${printable(error.message)}`, SAFE, mend)
  }
  if (error instanceof KnownLogFault) return new Failure(3, printable(error.message), SAFE)
  if (error instanceof NoDirectoryError) {
    const mend = "Name the one that 'stele serve' is given with --data"
    return new Failure(3, `${printable(data ?? '')} is not a data directory of Stele`, 'Nothing was written', mend)
  }
  if (!(error instanceof Error) || !('syscall' in error || isNoRoom(error))) return error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : out
  const isRead = data !== undefined && path.startsWith(data)
  const failure = fileFailure(error, path, isRead ? 'read' : 'written', SAFE)
  return new Failure(3, failure.message, AGAIN)
}

function shown(summary: ExportSummary, out: string): object {
  const { origin, size, root, vkey, contents, eventBytes, resumedAt } = summary
  return {
    origin,
    size,
    root,
    vkey,
    eventBytes,
    resumedAt,
    ...(contents === undefined ? {} : { contents, contentCount: contents.end - contents.first }),
    out,
  }
}

function summaryText(summary: ExportSummary, out: string, elapsedMs: number, columns: number): string {
  const { size, origin, root, vkey, contents, eventBytes, resumedAt } = summary
  const events = contents === undefined ? 0 : contents.end - contents.first
  const which =
    events === 0
      ? 'and no events'
      : events === size
        ? `with all their events, ${bytesText(eventBytes)}`
        : `with ${counted(events, 'event')}, of the entries ${count(contents!.first)} to ${count(contents!.end - 1)}`
  const resumed = resumedAt > 0 ? ` It went on behind ${entries(resumedAt)} that were there already.` : ''
  const sentence = `${out} holds the ${entries(size)} of ${origin}, ${which}: root ${root}.${resumed}`
  const lines = [
    ...wrapped(printable(sentence), columns),
    `Everything was verified while it was written, in ${(elapsedMs / 1000).toFixed(1)} s.`,
    '',
    'Whoever gets the folder checks it, with a key that they got another way, by:',
    '',
    `  stele verify ${shellWord(out)} --key ${shellQuoted(vkey)}`,
  ]
  return `${lines.join('\n')}\n`
}
