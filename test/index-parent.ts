// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A server in a process of its own, to be killed by a test in the middle of making its index anew.

import { append, caughtUp, childrenOf } from './index-children.ts'
import { eventually, startTestServer } from './server-fixture.ts'

const [directory = '', eventCount = ''] = process.argv.slice(2)
const server = await startTestServer({ after: () => {} }, { config: { noIndex: false }, directory })
await append(server, Number(eventCount), 5_000)
await caughtUp(server)
await server.ask('/v1/index/rebuild', { method: 'POST' })
await eventually(() => server.index.status().rebuild !== undefined)
process.stdout.write(`${childrenOf(process.pid).join(' ')}\n`)
