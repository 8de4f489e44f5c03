// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A thread that appends at a steady rate until it is ended, so that making the load does not delay who measures. */
import { setTimeout as sleep } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { STAMP } from './generate.ts'

export interface AppendLoad {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodies: readonly Uint8Array[]
  readonly eventsPerBody: number
  readonly eventsPerSecond: number
  /** Events that were appended. */
  readonly appended: SharedArrayBuffer
}

const { url, headers, bodies, eventsPerBody, eventsPerSecond, appended } = workerData as AppendLoad
const counted = new Float64Array(appended)
const everyMs = (1_000 * eventsPerBody) / eventsPerSecond
// Another run's stamps are others.
const first = Date.now() % 2 ** 32
const startedMs = performance.now()
for (let turn = 0; ; turn++) {
  const waitMs = startedMs + turn * everyMs - performance.now()
  if (waitMs > 0) await sleep(waitMs)
  const sent = Buffer.from(bodies[turn % bodies.length]!)
  const digits = ((first + turn) % 2 ** 32).toString(16).padStart(STAMP.length, '0')
  for (let at = sent.indexOf(STAMP); at !== -1; at = sent.indexOf(STAMP, at)) sent.write(digits, at, 'latin1')
  const answer = await fetch(url, { method: 'POST', headers, body: sent })
  if (answer.status !== 200) throw new Error(`append: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
  counted[0] = (turn + 1) * eventsPerBody
}
