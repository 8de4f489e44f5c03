// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Wires one server together, in the order in which one part needs the other, and takes it apart in reverse. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { Audit } from './access/audit.ts'
import { Authenticator } from './access/credentials.ts'
import { SpaceGuard } from './access/space.ts'
import {
  ConfigFault,
  type DirectoryConfig,
  type DirectoryParts,
  openDirectory,
  type OpenDirectory,
  systemParts,
} from './directory.ts'
import { DAILY, type PassSchedule } from './evidence/background.ts'
import { KeeperService } from './evidence/supervised-keeper.ts'
import { createHttpServer } from './http/server.ts'
import type { Timeouts } from './http/timeouts.ts'
import { type CheckSchedule, DAILY_CHECK } from './index/background-check.ts'
import { parseIndexUrl } from './index/connection.ts'
import { type IndexChoice, IndexService } from './index/supervised-index.ts'
import { NodeFiles } from './platform/files.ts'
import { GuardedHttpClient } from './platform/http-client.ts'
import type { SystemEvent } from './schema/system-events.ts'
import { busyShareOfThread } from './platform/load.ts'
import { MAPPER_VERSION, normalise } from './sources/normalise.ts'
import { readVerifierPage } from './verifier-page.ts'
import { CosigningService } from './witness/cosigning.ts'
import { holdAgainstWitnesses } from './witness/start-check.ts'

/** Of a record of what Stele itself found. */
const RECORD_BYTES = 16 * 1024
const WITNESS_ALARM_MS = 300_000

export interface ServerConfig extends DirectoryConfig {
  readonly listenHost: string
  readonly listenPort: number
  readonly tls?: { readonly certPath: string; readonly keyPath: string }
  readonly insecurePlaintext: boolean
  /** Other than what is usual. */
  readonly timeouts?: Partial<Timeouts>
  /** The embedded index where neither is given. */
  readonly indexUrl?: string
  readonly noIndex?: boolean
  /** Witnesses may be at loopback and private addresses; the machine's operator alone can say so. */
  readonly privateWitnesses?: boolean
  /** A published head may wait so long for its quorum of witnesses; 5 minutes where it is not said. */
  readonly witnessAlarmMs?: number
  /** What the searches of one token may take of the index's time a minute; 120 s where it is not said. */
  readonly searchBudgetMs?: number
}

export interface RunningServer extends OpenDirectory {
  readonly url: string
  readonly index: IndexService
  readonly keeper: KeeperService
  readonly cosigning: CosigningService
}

/** What tests put in the place of the machine's, and have happen sooner or not at all. */
export interface ServerParts extends DirectoryParts {
  /** When the directory is verified; `none` is without a keeper, so nothing is sealed either. */
  readonly keeping?: PassSchedule | 'none'
  /** When the index is held against the ledgers. */
  readonly checking?: CheckSchedule
}

/** Opens the directory and serves it; resolves once the address answers. */
export async function startServer(config: ServerConfig, parts: ServerParts = systemParts()): Promise<RunningServer> {
  demandSafeListening(config)
  const tls = await readTls(config)
  const verifierPage = await readVerifierPage()
  const choice = indexChoice(config)
  const { disk, clock, random } = parts
  const asking = { http: new GuardedHttpClient(), privateAllowed: config.privateWitnesses === true, log: config.log }
  const hold: NonNullable<DirectoryConfig['hold']> = async (ledgers, { witnesses }) =>
    await holdAgainstWitnesses({ ...asking, ledgers, witnesses })
  const opened = await openDirectory({ ...config, hold }, parts)
  const { ledgers, administration } = opened
  const space = await SpaceGuard.open(disk, config.dataDirectory, clock)
  const audit = new Audit(ledgers, administration, space, clock)
  const authenticator = new Authenticator(administration.state, () => ledgers.time.nowMs())
  const { version, log, dataDirectory: directory } = config
  const record = async (event: SystemEvent) => {
    await space.admit('audit', RECORD_BYTES, 1, async () => await administration.record([event]))
  }
  const index = IndexService.start({
    choice,
    ledgers,
    directory,
    installId: administration.state.install.installId,
    mapperVersion: MAPPER_VERSION,
    follower: new URL('follower.ts', import.meta.url),
    disk,
    files: new NodeFiles(),
    clock,
    random,
    log,
    record,
    schedule: parts.checking ?? DAILY_CHECK,
  })
  const { witnesses } = administration.state
  const alarmAfterMs = config.witnessAlarmMs ?? WITNESS_ALARM_MS
  const cosigning = await CosigningService.start({
    ...asking,
    ledgers,
    witnesses,
    disk,
    directory,
    clock,
    alarmAfterMs,
    record,
  })
  const { keeping = DAILY } = parts
  const keeper = KeeperService.start({
    ledgers,
    state: administration.state,
    directory,
    keeper: keeping === 'none' ? undefined : new URL('keeper.ts', import.meta.url),
    schedule: keeping === 'none' ? DAILY : keeping,
    busyShare: busyShareOfThread(),
    clock,
    record,
    log,
  })
  const closeAll = async () => {
    space.close()
    try {
      await Promise.all([audit.close(), index.close(), keeper.close(), cosigning.close()])
    } finally {
      await opened.close()
    }
  }
  try {
    const secure = tls === undefined ? {} : { tls }
    const http = await createHttpServer({
      ledgers,
      administration,
      authenticator,
      audit,
      space,
      index,
      keeper,
      cosigning,
      normalise,
      verifierPage,
      clock,
      random,
      version,
      log,
      ...secure,
      ...(config.timeouts === undefined ? {} : { timeouts: config.timeouts }),
      ...(config.searchBudgetMs === undefined ? {} : { searchBudgetMs: config.searchBudgetMs }),
    })
    const url = await http.listen(config.listenHost, config.listenPort)
    return {
      ...opened,
      url,
      index,
      keeper,
      cosigning,
      async close() {
        ledgers.endWaiting()
        cosigning.endWaiting()
        try {
          await http.close()
        } finally {
          await closeAll()
        }
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function indexChoice({ indexUrl, noIndex }: ServerConfig): IndexChoice {
  if (noIndex === true) return { kind: 'off', reason: 'the server was started with --no-index' }
  return indexUrl === undefined ? { kind: 'embedded' } : { kind: 'server', access: parseIndexUrl(indexUrl) }
}

function demandSafeListening({ listenHost, tls, insecurePlaintext }: ServerConfig): void {
  const loopback =
    listenHost === 'localhost' || listenHost === '::1' || (isIP(listenHost) === 4 && listenHost.startsWith('127.'))
  if (loopback || tls !== undefined || insecurePlaintext) return
  throw new ConfigFault(
    `--listen ${listenHost} is reachable from other machines, and without TLS tokens and events would cross the ` +
      'network readable. Give --tls-cert and --tls-key, or --insecure-plaintext behind a proxy that does TLS.',
  )
}

async function readTls({ tls }: ServerConfig): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (tls === undefined) return undefined
  return { cert: await readFile(tls.certPath), key: await readFile(tls.keyPath) }
}
