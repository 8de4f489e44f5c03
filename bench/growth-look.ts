// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** `node bench/growth-look.ts FOLDER`: opens a directory that `bench growth` has filled, and says what it took as JSON. */
import { inclusionProof } from '@stele/proof'
import { openDirectory } from '../src/directory.ts'
import { cut } from '../src/sources/cut.ts'
import { directoryConfig } from './directories.ts'
import { generatedSmall } from './generate.ts'

const APPEND_COUNT = 300
const PROOF_COUNT = 1_000
const SCATTERED_COUNT = 100
const SCATTERED_EVENTS = 50
/** Of the golden ratio: multiples of it, modulo 1, lie everywhere and nowhere twice. */
const SPREAD = 0.618_033_988_749_895

interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Grown {
  readonly entryCount: number
  readonly openMs: number
  /** Of the process, once it is open. */
  readonly residentBytes: number
  readonly append: Latency
  readonly proof: Latency
  readonly scattered: Latency
}

const startedMs = performance.now()
const opened = await openDirectory(directoryConfig(process.argv[2] ?? ''))
const { ledgers } = opened
const openMs = performance.now() - startedMs
const residentBytes = process.memoryUsage.rss()
const log = ledgers.log('main')
const entryCount = log.size
let turn = 0
const somewhere = () => Math.floor(((++turn * SPREAD) % 1) * entryCount)

const proof = await measured(PROOF_COUNT, async () => {
  await inclusionProof(somewhere(), entryCount, log.hashes)
})
const scattered = await measured(SCATTERED_COUNT, async () => {
  const indexes = Array.from({ length: SCATTERED_EVENTS }, somewhere)
  await Promise.all(indexes.map(async (index) => await ledgers.event('main', index)))
})
const body = generatedSmall(1, 1)
const batch = { ...cut(body, 'application/x-ndjson'), body, by: 'bench' }
const append = await measured(APPEND_COUNT, async () => {
  await ledgers.append('main', batch)
})
await opened.close()
process.stdout.write(JSON.stringify({ entryCount, openMs, residentBytes, append, proof, scattered } satisfies Grown))

async function measured(times: number, work: () => Promise<void>): Promise<Latency> {
  const took: number[] = []
  for (let time = 0; time < times; time++) {
    const beganMs = performance.now()
    await work()
    took.push(performance.now() - beganMs)
  }
  const sorted = took.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
