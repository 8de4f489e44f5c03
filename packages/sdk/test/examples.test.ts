// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The examples run, against a real server, and print what they promise.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { verifyReceipt } from '@stele/proof'

import { startTestServer } from '../../../test/server-fixture.ts'

const folder = join(import.meta.dirname, '../examples')

test('every example runs and prints what it says', async (context) => {
  assert.deepEqual(readdirSync(folder).toSorted(), ['append-with-receipts.ts', 'follow.ts'])
  const server = await startTestServer(context)
  const run = async (name: string, ...rest: readonly string[]) => {
    const argv = [join(folder, name), server.url, server.adminToken, ...rest]
    return (await promisify(execFile)(process.execPath, argv)).stdout
  }
  const [first = '', second = ''] = (await run('append-with-receipts.ts')).split(/^event \d\n/m).slice(1)
  const key = { vkey: server.ledgers.vkey('main') }
  for (const [receipt, event] of [
    [first, '{"user":"alice","action":"sign-in"}'],
    [second, '{"user":"bob","action":"sign-out"}'],
  ] as const) {
    assert.equal((await verifyReceipt(Buffer.from(event), receipt.replace(/\n$/, ''), key)).verdict, 'valid')
  }
  const lines = (await run('follow.ts', '2')).trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => line.replace(/\d{4}-\S+ /, '')),
    ['0 {"user":"alice","action":"sign-in"}', '1 {"user":"bob","action":"sign-out"}'],
  )
})
