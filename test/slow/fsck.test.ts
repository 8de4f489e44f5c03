// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A third party reads the log: Tessera's fsck fetches the checkpoint, all tiles and all entries of a live server over
// HTTP and recomputes the tree. Its exit code says nothing (0 on failure too), so its words are read.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { events1k } from '../../bench/generate.ts'
import { startTestServer, type TestServer } from '../server-fixture.ts'
import { findTool } from '../tools.ts'
import { shown } from './interop-ground.ts'

const fsck = findTool('fsck')
const FOUND_GOOD = "Successfully fsck'd log"
const TIMEOUT_MS = 60_000

async function fsckLedger(
  server: TestServer,
  ledger: string,
  token: string | undefined,
  vkey: string,
): Promise<string> {
  const keyPath = join(server.directory, `${ledger}.vkey`)
  await writeFile(keyPath, vkey)
  const url = `${server.url}/v1/ledgers/${ledger}/`
  const bearer = token === undefined ? [] : [`--bearer_token=${token}`]
  const args = [`--storage_url=${url}`, `--public_key=${keyPath}`, '-N', '16', '--ui=false', ...bearer]
  const child = spawn(fsck.path, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return said
}

test(
  'P9: a third-party fsck accepts every ledger of a live server, tiles and entries',
  { skip: fsck.skip },
  async (context) => {
    const server = await startTestServer(context)
    for (let seed = 0; seed < 140; seed++) {
      await server.ask('/v1/ledgers/main/events?source=entra.audit', {
        method: 'POST',
        type: 'application/x-ndjson',
        body: events1k(500, seed),
      })
    }
    for (const ledger of ['main', 'system', 'heads']) {
      const { vkeys, size } = await server.askJson(`/v1/ledgers/${ledger}`)
      const said = await fsckLedger(server, ledger, server.adminToken, vkeys[0])
      assert.ok(said.includes(FOUND_GOOD), `${ledger} of ${size} entries: ${said}`)
    }
    const read = 'accepts `main`, `system` and `heads`, 70,000 entries'
    shown(context, 'Tessera fsck 1.0.4', 'reads a live server over HTTP', read)
  },
)

test(
  'a third-party fsck reads a public ledger without a token, and refuses it under another key',
  { skip: fsck.skip },
  async (context) => {
    const server = await startTestServer(context)
    await server.createLedger('shown', true)
    await server.ask('/v1/ledgers/shown/events', {
      method: 'POST',
      type: 'application/x-ndjson',
      body: events1k(300, 1),
    })
    const open = await server.askJson('/v1/ledgers/shown')
    const main = await server.askJson('/v1/ledgers/main')
    assert.ok((await fsckLedger(server, 'shown', undefined, open.vkeys[0])).includes(FOUND_GOOD))
    assert.ok(!(await fsckLedger(server, 'shown', undefined, main.vkeys[0])).includes(FOUND_GOOD))
    const read = 'reads a public ledger without a token'
    shown(context, 'Tessera fsck 1.0.4', read, 'accepts it, refuses it under another key')
  },
)
