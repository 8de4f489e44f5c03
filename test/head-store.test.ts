// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One contract for every place where the head can be kept, and what the publisher makes of a place that fails.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { FileHeadStore, type HeadStore, UrlHeadStore } from '../src/ledger/head-store.ts'
import { HeadFault } from '../src/ledger/publish.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { GuardedHttpClient } from '../src/platform/http-client.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, scratch, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

/** A server that keeps one object and compares and swaps it, as object stores do. */
class HeadServer {
  kept: Buffer | undefined
  /** What happens to the next requests; one that is not named goes well. */
  readonly next: ('applied, then cut off' | 'cut off' | 409 | 500 | 'no etag')[] = []
  url = ''

  static async start(test: TestContext): Promise<HeadServer> {
    const served = new HeadServer()
    const server = createServer((request, response) => void served.#answer(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    test.after(() => {
      server.closeAllConnections()
      server.close()
    })
    served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/head`
    return served
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const fate = request.method === 'PUT' ? this.next.shift() : undefined
    if (fate === 'cut off') return void response.destroy()
    if (fate === 409 || fate === 500) return void response.writeHead(fate).end()
    const status =
      request.method === 'PUT' ? this.#put(request, Buffer.concat(chunks)) : this.kept === undefined ? 404 : 200
    if (fate === 'applied, then cut off') return void response.destroy()
    const etag = this.kept === undefined || fate === 'no etag' ? {} : { etag: tagOf(this.kept) }
    response.writeHead(status, etag).end(request.method === 'GET' ? this.kept : undefined)
  }

  #put({ headers }: IncomingMessage, body: Buffer): number {
    if (headers['if-none-match'] === '*' && this.kept !== undefined) return 412
    if (headers['if-match'] !== undefined && (this.kept === undefined || headers['if-match'] !== tagOf(this.kept)))
      return 412
    if (headers['if-match'] === undefined && headers['if-none-match'] === undefined) return 400
    this.kept = body
    return 200
  }
}

function tagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('hex')}"`
}

interface Place {
  /** Another store of the same place, as another process would have it. */
  readonly open: () => HeadStore
  readonly replaceBehindItsBack: (head: Buffer) => void
}

const places: Readonly<Record<string, (test: TestContext) => Promise<Place>>> = {
  'the memory of a test': async () => {
    const store = new MemoryHeadStore()
    return { open: () => store, replaceBehindItsBack: (head) => (store.kept = head) }
  },
  'a file': async (test) => {
    const path = join(scratch(test), 'not', 'there', 'yet', 'one.head')
    const open = () => new FileHeadStore(new NodeDisk(), new SystemClock(), path)
    return { open, replaceBehindItsBack: (head) => writeFileSync(path, head) }
  },
  'a URL': async (test) => {
    const server = await HeadServer.start(test)
    const open = () => new UrlHeadStore(new GuardedHttpClient(), server.url)
    return { open, replaceBehindItsBack: (head) => (server.kept = head) }
  },
}

const [a, b, c] = [Buffer.from('head a\n'), Buffer.from('head b — ü\n'), Buffer.from([0, 255, 10])]

for (const [name, start] of Object.entries(places)) {
  test(`a head in ${name}: nothing is kept at first, and what is kept comes back byte for byte`, async (context) => {
    const { open } = await start(context)
    assert.equal(await open().read(), undefined)
    for (const [expected, next] of [
      [undefined, a],
      [a, b],
      [b, c],
    ] as const) {
      assert.equal(await open().swap(expected, next), true)
      assert.deepEqual(await open().read(), next)
    }
  })

  test(`P3: a head in ${name} is replaced only while it is what was expected`, async (context) => {
    const { open, replaceBehindItsBack } = await start(context)
    const [mine, theirs] = [open(), open()]
    assert.equal(await mine.swap(a, b), false)
    assert.equal(await mine.swap(undefined, a), true)
    assert.equal(await theirs.swap(undefined, b), false)
    assert.equal(await theirs.swap(b, c), false)
    assert.equal(await theirs.swap(a, b), true)
    assert.equal(await mine.swap(a, c), false)
    assert.deepEqual(await mine.read(), b)
    replaceBehindItsBack(c)
    assert.equal(await mine.swap(b, a), false)
    assert.equal(await theirs.swap(b, a), false)
    assert.deepEqual(await theirs.read(), c)
  })

  test(`P3: of many writers that swap a head in ${name} at the same time exactly one does`, async (context) => {
    const { open } = await start(context)
    await open().swap(undefined, a)
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async (_, number) => await open().swap(a, Buffer.from([number]))),
    )
    assert.equal(outcomes.filter(Boolean).length, 1)
    assert.deepEqual(await open().read(), Buffer.from([outcomes.indexOf(true)]))
  })
}

test('a head file that a crash left half written beside it does not stand in the way', async (context) => {
  const folder = scratch(context)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'one.head.new'), 'half')
  const store = new FileHeadStore(new NodeDisk(), new TurnedClock(), join(folder, 'one.head'))
  assert.equal(await store.swap(undefined, a), true)
  assert.deepEqual(readFileSync(join(folder, 'one.head')), a)
})

