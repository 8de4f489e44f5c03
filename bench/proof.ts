// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Inclusion proofs over HTTP, one after the other on a kept connection, for entries that lie everywhere in a large ledger:
 * the bare proof, as an auditor's token gets it, and the receipt with content, whose reading is recorded first.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fill } from './growth.ts'
import { count, table } from './report.ts'
import { type Running, startStele } from './subjects.ts'

const WARM_COUNT = 2_000
const PROOF_COUNT = 10_000
/** Of the golden ratio: multiples of it, modulo 1, lie everywhere and nowhere twice. */
const SPREAD = 0.618_033_988_749_895

export async function benchProof(entryCount: number, kept: string | undefined): Promise<string> {
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'stele-bench-'))
  try {
    await fill(folder, entryCount)
    const running = await startStele(folder, ['--no-index', '--head', join(folder, 'head'), '--name', 'stele.bench'])
    try {
      const admin = running.headers['authorization'] ?? ''
      const rows = [['what', 'entries', 'proofs', 'p50 ms', 'p99 ms', 'proofs/s']]
      rows.push(await measured('proof (verify)', running, await verifyToken(running, admin)))
      rows.push(await measured('receipt (read, recorded)', running, admin))
      return table(rows)
    } finally {
      await running.stop()
    }
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

async function verifyToken({ url }: Running, authorization: string): Promise<string> {
  const body = JSON.stringify({ scopes: ['verify'], ledgers: ['main'] })
  const headers = { authorization, 'content-type': 'application/json' }
  const answer = await fetch(new URL('/v1/tokens', url), { method: 'POST', headers, body })
  const { token } = (await answer.json()) as { token: string }
  return `Bearer ${token}`
}

async function measured(what: string, { url }: Running, authorization: string): Promise<string[]> {
  const headers = { authorization }
  const ledger = await fetch(new URL('/v1/ledgers/main', url), { headers })
  const { size } = (await ledger.json()) as { size: number }
  const took: number[] = []
  for (let turn = 1; turn <= WARM_COUNT + PROOF_COUNT; turn++) {
    const index = Math.floor(((turn * SPREAD) % 1) * size)
    const beganMs = performance.now()
    const answer = await fetch(new URL(`/v1/ledgers/main/events/${index}/proof`, url), { headers })
    const text = await answer.text()
    if (turn > WARM_COUNT) took.push(performance.now() - beganMs)
    if (answer.status !== 200) throw new Error(`proof of ${index}: ${answer.status} ${text}`)
  }
  const sorted = took.toSorted((one, other) => one - other)
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2)
  const seconds = took.reduce((sum, ms) => sum + ms, 0) / 1000
  return [what, count(size), count(took.length), at(0.5), at(0.99), count(took.length / seconds)]
}
