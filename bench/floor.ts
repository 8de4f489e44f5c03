// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The floor: what this machine takes at least for a durable event of 1 KB. First on one thread without a network: a
 * SHA-256 of the content, one of the leaf, and one write and one fdatasync for 500 events. Then over HTTP, with the load
 * generator of `bench append`: node:http that takes bodies in and answers, the same with hashes and durable writes, and
 * Stele. CPU time is the whole server's, so it says more than a rate where other programs run.
 */
import { hash } from 'node:crypto'
import { closeSync, fdatasync, openSync, write } from 'node:fs'
import { join } from 'node:path'
import { inFolder } from './filled.ts'
import { CONTENT_BYTES, frameBytes, LEAF_BYTES } from './floor-work.ts'
import { events1k } from './generate.ts'
import { wrkInstalled } from './load.ts'
import { count, table } from './report.ts'
import { type Running, startFloor, startStele } from './subjects.ts'
import { underLoad } from './under-load.ts'

const BATCH = 500
const BODY_COUNT = 16
const HASH_COUNT = 200_000

export async function benchFloor(seconds: number): Promise<string> {
  const parts = [await oneThread(seconds)]
  parts.push(wrkInstalled() ? await overHttp(seconds) : 'over HTTP: wrk, the load generator, is not installed')
  return parts.join('\n\n')
}

async function oneThread(seconds: number): Promise<string> {
  const content = Buffer.alloc(CONTENT_BYTES, 7)
  const leaf = Buffer.alloc(LEAF_BYTES, 9)
  const rows = [['one thread, no network', 'µs an event', 'events/s']]
  const add = (name: string, microseconds: number) =>
    rows.push([name, microseconds.toFixed(2), count(1e6 / microseconds)])
  const hashing = () => {
    hash('sha256', content, 'binary')
    hash('sha256', leaf, 'binary')
  }
  add(
    `SHA-256 of ${CONTENT_BYTES} B`,
    timed(() => void hash('sha256', content, 'binary')),
  )
  add(
    `SHA-256 of ${LEAF_BYTES} B`,
    timed(() => void hash('sha256', leaf, 'binary')),
  )
  await inFolder(async (folder) => {
    const file = openSync(join(folder, 'frames'), 'w')
    const frame = Buffer.alloc(frameBytes(BATCH * CONTENT_BYTES), 5)
    let position = 0
    const start = () => durable(file, frame, (position += frame.length))
    add('write and fdatasync of 500', await repeated(seconds, start))
    const hashAll = () => {
      for (let event = 0; event < BATCH; event++) hashing()
    }
    const afterEachOther = async () => {
      hashAll()
      await start()
    }
    add('hashes, then write and fdatasync', await repeated(seconds, afterEachOther))
    const besideEachOther = async () => {
      const written = start()
      hashAll()
      await written
    }
    add('hashes beside the write before', await repeated(seconds, besideEachOther))
    closeSync(file)
  })
  return table(rows)
}

/** Microseconds of one call. */
function timed(work: () => void): number {
  for (let turn = 0; turn < HASH_COUNT / 10; turn++) work()
  const startedMs = performance.now()
  for (let turn = 0; turn < HASH_COUNT; turn++) work()
  return ((performance.now() - startedMs) * 1000) / HASH_COUNT
}

/** Microseconds an event, where each turn is 500. */
async function repeated(seconds: number, turn: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  let turns = 0
  while (performance.now() - startedMs < seconds * 1000) {
    await turn()
    turns++
  }
  return ((performance.now() - startedMs) * 1000) / (turns * BATCH)
}

async function durable(file: number, frame: Buffer, position: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    write(file, frame, 0, frame.length, position, (failure) => {
      if (failure !== null) return reject(failure)
      fdatasync(file, (error) => (error === null ? resolve() : reject(error)))
    })
  })
}

async function overHttp(seconds: number): Promise<string> {
  const rows = [['over HTTP', 'subject', 'events/s', 'CPU µs an event', 'p50 ms', 'p99 ms', 'of the floor']]
  for (const [name, connections, eventsPerRequest] of [
    ['1 KB, NDJSON of 500, 8 connections', 8, BATCH],
    ['1 KB, one a request, 64 clients', 64, 1],
  ] as const) {
    const bodies = Array.from({ length: BODY_COUNT }, (_, seed) => events1k(eventsPerRequest, seed, true))
    const workload = { name, connections, eventsPerRequest, bodies }
    const measured = async (subject: string, start: (folder: string) => Promise<Running>, floor?: number) => {
      const { eventsPerSecond, cpuMicroseconds, p50Ms, p99Ms } = await underLoad(workload, start, seconds)
      const share = floor === undefined ? '' : `${((eventsPerSecond / floor) * 100).toFixed(0)} %`
      const figures = [cpuMicroseconds.toFixed(2), p50Ms.toFixed(1), p99Ms.toFixed(1)]
      rows.push([name, subject, count(eventsPerSecond), ...figures, share])
      return eventsPerSecond
    }
    await measured('node:http', async (folder) => await startFloor(folder, 'bare'))
    const floor = await measured('node:http, hashes, durable', async (folder) => await startFloor(folder, 'durable'))
    await measured('Stele', async (folder) => await startStele(folder, ['--no-index']), floor)
  }
  return table(rows)
}
