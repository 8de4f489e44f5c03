// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Programs that nobody on this project wrote, and Stele's own, as processes that say something and end.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ALG_ED25519, formatVkey } from '@stele/proof'

const ROOT = join(import.meta.dirname, '../..')
export const STELE: string = join(ROOT, 'bin/stele')
const RUN_MS = 60_000
const READY_MS = 20_000

export interface Ran {
  /** Null where it was ended for its time. */
  readonly code: number | null
  readonly said: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export async function run(path: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { env = {}, timeoutMs = RUN_MS } = options
  const timeout = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const
  const child = spawn(path, args, { ...timeout, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const said = saidBy(child)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, said: said() }
}

/** Runs it, and demands that it ends well and says what is wanted. */
export async function demand(
  path: string,
  args: readonly string[],
  wanted: RegExp,
  options?: RunOptions,
): Promise<string> {
  const { code, said } = await run(path, args, options)
  assert.equal(code, 0, `${path} ${args.join(' ')}: ${said}`)
  assert.match(said, wanted, `${path} ${args.join(' ')}`)
  return said
}

export interface Started {
  readonly said: () => string
  stop(): Promise<void>
}

/** Starts a program that goes on, once it says that it is ready or its port is open. */
export async function start(
  context: Pick<TestContext, 'after'>,
  path: string,
  args: readonly string[],
  ready: RegExp | number,
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const said = saidBy(child)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.once('error', () => {})
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  }
  context.after(stop)
  const deadline = performance.now() + READY_MS
  while (!(typeof ready === 'number' ? await isOpen(ready) : ready.test(said()))) {
    assert.ok(child.exitCode === null && performance.now() < deadline, `${path} is not ready: ${said()}`)
    await sleep(50)
  }
  return { said, stop }
}

function saidBy(child: ChildProcess): () => string {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return () => said
}

async function isOpen(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  )
}

export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** A folder whose path is short enough for the socket of an agent. */
export function folder(context: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'stele-i-'))
  context.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A log's key in the form of Go's sumdb, made from the name. */
export function goKey(name: string): { readonly skey: string; readonly vkey: string } {
  const seed = createHash('sha256').update(`interop ${name}`).digest()
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  const vkey = formatVkey(name, ALG_ED25519, new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(12)))
  const [, id] = vkey.split('+')
  const material = Buffer.concat([Buffer.of(ALG_ED25519), seed]).toString('base64')
  return { skey: `PRIVATE+KEY+${name}+${id}+${material}`, vkey }
}

const rows = readFileSync(join(ROOT, 'docs/interop.md'), 'utf8').split('\n')

/** Says what was shown, and demands that docs/interop.md has it as a row of its table. */
export function shown(context: TestContext, program: string, direction: string, result: string): void {
  const row = `| ${program} | ${direction} | ${result} |`
  context.diagnostic(row)
  assert.ok(rows.includes(row), `docs/interop.md has no row: ${row}`)
}
