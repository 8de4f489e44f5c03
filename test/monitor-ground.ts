// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Logs that speak C2SP tlog-tiles over real HTTP and tell the truth until a test has them lie, and a monitor of one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { formatBundle, Frontier, HASH_BYTES, hashLeaf, type HashReader, parseTilePath, rootAt } from '@stele/proof'

import { logSigner, signCheckpoint, type TestSigner } from '../packages/proof/test/signers.ts'
import type { Environment } from '../src/cli/environment.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { stele, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import type { Json } from './server-fixture.ts'

/** A tree with its entries, in memory. */
export class ToyTree {
  readonly entries: Uint8Array[] = []
  readonly #frontier = new Frontier()
  readonly #levels: Buffer[][] = []

  get size(): number {
    return this.entries.length
  }

  /** Appends `count` entries that begin with a word. */
  grow(count: number, word = 'entry'): this {
    for (let added = 0; added < count; added++) {
      const entry = Buffer.from(`${word} ${this.size}`)
      const leaf = hashLeaf(entry)
      this.entries.push(entry)
      const keep = (level: number, bytes: Uint8Array, offset: number) => {
        ;(this.#levels[level] ??= []).push(Buffer.from(bytes.subarray(offset, offset + HASH_BYTES)))
      }
      keep(0, leaf, 0)
      this.#frontier.append(leaf, 0, keep)
    }
    return this
  }

  tile(level: number, index: number, width: number): Buffer {
    return Buffer.concat((this.#levels[level] ?? []).slice(index * 256, index * 256 + width))
  }

  readonly read: HashReader = async (level, start, count) => {
    return await Promise.resolve(Buffer.concat((this.#levels[level] ?? []).slice(start, start + count)))
  }
}

export interface Asked {
  readonly path: string
  readonly response: ServerResponse
}

/** A log at an address. What it serves is `tree` up to `shownSize`, unless `lie` answers instead. */
export class ToyLog {
  readonly signer: TestSigner
  readonly url: string
  tree = new ToyTree()
  /** Size of the head that is served; the tree's own where it is undefined. */
  shownSize: number | undefined
  /** Whether it has answered by itself. */
  lie: ((asked: Asked) => boolean) | undefined
  asked = 0
  readonly #server: Server

  private constructor(server: Server, signer: TestSigner) {
    this.#server = server
    this.signer = signer
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(context: Pick<TestContext, 'after'>, origin = 'toy.test/log'): Promise<ToyLog> {
    const server = createServer((request, response) => {
      void log.#answer((request.url ?? '/').slice(1), response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const log = new ToyLog(server, logSigner(origin))
    context.after(() => log.close())
    return log
  }

  get vkey(): string {
    return this.signer.vkey
  }

  async head(size = this.shownSize ?? this.tree.size, signer = this.signer): Promise<string> {
    return signCheckpoint({ origin: signer.name, size, root: await rootAt(size, this.tree.read) }, signer)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    this.asked++
    if (this.lie?.({ path, response }) === true) return
    if (path === 'checkpoint') return void response.end(await this.head())
    const address = parseTilePath(path)
    const bytes = address === undefined ? undefined : this.#tile(address)
    if (bytes === undefined) return void response.writeHead(404).end()
    response.end(bytes)
  }

  #tile({ kind, level, index, width }: NonNullable<ReturnType<typeof parseTilePath>>): Uint8Array | undefined {
    if (kind === 'tile') {
      const tile = this.tree.tile(level, index, width)
      return tile.length === width * HASH_BYTES ? tile : undefined
    }
    const entries = this.tree.entries.slice(index * 256, index * 256 + width)
    return entries.length === width ? formatBundle(entries) : undefined
  }
}

/** Waits pass a hundred times as fast. */
export class HurriedClock extends SystemClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await super.sleep(ms / 100, signal)
  }
}

export function worldOf(folder: string, environment: Partial<Environment> = {}): World {
  const variables = { XDG_STATE_HOME: join(folder, 'state') }
  return { cwd: folder, variables, environment: { clock: new HurriedClock(), ...environment } }
}

export interface Watched {
  readonly folder: string
  readonly log: ToyLog
  /** What the command is given beside the ordinary. */
  environment: Partial<Environment>
  /** Looks once. */
  readonly look: (...more: readonly string[]) => Promise<{ code: number; out: string; err: string; events: Json[] }>
}

export async function watched(context: TestContext, size: number): Promise<Watched> {
  const log = await ToyLog.start(context)
  log.tree.grow(size)
  const folder = scratch(context)
  const ground: Watched = {
    folder,
    log,
    environment: {},
    look: async (...more) => {
      const command = ['monitor', log.url, '--key', log.vkey, '--once', '--json', '--state', join(folder, 'seen')]
      const ran = await stele(worldOf(folder, ground.environment), ...command, ...more)
      const lines = ran.out === '' ? [] : ran.out.trim().split('\n')
      return { ...ran, events: lines.map((line) => JSON.parse(line)) }
    },
  }
  return ground
}

/** The one folder of evidence, and what a third party makes of it. */
export async function evidenceOf({
  folder,
  log,
}: Watched): Promise<{ path: string; about: Json; code: number; out: string }> {
  const [name = '', ...more] = await readdir(join(folder, 'seen', 'evidence'))
  assert.deepEqual(more, [])
  const path = join(folder, 'seen', 'evidence', name)
  const about = JSON.parse(await readFile(join(path, 'about.json'), 'utf8'))
  const { code, out, err } = await stele({ cwd: folder }, 'monitor', '--explain', path, '--key', log.vkey)
  assert.equal(err, '')
  return { path, about, code, out }
}
