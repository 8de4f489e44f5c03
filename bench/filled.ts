// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Servers with events in them, and how far their index is. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { STAMP } from './generate.ts'
import { type Running, startStele } from './subjects.ts'

const CONNECTIONS = 8
const POLL_MS = 20

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Posts the bodies in turn, each time with other digits for its stamps, until `eventCount` events of `main` are durable. */
export async function appendAll(
  { url, headers }: Running,
  bodies: readonly Buffer[],
  eventCount: number,
): Promise<void> {
  let stored = 0
  let turn = 0
  const senders = Array.from({ length: CONNECTIONS }, async () => {
    while (stored < eventCount) {
      const body = stamped(bodies[turn % bodies.length]!, turn++)
      const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
      if (answer.status !== 200) throw new Error(`append: ${answer.status} ${await answer.text()}`)
      stored += ((await answer.json()) as { count: number }).count
    }
  })
  await Promise.all(senders)
}

function stamped(body: Buffer, turn: number): Buffer {
  const sent = Buffer.from(body)
  const digits = turn.toString(16).padStart(STAMP.length, '0')
  for (let at = sent.indexOf(STAMP); at !== -1; at = sent.indexOf(STAMP, at)) sent.write(digits, at, 'latin1')
  return sent
}

export interface IndexProgress {
  readonly state: string
  readonly indexed: number
  readonly size: number
}

/** Of the ledger `main`. */
export async function indexProgress({ url, headers }: Running): Promise<IndexProgress> {
  const answer = await fetch(new URL('/v1/index', url), { headers: { authorization: headers['authorization'] ?? '' } })
  const { state, ledgers } = (await answer.json()) as {
    state: string
    ledgers: Record<string, { indexed: number; size: number }>
  }
  return { state, ...(ledgers['main'] ?? { indexed: 0, size: 0 }) }
}

export interface Indexed {
  readonly running: Running
  /** From the moment at which the empty index could be asked until it held all. */
  readonly tookMs: number
  readonly indexBytes: number
}

/** Fills a log without an index, then starts on it with one, and waits until that holds all. */
export async function startIndexed(folder: string, bodies: readonly Buffer[], eventCount: number): Promise<Indexed> {
  const quiet = await startStele(folder, ['--no-index'])
  await appendAll(quiet, bodies, eventCount)
  await quiet.stop()
  const running = await startStele(folder)
  try {
    await reached(running, ({ state }) => state !== 'starting')
    const startedMs = performance.now()
    await reached(running, ({ indexed, size }) => size >= eventCount && indexed >= size)
    const tookMs = performance.now() - startedMs
    return { running, tookMs, indexBytes: folderBytes(join(folder, 'data/index/data')) }
  } catch (error) {
    await running.stop()
    throw error
  }
}

/** Waits until the index is as far. */
export async function reached(running: Running, holds: (progress: IndexProgress) => boolean): Promise<void> {
  while (!holds(await indexProgress(running))) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

export function folderBytes(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    // Merges go on: a part may have gone meanwhile.
    if (entry.isDirectory()) bytes += folderBytes(path)
    else if (entry.isFile()) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}
