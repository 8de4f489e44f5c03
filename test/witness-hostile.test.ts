// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A witness is open to everybody, and is asked by logs that may be anybody's.

import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { MemoryDisk } from './memory-disk.ts'
import { MemoryHeadStore, scratch, SeededRandom, TurnedClock } from './scratch.ts'
import { MovedClock, TightDisk } from './server-fixture.ts'
import { bareWitness, cosignatures, requestOf, runWitness, TestLog, testWitness } from './witnessing-ground.ts'

test('whatever order and company checkpoints of two histories come in, one size has one root and no log shrinks', async (context) => {
  const seed = 71
  const random = new SeededRandom(seed)
  let cosigned = 0
  for (let round = 0; round < 12; round++) {
    const log = new TestLog('log').grow(2 + random.below(60), `round ${round}`)
    const forkAt = random.below(log.size)
    const honest = log.leaves
    const forked = honest.map((leaf, at) => (at >= forkAt ? Buffer.concat([leaf, Buffer.of(1)]) : leaf))
    const witness = await bareWitness({ disk: new MemoryDisk(), head: new MemoryHeadStore(), logs: [log] })
    const roots = new Map<number, string>()
    let latest = 0
    for (let wave = 0; wave < 4; wave++) {
      const asked = Array.from({ length: 8 }, () => {
        log.leaves = random.below(2) === 0 ? honest : forked
        const old = random.below(3) === 0 ? random.below(log.size + 1) : latest
        const size = old + random.below(log.size + 1 - old)
        return { size, root: log.root(size).toString('hex'), body: log.request(old, size) }
      })
      const answers = await Promise.all(asked.map(async ({ body }) => await witness.add(body)))
      const sizes = answers.flatMap(({ status }, at) => (status === 200 ? [asked[at]!.size] : []))
      assert(
        sizes.every((size) => size >= latest),
        `it shrank, seed ${seed}`,
      )
      for (const [at, { status }] of answers.entries()) {
        if (status !== 200) continue
        const { size, root } = asked[at]!
        assert.equal(roots.get(size) ?? root, root, `two roots of ${size}, seed ${seed}`)
        roots.set(size, root)
        latest = Math.max(latest, size)
        cosigned++
      }
    }
    const isOf = (leaves: Buffer[]) => {
      log.leaves = leaves
      return [...roots].every(([size, root]) => log.root(size).toString('hex') === root)
    }
    assert(isOf(honest) || isOf(forked), `of both histories, seed ${seed}`)
  }
  assert(cosigned > 60, `${cosigned}`)
  context.diagnostic(`${cosigned} cosigned`)
})

test('many at once for many logs all get what their log alone would get', async (context) => {
  const logs = Array.from({ length: 40 }, (_, at) => new TestLog(`log ${at}`.replace(' ', '/')).grow(3))
  const witness = await testWitness(context, logs)
  for (const old of [0, 3, 9]) {
    const answers = await Promise.all(
      logs.flatMap((log) => [witness.post(log.request(old)), witness.post(log.request(old + 1, log.size + 1))]),
    )
    for (const [at, log] of logs.entries()) {
      assert.equal(answers[2 * at]!.status, 200, answers[2 * at]!.body)
      assert.equal(cosignatures(witness.vkeys, log.text(), answers[2 * at]!.body).length, 2)
      log.grow(6 - (old === 9 ? 6 : 0))
    }
  }
})

test('a body that is too long is refused, announced or not, and so are a million proof lines', async (context) => {
  const log = new TestLog('log').grow(3)
  const witness = await testWitness(context, [log])
  const line = `${Buffer.alloc(32).toString('base64')}\n`
  const million = `old 0\n${line.repeat(1_000_000)}\n${log.note()}`
  const answer = await witness.post(million).catch(() => undefined)
  assert(answer === undefined || answer.status === 413)
  const chunked = await fetch(`${witness.url}/add-checkpoint`, {
    method: 'POST',
    body: new ReadableStream({
      start(controller) {
        for (let at = 0; at < 40; at++) controller.enqueue(Buffer.alloc(8_192, 65))
        controller.close()
      },
    }),
    duplex: 'half',
  })
  assert.equal(chunked.status, 413)
  assert.equal((await witness.post(log.request(0))).status, 200)
})

test('a note with many signatures costs no more than its trusted ones, and more than a hundred are refused', async (context) => {
  const log = new TestLog('log').grow(3)
  const witness = await testWitness(context, [log])
  const line = log.signatureLine(log.text())
  const others = Array.from({ length: 90 }, () => new TestLog('log').signatureLine(log.text())).join('')
  const { status, body } = await witness.post(requestOf(0, [], `${log.text()}\n${line.repeat(8)}${others}${line}`))
  assert.equal(status, 200, body)
  assert.equal((await witness.latest('log')).body, `${log.note()}${body}`)
  assert.equal((await witness.post(requestOf(3, [], `${log.text()}\n${line.repeat(1_000)}`))).status, 400)
})

test('a slow sender is cut off, and keeps nobody from being served', async (context) => {
  const log = new TestLog('log').grow(3)
  const timeouts = { headersMs: 300, requestMs: 500, idleMs: 400, checkedEveryMs: 50 }
  const witness = await testWitness(context, [log], { machine: { timeouts } })
  const { hostname, port } = new URL(witness.url)
  const ended = Array.from({ length: 30 }, async (_, at) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const head = 'POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n'
    socket.write(at % 2 === 0 ? head : `${head}Content-Length: 100\r\n\r\nold `)
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
  })
  assert.equal((await witness.post(log.request(0))).status, 200)
  await Promise.all(ended)
})

