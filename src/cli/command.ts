// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a command declares: from this come its help, the reading of its arguments, and the tests that run over all.

import type { Environment } from './environment.ts'

/** 0 done; 1 a negative verdict and nothing else; 2 usage, or refused; 3 not reached, not readable, or overloaded. */
export type ExitCode = 0 | 1 | 2 | 3

export interface OptionSpec {
  readonly type: 'boolean' | 'string'
  /** What stands for the value in the help, as `DIR`. */
  readonly value?: string
  readonly multiple?: true
  readonly help: string
}

export type Options = Readonly<Record<string, OptionSpec>>

type ValueOf<O extends OptionSpec> = O['type'] extends 'boolean'
  ? boolean
  : O extends { multiple: true }
    ? string[]
    : string

export interface Arguments<O extends Options = Options> {
  /** An option that was not given is not there. */
  readonly options: { readonly [Name in keyof O]?: ValueOf<O[Name]> }
  readonly operands: readonly string[]
}

interface Example {
  readonly command: string
  readonly does: string
}

interface Described {
  readonly name: string
  /** One line, without a full stop. */
  readonly summary: string
  /** What the summary leaves out, in lines of at most 100 characters. */
  readonly description?: string
  readonly examples: readonly Example[]
}

/** A command, or one action of a command such as `token create`. */
export interface Command extends Described {
  /** Behind the name, as `[FILE|DIR|-]…`; options are named by the help itself. */
  readonly operands: string
  /** Whether words that begin with one dash are operands. */
  readonly dashOperands?: true
  readonly options: Options
  /** What an exit code means here, where the general words of `exitCodes` do not say enough. */
  readonly exitCodes?: Readonly<Partial<Record<ExitCode, string>>>
  readonly run: (args: Arguments, environment: Environment) => Promise<ExitCode>
}

/** A command that only has actions, each with a help of its own. */
export interface CommandGroup extends Described {
  readonly actions: readonly Command[]
}

/** Declares a command; what `run` gets is typed after `options`. */
export function defineCommand<const O extends Options>(
  command: Omit<Command, 'options' | 'run'> & {
    readonly options: O
    readonly run: (args: Arguments<O>, environment: Environment) => Promise<ExitCode>
  },
): Command {
  // Arguments are read after these very options, so the values are of the types that `run` expects.
  return { ...command, run: command.run as Command['run'] }
}

export const exitCodes: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'the verdict is negative',
  2: 'the command line is wrong, or the server refused',
  3: 'the server or a file could not be reached, or the server is overloaded',
}
