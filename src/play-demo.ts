// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Plays the demo's story into the ledger `demo`, once: what has been played is found again, not repeated. */
import type { Ledgers } from './ledger/ledgers.ts'
import { timeMs } from './platform/clock.ts'
import { cut } from './sources/cut.ts'
import { type Administration, LOCAL } from './state/administration.ts'
import { type DemoStep, demoStory } from './demo/story.ts'

const DEMO_LEDGER = 'demo'
const MINUTE_MS = 60_000

export interface DemoPlayed {
  readonly ledger: string
  /** Events stored now; 0 where the story had been played before. */
  readonly stored: number
  readonly size: number
  /** Where each step of the story lies; empty where the ledger holds something else by now. */
  readonly steps: readonly DemoStep[]
}

export async function playDemo(ledgers: Ledgers, administration: Administration): Promise<DemoPlayed> {
  if (!administration.state.ledgers.has(DEMO_LEDGER)) await administration.createLedger({ name: DEMO_LEDGER }, LOCAL)
  const { size } = ledgers.log(DEMO_LEDGER)
  if (size > 0) return { ledger: DEMO_LEDGER, stored: 0, size, steps: await stepsOfPlayed(ledgers) }
  const story = demoStory(wholeMinute(ledgers.time.nowMs()))
  const body = Buffer.from(story.body)
  const events = cut(body, 'application/x-ndjson')
  const committed = await ledgers.append(DEMO_LEDGER, { ...events, body, by: LOCAL })
  return { ledger: DEMO_LEDGER, stored: committed.count, size: committed.size, steps: story.steps }
}

/** The story is a function of the minute it was played in, so its steps are found again from the first entry's time. */
async function stepsOfPlayed(ledgers: Ledgers): Promise<readonly DemoStep[]> {
  const first = await ledgers.event(DEMO_LEDGER, 0)
  const playedMs = wholeMinute(timeMs(first.entry.at))
  for (const minuteMs of [playedMs, playedMs - MINUTE_MS]) {
    const story = demoStory(minuteMs)
    if (story.body.startsWith(`${first.event.toString('utf8')}\n`)) return story.steps
  }
  return []
}

function wholeMinute(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS
}
