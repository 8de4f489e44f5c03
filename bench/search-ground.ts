// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A server with a month of events in its ledger and its index: filled once, and used again where its folder is kept. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderBytes, reached } from './filled.ts'
import { SearchEvents } from './search-events.ts'
import { type Running, startStele } from './subjects.ts'

const SEED = 1
const CONNECTIONS = 3
/** ClickHouse merges what was inserted until it takes no room for a while. */
const SETTLED_MS = 10_000
const MAX_SETTLING_MS = 300_000

export interface SearchGround {
  readonly running: Running
  readonly events: SearchEvents
  readonly rawBytes: number
  /** Undefined where all of it was there. */
  readonly filledPerSecond: number | undefined
  /** From the moment at which the empty index could be asked. */
  readonly indexedMs: number | undefined
  readonly indexBytes: number
}

export async function searchGround(folder: string, eventCount: number): Promise<SearchGround> {
  mkdirSync(folder, { recursive: true })
  const events = new SearchEvents(SEED, eventCount)
  const filledPerSecond = await fill(folder, events, eventCount)
  const rawBytes = Number(readFileSync(filledPath(folder, eventCount), 'utf8'))
  const running = await startStele(folder)
  try {
    let before = 0
    await reached(running, ({ state, indexed }) => {
      before = indexed
      return state !== 'starting'
    })
    const startedMs = performance.now()
    await reached(running, ({ indexed, size }) => size >= eventCount && indexed >= size)
    const indexedMs = before === 0 ? performance.now() - startedMs : undefined
    return { running, events, rawBytes, filledPerSecond, indexedMs, indexBytes: await settled(folder) }
  } catch (error) {
    await running.stop()
    throw error
  }
}

/** Says how many bytes there are. */
function filledPath(folder: string, eventCount: number): string {
  return join(folder, `filled-${eventCount}`)
}

async function fill(folder: string, events: SearchEvents, eventCount: number): Promise<number | undefined> {
  if (existsSync(filledPath(folder, eventCount))) return undefined
  if (existsSync(join(folder, 'data'))) throw new Error(`${folder} holds another ledger, or half of one: remove it`)
  const running = await startStele(folder, ['--no-index'])
  const url = new URL(running.url)
  // Audits and sign-ins are told apart by what they are.
  url.search = ''
  let next = 0
  let rawBytes = 0
  const startedMs = performance.now()
  const send = async (): Promise<void> => {
    while (next < events.bodyCount) {
      const body = events.body(next++)
      rawBytes += body.length
      const answer = await fetch(url, { method: 'POST', headers: running.headers, body: new Uint8Array(body) })
      if (answer.status !== 200) throw new Error(`append: ${answer.status} ${await answer.text()}`)
      await answer.arrayBuffer()
    }
  }
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, send))
  } finally {
    await running.stop()
  }
  writeFileSync(filledPath(folder, eventCount), String(rawBytes))
  return eventCount / ((performance.now() - startedMs) / 1_000)
}

async function settled(folder: string): Promise<number> {
  const index = join(folder, 'data/index/data')
  const startedMs = performance.now()
  let bytes = 0
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
    const now = folderBytes(index)
    if (now === bytes || performance.now() - startedMs > MAX_SETTLING_MS) return now
    bytes = now
  }
}
