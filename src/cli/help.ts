// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What `--help` prints, made from what the commands declare.

import { type Command, type CommandGroup, type ExitCode, exitCodes, type OptionSpec } from './command.ts'
import type { CommandEntry } from './commands.ts'
import { wrapped } from './display.ts'

const MAX_COLUMNS = 100

export function overviewText(entries: readonly CommandEntry[], columns: number): string {
  const groups = [...new Set(entries.map(({ group }) => group))]
  const sections = groups.map((group) => {
    const rows = entries.filter((entry) => entry.group === group).map(({ name, summary }) => [name, summary] as const)
    return section(group, table(rows, columns, 9))
  })
  return [
    ...paragraph(
      'Stele keeps audit events so that nobody can change, drop or invent one without being found out.',
      columns,
    ),
    '',
    'Usage: stele COMMAND [OPTION]… [ARGUMENT]…',
    '',
    ...sections.flat(),
    ...section('Examples', [
      '  stele serve                        # a server on ./stele-data',
      '  stele append export.json           # stores the events of a file',
      '  stele verify --data ./stele-data   # shows that nothing was changed',
    ]),
    ...paragraph(
      "Commands that talk to a server take --url and --token, or STELE_URL and STELE_TOKEN; without them they use http://127.0.0.1:7835 and the token in ./stele-data/admin.token. 'stele COMMAND --help' explains one command, 'stele --version' prints the version.",
      columns,
    ),
    '',
  ].join('\n')
}

export function groupText(group: CommandGroup, columns: number): string {
  const { name, summary, description, actions } = group
  return [
    ...paragraph(`${summary}.`, columns),
    ...(description === undefined ? [] : ['', ...paragraph(description, columns)]),
    '',
    `Usage: stele ${name} ACTION [OPTION]… [ARGUMENT]…`,
    '',
    ...section(
      'Actions',
      table(
        actions.map((action) => [action.name, action.summary] as const),
        columns,
        9,
      ),
    ),
    ...section('Examples', exampleLines(group.examples)),
    ...paragraph(`'stele ${name} ACTION --help' explains one action.`, columns),
    '',
  ].join('\n')
}

/** `path` is the name, with that of its group before it. */
export function commandText(path: string, command: Command, columns: number): string {
  const { summary, description, operands, options, examples } = command
  const rows = [...Object.entries(options), ['help', { type: 'boolean', help: 'prints this' }] as const].map(
    ([name, option]) => [optionText(name, option), option.help] as const,
  )
  const codes = ([0, 1, 2, 3] as const).filter((code) => code !== 1 || command.exitCodes?.[1] !== undefined)
  // Only a command that asks a server can be refused by one.
  const general = 'url' in options ? exitCodes : { ...exitCodes, 2: 'the command line is wrong' }
  const codeRows = codes.map((code: ExitCode) => [String(code), command.exitCodes?.[code] ?? general[code]] as const)
  return [
    ...paragraph(`${summary}.`, columns),
    ...(description === undefined ? [] : description.split('\n').flatMap((part) => ['', ...paragraph(part, columns)])),
    '',
    `Usage: stele ${path} [OPTION]…${operands === '' ? '' : ` ${operands}`}`,
    '',
    ...section('Options', table(rows, columns)),
    ...section('Examples', exampleLines(examples)),
    ...section('Exit codes', table(codeRows, columns)).slice(0, -1),
    '',
  ].join('\n')
}

function optionText(name: string, option: OptionSpec): string {
  return option.type === 'boolean' ? `--${name}` : `--${name} ${option.value ?? 'TEXT'}`
}

function exampleLines(examples: Command['examples']): string[] {
  return examples.flatMap(({ command, does }) => [`  ${command}`, `      ${does}`])
}

function section(title: string, lines: readonly string[]): string[] {
  return [title, ...lines, '']
}

function table(rows: readonly (readonly [string, string])[], columns: number, least = 0): string[] {
  const left = Math.max(least, ...rows.map(([name]) => name.length))
  const width = Math.max(20, Math.min(columns, MAX_COLUMNS) - left - 4)
  return rows.flatMap(([name, text]) =>
    wrapped(text, width).map((line, row) => `  ${(row === 0 ? name : '').padEnd(left)}  ${line}`),
  )
}

function paragraph(text: string, columns: number): string[] {
  return wrapped(text, Math.min(columns, MAX_COLUMNS))
}
