// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'

import { BackupFault } from '../backup/manifest.ts'
import { type BackupReport, takeBackup } from '../backup/take-backup.ts'
import { HistoryFault } from '../backup/trees.ts'
import { DataFault } from '../ledger/data-fault.ts'
import { tryLock } from '../platform/lock.ts'
import { isHeld } from '../platform/lock-probe.ts'
import { defineCommand } from './command.ts'
import { DEFAULT_DATA, jsonOption } from './connect.ts'
import { bytesText, count, counted, entries, jsonLine, printable, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf } from './environment.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'
import { StatusLine } from './status-line.ts'

const SAFE = 'The directory was only read, and a backup that was in the folder is as it was'

export const backup = defineCommand({
  name: 'backup',
  summary: 'Copies a data directory while its server runs',
  description:
    'The folder gets one state that the directory had, up to the last commit that is durable. Into a folder that holds a backup only what is new is written. Whatever interrupts it, the folder still holds the backup of before, and the next run goes on. The ledgers must be those of that backup, only longer: so a directory that was rolled back or rewritten is noticed. The index and what else a start makes again are left out, and so is admin.token; tokens that are in use stay valid.',
  operands: 'DIR',
  options: {
    data: { type: 'string', value: 'DIR', help: `the data directory, on this machine; else ${DEFAULT_DATA}` },
    'without-keys': {
      type: 'boolean',
      help: 'leaves out the signing keys, and removes those that the backup of before has. Keep them elsewhere: no server starts without them',
    },
    ...jsonOption,
  },
  examples: [
    { command: 'stele backup /mnt/backup/stele', does: 'copies ./stele-data, or what is new since the last time' },
    {
      command: 'stele backup /mnt/backup/stele --data /srv/stele --without-keys',
      does: 'the same of another directory, for a place where its keys must not be',
    },
  ],
  exitCodes: {
    0: 'the folder holds a whole backup',
    1: 'the directory is damaged, or its ledgers are not those of the backup of before, which is as it was',
    2: 'the command line is wrong, or the folder is no place for this backup',
    3: 'a file could not be read or written, or it was interrupted',
  },
  run: async ({ options, operands }, environment) => {
    const [to, ...more] = operands
    if (to === undefined || more.length > 0) {
      throw usageFailure('backup needs one DIR to copy into', "'stele backup --help' shows how it is used")
    }
    const data = options.data ?? DEFAULT_DATA
    const { disk, clock, stderr, stdout, interrupted, version } = environment
    const from = pathOf(environment, data)
    const line = new StatusLine(stderr, clock)
    try {
      const report = await takeBackup({
        disk,
        clock,
        from,
        to: pathOf(environment, to),
        withKeys: options['without-keys'] !== true,
        isRunning: isHeld(join(from, 'LOCK')),
        version,
        lock: tryLock,
        onProgress: (doneBytes, totalBytes) => {
          if (interrupted.aborted) throw new Failure(3, 'the backup was interrupted', SAFE, 'Run it again to go on')
          line.set('copied', doneBytes, totalBytes)
        },
      })
      await line.end()
      const text = options.json === true ? jsonLine(shown(report)) : reportText(report, to, line.elapsedMs, environment)
      await stdout.write(text)
      return 0
    } catch (error) {
      await line.end()
      throw failureOf(error, data, to)
    }
  },
})

function failureOf(error: unknown, data: string, to: string): unknown {
  if (error instanceof BackupFault) return new Failure(2, printable(error.message), SAFE, error.mend)
  if (error instanceof DataFault) {
    const mend = `'stele verify --data ${shellWord(data)}' says all that is wrong`
    return new Failure(1, `the directory is damaged: ${printable(error.message)}`, SAFE, mend)
  }
  if (error instanceof HistoryFault) {
    const mend =
      'Either the directory was rolled back or rewritten since, or it is not the one: find that out before anything is copied over this backup'
    return new Failure(1, printable(error.message), SAFE, mend)
  }
  if (!(error instanceof Error && 'syscall' in error)) return error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : to
  return fileFailure(error, path, path.startsWith(data) ? 'read' : 'written', SAFE)
}

/** All but the list of files, which is in the backup. */
function shown({ manifest, ...counts }: BackupReport): object {
  const { originPrefix, takenAt, commit, ledgers, withKeys, files } = manifest
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  return { originPrefix, takenAt, commit, ledgers, withKeys, sizeBytes, ...counts }
}

function reportText(report: BackupReport, to: string, elapsedMs: number, { stdout }: Environment): string {
  const { manifest, copiedObjects, keptObjects, removedObjects, copiedBytes } = report
  const entryCount = manifest.ledgers.reduce((sum, { size }) => sum + size, 0)
  const totalBytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const seconds = (elapsedMs / 1000).toFixed(1)
  const removed = removedObjects === 0 ? '' : `, ${count(removedObjects)} removed that larger ones hold now`
  const words = [
    `${printable(to)} holds ${entries(entryCount)} in ${counted(manifest.ledgers.length, 'ledger')} of ${manifest.originPrefix}, up to commit ${count(manifest.commit)}: ${bytesText(totalBytes)}.`,
    `Copied ${bytesText(copiedBytes)} in ${seconds} s: ${counted(copiedObjects, 'object')} of segments and what is new of the log behind them; ${counted(keptObjects, 'object')} ${keptObjects === 1 ? 'was' : 'were'} there already${removed}.`,
    manifest.keysOutside !== undefined
      ? `It holds no keys: they are kept in ${printable(manifest.keysOutside)}, which needs a copy of its own.`
      : manifest.withKeys
        ? 'It holds the signing keys: whoever reads it can sign as these ledgers.'
        : 'It holds no keys: no server starts on it before they are put in their place.',
    `What it is worth is shown by 'stele restore ${shellWord(to)} --data DIR', which verifies every byte.`,
  ]
  return `${words.flatMap((sentence) => wrapped(sentence, stdout.columns)).join('\n')}\n`
}
