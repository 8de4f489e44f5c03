// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The real server in a process of its own, ended in every way there is, while its parent keeps what it acknowledged:
// events, their indexes, and every signed checkpoint. After each restart the parent makes the tree's roots from the
// server's leaves itself: each checkpoint that was ever acknowledged must be one of this tree.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { ed25519Verifier, Frontier, openCheckpoint, TILE_WIDTH, tilePath } from '@stele/proof'

import { openDirectory } from '../src/directory.ts'
import { verifyDirectory } from '../src/evidence/verify-directory.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { hex, readAll, SeededRandom } from './scratch.ts'

const CONNECTIONS = 8
const LEDGERS = ['main', 'other'] as const
const SAMPLE_COUNT = 5

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

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly said: string
}

export class TorturedServer {
  readonly acknowledged: Acknowledged[] = []
  readonly created: string[] = []
  readonly root: string
  readonly #random: SeededRandom
  /** The tree of each ledger as far as its leaves were fetched. */
  readonly #trees = new Map<string, Frontier>()
  #checked = 0
  #process: ChildProcess | undefined
  #ended: Promise<Ended> | undefined
  #url = ''
  #number = 0

  constructor(root: string, seed: number) {
    this.root = root
    this.#random = new SeededRandom(seed)
  }

  get data(): string {
    return join(this.root, 'data')
  }

  get state(): string {
    return join(this.root, 'state')
  }

