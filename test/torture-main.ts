// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `npm run torture -- --kills 1000`: a real server, killed again and again under load.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { torture } from './torture.ts'
import { TorturedServer } from './tortured-server.ts'

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
})
const root = mkdtempSync(join(tmpdir(), 'stele-torture-'))
const server = new TorturedServer(root, Number(values.seed))
try {
  const started = performance.now()
  const { kills, appends, events, entryCount } = await torture(server, Number(values.kills), console.log)
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(
    `${kills} kills in ${seconds} s: ${appends} appends of ${events} events acknowledged, 0 lost; ${entryCount} entries verified`,
  )
} finally {
  server.killed()
  rmSync(root, { recursive: true, force: true })
}
