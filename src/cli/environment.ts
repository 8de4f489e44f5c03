// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// All that a command knows of the world. main.ts makes it from the process; tests make it from strings.

import type { Fetch } from '@stele/sdk'
import { join, resolve } from 'node:path'

import type { OpenCopy } from '../evidence/drill-ground.ts'
import type { StartTrial } from '../evidence/start-trial.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Files } from '../platform/files.ts'
import type { Random } from '../platform/random.ts'
import type { Administration } from '../state/administration.ts'
import type { ExitCode } from './command.ts'

interface Input {
  readonly isTerminal: boolean
  read(): AsyncIterable<Uint8Array>
}

export interface Output {
  readonly isTerminal: boolean
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number
  /** Resolves once the text is taken over, so that a slow reader slows the writer. */
  write(text: string): Promise<void>
}

/** What `stele serve` was told. */
export interface ServeConfig {
  readonly dataDirectory: string
  readonly listenHost: string
  readonly listenPort: number
  readonly name: string
  readonly head?: string
  /** The folder that holds the signing keys. */
  readonly keys?: string
  readonly stateDirectory: string
  readonly tls?: { readonly certPath: string; readonly keyPath: string }
  readonly insecurePlaintext: boolean
  readonly demo: boolean
  /** The index that is there already, instead of one of its own. */
  readonly indexUrl?: string
  readonly noIndex?: boolean
  readonly privateWitnesses: boolean
  readonly witnessAlarmMs: number
  readonly searchBudgetMs?: number
}

/** What `stele witness serve` was told. */
export interface WitnessServeConfig {
  readonly directory: string
  readonly listenHost: string
  readonly listenPort: number
  /** Wanted at the first start; afterwards the key has it. */
  readonly name?: string
  readonly logVkeys: readonly string[]
  readonly logFiles: readonly string[]
  /** Requests a second of a log whose list says nothing. */
  readonly perSecond: number
  /** File or URL of the head outside; else in the state directory. */
  readonly head?: string
  readonly stateDirectory: string
  readonly trustState: boolean
  readonly tls?: { readonly certPath: string; readonly keyPath: string }
  readonly insecurePlaintext: boolean
}

export interface Environment {
  readonly version: string
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The working directory, absolute. */
  readonly cwd: string
  readonly home: string
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly disk: Disk
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly fetch: Fetch
  /** Fires at the first SIGINT or SIGTERM. */
  readonly interrupted: AbortSignal
  /** Runs the server until it is stopped. */
  serve(config: ServeConfig): Promise<ExitCode>
  /** Runs a witness until it is stopped. */
  serveWitness(config: WitnessServeConfig): Promise<ExitCode>
  /** Does administrative work on the data directory of a stopped server, which must be there. */
  administer<T>(
    directories: { readonly dataDirectory: string; readonly stateDirectory: string },
    work: (administration: Administration) => Promise<T>,
  ): Promise<T>
  /** Tries a start of the server on a data directory, in memory: nothing is changed. */
  tryStart(place: {
    readonly dataDirectory: string
    readonly stateDirectory: string
    readonly version: string
    readonly head?: string
  }): Promise<StartTrial>
  /** The page that verifies a receipt in a browser, of this version. */
  verifierPage(): Promise<Uint8Array>
  /** Opens a copy of a data directory, as the server would. */
  readonly openCopy: OpenCopy
}

/** A variable that is set to nothing is not set. */
export function variable(environment: Environment, name: string): string | undefined {
  const value = environment.variables[name]
  return value === '' ? undefined : value
}

/** A path as the user wrote it, from the working directory. */
export function pathOf(environment: Environment, path: string): string {
  return resolve(environment.cwd, path)
}

/** Where this user's state lies (XDG Base Directory: a relative XDG_STATE_HOME is ignored). */
export function stateDirectory(environment: Environment): string {
  const base = variable(environment, 'XDG_STATE_HOME')
  return join(base?.startsWith('/') ? base : join(environment.home, '.local', 'state'), 'stele')
}
