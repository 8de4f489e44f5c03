// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { BackupFault } from '../backup/manifest.ts'
import { ReplacedFault } from '../backup/restore-target.ts'
import { OlderFault, restore as restoreBackup, type RestoreReport, UnsoundFault } from '../backup/restore.ts'
import { findingsText, verdictWords } from '../evidence/directory-words.ts'
import type { KeptHead } from '../evidence/kept-heads.ts'
import { DataFault } from '../ledger/data-fault.ts'
import { StateDirectory } from '../ledger/head-store.ts'
import { tryLock } from '../platform/lock.ts'
import { cpuCount } from '../platform/workers.ts'
import { defineCommand } from './command.ts'
import { DEFAULT_DATA, jsonOption } from './connect.ts'
import { bytesText, count, entries, jsonLine, printable, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf, stateDirectory } from './environment.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'
import { StatusLine } from './status-line.ts'
import { namedHeads } from './verify/kept.ts'

const SAFE = 'Nothing of it was left in the data directory, and the backup was only read'

export const restore = defineCommand({
  name: 'restore',
  summary: 'Makes a data directory out of a backup, and verifies every byte',
  description:
    'Each file is held against its hash in the backup; then everything is verified as stele verify --data does it, every entry, tree, head and signature, against the head that is kept outside. A backup that is older than that head is refused: a server on it would sign a second history beside the one that others have seen. --for-reading restores it all the same; a server that knows the head does not start on it.',
  operands: 'DIR',
  options: {
    data: {
      type: 'string',
      value: 'DIR',
      help: `the data directory to make: empty, or not there; else ${DEFAULT_DATA}`,
    },
    head: {
      type: 'string',
      value: 'FILE|URL',
      multiple: true,
      help: 'a signed head kept outside, may be repeated; else the one in your state directory',
    },
    'for-reading': {
      type: 'boolean',
      help: 'restores a backup that is older than the head, for verifying and reading it',
    },
    ...jsonOption,
  },
  examples: [
    { command: 'stele restore /mnt/backup/stele --data /srv/stele', does: 'restores there, and verifies it' },
    {
      command: 'stele restore /mnt/backup/stele --head https://heads.example.com/stele.head',
      does: 'restores to ./stele-data, held against the head that is kept there',
    },
  ],
  exitCodes: {
    0: 'it was restored and verified',
    1: 'the backup is damaged, or older than the head that is kept outside: nothing was restored',
    2: 'the command line is wrong, there is no whole backup, or the data directory is not empty',
    3: 'a file could not be read or written, or it was interrupted',
  },
  run: async ({ options, operands }, environment) => {
    const [from, ...more] = operands
    if (from === undefined || more.length > 0) {
      throw usageFailure('restore needs one DIR that holds a backup', "'stele restore --help' shows how it is used")
    }
    const data = options.data ?? DEFAULT_DATA
    const { disk, clock, random, stderr, stdout, interrupted } = environment
    const line = new StatusLine(stderr, clock)
    try {
      const report = await restoreBackup({
        disk,
        from: pathOf(environment, from),
        to: pathOf(environment, data),
        heads: async (originPrefix) => await headsOf(options.head ?? [], originPrefix, environment),
        isForReading: options['for-reading'] === true,
        threadCount: cpuCount(),
        random,
        lock: tryLock,
        onProgress: (step, doneBytes, totalBytes) => {
          if (interrupted.aborted) throw new Failure(3, 'restoring was interrupted', SAFE, 'Run it again')
          line.set(step, doneBytes, totalBytes)
        },
      })
      await line.end()
      await stdout.write(options.json === true ? jsonLine(shown(report)) : reportText(report, data, stdout.columns))
      return 0
    } catch (error) {
      await line.end()
      throw failureOf(error, from, data)
    }
  },
})

async function headsOf(
  names: readonly string[],
  originPrefix: string,
  environment: Environment,
): Promise<readonly KeptHead[]> {
  if (names.length > 0) return await namedHeads(names, environment)
  const where = new StateDirectory(environment.disk, stateDirectory(environment)).headPath(originPrefix)
  const bytes = await environment.disk.readFile(where)
  return bytes === undefined ? [] : [{ where, bytes }]
}

