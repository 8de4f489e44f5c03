// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `npm run system-calls -- --every N`: every nth place at which a system call may fail, or the server be killed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { InjectedFaults } from './system-calls.ts'
import { findTool } from './tools.ts'

const { values } = parseArgs({ options: { every: { type: 'string', default: '1' } } })
const root = mkdtempSync(join(tmpdir(), 'stele-calls-'))
try {
  const started = performance.now()
  const injected = new InjectedFaults(findTool('strace').path, root)
  await injected.prepare()
  const cases = (await injected.cases()).filter((_, number) => number % Number(values.every) === 0)
  for (const [number, one] of cases.entries()) {
    await injected.run(one, number)
    if (number % 25 === 24) console.log(`${number + 1} of ${cases.length}`)
  }
  const { faults, ends, appends } = injected.figures
  const ended = Object.entries(ends).map(([end, count]) => `${end} ${count}`)
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(
    `${cases.length} lives, ${faults} of them hit, in ${seconds} s: ${ended.join(', ')}; ${appends} appends, 0 lost`,
  )
} finally {
  rmSync(root, { recursive: true, force: true })
}
