// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Wires one witness together and serves it: its key, what it remembers, its logs, an HTTP server with bounds. */
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { readFile } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { join } from 'node:path'
import type { WitnessServeConfig } from './cli/environment.ts'
import { Connections } from './http/connections.ts'
import { TIMEOUTS, type Timeouts } from './http/timeouts.ts'
import { WitnessRequests } from './http/witness-requests.ts'
import { FileHeadStore, type HeadStore, UrlHeadStore } from './ledger/head-store.ts'
import { LedgerTime } from './ledger/ledger-time.ts'
import { type Clock, SystemClock } from './platform/clock.ts'
import { type Disk, NodeDisk } from './platform/disk.ts'
import { GuardedHttpClient } from './platform/http-client.ts'
import { type Lock, tryLock } from './platform/lock.ts'
import { type Random, SystemRandom } from './platform/random.ts'
import { Contradictions } from './witness/witnessing/contradictions.ts'
import { WitnessFault } from './witness/witnessing/fault.ts'
import { joinedLists, type LogList, logsOfVkeys, parseLogList } from './witness/witnessing/log-list.ts'
import { RequestRates } from './witness/witnessing/request-rates.ts'
import { Witness } from './witness/witnessing/witness.ts'
import { keepWitnessKey, readWitnessKey, WITNESS_KEY_FILE, WitnessKey } from './witness/witnessing/witness-key.ts'
import { WitnessState } from './witness/witnessing/witness-state.ts'

/** A request is some kilobytes: who needs longer for it does not mean to send it. */
const WITNESS_TIMEOUTS: Timeouts = { ...TIMEOUTS, headersMs: 10_000, requestMs: 30_000, idleMs: 60_000 }
const MAX_CONNECTIONS = 1_000
const MAX_HEADER_BYTES = 16 * 1024
/** How soon a changed list of logs is seen. */
const LISTS_EVERY_MS = 5_000

export interface WitnessConfig extends WitnessServeConfig {
  readonly version: string
  readonly log: (line: object) => void
}

export interface WitnessMachine {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly lock: (path: string) => Lock | undefined
  readonly timeouts?: Partial<Timeouts>
}

export interface RunningWitness {
  readonly url: string
  readonly vkeys: readonly string[]
  readonly logCount: number
  /** Fires when a failure has stopped it; what comes then is refused. */
  readonly stopped: AbortSignal
  close(): Promise<void>
}

const machine = (): WitnessMachine => ({
  disk: new NodeDisk(),
  clock: new SystemClock(),
  random: new SystemRandom(),
  lock: tryLock,
})

/** Resolves once the address answers. Throws `WitnessFault` for what keeps it from starting. */
export async function startWitness(config: WitnessConfig, parts: WitnessMachine = machine()): Promise<RunningWitness> {
  const { disk, lock } = parts
  const { directory } = config
  const { lists, texts } = await readLists(disk, config)
  await disk.makeDirectory(directory)
  const taken = lock(join(directory, 'LOCK'))
  if (taken === undefined) throw new WitnessFault(`${directory} is in use by a running witness`)
  try {
    return await serveWitness(config, parts, { lists, texts }, taken)
  } catch (error) {
    taken.release()
    throw error
  }
}

interface Lists {
  readonly lists: LogList
  /** What the files said, so that a change is seen. */
  readonly texts: string
}

async function serveWitness(
  config: WitnessConfig,
  parts: WitnessMachine,
  { lists, texts }: Lists,
  lock: Lock,
): Promise<RunningWitness> {
  const { disk, clock, random } = parts
  const { directory, log } = config
  const stopped = new AbortController()
  const key = await openKey(config, parts)
  const state = await WitnessState.open({
    disk,
    random,
    folder: join(directory, 'state'),
    head: headStoreOf(config, parts, key),
    keyName: `${key.name}+${key.id}`,
    trustState: config.trustState,
    onUnvouched: () => log({ level: 'warn', message: 'no head vouches for the state; it is trusted as it is' }),
    onFailure: (error) => {
      log({ level: 'error', message: 'the witness has stopped', reason: error.message })
      stopped.abort()
    },
  })
  const time = new LedgerTime(clock, state.lastTime * 1_000, ({ wallMs, ledgerMs }) => {
    const message = 'the wall clock jumped; times go on without it until a restart'
    log({ level: 'error', message, wallMs, witnessMs: ledgerMs })
  })
  const contradictions = new Contradictions(disk, join(directory, 'contradictions'))
  const rates = new RequestRates(clock, config.perSecond)
  const onContradiction = async (origin: string, cosigned: Buffer, contradicting: Buffer) => {
    requests.contradicted()
    try {
      const path = await contradictions.keep(cosigned, contradicting)
      if (path !== undefined) log({ level: 'error', message: 'a log has signed two roots of one size', origin, path })
    } catch (error) {
      const notes = { cosigned: cosigned.toString('utf8'), contradicting: contradicting.toString('utf8') }
      log({
        level: 'error',
        message: 'evidence against a log could not be kept',
        origin,
        reason: String(error),
        ...notes,
      })
    }
  }
  const witness = new Witness({ key, state, time, rates, onContradiction }, lists.logs)
  warnOf(lists, log)
  const { version } = config
  const isSecure = config.tls !== undefined
  const hasJumped = () => time.jump !== undefined
  const requests = new WitnessRequests({ witness, key, state, clock, version, isSecure, hasJumped, log })
  const timeouts = { ...WITNESS_TIMEOUTS, ...parts.timeouts }
  const server = await createBoundedServer(config, timeouts, requests)
  const connections = new Connections(server, clock, timeouts)
  const unwatch = watchLists(config, parts, texts, (next) => {
    warnOf(next, log)
    witness.setLogs(next.logs)
  })
  const closeState = async () => {
    unwatch()
    await state.close().finally(() => lock.release())
  }
  try {
    const url = await listen(server, config)
    return {
      url,
      vkeys: key.vkeys,
      logCount: witness.logCount,
      stopped: stopped.signal,
      async close() {
        requests.stop()
        const release = connections.stop()
        await new Promise<void>((resolve) => server.close(() => resolve())).finally(release)
        await closeState()
      },
    }
  } catch (error) {
    await closeState()
    throw error
  }
}

