// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Small appends beside noise: a server in a process of its own, a few steady senders, and how long their answers take.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { scratch } from './scratch.ts'
import { eventually } from './server-fixture.ts'

const SENDERS = 8
export const BEARABLE = 5

export interface Ground {
  readonly url: string
  readonly token: string
  /** Sends a body and resolves to the status of its answer. */
  readonly send: (ledger: string, body: string | Buffer, type?: string) => Promise<number>
  /** The 99th percentile of small appends, in milliseconds, over that time. */
  readonly p99: (ms: number) => Promise<number>
  readonly pid: number
  /** Runs until the returned function is called, which resolves to how often it ran. */
  readonly noise: (make: () => Promise<void>) => () => Promise<number>
}

export async function ground(context: TestContext): Promise<Ground> {
  const directory = scratch(context)
  const program = join(import.meta.dirname, '../src/main.ts')
  const serve = [program, 'serve', '--no-index', '--listen', '127.0.0.1:0', '--data', join(directory, 'data')]
  const env = { PATH: process.env['PATH'], XDG_STATE_HOME: join(directory, 'state') }
  const child = spawn(process.execPath, serve, { cwd: directory, env, stdio: ['ignore', 'pipe', 'ignore'] })
  const agent = new Agent({ keepAlive: true })
  context.after(async () => {
    agent.destroy()
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await eventually(() => /listening on \S+/.test(said), 30_000)
  const url = /listening on (\S+)/.exec(said)![1]!
  const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()

  const send = async (ledger: string, body: string | Buffer, type = 'application/json') =>
    await new Promise<number>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': type,
        'content-length': Buffer.byteLength(body),
      }
      const sent = request(`${url}/v1/ledgers/${ledger}/events`, { method: 'POST', agent, headers }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
      })
      sent.once('error', reject).end(body)
    })
  const small = JSON.stringify({ text: 'x'.repeat(1_000) })
  const p99 = async (ms: number) => {
    const took: number[] = []
    const endMs = performance.now() + ms
    const senders = Array.from({ length: SENDERS }, async () => {
      for (let nowMs = performance.now(); nowMs < endMs;) {
        assert.equal(await send('main', small), 200)
        const thenMs = performance.now()
        took.push(thenMs - nowMs)
        nowMs = thenMs
      }
    })
    await Promise.all(senders)
    took.sort((a, b) => a - b)
    return took[Math.floor(took.length * 0.99)]!
  }
  const noise = (make: () => Promise<void>) => {
    const over = new AbortController()
    const running = (async () => {
      let rounds = 0
      for (; !over.signal.aborted; rounds++) await make()
      return rounds
    })()
    return async () => {
      over.abort()
      return await running
    }
  }
  return { url, token, pid: child.pid!, send, p99, noise }
}

/** How many times the p99 grows beside that noise: the least of three tries, since the machine has other work too. */
export async function slowdown({ p99, noise }: Ground, make: () => Promise<void>): Promise<number> {
  let least = Infinity
  for (let attempt = 0; attempt < 3 && least > BEARABLE; attempt++) {
    const quietMs = await p99(1_500)
    const stop = noise(make)
    // The first of it comes into a server that nothing has slowed down yet.
    await p99(1_000)
    const noisyMs = await p99(5_000)
    assert.ok((await stop()) > 1, 'there was noise')
    least = Math.min(least, noisyMs / quietMs)
  }
  return least
}