function failureOf(error: unknown, from: string, data: string): unknown {
  if (error instanceof BackupFault) return new Failure(2, printable(error.message), SAFE, error.mend)
  if (error instanceof ReplacedFault) {
    const safe = 'What lies there now was left as it is, and the backup was only read'
    return new Failure(3, printable(error.message), safe, 'Look what was put there meanwhile, or name another folder')
  }
  if (error instanceof OlderFault) return olderFailure(error, from, data)
  if (error instanceof DataFault) {
    return new Failure(1, `the backup is damaged: ${printable(error.message)}`, SAFE, 'Use another copy')
  }
  if (error instanceof UnsoundFault) {
    const { report } = error
    const failure = new Failure(1, printable(error.message), SAFE, 'Use another copy')
    return report === undefined
      ? failure
      : failure.withBelow(`${findingsText(report.findings, report.findingCount).map(printable).join('\n')}\n`)
  }
  if (!(error instanceof Error && 'syscall' in error)) return error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : data
  return fileFailure(error, path, path.startsWith(data) ? 'written' : 'read', SAFE)
}

function olderFailure({ where, headSize, backupSize }: OlderFault, from: string, data: string): Failure {
  return new Failure(
    1,
    `the backup is older than what was published: it has ${count(backupSize)} published heads, and the head in ${printable(where)} counts ${count(headSize)}`,
    SAFE,
    'A server on it would sign a second history, and receipts that others hold would prove it a forgery',
    'Restore a newer backup, or bring back the directory itself',
    `To read and verify what this one has: 'stele restore ${shellWord(from)} --data ${shellWord(data)} --for-reading'; no server starts on that where the head is known. New events then go to a new data directory, with ledgers of its own`,
  )
}

function shown({ manifest, verified, headCount, newerHead, sizeBytes }: RestoreReport): object {
  const { originPrefix, takenAt, commit, ledgers, withKeys } = manifest
  const { verdict, entryCount, coveredCount } = verified
  const newer = newerHead === undefined ? {} : { newerHead }
  return {
    originPrefix,
    takenAt,
    commit,
    ledgers,
    withKeys,
    verdict,
    entryCount,
    coveredCount,
    headCount,
    ...newer,
    sizeBytes,
  }
}

function reportText(report: RestoreReport, data: string, columns: number): string {
  const { manifest, verified, headCount, newerHead, sizeBytes } = report
  const { originPrefix, takenAt, ledgers, withKeys, keysOutside } = manifest
  const words = [
    `${printable(data)} is the data directory of ${originPrefix} as it was at ${takenAt}: ${entries(verified.entryCount)}, ${bytesText(sizeBytes)}.`,
    ...verdictWords(verified),
  ]
  if (newerHead !== undefined) {
    words.push(
      `It is for reading and verifying: the head in ${printable(newerHead.where)} counts ${count(newerHead.size)} published heads, and this has ${count(newerHead.backupSize)}. The server refuses to start on it where that head is known. Do not start one elsewhere: it would sign a second history.`,
    )
  } else if (headCount === 0) {
    words.push(
      `No head of these ledgers is kept here, so nothing shows whether events came after the backup. Hold it against the head with --head FILE|URL before a server starts on it: if there were such events, it would sign a second history.`,
    )
  }
  if (keysOutside !== undefined) {
    words.push(
      `Its keys were kept in ${printable(keysOutside)} and are in no backup. Start the server with --keys DIR, the folder that holds them now.`,
    )
  } else if (!withKeys) {
    const names = ledgers.map(({ name }) => `${name}.key`).join(', ')
    words.push(`The backup holds no keys. Put them into ${printable(data)}/keys before a server is started: ${names}.`)
  }
  if (report.isWitnessedLeftOut) {
    words.push('The witnessed head in the backup was damaged, and is left out: the witnesses are asked again.')
  }
  return `${words
    .flatMap((sentence) => [...wrapped(sentence, columns), ''])
    .join('\n')
    .trimEnd()}\n`
}