/** The witness's key; made where there is none yet, and nothing of one. */
async function openKey({ directory, name }: WitnessConfig, { disk, random }: WitnessMachine): Promise<WitnessKey> {
  const path = join(directory, WITNESS_KEY_FILE)
  const known = await readWitnessKey(disk, path)
  if (known !== undefined) {
    if (name === undefined || name === known.name) return known
    throw new WitnessFault(
      `the witness in ${directory} is ${known.name}, for good. Leave out --name, or give another --data.`,
    )
  }
  if ((await disk.list(join(directory, 'state'))).length > 0) {
    throw new WitnessFault(`${path} is missing: put the key back from where it is kept, or begin another folder`)
  }
  if (name === undefined) {
    throw new WitnessFault(
      `${directory} has no key yet. Give --name, as in --name witness.example.com/1: it is in each cosignature.`,
    )
  }
  const key = WitnessKey.make(name, random)
  await keepWitnessKey(disk, path, key)
  return key
}

function headStoreOf(
  { head, stateDirectory }: WitnessConfig,
  { disk, clock }: WitnessMachine,
  { id }: WitnessKey,
): HeadStore {
  if (head?.match(/^https?:\/\//)) return new UrlHeadStore(new GuardedHttpClient(), head)
  return new FileHeadStore(disk, clock, head ?? join(stateDirectory, 'witnesses', `${id}.head`))
}

async function readLists(disk: Disk, { logVkeys, logFiles }: WitnessConfig): Promise<Lists> {
  const files = await Promise.all(
    logFiles.map(async (path) => {
      const bytes = await disk.readFile(path)
      if (bytes === undefined) throw new WitnessFault(`there is no file ${path}`)
      return { path, text: bytes.toString('utf8') }
    }),
  )
  const lists = joinedLists([logsOfVkeys(logVkeys), ...files.map(({ path, text }) => parseLogList(text, path))])
  return { lists, texts: JSON.stringify(files) }
}

function warnOf({ logs, unchecked }: LogList, log: WitnessConfig['log']): void {
  if (logs.length === 0) log({ level: 'warn', message: 'the list names no log: nothing is cosigned' })
  for (const vkey of unchecked) {
    log({ level: 'warn', message: 'a log has a key of a kind that is not checked here, and is not cosigned', vkey })
  }
}

/**
 * Takes the lists again when they have changed, and say the same at two looks: an editor may be at it. One that cannot be
 * read is said, and the logs stay as they were.
 */
function watchLists(
  config: WitnessConfig,
  { disk, clock }: WitnessMachine,
  texts: string,
  changed: (lists: LogList) => void,
): () => void {
  let taken = texts
  let seen = texts
  let complained = ''
  const look = async () => {
    try {
      const next = await readLists(disk, config)
      complained = ''
      const isSettled = next.texts === seen
      seen = next.texts
      if (!isSettled || next.texts === taken) return
      taken = next.texts
      changed(next.lists)
      config.log({ level: 'info', message: 'the list of logs was read again', logs: next.lists.logs.length })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== complained) config.log({ level: 'error', message: 'the list of logs was not taken', reason })
      complained = reason
    }
  }
  let looking: Promise<void> | undefined
  return clock.every(LISTS_EVERY_MS, () => {
    looking ??= look().finally(() => (looking = undefined))
  })
}

async function createBoundedServer(
  { tls }: WitnessConfig,
  timeouts: Timeouts,
  requests: WitnessRequests,
): Promise<Server> {
  const bounds = {
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    headersTimeout: timeouts.headersMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    connectionsCheckingInterval: timeouts.checkedEveryMs,
  }
  const server =
    tls === undefined
      ? createServer(bounds, requests.listener)
      : createSecureServer(
          { ...bounds, cert: await readFile(tls.certPath), key: await readFile(tls.keyPath), minVersion: 'TLSv1.2' },
          requests.listener,
        )
  server.maxConnections = MAX_CONNECTIONS
  server.setTimeout(timeouts.idleMs)
  server.on('checkContinue', requests.listener)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  })
  return server
}

async function listen(server: Server, { listenHost, listenPort, tls }: WitnessConfig): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listenPort, listenHost, () => resolve())
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : listenPort
  return `${tls === undefined ? 'http' : 'https'}://${listenHost.includes(':') ? `[${listenHost}]` : listenHost}:${port}`
}
