// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Events that their source sends again.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { audit, ENDINGS, extOf, indexesOf, Repeated, send } from './repeat-ground.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { readAll, sealAll, SeededRandom, type Stele } from './scratch.ts'

const texts = async (stele: Stele) => (await readAll(stele.ledgers, 'main')).map(String)

test('an event that is sent again has its first index and is not stored again, in one body, the next, or beside it', async () => {
  const stele = await new Repeated().open()
  const [one, two, three] = [audit('1'), audit('2'), audit('3')]
  assert.deepEqual(indexesOf(await send(stele, [one, two, one])), [0, 1, 0])
  const again = await send(stele, [two, three, one, three])
  assert.deepEqual([again.first, again.count, again.duplicates], [1, 1, 3])
  assert.deepEqual(indexesOf(again), [1, 2, 0, 2])
  const all = await send(stele, [one, two, three])
  assert.deepEqual([all.first, all.count, all.duplicates, indexesOf(all)], [0, 0, 3, [0, 1, 2]])
  const fresh = Array.from({ length: 20 }, (_, number) => audit(`fresh ${number}`))
  const answers = await Promise.all(Array.from({ length: 30 }, async () => await send(stele, fresh)))
  assert.equal(
    answers.reduce((sum, { count }) => sum + count, 0),
    20,
  )
  for (const answer of answers) assert.deepEqual(indexesOf(answer), indexesOf(answers[0]!))
  assert.deepEqual(await texts(stele), [one, two, three, ...fresh])
})

test('the same id with other bytes is a new observation whose entry names the first one', async () => {
  const stele = await new Repeated().open()
  await send(stele, [audit('other'), audit('1', 'a')])
  assert.deepEqual(indexesOf(await send(stele, [audit('1', 'b'), audit('1', 'c'), audit('1', 'b')])), [2, 3, 2])
  const last = await send(stele, [audit('1', 'd'), audit('new', 'x'), audit('new', 'y'), audit('1', 'a')])
  assert.deepEqual(indexesOf(last), [4, 5, 6, 1])
  const exts = await Promise.all([0, 1, 2, 3, 4, 5, 6].map(async (index) => await extOf(stele, index)))
  const prior = (index: number) => ({ prior: index })
  assert.deepEqual(exts, [undefined, undefined, prior(1), prior(1), prior(1), undefined, prior(5)])
})

test('an event of another source, instance or stream, or one whose source was not named, is another event', async () => {
  const stele = await new Repeated().open()
  const sources = ['entra.audit', 'entra.audit/a', 'entra.audit/b', 'entra.audit/a/s', 'entra.signin', undefined]
  for (const round of [0, 1]) {
    for (const [index, source] of sources.entries()) {
      const answer = await send(stele, [audit('1')], source === undefined ? {} : { source })
      assert.deepEqual([answer.first, answer.count], [index, round === 0 ? 1 : 0], source)
    }
  }
})

test('what has no id of its own is stored as often as it is sent', async () => {
  const stele = await new Repeated().open()
  const events = ['{"id":"1","action":"x"}', audit(''), audit('x'.repeat(257)), audit('1').replace('"1"', '1')]
  for (let round = 0; round < 3; round++) assert.equal((await send(stele, events)).count, events.length)
  assert.equal((await send(stele, [audit('x'.repeat(256))])).count, 1)
  assert.equal((await send(stele, [audit('x'.repeat(256))])).count, 0)
})

for (const ending of ENDINGS) {
  test(`repeats are known after a start: ${ending}`, async () => {
    const ground = new Repeated({ anchorEveryBytes: 20_000 })
    let stele = await ground.open()
    const events = Array.from({ length: 300 }, (_, number) => audit(`id ${number}`))
    for (let at = 0; at < 300; at += 20) await send(stele, events.slice(at, at + 20))
    await send(stele, [audit('id 7', 'changed')])
    stele = await ground.again(stele, ending)
    assert.deepEqual([...(await send(stele, events)).indexes!], [...events.keys()])
    assert.equal((await send(stele, [audit('id 7', 'changed')])).first, 300)
    assert.equal((await send(stele, [audit('id 7', 'changed again')])).count, 1)
    assert.deepEqual(await extOf(stele, 301), { prior: 7 })
    stele = await ground.again(await ground.again(stele, 'stopped'), ending)
    assert.deepEqual((await send(stele, events)).count, 0)
    await stele.close()
  })
}

