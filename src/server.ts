// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Wires one server together, in the order in which one part needs the other, and takes it apart in reverse. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { Audit } from './access/audit.ts'
import { Authenticator } from './access/credentials.ts'
import { SpaceGuard } from './access/space.ts'
import { ConfigFault, type DirectoryConfig, openDirectory, type OpenDirectory, systemParts } from './directory.ts'
import { createHttpServer } from './http/server.ts'

export interface ServerConfig extends DirectoryConfig {
  readonly listenHost: string
  readonly listenPort: number
  readonly tls?: { readonly certPath: string; readonly keyPath: string }
  readonly insecurePlaintext: boolean
}

export interface RunningServer extends OpenDirectory {
  readonly url: string
}

/** Opens the directory and serves it; resolves once the address answers. */
export async function startServer(config: ServerConfig, parts = systemParts()): Promise<RunningServer> {
  demandSafeListening(config)
  const tls = await readTls(config)
  const { disk, clock } = parts
  const opened = await openDirectory(config, parts)
  const { ledgers, administration } = opened
  const space = await SpaceGuard.open(disk, config.dataDirectory, clock)
  const audit = new Audit(ledgers, administration, space, clock)
  const authenticator = new Authenticator(administration.state, () => ledgers.time.nowMs())
  const closeAll = async () => {
    space.close()
    try {
      await audit.close()
    } finally {
      await opened.close()
    }
  }
  try {
    const { version, log } = config
    const secure = tls === undefined ? {} : { tls }
    const http = await createHttpServer({
      ledgers,
      administration,
      authenticator,
      audit,
      space,
      clock,
      version,
      log,
      ...secure,
    })
    const url = await http.listen(config.listenHost, config.listenPort)
    return {
      ...opened,
      url,
      async close() {
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
