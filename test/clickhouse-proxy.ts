// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Stands between Stele and a ClickHouse: a test sees each query before it goes on, and may have it wait.

import { once } from 'node:events'
import { createServer, request as ask } from 'node:http'

export interface ClickHouseProxy {
  readonly url: string
  /** Called with each query, and with the token of an insert; what it returns is waited for. */
  before: (query: string, token: string) => Promise<void> | void
  close(): Promise<void>
}

export async function startProxy(target: string): Promise<ClickHouseProxy> {
  const server = createServer((request, response) => {
    response.on('error', () => {})
    const forward = async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const body = Buffer.concat(parts)
      const { searchParams } = new URL(request.url ?? '/', target)
      const query = searchParams.get('query') ?? body.subarray(0, 4_096).toString()
      await proxy.before(query, searchParams.get('insert_deduplication_token') ?? '')
      const { method, headers } = request
      const { connection: _, ...kept } = headers
      const asking = ask(target + request.url, {
        method,
        headers: { ...kept, 'content-length': body.length },
        agent: false,
      })
      asking.on('error', () => response.destroy())
      asking.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on('error', () => response.destroy())
      })
      asking.end(body)
    }
    // Whoever asked may have gone.
    forward().catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const proxy: ClickHouseProxy = {
    url: `http://127.0.0.1:${address.port}`,
    before: () => {},
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return proxy
}
