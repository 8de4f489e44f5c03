// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import { type ChildOptions, type Death, SupervisedChild } from '../src/platform/children.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { isAlive, lastFirst } from './embedded-ground.ts'
import { scratch } from './scratch.ts'

const childrenUrl = new URL('../src/platform/children.ts', import.meta.url).href

/** Pauses are noted and not waited for; time goes by as it does. */
class HastyClock extends SystemClock {
  readonly pausesMs: number[] = []

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms >= 60_000) return await super.sleep(ms, signal)
    this.pausesMs.push(ms)
    await super.sleep(Math.min(ms, 1), signal)
  }
}

interface Watched {
  readonly child: SupervisedChild
  readonly deaths: Death[]
  readonly messages: unknown[]
  readonly log: string[]
  /** Resolves once `look` holds; asked at whatever the child does. */
  readonly until: (look: () => boolean) => Promise<void>
}

/** Supervises a script, which has its `parent` where it speaks of it. */
function watch(context: TestContext, source: string, options: Partial<ChildOptions> = {}): Watched {
  const t = lastFirst(context)
  const script = join(scratch(t), 'child.mjs')
  const parent = `import { parentOfThisProcess } from '${childrenUrl}'\nconst parent = parentOfThisProcess()\n`
  writeFileSync(script, source.includes('parent.') ? parent + source : source)
  const waiting = new Set<() => void>()
  const changed = (): void => {
    for (const look of waiting) look()
  }
  const deaths: Death[] = []
  const messages: unknown[] = []
  const log: string[] = []
  const child = SupervisedChild.start({
    name: 'worker',
    script: pathToFileURL(script),
    prepare: async () => await Promise.resolve(['one', 'two words']),
    channel: true,
    startTimeoutMs: 60_000,
    stopTimeoutMs: 60_000,
    clock: new SystemClock(),
    log: (line) => {
      log.push(JSON.stringify(line))
      changed()
    },
    onReady: changed,
    onDeath: (death) => {
      deaths.push(death)
      changed()
    },
    onMessage: (message) => {
      messages.push(message)
      changed()
    },
    ...options,
  })
  t.after(async () => await child.stop())
  const until = async (look: () => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const check = (): void => {
      if (look()) resolve()
    }
    waiting.add(check)
    check()
    await promise
    waiting.delete(check)
  }
  return { child, deaths, messages, log, until }
}

const echo = `
parent.onMessage((message) => parent.send({ echo: message }))
parent.onEnd(() => process.exit(0))
parent.send({ arguments: parent.arguments, variables: Object.keys(process.env), umask: process.umask() })
parent.ready()
`

test('a child has its arguments, no environment, and answers messages once it is ready', async (t) => {
  const { child, messages, until } = watch(t, echo)
  assert.equal(child.send({ early: true }), false)
  await until(() => child.ready)
  assert.deepEqual(messages[0], { arguments: ['one', 'two words'], variables: [], umask: 0o077 })
  assert.ok(child.send({ bytes: new Uint8Array([1, 2, 3]), big: 2n ** 60n }))
  await until(() => messages.length === 2)
  assert.deepEqual(messages[1], { echo: { bytes: new Uint8Array([1, 2, 3]), big: 2n ** 60n } })
})

test('what Node says of its own progress is no line of the log, in a child or its threads; other warnings are', async (t) => {
  const warn = "process.emitWarning('new', 'ExperimentalWarning'); process.emitWarning('late');"
  const thread = `new Worker(${JSON.stringify(warn)}, { eval: true }).on('exit', () => parent.ready())`
  const source = `import { Worker } from 'node:worker_threads'\n${warn}\n${thread}`
  const { child, log, until } = watch(t, source)
  await until(() => child.ready && log.filter((line) => line.includes('late')).length === 2)
  assert.doesNotMatch(log.join(''), /Experimental/)
})

