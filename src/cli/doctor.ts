// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'

import { shortNames } from '../evidence/directory-words.ts'
import type { Ailment, Examination } from '../evidence/doctor.ts'
import type { Disk } from '../platform/disk.ts'
import { isHeld } from '../platform/lock-probe.ts'
import { cpuCount } from '../platform/workers.ts'
import { Progress } from './append/progress.ts'
import { defineCommand } from './command.ts'
import { DEFAULT_DATA, jsonOption } from './connect.ts'
import { count, counted, jsonLine, printable, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf, stateDirectory } from './environment.ts'
import { Failure, fileFailure } from './failure.ts'
import { keptHeads } from './verify/kept.ts'

const UNTOUCHED = 'Nothing was changed'
const SHOWN_AILMENTS = 20
/** Looks at a directory in which servers start and stop. */
const MAX_ROUNDS = 3
const RUNNING = 'running'

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Explains what is wrong with a data directory, and what can be done',
  description:
    'It reads every byte, tries a start of the server in memory, and changes nothing: a server may run. For each fault it says file, offset, what was expected and what was found, which entries are lost and which can still be proven, what a start would do about it, and the next command. Stele never repairs silently.',
  operands: '',
  options: {
    data: { type: 'string', value: 'DIR', help: `the data directory; else ${DEFAULT_DATA}` },
    head: { type: 'string', value: 'FILE|URL', help: 'the head kept outside; else the one in your state directory' },
    ...jsonOption,
  },
  examples: [
    { command: 'stele doctor', does: 'explains ./stele-data' },
    { command: 'stele doctor --data /srv/stele --json', does: 'the same of another directory, as JSON' },
  ],
  exitCodes: {
    0: 'healthy, or a start would mend what a crash left',
    1: 'something is wrong',
    2: 'the command line is wrong',
    3: 'the directory could not be read',
  },
  run: async ({ options }, environment) => {
    const data = options.data ?? DEFAULT_DATA
    const examination = await examined(data, options.head, environment)
    const { stdout } = environment
    const text = options.json === true ? jsonLine(examination) : describe(examination, data, stdout.columns)
    await stdout.write(text)
    return examination.verdict === 'wrong' ? 1 : 0
  },
})

