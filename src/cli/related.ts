// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Related, Relation } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, ledgerOption, serverOptions } from './connect.ts'
import { hitJson, jsonLine, printable } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'
import { limitOf } from './search/asking.ts'
import { footJson, footText, leftOutText } from './search/foot.ts'
import { headText, layoutOf, rowOf, rowText } from './search/table.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MIN_COLUMNS = 60
const MARGIN = 2

export const related = defineCommand({
  name: 'related',
  summary: 'Shows what belongs to the same request or session as an event',
  description:
    'The events that bear the same correlation or session id, in the order of time, the one that was asked about marked by >. The ids are read from the event in the ledger; that two events share one is what their senders say. That events were read is recorded in the ledger access. Times are UTC.',
  operands: 'INDEX',
  options: {
    ...ledgerOption,
    by: { type: 'string', value: 'ID', help: 'by one kind of id alone: correlation or session' },
    'every-ledger': { type: 'boolean', help: 'looks in all ledgers that the token may read, but access and system' },
    limit: { type: 'string', value: 'N', help: `shows N events at most, those next to it; else ${DEFAULT_LIMIT}` },
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints a line of JSON an event, as stele search, with by: the ids that it shares; then on standard error one of totals, ids, earlier, later',
    },
  },
  examples: [
    { command: 'stele related 1203', does: 'shows what came with event 1203 of the ledger main' },
    {
      command: 'stele related 17 --ledger payments --by session --every-ledger',
      does: 'shows a session, wherever it went',
    },
  ],
  run: async ({ options, operands }, environment) => {
    const [text, ...more] = operands
    if (text === undefined || more.length > 0 || !/^\d{1,15}$/.test(text)) {
      throw usageFailure('related takes one INDEX', 'Give a number: the first event is 0')
    }
    const { ledger = DEFAULT_LEDGER } = options
    const limit = limitOf(options.limit, DEFAULT_LIMIT)
    if (limit > MAX_LIMIT) throw usageFailure(`--limit is at most ${MAX_LIMIT}`, 'stele search shows all: session:ID')
    const everyLedger = options['every-ledger'] === true
    const by: readonly Relation[] = options.by === undefined ? ['correlation', 'session'] : [relationOf(options.by)]
    const connection = await connect(options, environment)
    const found = await connection.call({ safe: '' }, async (client) => {
      return await client.related(ledger, Number(text), { by, limit, everyLedger, signal: environment.interrupted })
    })
    if (options.json === true) {
      const { stdout, stderr } = environment
      for (const hit of found.hits) {
        await stdout.write(jsonLine({ ...hitJson(hit, everyLedger ? hit.ledger : undefined), by: hit.by }))
      }
      const { ids, earlier, later } = found
      await stderr.write(footJson(found.hits.length, found, { ids, earlier, later }))
      if (found.disagreements > 0) await stderr.write(leftOutText(found.disagreements))
      return 0
    }
    await show(found, { ledger, index: Number(text), everyLedger, by }, environment)
    return 0
  },
})

function relationOf(text: string): Relation {
  if (text === 'correlation' || text === 'session') return text
  throw usageFailure(`--by ${printable(text)} is no kind of id`, 'Write --by correlation or --by session')
}

interface Asked {
  readonly ledger: string
  readonly index: number
  readonly everyLedger: boolean
  readonly by: readonly Relation[]
}

async function show(found: Related, asked: Asked, { stdout, stderr }: Environment): Promise<void> {
  const { hits, ids, earlier, later, disagreements } = found
  const columns = stdout.isTerminal ? Math.max(MIN_COLUMNS, stdout.columns - MARGIN) : undefined
  const rows = hits.map(rowOf)
  const layout = layoutOf(rows, columns, asked.everyLedger)
  const lines = hits.map((hit, position) => {
    const isAsked = hit.index === asked.index && hit.ledger === asked.ledger
    return indented(rowText(layout, rows[position]!), isAsked ? '> ' : '  ')
  })
  await stdout.write(`${indented(headText(layout), '  ')}${lines.join('')}`)
  const named = Object.entries(ids).map(([relation, values]) => `${relation} ${values.map(printable).join(', ')}`)
  const sides = [...(earlier ? ['before'] : []), ...(later ? ['after'] : [])].join(' and ')
  const what = named.length === 0 ? `the event bears no ${asked.by.join(' or ')} id` : `by ${named.join('; ')}`
  const more = sides === '' ? '' : ` · there are more ${sides} these`
  await stderr.write(`${footText(hits.length, found, false)} · ${what}${more}\n`)
  if (disagreements > 0) await stderr.write(leftOutText(disagreements))
}

/** The first line bears the mark. */
function indented(text: string, mark: string): string {
  const [first = '', ...rest] = text.trimEnd().split('\n')
  return [`${mark}${first}`, ...rest.map((line) => `  ${line}`)].map((line) => `${line}\n`).join('')
}
