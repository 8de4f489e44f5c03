// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which server a client command talks to, and with which token. The token in ./stele-data/admin.token may do anything,
// so it goes to the default loopback address and nowhere else, whatever --url or STELE_URL say.

import { type LedgerInfo, SteleClient, SteleError } from '@stele/sdk'

import { printable } from './display.ts'
import { type Environment, pathOf, variable } from './environment.ts'
import { callFailure, fileFailure, usageFailure } from './failure.ts'

const DEFAULT_URL = 'http://127.0.0.1:7835'
export const DEFAULT_DATA = './stele-data'
export const DEFAULT_LEDGER = 'main'

export const serverOptions = {
  url: { type: 'string', value: 'URL', help: `the server; else STELE_URL, else ${DEFAULT_URL}` },
  token: {
    type: 'string',
    value: 'TOKEN',
    help: 'else STELE_TOKEN (other users of this machine can see a command line), else that of ./stele-data/admin.token for the default address',
  },
} as const

export const ledgerOption = {
  ledger: { type: 'string', value: 'NAME', help: `the ledger; else ${DEFAULT_LEDGER}` },
} as const
export const jsonOption = { json: { type: 'boolean', help: 'prints JSON' } } as const

export interface Connection {
  readonly client: SteleClient
  readonly url: string
  readonly hasToken: boolean
  /** Under which the server records what is done with the token, as far as the token itself says it. */
  readonly tokenId: string | undefined
  /** Makes a call; what goes wrong is said with what is `safe` then, and where the outcome is unknown with `unsure`. */
  call<T>(
    words: { readonly safe: string; readonly unsure?: string },
    make: (client: SteleClient) => Promise<T>,
  ): Promise<T>
}

export async function connect(
  options: { readonly url?: string; readonly token?: string },
  environment: Environment,
): Promise<Connection> {
  const url = options.url ?? variable(environment, 'STELE_URL') ?? DEFAULT_URL
  const token = options.token ?? variable(environment, 'STELE_TOKEN') ?? (await adminToken(url, environment))
  const client = clientFor(url, token, environment)
  const hasToken = token !== undefined
  return {
    client,
    url,
    hasToken,
    tokenId: /^stele_([a-z2-7]+)_/.exec(token ?? '')?.[1],
    async call(words, make) {
      try {
        return await make(client)
      } catch (error) {
        throw error instanceof SteleError ? callFailure(error, { url, hasToken, ...words }) : error
      }
    },
  }
}

function clientFor(url: string, token: string | undefined, environment: Environment): SteleClient {
  const { fetch, clock } = environment
  try {
    return new SteleClient({
      url,
      ...(token === undefined ? {} : { token }),
      fetch,
      sleep: async (ms, signal) => await clock.sleep(ms, signal),
    })
  } catch (error) {
    if (error instanceof TypeError) throw usageFailure(printable(error.message), 'Correct --url or --token')
    throw error
  }
}

async function adminToken(url: string, environment: Environment): Promise<string | undefined> {
  if (url.replace(/\/+$/, '') !== DEFAULT_URL) return undefined
  const path = pathOf(environment, `${DEFAULT_DATA}/admin.token`)
  try {
    return (await environment.disk.readFile(path))?.toString('latin1').trim()
  } catch (error) {
    // Another user's server: its token is not ours to read, and perhaps none is needed.
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return undefined
    throw fileFailure(error, path, 'read', 'Nothing was done')
  }
}

/** What a ledger tells of itself, as JSON output has it. */
export function ledgerJson(info: LedgerInfo): object {
  return { ...info, root: Buffer.from(info.root).toString('base64') }
}
