// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A real server, a folder, and a command line between them, for the tests of `stele append`.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { variablesFor, type World } from './cli-fixture.ts'
import { readAll, scratch } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

export interface Ground {
  readonly server: TestServer
  readonly folder: string
  readonly world: World
  readonly write: (name: string, bytes: string | Uint8Array) => string
  readonly stored: (ledger?: string) => Promise<string[]>
}

export async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  const folder = scratch(context)
  return {
    server,
    folder,
    world: { cwd: folder, variables: { ...variablesFor(server), XDG_STATE_HOME: join(server.directory, 'client') } },
    write: (name, bytes) => {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), bytes)
      return name
    },
    stored: async (ledger = 'main') => (await readAll(server.ledgers, ledger)).map((event) => event.toString('latin1')),
  }
}

/** Events that say which they are. */
export const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, position) => `{"n":${from + position}}`)