test('a URL that fails is told so, and one that names no ETag after a swap is asked for it before the next', async (context) => {
  const server = await HeadServer.start(context)
  server.next.push(500)
  const store = new UrlHeadStore(new GuardedHttpClient(), server.url)
  await assert.rejects(store.swap(undefined, a), /500/)
  server.next.push('no etag')
  assert.equal(await store.swap(undefined, a), true)
  assert.equal(await store.swap(a, b), true)
})

/** A Stele over memory, whose head is kept where it is said. */
async function publishing(head: HeadStore, seed = 5): Promise<Stele & { readonly more: () => Promise<void> }> {
  const parts = { disk: new PowerCutDisk(), directory, clock: new TurnedClock(), random: new SeededRandom(seed) }
  const stele = await openStele({ ...parts, head })
  let number = 0
  const more = async () => {
    await append(stele.ledgers, 'main', [Buffer.from(`event ${number++}`)])
    await stele.ledgers.publish()
  }
  return { ...stele, more }
}

test('a swap whose outcome is unknown is resolved by reading back, whether it had taken effect or not', async (context) => {
  const server = await HeadServer.start(context)
  const { ledgers, failures, more } = await publishing(new UrlHeadStore(new GuardedHttpClient(), server.url))
  for (const fates of [
    ['applied, then cut off'],
    ['cut off'],
    ['applied, then cut off', 'cut off'],
    ['cut off', 'applied, then cut off'],
  ] as const) {
    for (const fate of fates) {
      server.next.push(fate)
      await more()
      assert.notEqual(ledgers.keptHead.unreachable, undefined)
    }
    await more()
    assert.equal(ledgers.keptHead.unreachable, undefined)
    assert(server.kept?.toString().startsWith(ledgers.checkpoint('heads')))
  }
  assert.deepEqual(failures, [])
})

test('a store that is busy (409), fails (500) or is not there does not stop appends, and is told the newest head afterwards', async (context) => {
  const server = await HeadServer.start(context)
  const { ledgers, failures, more } = await publishing(new UrlHeadStore(new GuardedHttpClient(), server.url))
  for (const fate of [409, 500, 'cut off'] as const) {
    server.next.push(fate, fate)
    await more()
    await more()
    await more()
    assert(server.kept?.toString().startsWith(ledgers.checkpoint('heads')))
  }
  assert.deepEqual(failures, [])
})

test('while the store hangs, publishing does not pile up, and a stop does not wait for more than one more try', async () => {
  const store = new MemoryHeadStore()
  const { ledgers, failures, more, close } = await publishing(store)
  const { promise: hung, resolve: release } = Promise.withResolvers<void>()
  const swaps: Buffer[] = []
  store.swap = async (_, next) => {
    swaps.push(next)
    await hung
    throw new Error('timed out')
  }
  const first = more()
  while (swaps.length === 0) await new Promise(setImmediate)
  await append(ledgers, 'main', [Buffer.from('an append does not wait')])
  const calls = Array.from({ length: 100 }, async () => await ledgers.publish())
  release()
  await Promise.all([first, ...calls])
  assert.equal(swaps.length, 2)
  assert.equal(ledgers.keptHead.unreachable, 'timed out')
  await close()
  assert.equal(swaps.length, 3)
  assert.deepEqual(failures, [])
})

test('P3: when the head was replaced by another, by an older one of ours, or removed, the writer stops', async () => {
  const other = new MemoryHeadStore()
  await publishing(other, 6)
  for (const replaced of ['another', 'an older one', 'nonsense', 'nothing'] as const) {
    const store = new MemoryHeadStore()
    const { ledgers, failures, more } = await publishing(store)
    const older = store.kept
    await more()
    store.kept = {
      another: other.kept,
      'an older one': older,
      nonsense: Buffer.from('nonsense\n'),
      nothing: undefined,
    }[replaced]
    await append(ledgers, 'main', [Buffer.from('x')])
    await ledgers.publish()
    assert(failures[0] instanceof HeadFault, replaced)
    assert.equal(failures.length, 1)
    await assert.rejects(append(ledgers, 'main', [Buffer.from('y')]), { code: 'writer-stopped' })
  }
})

test('P3: a start needs to see the head, and is refused while its place cannot be reached', async () => {
  const disk = new PowerCutDisk()
  const parts = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(5) }
  const store = new MemoryHeadStore()
  await (await openStele({ ...parts, head: store })).close()
  const unreachable: HeadStore = {
    where: 'http://127.0.0.1:9/head',
    read: async () => await Promise.reject(new Error('connect ECONNREFUSED')),
    swap: async () => await Promise.reject(new Error('connect ECONNREFUSED')),
  }
  await assert.rejects(openStele({ ...parts, head: unreachable }), (error) => {
    assert(error instanceof HeadFault)
    assert.match(error.message, /http:\/\/127\.0\.0\.1:9\/head cannot be read: connect ECONNREFUSED/)
    return true
  })
})
