// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A real server on a real data directory in a temporary folder, on a free port of the loopback address. The parts that
// touch the world are the machine's own; a test may hand in a clock that it moves or a disk that says it is full.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemParts } from '../src/directory.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import type { Scope } from '../src/schema/system-events.ts'
import { type RunningServer, type ServerConfig, type ServerParts, startServer } from '../src/server.ts'

/** What `JSON.parse` gives: a test looks into it, and its assertions are the check. */
export type Json = ReturnType<typeof JSON.parse>

export interface TestServer extends RunningServer {
  /** Holds `data` and `state`. */
  readonly directory: string
  /** The token of `admin.token`: every scope, all ledgers. */
  readonly adminToken: string
  /** What the server has logged so far. */
  readonly logged: readonly object[]
  /** Asks, by default as `admin.token`; `token: undefined` sends none. */
  ask(path: string, init?: Ask): Promise<Response>
  /** Asks and demands JSON with a status of 200 or 201. */
  askJson(path: string, init?: Ask): Promise<Json>
  /** Makes a token and returns its text. */
  token(scopes: readonly Scope[], rest?: TokenRest): Promise<string>
  createLedger(name: string, isPublic?: boolean): Promise<void>
}

export interface Ask {
  readonly method?: string
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | ReadableStream
  /** Media type of the body; JSON where it is not said. */
  readonly type?: string
  readonly signal?: AbortSignal
}

interface TokenRest {
  readonly ledgers?: readonly string[]
  readonly sources?: readonly string[]
  readonly expiresAt?: string
  readonly label?: string
}

/** A wall clock that a test moves, and ticks that come faster than they say. */
export class MovedClock extends SystemClock {
  movedMs = 0
  readonly #hurry: number

  constructor(hurry = 1) {
    super()
    this.#hurry = hurry
  }

  override wallMs(): number {
    return super.wallMs() + this.movedMs
  }

  override every(intervalMs: number, tick: () => void): () => void {
    return super.every(intervalMs / this.#hurry, tick)
  }
}

/** A disk that says that it has as much room as a test wants. */
export class TightDisk extends NodeDisk {
  freeBytes: number | undefined

  override async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    const { freeBytes, totalBytes } = await super.space(path)
    return { freeBytes: this.freeBytes ?? freeBytes, totalBytes }
  }
}

/** Starts a server. When the test ends it is stopped, and its directory removed unless the test gave it one. */
export async function startTestServer(
  context: Pick<TestContext, 'after'>,
  options: {
    readonly config?: Partial<ServerConfig>
    /** The keeper is another process, so there is none unless a test wants it. */
    readonly parts?: Partial<ServerParts>
    readonly directory?: string
  } = {},
): Promise<TestServer> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'stele-test-')))
  const logged: object[] = []
  const config: ServerConfig = {
    dataDirectory: join(directory, 'data'),
    stateDirectory: join(directory, 'state'),
    listenHost: '127.0.0.1',
    listenPort: 0,
    name: 'stele.test',
    insecurePlaintext: false,
    noIndex: true,
    version: '0.0.0-test',
    log: (line) => logged.push(line),
    ...options.config,
  }
  const running = await startServer(config, { ...systemParts(), keeping: 'none', ...options.parts })
  let closing: Promise<void> | undefined
  const close = async () => await (closing ??= running.close())
  context.after(async () => {
    await close()
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  })
  const adminToken = (await readFile(running.adminTokenPath, 'utf8')).trim()

  const ask = async (path: string, init: Ask = {}): Promise<Response> => {
    const token = 'token' in init ? init.token : adminToken
    const { method, body, signal, type = 'application/json' } = init
    return await fetch(running.url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
        ...init.headers,
      },
      ...(body === undefined ? {} : { body, duplex: 'half' as const }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
  const askJson = async (path: string, init: Ask = {}): Promise<Json> => {
    const response = await ask(path, init)
    const text = await response.text()
    assert.ok(response.status === 200 || response.status === 201, `${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const token = async (scopes: readonly Scope[], rest: TokenRest = {}): Promise<string> => {
    const body = JSON.stringify({ scopes, ledgers: ['*'], ...rest })
    return (await askJson('/v1/tokens', { body })).token
  }
  const createLedger = async (name: string, isPublic = false): Promise<void> => {
    await askJson('/v1/ledgers', { body: JSON.stringify({ name, public: isPublic }) })
  }
  return { ...running, close, directory, adminToken, logged, ask, askJson, token, createLedger }
}

/** The problem that an answer is: its status and media type are checked. */
export async function problemOf(response: Response, status: number, code: string): Promise<Json> {
  const text = await response.text()
  assert.equal(response.status, status, text)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const problem = JSON.parse(text)
  assert.equal(problem.code, code, text)
  assert.equal(problem.type, `urn:stele:error:${code}`)
  assert.equal(problem.status, status)
  assert.ok(problem.title.length > 0 && problem.detail.length > 0)
  return problem
}

/** Waits until something holds; fails where it does not within the time. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const startedMs = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - startedMs < withinMs, `not within ${withinMs} ms: ${String(holds)}`)
    await sleep(10)
  }
}

/** All events of a ledger, read on the machine itself and so not recorded. */
export async function eventsOf({ ledgers }: RunningServer, ledger: string): Promise<Json[]> {
  const { size } = ledgers.log(ledger)
  const found: Json[] = []
  while (found.length < size) {
    const stored = await ledgers.events(ledger, found.length, size, 1024 * 1024)
    for (const { event } of stored) found.push(JSON.parse(event.toString('utf8')))
  }
  return found
}
