// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Runs the harnesses as whoever types the command does: in a process of their own.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'

import { brokenLedgers } from './broken-ledgers.ts'

/** The simulation has met each of them by then. */
const EPISODES = '60'
const CRASH_IMAGES = ['images-main.ts', '--tears', '4096', '--max', '50', '--starts', '1']

interface Ran {
  readonly exitCode: number
  readonly output: string
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const options = { cwd: import.meta.dirname, env: { ...process.env, ...env, NODE_TEST_CONTEXT: undefined } }
  return await new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ exitCode, output: stdout + stderr })
    })
  })
}

/** Runs a harness that must find nothing; resolves to what it says. */
export async function demandClean(args: readonly string[]): Promise<string> {
  const { exitCode, output } = await run(args)
  assert.equal(exitCode, 0, output)
  return output
}

/** Runs the harness that must find the fault; resolves to what it says of it. */
export async function demandCaught(name: string): Promise<string> {
  const broken = brokenLedgers[name]
  assert(broken !== undefined)
  const simulation = ['main.ts', '--seed', String(broken.seed ?? 1), '--episodes', EPISODES]
  const [file, ...args] = broken.caughtBy === 'simulation' ? simulation : CRASH_IMAGES
  const preload = ['--import', join(import.meta.dirname, 'break-ledger.ts')]
  const ran = await run([...preload, file!, ...args], { STELE_BROKEN: name })
  assert.equal(ran.exitCode, 1, `nobody noticed:\n${ran.output}`)
  assert.match(ran.output, /see it again with|image \d+ of a power cut/)
  return ran.output
}
