// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { SearchField, SearchFields, SearchPath } from '@stele/sdk'

import { quoted } from '../query/tokens.ts'
import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, serverOptions } from './connect.ts'
import { count, jsonLine, printable, wrapped } from './display.ts'
import { usageFailure } from './failure.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MIN_COLUMNS = 60
/** Where less is left of a line, a row has lines of its own for what stands behind its name. */
const MIN_LAST_CHARS = 24
const GAP = '  '

export const fieldsCommand = defineCommand({
  name: 'fields',
  summary: 'Lists what can be searched by, with examples',
  description:
    "The fields of the search language with the most frequent values of a ledger, and the paths that its events have: the source's own names as raw.name.name, and attributes of OCSF. PREFIX leaves those that begin so. Examples are content: that they were read is recorded in the ledger access.",
  operands: '[PREFIX]',
  options: {
    ledger: {
      type: 'string',
      value: 'NAME',
      help: `the ledger, or * for all that the token may read but access and system; else ${DEFAULT_LEDGER}`,
    },
    limit: { type: 'string', value: 'N', help: `shows N paths at most, the most frequent; else ${DEFAULT_LIMIT}` },
    ...serverOptions,
    json: { type: 'boolean', help: 'prints JSON: fields, paths, more, indexed, size' },
  },
  examples: [
    { command: 'stele fields', does: 'lists the fields, and the paths that most events of the ledger main have' },
    { command: 'stele fields raw.properties.', does: "lists what the source's own events have there" },
    { command: 'stele fields actor.user --json', does: 'prints the attributes of OCSF that begin so as JSON' },
  ],
  run: async ({ options, operands }, environment) => {
    const [begin, ...rest] = operands
    if (rest.length > 0) throw usageFailure('there is more than one PREFIX', 'Give one, or none')
    const { ledger = DEFAULT_LEDGER, limit: limitText = String(DEFAULT_LIMIT) } = options
    const limit = /^\d{1,4}$/.test(limitText) ? Number(limitText) : 0
    if (limit < 1 || limit > MAX_LIMIT) {
      throw usageFailure(`--limit ${printable(limitText)} is not a number from 1 to ${MAX_LIMIT}`, 'Give such a number')
    }
    const connection = await connect(options, environment)
    const asked = { limit, signal: environment.interrupted, ...(begin === undefined ? {} : { begin }) }
    const answer = await connection.call({ safe: '' }, async (client) => await client.fields(ledger, asked))
    const { stdout } = environment
    const columns = stdout.isTerminal ? Math.max(MIN_COLUMNS, stdout.columns) : Infinity
    await stdout.write(options.json === true ? jsonLine(answer) : textOf(answer, columns))
    return 0
  },
})

function textOf({ fields, paths, more }: SearchFields, columns: number): string {
  const parts = [
    tableOf(['FIELD', 'IS', 'EXAMPLES'], fields.map(fieldRow), columns),
    tableOf(['PATH', 'EVENTS', 'EXAMPLE'], paths.map(pathRow), columns),
    more ? 'There are more paths: a PREFIX, or --limit, shows them.\n' : '',
  ]
  const said = parts.filter((part) => part !== '')
  return said.length === 0 ? 'Nothing can be searched by what begins so.\n' : said.join('\n')
}

function fieldRow({ name, title, example, values = [] }: SearchField): string[] {
  const shown = values.map(({ value, name: called = value }) => `${name}:${valueWord(called)}`)
  const examples = shown.length === 0 ? printable(example) : printable(shown.join(' OR '))
  return [printable(name), printable(title.replaceAll('`', '')), examples]
}

function pathRow({ path, count: events, example = '' }: SearchPath): string[] {
  return [printable(path), count(events), printable(example)]
}

/** As a query has it, for exactly this value. */
function valueWord(value: string): string {
  return /^[\w@-]+(?:\.[\w@-]+)*$/.test(value) ? value : quoted(value, 'literal')
}

/** What does not fit is wrapped, never cut. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  if (rows.length === 0) return ''
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => Array.from(line[column] ?? '').length)))
  const margin = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0)
  const isStacked = columns - margin < Math.min(MIN_LAST_CHARS, widths.at(-1) ?? 0)
  return lines
    .flatMap((line) => (isStacked ? stacked(line, columns) : inColumns(line, widths, margin, columns)))
    .join('')
}

function inColumns(line: readonly string[], widths: readonly number[], margin: number, columns: number): string[] {
  const cells = line
    .slice(0, -1)
    .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Array.from(cell).length))
  const [first = '', ...rest] = wrapped(line.at(-1) ?? '', columns - margin)
  const texts = [[...cells, first].join(GAP), ...rest.map((text) => ' '.repeat(margin) + text)]
  return texts.map((text) => `${text.trimEnd()}\n`)
}

function stacked([name = '', ...rest]: readonly string[], columns: number): string[] {
  const below = rest.flatMap((cell) => wrapped(cell, columns - 2 * GAP.length).map((text) => GAP + GAP + text))
  return [name, ...below].map((text) => `${text.trimEnd()}\n`)
}