async function examined(data: string, head: string | undefined, environment: Environment): Promise<Examination> {
  const { disk, files, clock, stderr, version } = environment
  const directory = pathOf(environment, data)
  let amount = { events: 0, readBytes: 0, totalBytes: 0 }
  const progress = new Progress(stderr, clock, () => amount)
  const place = {
    dataDirectory: directory,
    stateDirectory: stateDirectory(environment),
    version,
    ...(head === undefined ? {} : { head: /^https?:\/\//.test(head) ? head : pathOf(environment, head) }),
  }
  const { examine } = await import('../evidence/doctor.ts')
  const look = async (isRunning: boolean) =>
    await examine({
      disk,
      files,
      directory,
      data: shellWord(data),
      heads: await keptHeads(head === undefined ? [] : [head], directory, environment),
      isRunning,
      threadCount: cpuCount(),
      tryStart: async () => await environment.tryStart(place),
      onProgress: ({ entryCount, doneBytes, totalBytes }) => {
        amount = { events: entryCount, readBytes: doneBytes, totalBytes }
      },
    })
  try {
    return await lookedAtRest(disk, directory, look)
  } catch (error) {
    await progress.end()
    if (error instanceof Error && error.name === 'NoDirectoryError') {
      const mend = "Name the one that 'stele serve' is given with --data"
      throw new Failure(3, `${printable(data)} is not a data directory of Stele`, UNTOUCHED, mend)
    }
    if (error instanceof Error && 'syscall' in error) throw fileFailure(error, data, 'read', UNTOUCHED)
    throw error
  } finally {
    await progress.end()
  }
}

/** Looks again where a server came meanwhile: what it wrote is at odds with what was read before. */
async function lookedAtRest(
  disk: Disk,
  directory: string,
  look: (isRunning: boolean) => Promise<Examination>,
): Promise<Examination> {
  for (let round = 1; ; round++) {
    const before = await writtenIn(disk, directory)
    if (before === RUNNING) return await look(true)
    const outcome = await look(false).catch((error: unknown) => ({ error }))
    const isWritten = (await writtenIn(disk, directory)) !== before
    if (isWritten && round < MAX_ROUNDS) continue
    if ('error' in outcome) throw outcome.error
    if (!isWritten) return outcome
    return { ...outcome, remarks: [...outcome.remarks, 'The directory was written to meanwhile: look again.'] }
  }
}

/** What tells that a server has written to the directory. */
async function writtenIn(disk: Disk, directory: string): Promise<string> {
  if (isHeld(join(directory, 'LOCK'))) return RUNNING
  const names = await disk.list(join(directory, 'wal')).catch(() => [])
  const sizes = names.map(async (name) => `${name} ${await disk.regularBytes(join(directory, 'wal', name))}`)
  return (await Promise.all(sizes)).join()
}

function describe(examination: Examination, data: string, columns: number): string {
  const { ailments, ailmentCount, checks, remarks } = examination
  const lines = [...wrapped(verdictWords(examination, data), columns), '']
  for (const group of groupsOf(ailments.slice(0, SHOWN_AILMENTS))) lines.push(...groupLines(group, columns), '')
  if (ailmentCount > SHOWN_AILMENTS)
    lines.push(`and ${count(ailmentCount - SHOWN_AILMENTS)} more; --json has them.`, '')
  lines.push(...startLines(examination, columns), ...lostLines(examination, columns))
  const width = Math.max(...checks.map(({ name }) => name.length))
  lines.push('Looked at', ...checks.map(({ name, found }) => `  ${name.padEnd(width)}  ${found}`), '')
  for (const remark of remarks) lines.push(...wrapped(`Note: ${remark}`, columns))
  return `${lines.map(printable).join('\n').trimEnd()}\n`
}

function verdictWords({ verdict, isRunning, isBackup, ailmentCount }: Examination, data: string): string {
  if (verdict === 'wrong') {
    return `${data}: ${counted(ailmentCount, 'thing')} ${ailmentCount === 1 ? 'is' : 'are'} wrong. Nothing was changed.`
  }
  if (isBackup)
    return `${data} is a backup, and nothing is wrong with what was read of it: stele restore holds it against its list of files, and makes a data directory of it.`
  if (verdict === 'mended') return `${data} is whole but for what a crash leaves, which a start mends.`
  return isRunning
    ? `${data} is healthy, as far as its server has written it.`
    : `${data} is healthy: a start has nothing to mend.`
}

/** Ailments with one remedy, in the place of the first. */
function groupsOf(ailments: readonly Ailment[]): Ailment[][] {
  const groups = new Map<string, Ailment[]>()
  for (const ailment of ailments) {
    const key = `${ailment.meaning}\n${ailment.remedy}`
    groups.set(key, [...(groups.get(key) ?? []), ailment])
  }
  return [...groups.values()]
}

function groupLines(group: readonly Ailment[], columns: number): string[] {
  const [{ meaning, remedy } = { meaning: '', remedy: '' }] = group
  const indented = (text: string) => wrapped(shortNames(text), Math.max(40, columns - 2)).map((line) => `  ${line}`)
  const commands = new Set(group.flatMap(({ command }) => (command === undefined ? [] : [command])))
  return [
    ...group.flatMap((ailment) => objectionLines(ailment, columns)),
    ...indented(meaning),
    ...indented(remedy),
    ...[...commands].map((command) => `    ${command}`),
  ]
}

function objectionLines({ file, offset, what, expected, found }: Ailment, columns: number): string[] {
  const place = file === undefined ? '' : `${file}${offset === undefined ? '' : ` at byte ${offset}`}: `
  return [
    ...wrapped(shortNames(`${place}${what}`), columns),
    ...(expected === undefined ? [] : [`  expected  ${shortNames(expected)}`]),
    ...(found === undefined ? [] : [`  found     ${shortNames(found)}`]),
  ]
}

function startLines({ start, ailments }: Examination, columns: number): string[] {
  if (start === undefined) return []
  const nothing =
    ailments.length > 0 ? 'start, and take no notice of it: do not rely on that' : 'start, and mend nothing'
  const does = start.does.length === 0 ? nothing : start.does.join('; ')
  return [...wrapped(sentence(`A start would ${shortNames(does)}`), columns), '']
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

function lostLines({ lost, unprovable, entryCount }: Examination, columns: number): string[] {
  if (lost.length === 0) return []
  const ranges = lost.slice(0, SHOWN_AILMENTS).map(({ ledger, index, count: many }) => {
    return many === 1 ? `${ledger} ${index}` : `${ledger} ${index} to ${index + many - 1}`
  })
  const more = lost.length > ranges.length ? ` and ${count(lost.length - ranges.length)} more ranges` : ''
  const rest =
    unprovable.length === 0
      ? `All others of the ${count(entryCount)} entries are here, and can be proven.`
      : `Of ${unprovable.join(', ')} nothing behind them can be proven until they are back; all other ledgers can.`
  return [...wrapped(`Not here, or not to be relied on: ${ranges.join(', ')}${more}. ${rest}`, columns), '']
}