test('repeats are known of what is sealed, before a start and after it, and with nothing derived left', async () => {
  const ground = new Repeated({ anchorEveryBytes: 20_000, walFileBytes: 30_000, segmentEntries: 256 })
  let stele = await ground.open()
  const events = Array.from({ length: 600 }, (_, number) => audit(`id ${number}`, 'x'.repeat(number % 97)))
  for (let at = 0; at < 600; at += 30) await send(stele, events.slice(at, at + 30))
  assert.ok((await sealAll(stele, ground.disk, directory)) > 2)
  const { sealedSize } = stele.ledgers.log('main')
  assert.ok(sealedSize > 256 && sealedSize < 600, String(sealedSize))
  for (const ending of ['stopped', 'killed', 'stopped, without anchor'] as const) {
    assert.deepEqual([...(await send(stele, events)).indexes!], [...events.keys()])
    stele = await ground.again(stele, ending)
  }
  assert.equal((await send(stele, events)).count, 0)
})

test('an id older than the window is stored again', async () => {
  const ground = new Repeated({ recentEntries: 100 })
  let stele = await ground.open()
  await send(stele, [audit('old')])
  await send(
    stele,
    Array.from({ length: 99 }, (_, number) => audit(`id ${number}`)),
  )
  assert.equal((await send(stele, [audit('old')])).count, 0)
  await send(stele, [audit('one more')])
  stele = await ground.again(stele, 'stopped, without anchor')
  const again = await send(stele, [audit('old')])
  assert.deepEqual([again.first, again.count], [101, 1])
  assert.equal(await extOf(stele, 101), undefined)
})

test('where the stored event was changed on the disk, the event is stored again', async () => {
  const ground = new Repeated()
  const stele = await ground.open()
  const events = ['a', 'b', 'c'].map((id) => audit(id, `text of ${id}`))
  await send(stele, events)
  const path = ground.disk.paths.find((path) => path.includes('/wal/'))!
  const file = await ground.disk.open(path, 'write')
  await file.write(Buffer.from('T'), ground.disk.bytes(path).indexOf('text of b'))
  const again = await send(stele, events)
  assert.deepEqual(indexesOf(again), [0, 3, 2])
  assert.match(again.damaged?.message ?? '', /entry 1 of main/)
})

test('a body of nothing but repeats reads no more than is bounded, and what is beyond is stored', async () => {
  const stele = await new Repeated().open()
  // Each in a section of its own: as dear to look into as can be.
  const events = Array.from({ length: 1_200 }, (_, number) => audit(`id ${number}`))
  await Promise.all(events.map(async (event) => await send(stele, [event])))
  const { count, duplicates } = await send(stele, events)
  assert.deepEqual([count, duplicates], [1_200 - 1_024, 1_024])
})

/** Counts what is read of the log. */
class CountedDisk extends PowerCutDisk {
  logReadCount = 0

  override async open(path: string, how: 'read' | 'write' | 'create') {
    const file = await super.open(path, how)
    if (how !== 'read') return file
    const read = file.read.bind(file)
    file.read = async (into, position) => {
      this.logReadCount++
      return await read(into, position)
    }
    return file
  }
}

async function counted() {
  const ground = new Repeated()
  const disk = new CountedDisk()
  ground.disk = disk
  const stele = await ground.open()
  disk.logReadCount = 0
  return { disk, stele }
}

test('a new observation of another length than those before it costs no read, and its entry names the first', async () => {
  const { disk, stele } = await counted()
  for (let length = 0; length < 100; length++) await send(stele, [audit('1', 'x'.repeat(length))])
  assert.equal(disk.logReadCount, 0)
  assert.deepEqual(await extOf(stele, 99), { prior: 0 })
})

