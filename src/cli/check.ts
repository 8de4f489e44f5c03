// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { BackgroundCheck, IndexCheck, IndexFinding } from '@stele/sdk'

import { type CommandGroup, defineCommand } from './command.ts'
import { connect, serverOptions } from './connect.ts'
import { count, counted, entries, jsonLine, printable } from './display.ts'
import { Failure } from './failure.ts'
import { ledgers } from './check-ledgers.ts'
import { watched } from './watch.ts'

const MAX_SHOWN = 20
/** The check is told of a moment after it was asked for. */
const MAX_UNTOLD = 20
const words = { safe: '' }

const said: Readonly<Record<IndexFinding['kind'], string>> = {
  missing: 'is not in the index',
  invented: 'is in the index and in no ledger',
  changed: 'is something else in the index',
  doubled: 'is in the index more than once',
}

const index = defineCommand({
  name: 'index',
  summary: 'Holds the index against the ledgers: what is missing, invented, changed or doubled',
  description:
    'Every entry is read from the ledgers, put into the form in which it is searched, and held against what the index has; and what the index has beyond that is found too. The server does it by itself and goes on serving: Ctrl-C ends this command and not the work. The ledgers themselves are verified by stele verify.',
  operands: '',
  options: {
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints JSON: state, checked, size, findings (ledger, index, kind, columns), findingCount, startedAt, endedAt',
    },
  },
  examples: [{ command: 'stele check index', does: 'says whether a search finds what is in the ledgers' }],
  exitCodes: {
    0: 'the index agrees with the ledgers',
    1: 'it does not; the server mends it, and stele rebuild-index makes it anew',
  },
  run: async ({ options }, environment) => {
    const { stdout, stderr, interrupted } = environment
    const connection = await connect(options, environment)
    const before = await connection.call(words, (client) => client.indexCheck({ signal: interrupted }))
    const begun =
      before?.state === 'running'
        ? before
        : await connection.call(words, (client) => client.startIndexCheck({ signal: interrupted }))
    let untold = 0
    const done = await watched(
      environment,
      async () => {
        const told = await connection.call(words, (client) => client.indexCheck({ signal: interrupted }))
        if (told === undefined && ++untold > MAX_UNTOLD) throw failed('it did not begin')
        return told ?? begun
      },
      ({ state }) => state !== 'running',
      ({ checked, size }) => `stele: ${count(checked)} of ${entries(size)} checked`,
    )
    if (done === undefined) {
      await stderr.write('stele: the server goes on by itself; stele check index shows it again while it does.\n')
      return 0
    }
    if (done.state === 'failed') {
      if (done.findingCount > 0) await stdout.write(options.json === true ? jsonLine(done) : reportText(done))
      throw failed(done.reason)
    }
    await stdout.write(options.json === true ? jsonLine(done) : reportText(done))
    if (options.json !== true) {
      const { background } = await connection.call(words, (client) => client.indexStatus({ signal: interrupted }))
      if (background !== undefined) await stdout.write(backgroundText(background))
    }
    return done.findingCount === 0 ? 0 : 1
  },
})

export const check: CommandGroup = {
  name: 'check',
  summary: 'Says whether the stored data, and the index, are as they must be',
  actions: [ledgers, index],
  examples: [
    { command: 'stele check ledgers --now', does: 'has the server verify every byte that it stores' },
    { command: 'stele check index', does: 'says what is missing, invented, changed or doubled' },
  ],
}

function failed(reason: string | undefined): Failure {
  const why = reason === undefined ? '' : `: ${printable(reason)}`
  return new Failure(3, `the index could not be checked${why}`, 'Try again once search works')
}

function reportText({ checked, findings, findingCount }: IndexCheck): string {
  if (findingCount === 0) return `The index agrees with the ledgers: ${entries(checked)}.\n`
  const lines = findings.slice(0, MAX_SHOWN).map(({ ledger, index, kind, columns = [] }) => {
    const which = columns.length === 0 ? '' : `: ${columns.join(', ')}`
    return `  ${ledger} ${index} ${said[kind]}${printable(which)}`
  })
  const rest = findingCount - lines.length
  return [
    `The index does not agree with the ledgers: ${counted(findingCount, 'difference')} in ${entries(checked)}.`,
    ...lines,
    ...(rest > 0 ? [`  and ${count(rest)} more: --json lists the first thousand`] : []),
    'The ledgers are not concerned. The server indexes these ranges anew by itself; stele check index says whether that',
    'lasts, stele rebuild-index makes all of it anew.',
    '',
  ].join('\n')
}

/** What the server has found and mended without being asked. */
function backgroundText({ last, disagreements, repairedRows }: BackgroundCheck): string {
  const found = Object.values(disagreements).reduce((sum, one) => sum + one, 0)
  const mended = `${counted(found, 'difference')} found, ${counted(repairedRows, 'row')} mended`
  const what = found === 0 ? 'nothing was found' : mended
  if (last === undefined) return `By itself the server has not checked all of it since its start; ${what}.\n`
  const { endedAt, reason } = last
  if (reason !== undefined) return `By itself the server could not check all of it: ${printable(reason)}; ${what}.\n`
  return `By itself the server last checked all of it until ${endedAt}; since its start ${what}.\n`
}
