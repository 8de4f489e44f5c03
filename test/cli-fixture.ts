// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Runs a command as main.ts does, in this process: its world is what a test hands in, and what it said is text.

import assert from 'node:assert/strict'

import type { Environment } from '../src/cli/environment.ts'
import { run } from '../src/cli/run.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { readVerifierPage } from '../src/verifier-page.ts'
import type { Json } from './server-fixture.ts'

export interface World {
  readonly cwd?: string
  readonly variables?: Readonly<Record<string, string>>
  readonly stdin?: AsyncIterable<Uint8Array> | string
  readonly columns?: number
  readonly isTerminal?: boolean
  readonly interrupted?: AbortSignal
  readonly environment?: Partial<Environment>
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export class Cli {
  out = ''
  err = ''
  readonly environment: Environment

  constructor(world: World = {}) {
    const { stdin, columns = 100, isTerminal = false } = world
    this.environment = {
      version: '1.2.3-test',
      variables: world.variables ?? {},
      cwd: world.cwd ?? '/nowhere',
      // Not even the superuser can make a folder there.
      home: '/dev/null/home',
      stdin: {
        isTerminal: stdin === undefined,
        read: () => (typeof stdin === 'string' ? chunksOf(stdin) : (stdin ?? assert.fail('standard input was read'))),
      },
      stdout: { isTerminal, columns, write: async (text) => void (this.out += text) },
      stderr: { isTerminal, columns, write: async (text) => void (this.err += text) },
      disk: new NodeDisk(),
      files: new NodeFiles(),
      clock: new SystemClock(),
      random: new SystemRandom(),
      fetch: (url, init) => fetch(url, init),
      interrupted: world.interrupted ?? new AbortController().signal,
      serve: () => assert.fail('a server was started'),
      serveWitness: () => assert.fail('a witness was started'),
      administer: () => assert.fail('a directory was opened'),
      tryStart: () => assert.fail('a start was tried'),
      verifierPage: readVerifierPage,
      openCopy: () => assert.fail('a copy was opened'),
      ...world.environment,
    }
  }

  async run(...argv: readonly string[]): Promise<Ran> {
    const code = await run(argv, this.environment)
    assert.doesNotMatch(this.err, /\n\s+at /, 'a stack trace')
    return { code, out: this.out, err: this.err }
  }
}

export async function stele(world: World, ...argv: readonly string[]): Promise<Ran> {
  return await new Cli(world).run(...argv)
}

/** Demands success and nothing on standard error. */
export async function steleOk(world: World, ...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await stele(world, ...argv)
  assert.deepEqual({ code, err }, { code: 0, err: '' })
  return out
}

/** The lines of JSON on standard output, and the one on standard error that sums them up. */
export async function steleFound(
  world: World,
  name: string,
  ...rest: readonly string[]
): Promise<{ hits: Json[]; foot: Json }> {
  const { code, out, err } = await stele(world, name, '--json', ...rest)
  assert.equal(code, 0, err)
  const hits = out.trimEnd().split('\n')
  return { hits: hits.map((line): Json => JSON.parse(line)), foot: JSON.parse(err) }
}

/** The variables that lead client commands to a server. */
export function variablesFor(server: { readonly url: string; readonly adminToken: string }): Record<string, string> {
  return { STELE_URL: server.url, STELE_TOKEN: server.adminToken }
}

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