test('events of one id and one length are compared with a few entries, read once for all of them', async () => {
  const { disk, stele } = await counted()
  const observation = (number: number) => audit('1', String(10_000 + number))
  for (let number = 0; number < 20; number++) await send(stele, [observation(number)])
  disk.logReadCount = 0
  await send(stele, [observation(100)])
  const { logReadCount } = disk
  assert.ok(logReadCount > 0 && logReadCount <= 16, String(logReadCount))
  disk.logReadCount = 0
  const all = Array.from({ length: 3_000 }, (_, number) => observation(1_000 + number))
  assert.equal((await send(stele, all)).count, 3_000)
  assert.ok(disk.logReadCount <= 16, String(disk.logReadCount))
})

test('a body of one id costs about what a body of as many ids does', async () => {
  const bodies = (id: (number: number) => string) =>
    Array.from({ length: 20_000 }, (_, number) => audit(id(number), `${'x'.repeat(100)}${10_000 + number}`))
  const [many, one] = [bodies(String), bodies(() => '10000')]
  const cpuMs = async (events: readonly string[]) => {
    const stele = await new Repeated().open()
    await send(stele, [audit('10000', `${'x'.repeat(100)}00000`)])
    const used = process.cpuUsage()
    assert.equal((await send(stele, events)).count, 20_000)
    return process.cpuUsage(used).user / 1_000
  }
  await cpuMs(many)
  // The best of three: what else runs here costs the others.
  const times = { many: Infinity, one: Infinity }
  for (let round = 0; round < 3; round++) {
    times.many = Math.min(times.many, await cpuMs(many))
    times.one = Math.min(times.one, await cpuMs(one))
  }
  assert.ok(times.one < 4 * times.many, JSON.stringify(times))
})

test('small events with the id of a large one are not compared with it at the price of reading it', async () => {
  const stele = await new Repeated().open()
  await send(stele, [audit('1', 'x'.repeat(2_000_000))])
  assert.equal((await send(stele, [audit('1')])).count, 1)
  assert.deepEqual(await extOf(stele, 1), { prior: 0 })
  assert.equal((await send(stele, [audit('1', 'x'.repeat(2_000_000))])).count, 0)
})

test('any sequence of appends, seals, stops and kills stores what a map of ids would, and nothing else', async () => {
  const ids = fc.integer({ min: 0, max: 12 }).map((number) => `id ${number}`)
  const event = fc.record({ id: ids, text: fc.constantFrom('', 'a', 'b') })
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ events: fc.array(event, { minLength: 1, maxLength: 12 }) }) },
    { weight: 1, arbitrary: fc.constantFrom(...ENDINGS).map((ending) => ({ ending })) },
    { weight: 1, arbitrary: fc.constant({ seal: true as const }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.integer(), async (steps, seed) => {
      const random = new SeededRandom(seed)
      const ground = new Repeated({ anchorEveryBytes: 3_000, walFileBytes: 6_000, segmentEntries: 256 })
      let stele = await ground.open()
      const stored: string[] = []
      const first = new Map<string, number>()
      for (const taken of steps) {
        if ('ending' in taken) stele = await ground.again(stele, taken.ending)
        else if ('seal' in taken) await sealAll(stele, ground.disk, directory)
        else {
          const source = random.below(3) === 0 ? 'entra.audit/other' : 'entra.audit'
          const bodies = taken.events.map(({ id, text }) => audit(id, text))
          const indexes: number[] = []
          for (const [at, body] of bodies.entries()) {
            const known = stored.indexOf(`${source} ${body}`)
            if (known === -1) {
              const name = `${source} ${taken.events[at]!.id}`
              if (!first.has(name)) first.set(name, stored.length)
              stored.push(`${source} ${body}`)
            }
            indexes.push(known === -1 ? stored.length - 1 : known)
          }
          assert.deepEqual(indexesOf(await send(stele, bodies, { source })), indexes)
        }
      }
      assert.deepEqual(
        await texts(stele),
        stored.map((text) => text.slice(text.indexOf(' ') + 1)),
      )
      for (const [index, text] of stored.entries()) {
        const id = JSON.parse(text.slice(text.indexOf(' '))).id
        const prior = first.get(`${text.slice(0, text.indexOf(' '))} ${id}`)
        assert.deepEqual(await extOf(stele, index), prior === index ? undefined : { prior })
      }
    }),
    { numRuns: 40 },
  )
})
