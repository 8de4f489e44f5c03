// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The programs that are measured: a Stele server of this checkout, and peers that are installed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { KeyStore } from '../src/ledger/keys.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'

const root = new URL('..', import.meta.url).pathname
const READY_MS = 30_000
/** Of /proc/PID/stat, counted from behind the name: time in the program, and then in the kernel. */
const USER_FIELD = 11
const TICKS_A_SECOND = 100

export interface Running {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Largest resident memory so far, in bytes. */
  peakBytes(): number
  /** Held now by the server and all processes below it; what they share counts once. */
  memoryBytes(): number
  /** Used by the server so far, its own children not counted. */
  cpuSeconds(): number
  stop(): Promise<void>
}

/** Writes bodies to files that a load generator reads. */
export function bodyFiles(folder: string, bodies: readonly Buffer[]): string[] {
  return bodies.map((body, position) => {
    const path = join(folder, `body-${position}`)
    writeFileSync(path, body)
    return path
  })
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** A Stele server on an empty directory below `folder`; `url` appends to `main`. */
export async function startStele(folder: string, args: readonly string[] = []): Promise<Running> {
  const data = join(folder, 'data')
  const listen = `127.0.0.1:${await freePort()}`
  const child = spawn(join(root, 'bin/stele'), ['serve', '--data', data, '--listen', listen, ...args], {
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'state') },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await answers(`http://${listen}/readyz`, child)
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  return running(child, `http://${listen}/v1/ledgers/main/events?source=entra.audit`, headers)
}

/** The least that a durable log over HTTP has to do; `url` takes any body. */
export async function startFloor(folder: string, mode: 'bare' | 'durable'): Promise<Running> {
  const port = await freePort()
  const script = join(root, 'bench/floor-server.ts')
  const child = spawn(process.execPath, [script, String(port), mode, join(folder, 'frames')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await answers(`http://127.0.0.1:${port}/`, child)
  return running(child, `http://127.0.0.1:${port}/`, { 'content-type': 'application/x-ndjson' })
}

/** Makes so many ledgers; the paths that append to them. */
export async function createLedgers({ url, headers }: Running, ledgerCount: number): Promise<string[]> {
  const { search } = new URL(url)
  const paths: string[] = []
  for (let number = 0; number < ledgerCount; number++) {
    const name = `bench-${number}`
    const body = JSON.stringify({ name })
    const json = { authorization: headers['authorization'] ?? '', 'content-type': 'application/json' }
    const answer = await fetch(new URL('/v1/ledgers', url), { method: 'POST', headers: json, body })
    if (answer.status !== 201) throw new Error(`creating ${name}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
    paths.push(`/v1/ledgers/${name}/events${search}`)
  }
  return paths
}

/** Where `scripts/ci-tools.sh` puts the peers. */
export function peerPath(name: string): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const path = join(cache, 'stele-tools/bin', name)
  return existsSync(path) ? path : undefined
}

/** Tessera's POSIX log behind its conformance server; `url` adds one leaf a request. */
export async function startTessera(binary: string, folder: string): Promise<Running> {
  const log = join(folder, 'tessera')
  mkdirSync(log, { recursive: true })
  const keys = new KeyStore(new NodeDisk(), new SystemRandom(), folder)
  await keys.prepare('tessera', 'bench.example/tessera')
  const key = readFileSync(join(folder, 'keys/pending/tessera.key'), 'utf8').trimEnd()
  const keyPath = join(folder, 'tessera.sec')
  writeFileSync(keyPath, key, { mode: 0o600 })
  const listen = `127.0.0.1:${await freePort()}`
  const args = [`-storage_dir=${log}`, `-listen=${listen}`, `-private_key=${keyPath}`]
  const child = spawn(binary, args, { stdio: 'ignore' })
  await answers(`http://${listen}/checkpoint`, child)
  return running(child, `http://${listen}/add`, {})
}

function running(child: ChildProcess, url: string, headers: Readonly<Record<string, string>>): Running {
  return {
    url,
    headers,
    peakBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
    },
    cpuSeconds() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[USER_FIELD]) + Number(fields[USER_FIELD + 1])) / TICKS_A_SECOND
    },
    memoryBytes() {
      return [child.pid!, ...processesBelow(child.pid!)].reduce((sum, pid) => sum + proportionalBytes(pid), 0)
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await closed
    },
  }
}

function processesBelow(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`)
  const children = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim())
  return children
    .join(' ')
    .split(' ')
    .flatMap((text) => (text === '' ? [] : [Number(text), ...processesBelow(Number(text))]))
}

function proportionalBytes(pid: number): number {
  const told = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB$/m.exec(told)?.[1] ?? 0) * 1024
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline && child.exitCode === null) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer !== undefined && answer.status < 500) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill('SIGKILL')
  throw new Error(`${url} did not answer within ${READY_MS / 1000} s`)
}
