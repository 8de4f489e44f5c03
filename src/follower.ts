// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The follower process, started by the server beside itself: reads the log and keeps the index. What it may do in the
 * world is read files below the data directory and speak to ClickHouse. It ends with its parent.
 */
import { Follower } from './index/follower.ts'
import type { Order } from './index/messages.ts'
import { parentOfThisProcess } from './platform/children.ts'
import { SystemClock } from './platform/clock.ts'
import { NodeDisk } from './platform/disk.ts'
import { busyShareOfThread } from './platform/load.ts'
import { SystemRandom } from './platform/random.ts'
import { documentOf } from './query/document.ts'
import { PathNames } from './query/path-names.ts'
import { MAPPER_VERSION, normalise } from './sources/normalise.ts'

const parent = parentOfThisProcess()
const names = new PathNames()
const follower = new Follower({
  send: (report) => parent.send(report),
  disk: new NodeDisk(),
  clock: new SystemClock(),
  random: new SystemRandom(),
  render: (entry, event) => {
    const { ocsf, value } = normalise(entry, event)
    return documentOf(entry, ocsf, value, names)
  },
  mapperVersion: MAPPER_VERSION,
  busyShare: busyShareOfThread(),
})
// The channel is the server's own: what comes over it was sent by the service in index/supervised-index.ts.
parent.onMessage((message) => follower.take(message as Order))
parent.onEnd(() => process.exit(0))
parent.ready()
