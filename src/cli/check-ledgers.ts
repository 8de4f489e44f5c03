// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Verification, VerificationFinding, VerificationPass } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, serverOptions } from './connect.ts'
import { bytesText, count, counted, entries, jsonLine, printable } from './display.ts'
import { Failure } from './failure.ts'
import { watched } from './watch.ts'

const MAX_SHOWN = 20
const words = { safe: '' }

export const ledgers = defineCommand({
  name: 'ledgers',
  summary: "Shows what the server's verification of its stored data found, or has it verify now",
  description:
    "A server verifies all that it stores by itself, every byte at least once a day: the log, the segments, the files beside them, and all of it against the head that is kept outside. This shows what the last pass found. With --now the server begins a pass that does not rest, and this waits for it; Ctrl-C ends the waiting, not the pass. What is shown is the server's own word: stele verify --data takes nobody's.",
  operands: '',
  options: {
    ...serverOptions,
    now: { type: 'boolean', help: 'has the server verify now, and waits' },
    json: {
      type: 'boolean',
      help: 'prints JSON: running, requestedAt, last (outcome, findings, findingCount, entryCount, readBytes, startedAt, endedAt), failureOnRecord (at, findingCount), lastPassedAt',
    },
  },
  examples: [
    { command: 'stele check ledgers', does: 'says what the last verification found, and when' },
    { command: 'stele check ledgers --now', does: 'has every stored byte verified now' },
  ],
  exitCodes: {
    0: 'the last verification found nothing, or none has ended yet and none on record failed',
    1: 'something is not as it must be: stele verify --data says all of it',
    3: 'there is no server, or it could not verify everything',
  },
  run: async ({ options }, environment) => {
    const { stdout, stderr, interrupted } = environment
    const connection = await connect(options, environment)
    const ask = async () => await connection.call(words, (client) => client.verification({ signal: interrupted }))
    let told: Verification | undefined
    if (options.now === true) {
      const { requestedAt } = await connection.call(words, (client) =>
        client.startVerification({ signal: interrupted }),
      )
      told = await watched(environment, ask, ({ last }) => isSince(last, requestedAt), runningText)
      if (told === undefined) {
        await stderr.write('stele: the server goes on by itself; stele check ledgers shows what it found.\n')
        return 0
      }
    } else told = await ask()
    await stdout.write(options.json === true ? jsonLine(told) : verificationText(told))
    const { last } = told
    if (last?.outcome === 'unfinished') {
      const why = printable(last.reason ?? '')
      throw new Failure(3, `the stored data could not be verified to its end: ${why}`, "The server's log says more")
    }
    return last?.outcome === 'failed' || told.failureOnRecord !== undefined ? 1 : 0
  },
})

function isSince(last: VerificationPass | undefined, requestedAt = ''): boolean {
  return last !== undefined && last.startedAt >= requestedAt
}

function runningText({ running }: Verification): string {
  if (running === undefined) return 'stele: about to verify'
  return `stele: ${bytesText(running.doneBytes)} of ${bytesText(running.totalBytes)} verified`
}

function verificationText(told: Verification): string {
  const { last, running, lastPassedAt, failureOnRecord } = told
  const lines: string[] = []
  if (last === undefined) lines.push('Nothing was verified to its end since the server started.')
  else if (last.outcome === 'unfinished') lines.push(`The verification of ${last.startedAt} was not finished.`)
  else lines.push(...passLines(last))
  if (last?.outcome !== 'failed' && failureOnRecord !== undefined) {
    const { at, findingCount } = failureOnRecord
    lines.push(
      `The last one on record, of ${at}, found that stored data is NOT as it must be: ${counted(findingCount, 'finding')}.`,
      'None has passed since: stele check ledgers --now verifies again, and says what is wrong.',
    )
  }
  if (last?.outcome !== 'passed' && lastPassedAt !== undefined) {
    lines.push(`The last one that found nothing ended at ${lastPassedAt}.`)
  }
  if (running !== undefined) {
    lines.push(`One goes on since ${running.startedAt}: ${runningText(told).slice('stele: '.length)}.`)
  }
  return `${lines.join('\n')}\n`
}

function passLines({ outcome, entryCount, readBytes, startedAt, endedAt, findings, findingCount }: VerificationPass) {
  const looked = `${entries(entryCount)}, ${bytesText(readBytes)}, from ${startedAt} to ${endedAt}`
  if (outcome === 'passed') return [`Everything stored is as it must be: ${looked}.`]
  const shown = findings.slice(0, MAX_SHOWN).map((finding) => `  ${findingText(finding)}`)
  const rest = findingCount - shown.length
  return [
    `Stored data is NOT as it must be: ${counted(findingCount, 'finding')} in ${looked}.`,
    ...shown,
    ...(rest > 0 ? [`  and ${count(rest)} more`] : []),
    'Stop the server and run stele verify --data on its directory: it says what is concerned, and what to do.',
  ]
}

function findingText({ what, file, offset, ledger, index }: VerificationFinding): string {
  const place = file === undefined ? [] : [offset === undefined ? file : `${file} at byte ${offset}`]
  const entry = ledger === undefined || index === undefined ? [] : [`${ledger} ${index}`]
  const where = [...place, ...entry].join(', ')
  return printable(where === '' ? what : `${where}: ${what}`)
}
