// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The real server under load, killed at random moments. The parent keeps what was acknowledged: events, their indexes,
// and every signed checkpoint.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ed25519Verifier, Frontier, openCheckpoint, TILE_WIDTH, tilePath, type Verifier } from '@stele/proof'

import { openDirectory } from '../../src/directory.ts'
import { verifyDirectory } from '../../src/evidence/verify-directory.ts'
import { NodeDisk } from '../../src/platform/disk.ts'
import { hex, readAll, scratch, SeededRandom } from '../scratch.ts'

const KILLS = 25
const CONNECTIONS = 8
const LEDGERS = ['main', 'other'] as const
const SAMPLE_COUNT = 10

interface Acknowledged {
  readonly ledger: string
  readonly first: number
  readonly events: readonly Buffer[]
  readonly checkpoint: string
}

interface LedgerAnswer {
  readonly origin: string
  readonly vkeys: readonly string[]
  readonly size: number
}

class Killed {
  readonly acknowledged: Acknowledged[] = []
  readonly created: string[] = []
  readonly root: string
  readonly #random: SeededRandom
  readonly #verified = new Map<string, { readonly ledger: string; readonly size: number; readonly root: string }>()
  #process: ChildProcess | undefined
  #url = ''
  #number = 0

  constructor(test: TestContext, seed: number) {
    this.root = scratch(test)
    this.#random = new SeededRandom(seed)
    test.after(() => this.#process?.kill('SIGKILL'))
  }

  get data(): string {
    return join(this.root, 'data')
  }

  async start(): Promise<void> {
    const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
    const served = spawn(process.execPath, [main, 'serve', '--data', this.data, '--listen', '127.0.0.1:0'], {
      cwd: this.root,
      env: { ...process.env, XDG_STATE_HOME: join(this.root, 'state'), NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = served
    let said = ''
    served.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    for await (const line of createInterface({ input: served.stdout })) {
      const url = /listening on (http:\S+)/.exec(line)?.[1]
      if (url === undefined) continue
      this.#url = url
      served.stdout.resume()
      return
    }
    assert.fail(`the server did not start: ${said}`)
  }

  /** Loads it until it is killed, at a moment that the seed names. */
  async loadAndKill(): Promise<void> {
    const moment = 20 + this.#random.below(900)
    const served = this.#process!
    const over = new AbortController()
    const writers = Array.from({ length: CONNECTIONS }, async (_, connection) => {
      while (!over.signal.aborted) await this.#append(LEDGERS[connection % 2]!).catch(() => {})
    })
    const creator = this.#createLedger(`round-${this.created.length}-${moment}`).catch(() => {})
    await sleep(moment)
    const exited = once(served, 'exit')
    served.kill('SIGKILL')
    over.abort()
    await Promise.all([exited, ...writers, creator])
  }

  async stop(): Promise<void> {
    const served = this.#process!
    const exited = once(served, 'exit')
    served.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  }

  /** Every checkpoint that was ever acknowledged is one of the tree that is there now; some events, byte for byte. */
  async check(): Promise<void> {
    for (const ledger of LEDGERS) {
      const { size, origin, vkeys } = (await (await this.#ask(`/v1/ledgers/${ledger}`)).json()) as LedgerAnswer
      const verifier = ed25519Verifier(vkeys[0]!)
      const wanted = await this.#acknowledgedRoots(ledger, verifier, origin)
      const frontier = new Frontier()
      for (let tile = 0; tile * TILE_WIDTH < size; tile++) {
        const width = Math.min(TILE_WIDTH, size - tile * TILE_WIDTH)
        const hashes = await (await this.#ask(`/v1/ledgers/${ledger}/${tilePath(0, tile, width)}`)).bytes()
        for (let at = 0; at < hashes.length; at += 32) {
          frontier.append(hashes, at)
          const root = wanted.get(frontier.size)
          if (root !== undefined)
            assert.equal(hex(frontier.root()), root, `${ledger} has another root at ${frontier.size}`)
          wanted.delete(frontier.size)
        }
      }
      assert.deepEqual([...wanted.keys()], [], `${ledger} has ${size} entries: it lost some that were acknowledged`)
    }
    const last = this.acknowledged.slice(-SAMPLE_COUNT)
    const any = Array.from(
      { length: SAMPLE_COUNT },
      () => this.acknowledged[this.#random.below(this.acknowledged.length)]!,
    )
    for (const { ledger, first, events } of [...last, ...any]) {
      for (const [position, event] of events.entries()) {
        const stored = await this.#ask(`/v1/ledgers/${ledger}/events/${first + position}/event`)
        assert.deepEqual(Buffer.from(await stored.bytes()), event, `${ledger} ${first + position}`)
      }
    }
    for (const ledger of this.created) await this.#ask(`/v1/ledgers/${ledger}`)
  }

  /** Root by size; each signature is verified once. */
  async #acknowledgedRoots(ledger: string, verifier: Verifier, origin: string): Promise<Map<number, string>> {
    const roots = new Map<number, string>()
    for (const { checkpoint: note } of this.acknowledged.filter((one) => one.ledger === ledger)) {
      if (!this.#verified.has(note)) {
        const { checkpoint } = await openCheckpoint(Buffer.from(note), verifier, origin)
        this.#verified.set(note, { ledger, size: checkpoint.size, root: hex(checkpoint.root) })
      }
      const { size, root } = this.#verified.get(note)!
      assert(
        roots.get(size) === undefined || roots.get(size) === root,
        `two roots were signed for ${ledger} at ${size}`,
      )
      roots.set(size, root)
    }
    return roots
  }

  async #append(ledger: string): Promise<void> {
    const count = 1 + this.#random.below(20)
    const events = Array.from({ length: count }, () => {
      const filler = this.#random.bytes(this.#random.below(600)).toString('base64')
      return Buffer.from(JSON.stringify({ number: this.#number++, filler }))
    })
    const body = Buffer.concat(events.flatMap((event) => [event, Buffer.from('\n')]))
    const answer = await this.#ask(`/v1/ledgers/${ledger}/events`, 'POST', 'application/x-ndjson', body)
    const {
      first,
      checkpoint,
      count: stored,
    } = (await answer.json()) as { first: number; count: number; checkpoint: string }
    assert.equal(stored, count)
    this.acknowledged.push({ ledger, first, events, checkpoint })
  }

  async #createLedger(name: string): Promise<void> {
    await this.#ask('/v1/ledgers', 'POST', 'application/json', Buffer.from(JSON.stringify({ name })))
    this.created.push(name)
  }

  async createOther(): Promise<void> {
    await this.#createLedger('other')
  }

  async #ask(path: string, method = 'GET', type?: string, body?: Buffer): Promise<Response> {
    const authorization = `Bearer ${readFileSync(join(this.data, 'admin.token'), 'utf8').trim()}`
    const headers = { authorization, ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await fetch(this.#url + path, { method, headers, ...(body === undefined ? {} : { body }) })
    assert(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? '' : await answer.text()}`)
    return answer
  }
}

test(`P1 P2 P3: a server killed ${KILLS} times under load has every acknowledged event, byte for byte, and one history`, async (context) => {
  const killed = new Killed(context, 25)
  await killed.start()
  await killed.createOther()
  for (let kill = 0; kill < KILLS; kill++) {
    await killed.loadAndKill()
    await killed.start()
    await killed.check()
  }
  await killed.stop()
  assert(killed.acknowledged.length > KILLS)

  const heads = join(killed.root, 'state', 'stele', 'heads')
  const kept = readdirSync(heads)
    .filter((name) => name.endsWith('.head'))
    .map((name) => ({ where: name, bytes: readFileSync(join(heads, name)) }))
  assert.equal(kept.length, 1)
  const report = await verifyDirectory({ disk: new NodeDisk(), directory: killed.data, heads: kept })
  assert.deepEqual([report.verdict, report.findings], ['unchanged', []])

  const opened = await openDirectory({
    dataDirectory: killed.data,
    stateDirectory: join(killed.root, 'state', 'stele'),
    name: 'stele.test',
    version: '0.0.0',
    log() {},
  })
  const { ledgers, administration } = opened
  for (const ledger of LEDGERS) {
    const stored = await readAll(ledgers, ledger)
    for (const { first, events } of killed.acknowledged.filter((one) => one.ledger === ledger)) {
      assert.deepEqual(stored.slice(first, first + events.length), events)
    }
  }
  for (const name of killed.created) assert(administration.state.ledgers.has(name))
  const starts = (await readAll(ledgers, 'system')).filter((event) => event.includes('"server.started"'))
  assert.equal(starts.length, KILLS + 2)
  await opened.close()
  context.diagnostic(`${killed.acknowledged.length} appends acknowledged, ${report.entryCount} entries verified`)
})
