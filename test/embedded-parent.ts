// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A process with an embedded ClickHouse, to be killed by a test: prints the child's process id once it is ready.

import { startEmbedded } from './embedded-ground.ts'

const { server } = startEmbedded({ after: () => {} }, process.argv[2])
await server.whenReady()
process.stdout.write(`${server.pid}\n`)
