// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * ClickHouse in a child process of its own, closed to everybody who has not the secrets of this start. It is started
 * again whenever it dies, at another port and with other secrets: whoever takes the port of a dead server learns
 * nothing that opens the next one. What it holds can be made again from the ledgers, so no failure of it is one of theirs.
 */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Death, SupervisedChild } from '../platform/children.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Files } from '../platform/files.ts'
import { type Random, randomBase32 } from '../platform/random.ts'
import { cpuCount } from '../platform/workers.ts'
import { connect, type IndexAccess } from './connection.ts'
import { embeddedLayout, SECRET_HEADER, serverConfig } from './embedded-config.ts'
import { startFailure } from './embedded-reason.ts'
import { DATABASE, FEED_USER, SEARCH_USER, usersConfig } from './embedded-users.ts'

export interface EmbeddedOptions {
  /** The folder of the index, DIR/index: made where it is not there, and nobody else's. */
  readonly directory: string
  readonly disk: Disk
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: (line: object) => void
  /** Where to look for ClickHouse's library, else among the installed packages. */
  readonly libraries?: readonly string[]
}

export type EmbeddedStatus =
  | { readonly state: 'starting' | 'ready' | 'stopped' }
  /** It does not start, and is tried again; or it cannot run on this machine at all. */
  | { readonly state: 'failed' | 'unavailable'; readonly reason: string }

export interface EmbeddedAccess {
  readonly search: IndexAccess
  readonly feed: IndexAccess
}

/** One of them is installed: npm takes what fits the machine. */
const LIBRARIES = ['linux-x64-gnu', 'linux-arm64-gnu', 'darwin-arm64', 'darwin-x64']
const FAILED_STARTS = 3
/** 256 bits and more. */
const SECRET_CHARS = 52
/** Below those that the systems give to connections. */
const FIRST_PORT = 20_000
const PORT_COUNT = 12_000
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 10_000
/** A machine that is busy may keep it waiting for seconds. */
const PROBE_EVERY_MS = 10_000
const PROBE_TIMEOUT_MS = 5_000
const MAX_MISSED_PROBES = 3
/** Twice what the ledgers keep free, so that the index stops growing before they stop appending. */
const MAX_KEPT_FREE_BYTES = 2 * 1024 ** 3
const KEPT_FREE_SHARE = 0.1

export class EmbeddedServer {
  readonly #options: EmbeddedOptions
  readonly #directory: string
  readonly #listeners = new Set<() => void>()
  #child: SupervisedChild | undefined
  #stopProbing = () => {}
  #isProbing = false
  #missedProbes = 0
  #status: EmbeddedStatus = { state: 'starting' }
  /** Of the start that is under way. */
  #next: EmbeddedAccess | undefined
  #access: EmbeddedAccess | undefined
  #anew = false

  private constructor(options: EmbeddedOptions) {
    this.#options = options
    this.#directory = resolve(options.directory)
  }

