// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify --data DIR`: finds the heads that were kept outside, verifies, and says what that showed.

import { join } from 'node:path'

import { findingsText, verdictWords } from '../../evidence/directory-words.ts'
import { type DirectoryReport, NoDirectoryError, verifyDirectory } from '../../evidence/verify-directory.ts'
import { isHeld } from '../../platform/lock-probe.ts'
import { cpuCount } from '../../platform/workers.ts'
import { Progress } from '../append/progress.ts'
import type { ExitCode } from '../command.ts'
import { bytesText, count, jsonLine, printable, wrapped } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure } from '../failure.ts'
import { keptHeads } from './kept.ts'
import { NOTHING_SHOWN, type VerifyOptions } from './options.ts'

export async function verifyDirectoryCommand(
  data: string,
  { vkey, policy, heads, withContent, isJson }: VerifyOptions,
  environment: Environment,
): Promise<ExitCode> {
  const directory = pathOf(environment, data)
  const { disk, clock, stdout, stderr } = environment
  let amount = { events: 0, readBytes: 0, totalBytes: 0 }
  const progress = new Progress(stderr, clock, () => amount)
  try {
    // Read before the log: a running server moves its head only behind it.
    const kept = await keptHeads(heads, directory, environment)
    const report = await verifyDirectory({
      disk,
      directory,
      heads: kept,
      vkeys: vkey === undefined ? [] : [vkey],
      ...(policy === undefined ? {} : { policy }),
      isRunning: isHeld(join(directory, 'LOCK')),
      threadCount: cpuCount(),
      withContent,
      onProgress: ({ entryCount, doneBytes, totalBytes }) => {
        amount = { events: entryCount, readBytes: doneBytes, totalBytes }
      },
    })
    await progress.end()
    const seconds = progress.elapsedMs / 1000
    await stdout.write(isJson ? jsonLine(report) : directoryText(report, seconds, stdout.columns))
    return report.verdict === 'changed' ? 1 : 0
  } catch (error) {
    await progress.end()
    if (error instanceof NoDirectoryError) {
      const mend = "Name the one that 'stele serve' is given with --data"
      throw new Failure(3, `${printable(data)} is not a data directory of Stele`, NOTHING_SHOWN, mend)
    }
    if (error instanceof Error && 'syscall' in error) throw fileFailure(error, data, 'read', NOTHING_SHOWN)
    throw error
  }
}

function directoryText(report: DirectoryReport, seconds: number, columns: number): string {
  const { findings, findingCount, remarks, entryCount, walBytes, segmentBytes, contentBytes, commitCount } = report
  const lines = verdictWords(report).flatMap((words) => [...wrapped(words, columns), ''])
  if (findingCount > 0) lines.push(...findingsText(findings, findingCount), '')
  lines.push(...ledgerTable(report), '')
  for (const remark of remarks) lines.push(...wrapped(`Note: ${remark}`, columns))
  if (report.isRunning) lines.push('A server is writing to the directory; this is what was there when it was read.')
  const rate = count(Math.round(entryCount / Math.max(seconds, 0.001)))
  lines.push(
    ...wrapped(
      `Read ${segmentBytes > 0 ? `${bytesText(segmentBytes)} of segments, and ` : ''}${bytesText(walBytes)} of log in ${count(commitCount)} commits, ${bytesText(contentBytes)} of it events and ` +
        `salts, in ${seconds.toFixed(1)} s: ${rate} entries/s.`,
      columns,
    ),
  )
  return `${lines.map(printable).join('\n')}\n`
}

function ledgerTable({ ledgers, heads }: DirectoryReport): string[] {
  const isHeadGiven = heads.length > 0
  const rows = ledgers.map(({ name, size, root, covered, isPinned }) => [
    name,
    count(size),
    isHeadGiven ? count(covered) : '',
    root ?? 'lost',
    isPinned ? 'pinned' : 'not pinned',
  ])
  const all = [['ledger', 'entries', isHeadGiven ? 'covered' : '', 'root', 'key'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const [nameWidth = 0, sizeWidth = 0, coveredWidth = 0, rootWidth = 0] = widths
  return all.map(([name = '', size = '', covered = '', root = '', key = '']) => {
    const middle = isHeadGiven ? `  ${covered.padStart(coveredWidth)}` : ''
    return `  ${name.padEnd(nameWidth)}  ${size.padStart(sizeWidth)}${middle}  ${root.padEnd(rootWidth)}  ${key}`
  })
}
