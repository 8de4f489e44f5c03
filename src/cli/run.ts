// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// From the words of a command line to an exit code. Whatever goes wrong is said in one line, never as a stack trace.

import { helpHint, readArguments, suggestion } from './arguments.ts'
import type { Command, CommandGroup, ExitCode } from './command.ts'
import { type CommandEntry, commands } from './commands.ts'
import { printable } from './display.ts'
import type { Environment } from './environment.ts'
import { exitCodeOf, Failure, installationFailure, usageFailure } from './failure.ts'
import { commandText, groupText, overviewText } from './help.ts'

/** The reader of our output has gone, as `head` does: nothing is left to say. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

export async function run(
  argv: readonly string[],
  environment: Environment,
  entries: readonly CommandEntry[] = commands,
): Promise<ExitCode> {
  try {
    return await dispatch(argv, environment, entries)
  } catch (error) {
    if (isBrokenPipe(error)) return 0
    const failure = await failureOf(error)
    await environment.stderr.write(`stele: ${failure.message}\n${failure.below}`)
    return failure.exitCode
  }
}

async function dispatch(
  argv: readonly string[],
  environment: Environment,
  entries: readonly CommandEntry[],
): Promise<ExitCode> {
  const { stdout, version } = environment
  const [first, ...rest] = argv
  if (first === '--version') {
    await stdout.write(`stele ${version}\n`)
    return 0
  }
  const name = first === 'help' ? rest[0] : first
  if (name === undefined || isHelp(name)) {
    await stdout.write(overviewText(entries, stdout.columns))
    return 0
  }
  const entry = entries.find((known) => known.name === name)
  if (entry === undefined) throw unknownCommand(name, entries)
  const loaded = await entry.load()
  const words = first === 'help' ? [...rest.slice(1), '--help'] : rest
  if ('actions' in loaded) return await runAction(loaded, words, environment)
  return await runCommand(name, loaded, words, environment)
}

async function runAction(group: CommandGroup, words: readonly string[], environment: Environment): Promise<ExitCode> {
  const [name, ...rest] = words
  if (isHelp(name)) {
    await environment.stdout.write(groupText(group, environment.stdout.columns))
    return 0
  }
  const names = group.actions.map((action) => action.name)
  const action = group.actions.find((known) => known.name === name)
  if (action === undefined) {
    const what = name === undefined ? `${group.name} needs an action` : `${group.name} has no action ${printable(name)}`
    throw usageFailure(what, suggestion(name ?? '', names) ?? `The actions are ${names.join(', ')}`)
  }
  return await runCommand(`${group.name} ${action.name}`, action, rest, environment)
}

async function runCommand(
  path: string,
  command: Command,
  words: readonly string[],
  environment: Environment,
): Promise<ExitCode> {
  const end = words.indexOf('--')
  if (words.slice(0, end === -1 ? undefined : end).some(isHelp)) {
    await environment.stdout.write(commandText(path, command, environment.stdout.columns))
    return 0
  }
  const args = readArguments(path, command, words)
  if (command.operands === '' && args.operands.length > 0) {
    throw usageFailure(`${path} takes no argument ${printable(args.operands[0]!)}`, helpHint(path))
  }
  return await command.run(args, environment)
}

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}

function unknownCommand(name: string, entries: readonly CommandEntry[]): Failure {
  const names = entries.map((entry) => entry.name)
  const what = name.startsWith('-') ? `there is no option ${printable(name)}` : `there is no command ${printable(name)}`
  return usageFailure(what, suggestion(name, names) ?? "'stele --help' lists the commands")
}

async function failureOf(error: unknown): Promise<Failure> {
  if (error instanceof Failure) return error
  const notInstalled = installationFailure(error)
  if (notInstalled !== undefined) return notInstalled
  // Only commands that talk to a server have loaded it.
  const { SteleError } = await import('@stele/sdk')
  const words = printable(error instanceof Error ? error.message : String(error))
  if (error instanceof SteleError) return new Failure(exitCodeOf(error), words)
  // Files are read and written under words of their own: what is left is the output, and what was done before it.
  if (error instanceof Error && 'syscall' in error) return new Failure(3, words)
  return new Failure(3, `this is a fault of Stele itself: ${words}`, '', 'Please report it, with the command')
}