test('times never go back: not with the clock, not over a restart, and a jump ahead is not followed', async () => {
  const log = new TestLog('log').grow(3)
  const [disk, head, clock] = [new MemoryDisk(), new MemoryHeadStore(), new TurnedClock()]
  const one = await bareWitness({ disk, head, logs: [log], clock })
  const timeOf = (): number => one.state.latest('log')!.time
  await one.add(log.request(0))
  const first = timeOf()
  assert.equal(first, Math.floor(clock.wall / 1_000))
  clock.wall -= 3_600_000
  clock.monotonic += 5_000
  await one.add(log.request(3))
  const second = timeOf()
  assert.equal(second, first + 5)
  clock.wall += 24 * 365 * 3_600_000
  clock.monotonic += 5_000
  await one.add(log.request(3))
  assert.equal(timeOf(), first + 10)
  const late = new TurnedClock()
  late.wall = (first - 1_000) * 1_000
  const two = await bareWitness({ disk, head, logs: [log], clock: late })
  assert.equal((await two.add(log.request(3))).status, 200)
  assert(two.state.latest('log')!.time >= first + 10)
})

test('asked again within a second, the witness says the same', async () => {
  const log = new TestLog('log').grow(3)
  const clock = new TurnedClock()
  const witness = await bareWitness({ disk: new MemoryDisk(), head: new MemoryHeadStore(), logs: [log], clock })
  const first = await witness.add(log.request(0))
  assert.deepEqual(await witness.add(log.request(3)), first)
  clock.pass(1_000)
  assert.notDeepEqual(await witness.add(log.request(3)), first)
})

test('a log that asks too often waits, and the others do not', async (context) => {
  const [eager, other] = [new TestLog('eager').grow(3), new TestLog('other').grow(3)]
  const witness = await testWitness(context, [eager, other], { config: { perSecond: 0.001 } })
  await witness.post(eager.request(0))
  const statuses = new Set<number>()
  for (let at = 0; at < 30; at++) statuses.add((await witness.post(eager.request(3))).status)
  assert.deepEqual([...statuses], [200, 429])
  const refused = await witness.post(eager.request(3))
  assert(Number(refused.headers.get('retry-after')) > 100)
  assert.equal((await witness.post(other.request(0))).status, 200)
  // Whoever sends a log's own checkpoint again and again does not keep it from growing.
  eager.grow(2)
  assert.equal((await witness.post(eager.request(3))).status, 200)
})

test('a disk that fills up refuses cosignatures, and goes on when there is room again', async (context) => {
  const log = new TestLog('log').grow(3)
  const disk = new TightDisk()
  const witness = await testWitness(context, [log], { machine: { disk } })
  disk.freeBytes = 1_000_000
  assert.equal((await witness.post(log.request(0))).status, 507)
  assert.equal((await witness.latest('log')).status, 404)
  disk.freeBytes = undefined
  assert.equal((await witness.post(log.request(0))).status, 200)
})

test('one folder has one witness at a time, and another name is not taken for the same witness', async (context) => {
  const directory = scratch(context)
  const log = new TestLog('log').grow(3)
  const witness = await runWitness({ directory, logs: [log] })
  await assert.rejects(runWitness({ directory, logs: [log] }), /in use by a running witness/)
  await witness.post(log.request(0))
  await witness.close()
  await assert.rejects(
    runWitness({ directory, logs: [log], config: { name: 'other' } }),
    /is witness.example.com\/1, for good/,
  )
  const again = await runWitness({ directory, logs: [log] })
  assert.deepEqual(again.vkeys, witness.vkeys)
  assert.equal((await again.post(log.request(0))).body, '3\n')
  await again.close()
  await rename(join(directory, 'witness', 'witness.key'), join(directory, 'elsewhere'))
  await assert.rejects(runWitness({ directory, logs: [log] }), /witness.key is missing/)
  await writeFile(join(directory, 'witness', 'witness.key'), 'PRIVATE+KEY+x+00000000+AAAA\n')
  await assert.rejects(runWitness({ directory, logs: [log] }), /is not the key of a witness/)
})

test('a list of logs that changes is taken while the witness runs; a bad one leaves things as they are', async (context) => {
  const directory = scratch(context)
  const path = join(directory, 'logs.txt')
  const [one, two] = [new TestLog('one').grow(3), new TestLog('two').grow(3)]
  await writeFile(path, `# ours\nlog ${one.vkey} https://one.example\n`)
  const witness = await runWitness({
    directory,
    logs: [],
    config: { logFiles: [path] },
    machine: { clock: new MovedClock(100) },
  })
  context.after(async () => await witness.close())
  assert.equal((await witness.post(two.request(0))).status, 404)
  assert.equal((await witness.post(one.request(0))).status, 200)
  const until = async (status: number) => {
    for (let tries = 0; (await witness.post(two.request(0))).status !== status; tries++) {
      assert(tries < 100)
      await sleep(20)
    }
  }
  await writeFile(path, `log ${two.vkey}\nwitness w x\nquorum none\n`)
  await until(200)
  assert.equal((await witness.post(one.request(3))).status, 404)
  // What was cosigned is still served, and remembered.
  assert.equal((await witness.latest('one')).status, 200)
  await writeFile(path, 'log nonsense\n')
  while (!JSON.stringify(witness.logged).includes('was not taken')) await sleep(20)
  assert.equal((await witness.post(two.request(3))).status, 200)
  await writeFile(path, `log ${one.vkey}\n`)
  await until(404)
  assert.equal((await witness.post(one.request(0))).body, '3\n')
})
