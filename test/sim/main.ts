// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `npm run sim -- --seed N --minutes M`: runs episodes from a seed on, for so many minutes by the clock on the wall,
// or for so many simulated hours (--hours), or so many episodes (--episodes). It says what it injected, and of a
// failure how to see it again.

import { parseArgs } from 'node:util'

import { Episode } from './episode.ts'
import { Counts } from './fault-plan.ts'
import { computeOnOneThread } from './one-thread.ts'

const HOUR_MS = 3_600_000
const SAY_EVERY_MS = 10_000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    minutes: { type: 'string', default: 'Infinity' },
    hours: { type: 'string', default: 'Infinity' },
    episodes: { type: 'string', default: 'Infinity' },
  },
})
const firstSeed = Number(values.seed)
const limits = { minutes: Number(values.minutes), hours: Number(values.hours), episodes: Number(values.episodes) }
if (Object.values(limits).every((limit) => limit === Infinity)) limits.minutes = 1

computeOnOneThread()
const started = performance.now()
const counts = new Counts()
let simulatedMs = 0
let episodes = 0
let saidMs = 0
let lastHash = ''

const figures = (): string =>
  `seeds ${firstSeed} to ${firstSeed + episodes - 1}, ${(simulatedMs / HOUR_MS).toFixed(1)} simulated hours in ` +
  `${Math.round((performance.now() - started) / 1000)} s`

while (
  episodes < limits.episodes &&
  simulatedMs < limits.hours * HOUR_MS &&
  performance.now() - started < limits.minutes * 60_000
) {
  const seed = firstSeed + episodes
  try {
    const outcome = await new Episode(seed).run()
    counts.merge(outcome.counts)
    ;({ traceHash: lastHash } = outcome)
    simulatedMs += outcome.simulatedMs
    episodes++
  } catch (error) {
    console.error(error)
    console.error(`\nseed ${seed} failed; see it again with: npm run sim -- --seed ${seed} --episodes 1`)
    process.exit(1)
  }
  if (performance.now() - started - saidMs < SAY_EVERY_MS) continue
  saidMs = performance.now() - started
  console.log(figures())
}
console.log(`${figures()}; nothing was lost, torn or forked`)
console.log(`trace of the last: ${lastHash}`)
console.log(counts.text)
