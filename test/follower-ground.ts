// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A follower in this process, with what it tells its writer.

import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DAILY_CHECK } from '../src/index/background-check.ts'
import type { IndexAccess } from '../src/index/connection.ts'
import { Follower } from '../src/index/follower.ts'
import type { CheckReport, IndexProgress, IndexTrouble, Report } from '../src/index/messages.ts'
import { WriterSide } from '../src/index/writer-side.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { type Ground, indexGround, render } from './index-ground.ts'
import { eventually } from './server-fixture.ts'

/** A follower ends with its process, which it does not keep alive here. */
export class IdleClock extends SystemClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) })
  }
}

export interface Followed {
  readonly ground: Ground
  readonly follower: Follower
  readonly progress: IndexProgress[]
  readonly troubles: (IndexTrouble | undefined)[]
  readonly checks: CheckReport[]
  readonly reports: Report[]
  readonly open: (url?: string) => void
  readonly generations: () => Promise<number[]>
  readonly caughtUp: () => Promise<void>
}

/** `url` is a ClickHouse whose user `default` may do everything. */
export async function followed(context: TestContext, ownedUrl: string, schedule = DAILY_CHECK): Promise<Followed> {
  const ground = await indexGround(context, ownedUrl)
  const { stele, directory, store, table } = ground
  const writer = new WriterSide(stele.ledgers)
  const [progress, troubles, checks]: [IndexProgress[], (IndexTrouble | undefined)[], CheckReport[]] = [[], [], []]
  const reports: Report[] = []
  // Then it asks, and waits for ever.
  let isOver = false
  context.after(() => (isOver = true))
  const follower = new Follower({
    send: (report) => {
      reports.push(report)
      if (report.type === 'progress') progress.push(report.progress)
      else if (report.type === 'trouble') troubles.push(report.trouble)
      else if (report.type === 'check') checks.push(report.report)
      else if (report.type === 'ask') {
        const { id } = report
        if (isOver) return
        writer.answer(report.question).then(
          (value) => follower.take({ type: 'answer', id, value }),
          (error: unknown) => follower.take({ type: 'refusal', id, reason: String(error) }),
        )
      }
    },
    disk: new NodeDisk(),
    clock: new IdleClock(),
    random: new SystemRandom(),
    render,
    mapperVersion: 1,
    busyShare: () => 0,
  })
  const open = (url = ownedUrl) => {
    const access: IndexAccess = { url, headers: {}, username: 'default', password: '', database: 'stele' }
    follower.take({ type: 'open', installId: table.installId, directory, access, schedule })
  }
  const caughtUp = async () => {
    await eventually(async () => {
      const { sizes } = await ground.source.now()
      const { indexed = {}, rebuild } = progress.at(-1) ?? {}
      const isDone = troubles.at(-1) === undefined && rebuild === undefined
      return isDone && Object.entries(sizes).every(([ledger, size]) => (indexed[ledger] ?? 0) >= size)
    }, 30_000)
  }
  const generations = async () => (await store.tables()).map(({ generation }) => generation)
  return { ground, follower, progress, troubles, checks, reports, open, generations, caughtUp }
}