  /** Returns at once; what goes wrong is the status. */
  static start(options: EmbeddedOptions): EmbeddedServer {
    const server = new EmbeddedServer(options)
    server.#begin().catch((error: unknown) => {
      server.#change({ state: 'unavailable', reason: `ClickHouse cannot be started: ${String(error)}` })
    })
    return server
  }

  get status(): EmbeddedStatus {
    return this.#status
  }

  /** How to reach the server that runs now, another after each start; undefined from the moment of its death. */
  get access(): EmbeddedAccess | undefined {
    return this.#child?.ready === true ? this.#access : undefined
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get startCount(): number {
    return this.#child?.startCount ?? 0
  }

  /** Called whenever the status or the access has changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Waits through restarts; rejects where it was stopped or can never run, and where nobody waits any more. */
  async whenReady(signal?: AbortSignal): Promise<EmbeddedAccess> {
    const { promise, resolve, reject } = Promise.withResolvers<EmbeddedAccess>()
    const settle = (): void => {
      const { access, status } = this
      if (access !== undefined) resolve(access)
      else if (status.state === 'unavailable') reject(new Error(status.reason))
      else if (status.state === 'stopped') reject(new Error('the search server was stopped'))
      else if (signal?.aborted === true) reject(new Error('nobody waits for the search server any more'))
    }
    const off = this.onChange(settle)
    signal?.addEventListener('abort', settle)
    settle()
    try {
      return await promise
    } finally {
      off()
      signal?.removeEventListener('abort', settle)
    }
  }

  /** Throws away everything that it holds and begins anew. */
  startAnew(): void {
    this.#anew = true
    this.#child?.restart()
    this.#change({ state: 'starting' })
  }

  /** Ends it once it has flushed what it has, in ten seconds at most. */
  async close(): Promise<void> {
    this.#stopProbing()
    this.#change({ state: 'stopped' })
    await this.#child?.stop()
  }

  /** One that hangs would be waited for by every search: it is ended, and comes back as after any death. */
  async #probe(): Promise<void> {
    const { access } = this
    if (access === undefined || this.#isProbing) return
    this.#isProbing = true
    const client = connect(access.search, { requestTimeoutMs: PROBE_TIMEOUT_MS, maxConnections: 1 })
    const { success } = await client.ping()
    await client.close()
    this.#isProbing = false
    if (access !== this.access) return
    this.#missedProbes = success ? 0 : this.#missedProbes + 1
    if (this.#missedProbes < MAX_MISSED_PROBES) return
    this.#missedProbes = 0
    this.#options.log({ level: 'error', message: 'ClickHouse does not answer and is started again' })
    this.#child?.restart()
  }

  async #begin(): Promise<void> {
    const library = await this.#findLibrary()
    if (this.#status.state === 'stopped') return
    if (library === undefined) {
      const reason = 'ClickHouse is not installed for this platform, so search needs --index-url'
      return this.#change({ state: 'unavailable', reason })
    }
    const { clock, log } = this.#options
    this.#stopProbing = this.#options.clock.every(PROBE_EVERY_MS, () => void this.#probe())
    this.#child = SupervisedChild.start({
      name: 'clickhouse',
      script: new URL('embedded-child.ts', import.meta.url),
      prepare: async () => await this.#prepare(library),
      channel: false,
      startTimeoutMs: START_TIMEOUT_MS,
      stopTimeoutMs: STOP_TIMEOUT_MS,
      clock,
      log,
      onReady: () => void this.#nowReady(),
      onDeath: (death) => this.#died(death),
    })
  }

  /** Nobody is told the secrets before the files that hold them are gone. */
  async #nowReady(): Promise<void> {
    const { disk, log } = this.#options
    const next = this.#next
    const { configPath, usersPath } = embeddedLayout(this.#directory)
    try {
      await Promise.all([disk.remove(configPath), disk.remove(usersPath)])
    } catch (error) {
      log({ level: 'warn', message: `the search server's configuration was not removed: ${String(error)}` })
    }
    if (this.#child?.ready !== true || next !== this.#next) return
    this.#access = next
    this.#change({ state: 'ready' })
  }

  #died(death: Death): void {
    this.#access = undefined
    if (this.#anew || death.failedStarts < FAILED_STARTS) this.#change({ state: 'starting' })
    else this.#change({ state: 'failed', reason: startFailure(death, this.#directory) })
  }

  #change(status: EmbeddedStatus): void {
    if (this.#status.state === 'stopped') return
    this.#status = status
    for (const listener of this.#listeners) listener()
  }

  /** Writes the configuration of the next start, and gives the arguments of embedded-child.ts. */
  async #prepare(library: string): Promise<string[]> {
    const { disk, random } = this.#options
    const directory = this.#directory
    const { configPath, usersPath, dataPath, tmpPath } = embeddedLayout(directory)
    if (this.#anew) await disk.remove(dataPath)
    this.#anew = false
    // What the last run left half done; ClickHouse has a folder for it below its data, too.
    for (const path of [tmpPath, join(dataPath, 'tmp')]) await disk.remove(path)
    for (const path of [tmpPath, dataPath]) await disk.makeDirectory(path)
    const { totalBytes } = await disk.space(directory)
    const keptFreeBytes = Math.min(MAX_KEPT_FREE_BYTES, Math.floor(totalBytes * KEPT_FREE_SHARE))
    const port = FIRST_PORT + randomBelow(random, PORT_COUNT)
    const searchSecret = randomBase32(random, SECRET_CHARS)
    const feedSecret = randomBase32(random, SECRET_CHARS)
    const processors = cpuCount()
    const config = serverConfig({ directory, port, searchSecret, feedSecret, processors, keptFreeBytes })
    await this.#write(configPath, config)
    await this.#write(usersPath, usersConfig(processors))
    const access = (username: string, secret: string): IndexAccess => ({
      url: `http://127.0.0.1:${port}`,
      headers: { [SECRET_HEADER]: secret },
      username,
      password: '',
      database: DATABASE,
    })
    this.#next = { search: access(SEARCH_USER, searchSecret), feed: access(FEED_USER, feedSecret) }
    return [library, directory, String(port)]
  }

  async #write(path: string, text: string): Promise<void> {
    const { disk } = this.#options
    await disk.remove(path)
    const file = await disk.open(path, 'create', 0o600)
    try {
      await file.write(Buffer.from(text), 0)
    } finally {
      await file.close()
    }
  }

  async #findLibrary(): Promise<string | undefined> {
    for (const path of this.#options.libraries ?? LIBRARIES.map(libraryPath)) {
      if (path !== undefined && (await this.#options.files.status(path, 'follow'))?.kind === 'file') return path
    }
    return undefined
  }
}

function libraryPath(name: string): string | undefined {
  try {
    return fileURLToPath(import.meta.resolve(`@chdb/lib-${name}/libchdb.so`))
  } catch {
    return undefined
  }
}

function randomBelow(random: Random, count: number): number {
  const bytes = Buffer.alloc(4)
  random.fill(bytes, 0, 4)
  return bytes.readUInt32BE() % count
}
