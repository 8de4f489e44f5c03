// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a command ends early: with three short sentences (what happened, what is safe, what to do) and an exit code.

import type { SteleError } from '@stele/sdk'

import type { ExitCode } from './command.ts'
import { printable } from './display.ts'

export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: ExitCode
  /** Lines that are shown below the sentences. */
  below = ''

  /** Sentences without what stands for them elsewhere: each begins as it is and gets its full stop here. */
  constructor(exitCode: ExitCode, ...sentences: readonly string[]) {
    super(
      sentences
        .filter((sentence) => sentence !== '')
        .map(sentence)
        .join(' '),
    )
    this.exitCode = exitCode
  }

  withBelow(lines: string): this {
    this.below = lines
    return this
  }
}

const NOTHING_DONE = 'Nothing was done'

/** Words of a command line that cannot be followed. */
export function usageFailure(what: string, mend: string): Failure {
  return new Failure(2, what, NOTHING_DONE, mend)
}

/** A program file that is not there: not what the command was given is at fault, but what it was installed from. */
export function installationFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_MODULE_NOT_FOUND') return undefined
  const [what = ''] = error.message.split('\n')
  const mend = "If a set-up of it is running, wait for its end; else run 'npm ci' in its folder"
  return new Failure(3, `Stele is not installed whole: ${printable(what)}`, NOTHING_DONE, mend)
}

export interface Circumstances {
  readonly url: string
  /** What is safe, for a request that was refused or never sent. */
  readonly safe: string
  /** What is safe where the request may have been carried out. */
  readonly unsure?: string
  /** Whether a token was sent. */
  readonly hasToken: boolean
}

/** Says what a failed call means to whoever typed the command. */
export function callFailure(error: SteleError, { url, safe, unsure, hasToken }: Circumstances): Failure {
  const kept = error.outcomeUnknown ? (unsure ?? safe) : safe
  const words = printable(error.message)
  switch (error.failure) {
    case 'unreachable':
      return new Failure(3, `no server answers at ${url}: ${words}`, kept, startHint(url))
    case 'interrupted':
      return new Failure(
        3,
        `the connection to ${url} broke off: ${words}`,
        kept,
        'Run the command again once the server answers',
      )
    case 'untrustworthy':
      return new Failure(
        3,
        `the server at ${url} does not answer as a Stele server must: ${words}`,
        kept,
        'Look whether the address is right, and run stele verify against that server',
      )
    case 'refused':
      return new Failure(exitCodeOf(error), `the server refused: ${words}`, kept, refusalHint(error, hasToken))
  }
}

/** 2 where the request has to change; 3 where the server could not serve it now. */
export function exitCodeOf(error: SteleError): ExitCode {
  const { status = 0 } = error
  return error.failure === 'refused' && status < 500 && status !== 429 ? 2 : 3
}

function startHint(url: string): string {
  return url === 'http://127.0.0.1:7835'
    ? "Start one with 'stele serve', or name another with --url or STELE_URL"
    : 'Look whether the address is right and the server runs'
}

function refusalHint({ code, status, problem }: SteleError, hasToken: boolean): string {
  if (status === 401 && !hasToken) {
    return 'Give a token with --token or STELE_TOKEN; in the directory with stele-data, admin.token is found by itself'
  }
  if (status === 401) return "Give another token: 'stele token create' makes one"
  if (code === 'scope-missing' || code === 'source-forbidden') {
    return "Use a token that may: an administrator makes one with 'stele token create'"
  }
  if (code === 'ledger-unknown') return "'stele ledger list' shows the ledgers, 'stele ledger create NAME' makes one"
  if (status === 429 || code === 'overloaded' || code === 'starting') {
    const { retryAfterMs } = problem
    return retryAfterMs === undefined ? 'Try again later' : `Try again in ${Math.ceil(retryAfterMs / 1000)} s`
  }
  if (code === 'disk-reserve') return 'Make room on the disk of the server'
  if ((status ?? 0) >= 500) return "The server's log says more"
  return ''
}

/** A file that the system would not let us read or write. */
export function fileFailure(error: unknown, path: string, act: 'read' | 'written', safe: string): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const why: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOENT: 'there is no such file or directory',
    ENOSPC: 'the disk is full',
    ENOTDIR: 'a part of the path is not a directory',
    EROFS: 'the file system is read-only',
  }
  const said = why[code] ?? (error instanceof Error ? error.message : String(error))
  return new Failure(3, `${printable(path)} could not be ${act}: ${printable(said)}`, safe)
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`
}
