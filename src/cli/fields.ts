// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { SearchField, SearchFields, SearchPath } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, serverOptions } from './connect.ts'
import { clipped, count, jsonLine, printable } from './display.ts'
import { usageFailure } from './failure.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const EXAMPLE_COLUMNS = 60
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
    await environment.stdout.write(options.json === true ? jsonLine(answer) : textOf(answer))
    return 0
  },
})

function textOf({ fields, paths, more }: SearchFields): string {
  const parts = [
    tableOf(['FIELD', 'IS', 'EXAMPLES'], fields.map(fieldRow)),
    tableOf(['PATH', 'EVENTS', 'EXAMPLE'], paths.map(pathRow)),
    more ? 'There are more paths: a PREFIX, or --limit, shows them.\n' : '',
  ]
  const said = parts.filter((part) => part !== '')
  return said.length === 0 ? 'Nothing can be searched by what begins so.\n' : said.join('\n')
}

function fieldRow({ name, title, example, values = [] }: SearchField): string[] {
  const shown = values.map(({ value, name: called = value }) => called)
  const examples = shown.length === 0 ? printable(example) : clipped(printable(shown.join(', ')), EXAMPLE_COLUMNS)
  return [printable(name), printable(title.replaceAll('`', '')), examples]
}

function pathRow({ path, count: events, example = '' }: SearchPath): string[] {
  return [printable(path), count(events), clipped(printable(example), EXAMPLE_COLUMNS)]
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => Array.from(line[column] ?? '').length)))
  return lines
    .map((line) => {
      const cells = line.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Array.from(cell).length))
      return `${cells.join(GAP).trimEnd()}\n`
    })
    .join('')
}
