// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keeper process, started by the server beside itself: makes segments of WAL files, and verifies the directory in
 * the background. What it may do in the world is read files below the data directory and the head that is kept outside,
 * and make objects below `segments`. It ends with its parent.
 */
import { Keeper } from './evidence/keeper.ts'
import type { KeeperOrder } from './evidence/keeper-messages.ts'
import { parentOfThisProcess } from './platform/children.ts'
import { SystemClock } from './platform/clock.ts'
import { NodeDisk } from './platform/disk.ts'
import { cpuMsOfProcess } from './platform/load.ts'

const parent = parentOfThisProcess()
const keeper = new Keeper({
  send: (report) => parent.send(report),
  disk: new NodeDisk(),
  clock: new SystemClock(),
  cpuMs: cpuMsOfProcess,
})
// The channel is the server's own: what comes over it was sent by the service in evidence/supervised-keeper.ts.
parent.onMessage((message) => keeper.take(message as KeeperOrder))
parent.onEnd(() => process.exit(0))
parent.ready()