  /** Starts it, below another program if one is named; resolves to how it ended instead of listening, if it did. */
  async start(below: readonly string[] = [], env: Record<string, string> = {}): Promise<Ended | undefined> {
    const main = join(import.meta.dirname, '..', 'src', 'main.ts')
    const args = [main, 'serve', '--no-index', '--data', this.data, '--listen', '127.0.0.1:0']
    const whole = [...below, process.execPath, ...args]
    const served = spawn(whole[0]!, whole.slice(1), {
      cwd: this.root,
      env: { ...process.env, XDG_STATE_HOME: this.state, NODE_TEST_CONTEXT: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = served
    let said = ''
    const listening = new Promise<undefined>((resolve) => {
      for (const stream of [served.stdout, served.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          said += chunk.toString()
          const url = /listening on (http:\S+)/.exec(said)?.[1]
          if (url === undefined) return
          this.#url = url
          resolve(undefined)
        })
      }
    })
    this.#ended = once(served, 'close').then(([code, signal]) => ({ code, signal, said }))
    return await Promise.race([listening, this.#ended])
  }

  /** Loads it until it is killed, at a moment that the seed names. */
  async loadAndKill(longestMs: number): Promise<void> {
    const moment = 20 + this.#random.below(longestMs)
    const over = new AbortController()
    const writers = Array.from({ length: CONNECTIONS }, async (_, connection) => {
      while (!over.signal.aborted) await this.append(LEDGERS[connection % 2]!).catch(() => {})
    })
    const creator = this.createLedger(`round-${this.created.length}-${moment}`).catch(() => {})
    await sleep(moment)
    const ended = this.end('SIGKILL')
    over.abort()
    await Promise.all([ended, ...writers, creator])
  }

  /** Ends it, and the process below it if there is one. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended> {
    const [served, ended] = [this.#process, this.#ended]
    assert(served?.pid !== undefined && ended !== undefined)
    const children = readFileSync(`/proc/${served.pid}/task/${served.pid}/children`, 'utf8').split(' ').filter(Boolean)
    // A tracer hands no signal on.
    if (served.spawnfile !== process.execPath && children[0] !== undefined) process.kill(Number(children[0]), signal)
    else served.kill(signal)
    return await ended
  }

  /** For the end of a test, whatever became of it. */
  killed(): void {
    this.#process?.kill('SIGKILL')
  }

  async append(ledger: string): Promise<void> {
    const count = 1 + this.#random.below(20)
    const events = Array.from({ length: count }, () => {
      const filler = this.#random.bytes(this.#random.below(600)).toString('base64')
      return Buffer.from(JSON.stringify({ number: this.#number++, filler }))
    })
    const body = Buffer.concat(events.flatMap((event) => [event, Buffer.from('\n')]))
    const answer = await this.#ask(`/v1/ledgers/${ledger}/events`, 'POST', 'application/x-ndjson', body)
    const told = (await answer.json()) as { first: number; count: number; checkpoint: string }
    assert.equal(told.count, count)
    this.acknowledged.push({ ledger, first: told.first, events, checkpoint: told.checkpoint })
  }

  async createLedger(name: string): Promise<void> {
    await this.#ask('/v1/ledgers', 'POST', 'application/json', Buffer.from(JSON.stringify({ name })))
    this.created.push(name)
  }

  /** What was acknowledged since the last check is there, and all before it is still its beginning. */
  async check(): Promise<void> {
    const names = new Set([...this.acknowledged.map(({ ledger }) => ledger), ...this.#trees.keys()])
    for (const ledger of names) {
      const { size, origin, vkeys } = (await (await this.#ask(`/v1/ledgers/${ledger}`)).json()) as LedgerAnswer
      const verifier = ed25519Verifier(vkeys[0]!)
      const told = this.acknowledged.slice(this.#checked).filter((one) => one.ledger === ledger)
      const notes = new Set(told.map(({ checkpoint }) => checkpoint))
      const shown = await Promise.all(
        [...notes].map(async (note) => await openCheckpoint(Buffer.from(note), verifier, origin)),
      )
      const roots = await this.#rootsUpTo(ledger, size, new Set(shown.map(({ checkpoint }) => checkpoint.size)))
      for (const { checkpoint } of shown) {
        assert.equal(roots.get(checkpoint.size), hex(checkpoint.root), `${origin} at ${checkpoint.size}`)
      }
    }
    const any = Array.from({ length: SAMPLE_COUNT }, () => this.#random.below(this.acknowledged.length))
    for (const position of [...any, this.acknowledged.length - 1]) {
      const known = this.acknowledged[position]
      if (known === undefined) continue
      for (const [at, event] of known.events.entries()) {
        const stored = await this.#ask(`/v1/ledgers/${known.ledger}/events/${known.first + at}/event`)
        assert.deepEqual(Buffer.from(await stored.bytes()), event, `${known.ledger} ${known.first + at}`)
      }
    }
    for (const ledger of this.created.slice(-3)) await this.#ask(`/v1/ledgers/${ledger}`)
    this.#checked = this.acknowledged.length
  }

  /** With the server stopped: the directory verifies, and every acknowledged event is in it, byte for byte. */
  async checkStopped(): Promise<{ readonly entryCount: number; readonly starts: number }> {
    const heads = join(this.state, 'stele', 'heads')
    const kept = readdirSync(heads)
      .filter((name) => name.endsWith('.head'))
      .map((name) => ({ where: name, bytes: readFileSync(join(heads, name)) }))
    assert.equal(kept.length, 1)
    const report = await verifyDirectory({ disk: new NodeDisk(), directory: this.data, heads: kept })
    assert.deepEqual([report.verdict, report.findings], ['unchanged', []])
    const stateDirectory = join(this.state, 'stele')
    const config = { dataDirectory: this.data, stateDirectory, name: 'stele.test', version: '0.0.0', log() {} }
    const opened = await openDirectory(config)
    try {
      const { ledgers, administration } = opened
      for (const ledger of new Set(this.acknowledged.map((one) => one.ledger))) {
        const stored = await readAll(ledgers, ledger)
        for (const { ledger: told, first, events } of this.acknowledged) {
          if (told !== ledger) continue
          for (const [at, event] of events.entries())
            assert(stored[first + at]?.equals(event), `${ledger} ${first + at}`)
        }
      }
      for (const name of this.created) assert(administration.state.ledgers.has(name))
      const starts = (await readAll(ledgers, 'system')).filter((event) => event.includes('"server.started"')).length
      return { entryCount: report.entryCount, starts }
    } finally {
      await opened.close()
    }
  }

  /** The tree goes on from the leaves that were fetched before: were one of those changed, no later root would fit. */
  async #rootsUpTo(ledger: string, size: number, wanted: ReadonlySet<number>): Promise<ReadonlyMap<number, string>> {
    const frontier = this.#trees.get(ledger) ?? new Frontier()
    this.#trees.set(ledger, frontier)
    const roots = new Map([[frontier.size, hex(frontier.root())]])
    assert(frontier.size <= size, `${ledger} had ${frontier.size} entries, and has ${size}`)
    while (frontier.size < size) {
      const tile = Math.floor(frontier.size / TILE_WIDTH)
      const width = Math.min(TILE_WIDTH, size - tile * TILE_WIDTH)
      const hashes = await (await this.#ask(`/v1/ledgers/${ledger}/${tilePath(0, tile, width)}`)).bytes()
      for (let at = (frontier.size % TILE_WIDTH) * 32; at < width * 32; at += 32) {
        frontier.append(hashes, at)
        if (wanted.has(frontier.size)) roots.set(frontier.size, hex(frontier.root()))
      }
    }
    return roots
  }

  async #ask(path: string, method = 'GET', type?: string, body?: Buffer): Promise<Response> {
    const authorization = `Bearer ${readFileSync(join(this.data, 'admin.token'), 'utf8').trim()}`
    const headers = { authorization, ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await fetch(this.#url + path, { method, headers, ...(body === undefined ? {} : { body }) })
    if (answer.ok) return answer
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  }
}