test('a child that dies is started again, after longer and longer where it is never ready', async (t) => {
  const clock = new HastyClock()
  const { child, deaths, until } = watch(t, `process.stderr.write('no luck\\n'); process.exit(7)`, { clock })
  await until(() => deaths.length === 10)
  await child.stop()
  const pauses = clock.pausesMs.filter((ms) => ms >= 200).slice(0, 9)
  assert.deepEqual(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000])
  assert.deepEqual(deaths.at(-1), {
    wasReady: false,
    reason: 'it ended with exit code 7',
    lines: ['no luck'],
    failedStarts: 10,
  })
})

test('a child that dies in its work is back at once; one that does so without end is not', async (t) => {
  const clock = new HastyClock()
  const { child, deaths, until } = watch(t, `process.stdout.write('ready\\n', () => process.exit(1))`, { clock })
  await until(() => deaths.length === 42)
  await child.stop()
  const pauses = clock.pausesMs.filter((ms) => ms === 100 || ms === 30_000)
  assert.deepEqual(pauses.slice(0, 42), [...Array<number>(40).fill(100), 30_000, 30_000])
})

test('a start that cannot be prepared counts as a death', async (t) => {
  let tries = 0
  const prepare = async (): Promise<string[]> => {
    if (++tries < 3) throw new Error('no room')
    return await Promise.resolve([])
  }
  const { child, deaths, until } = watch(t, echo, { prepare, clock: new HastyClock() })
  await until(() => child.ready)
  assert.deepEqual(
    deaths.map(({ reason }) => reason),
    ['no room', 'no room'],
  )
})

test('a child that does not stop, and one that is never ready, is killed', async (t) => {
  const deaf = watch(t, `parent.onEnd(() => {}); setInterval(() => {}, 1e6); parent.ready()`, { stopTimeoutMs: 200 })
  await deaf.until(() => deaf.child.ready)
  await deaf.child.stop()
  assert.ok(deaf.log.some((line) => line.includes('did not stop')))

  const slow = watch(t, `setInterval(() => {}, 1e6)`, { startTimeoutMs: 300 })
  await slow.until(() => slow.deaths.length === 1)
  assert.equal(slow.deaths[0]?.reason, 'it was ended by SIGKILL')
})

test('a restart ends the child in order, and there are never two', async (t) => {
  const ends = `parent.onEnd(() => setTimeout(() => { parent.send({ ended: process.pid }); process.exit(0) }, 50)); parent.send({ begun: process.pid }); parent.ready()`
  const { child, messages, until } = watch(t, ends)
  await until(() => child.ready)
  child.restart()
  child.restart()
  await until(() => child.startCount === 2 && child.ready)
  const [first, second] = messages.filter((message) => 'begun' in (message as object)) as { begun: number }[]
  assert.deepEqual(messages, [first, { ended: first?.begun }, second])
})

test('a child that a library has blocked for ever is killed some time after its parent', async (context) => {
  const t = lastFirst(context)
  const folder = scratch(t)
  const blocked = join(folder, 'blocked.mjs')
  const ready = join(folder, 'ready')
  writeFileSync(ready, '')
  const library = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`
  writeFileSync(
    blocked,
    `import { watchFromThread } from '${childrenUrl}'\nawait watchFromThread('${ready}')\n${library}`,
  )
  const parent = join(folder, 'parent.mjs')
  writeFileSync(
    parent,
    `import { SupervisedChild } from '${childrenUrl}'
import { SystemClock } from '${new URL('../src/platform/clock.ts', import.meta.url).href}'
const child = SupervisedChild.start({ name: 'blocked', script: new URL('file://${blocked}'), prepare: async () => [],
  channel: false, startTimeoutMs: 60_000, stopTimeoutMs: 60_000, clock: new SystemClock(), log() {}, onDeath() {},
  onReady: () => process.stdout.write(child.pid + '\\n') })`,
  )
  const running = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => void running.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: running.stdout }), 'line')) as [string]
  running.kill('SIGKILL')
  const begun = performance.now()
  while (isAlive(Number(line))) {
    assert.ok(performance.now() - begun < 30_000, 'it lives on')
    await sleep(100)
  }
  assert.ok(performance.now() - begun > 5_000, 'it had time to end by itself')
})
