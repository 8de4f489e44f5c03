// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Reads a command's arguments, strictly: an unknown option, a missing value or a surplus one is said with its name.

import { parseArgs } from 'node:util'

import { editCount } from '../query/nearest.ts'
import type { Arguments, Command, Options } from './command.ts'
import { printable } from './display.ts'
import { type Failure, usageFailure } from './failure.ts'

/** Throws a Failure for what the command does not know. */
export function readArguments(path: string, command: Command, argv: readonly string[]): Arguments {
  const { options } = command
  const { tokens } = parseArgs({
    args: command.dashOperands === true ? argv.map(hiddenDash) : [...argv],
    options: Object.fromEntries(Object.entries(options).map(([name, { type }]) => [name, { type, multiple: true }])),
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const values: Record<string, boolean | string | string[]> = {}
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') {
      // A variable that is not set, most likely: the empty path would be the whole folder.
      if (token.value === '') throw usageFailure('an argument is empty', helpHint(path))
      operands.push(shownDash(token.value))
    }
    if (token.kind !== 'option') continue
    const { name, rawName, inlineValue } = token
    const value = token.value === undefined ? undefined : shownDash(token.value)
    const option = Object.hasOwn(options, name) && rawName === `--${name}` ? options[name] : undefined
    if (option === undefined) throw unknownOption(path, options, rawName)
    if (option.type === 'boolean') {
      if (value !== undefined) throw usageFailure(`${rawName} takes no value`, helpHint(path))
      values[name] = true
      continue
    }
    if (value === undefined || value === '')
      throw usageFailure(`${rawName} needs a value (${option.value ?? 'TEXT'})`, helpHint(path))
    if (!inlineValue && /^-./.test(value) && value === token.value) {
      const mend = `If that is meant, write ${rawName}=${printable(value)}`
      throw usageFailure(`${rawName} needs a value, and ${printable(value)} looks like an option`, mend)
    }
    if (option.multiple === true) values[name] = [...((values[name] as string[] | undefined) ?? []), value]
    else if (Object.hasOwn(values, name)) throw usageFailure(`${rawName} was given twice`, 'Give it once')
    else values[name] = value
  }
  // Each value was read after its own option, so it is of the type that the option has.
  return { options: values as Arguments['options'], operands }
}

/** No argument holds a NUL, so it can stand before a dash that begins no option. */
function hiddenDash(word: string): string {
  return /^-[^-]/.test(word) ? `\0${word}` : word
}

function shownDash(word: string): string {
  return word.startsWith('\0') ? word.slice(1) : word
}

function unknownOption(path: string, options: Options, rawName: string): Failure {
  const names = [...Object.keys(options), 'help'].map((name) => `--${name}`)
  return usageFailure(`${path} has no option ${printable(rawName)}`, suggestion(rawName, names) ?? helpHint(path))
}

export function helpHint(path: string): string {
  return `'stele ${path} --help' shows how it is used`
}

/** `Did you mean …?` where one of the known words is near. */
export function suggestion(word: string, known: readonly string[]): string | undefined {
  const asked = word.slice(0, 64)
  const [best] = known
    .map((name) => ({ name, edits: editCount(asked, name) }))
    .toSorted((one, other) => one.edits - other.edits)
  const isNear =
    best !== undefined &&
    (best.edits <= Math.max(1, Math.floor(best.name.replace(/^-+/, '').length / 3)) || isBeginning(asked, best.name))
  if (isNear) return `Did you mean ${best.name}?`
  const longer = known.filter((name) => isBeginning(asked, name))
  return longer.length === 1 ? `Did you mean ${longer[0]}?` : undefined
}

function isBeginning(word: string, name: string): boolean {
  return word.replace(/^-+/, '').length >= 2 && name.startsWith(word)
}
