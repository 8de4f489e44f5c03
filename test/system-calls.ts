// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Faults of the kernel: strace makes the nth system call of a kind on a file of the data directory fail, or kills the
// server at it. With one thread for the disk, every nth is another place in the same life: a start on an empty directory
// or on one with a torn tail, a few appends, a new ledger, a stop. After it the server starts without faults and
// everything that was acknowledged is there.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { type Ended, TorturedServer } from './tortured-server.ts'

const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' }
const KILLED_CODE = 137
/** A server that neither listens nor ends. */
const PATIENCE_MS = 60_000

interface Kind {
  readonly call: string
  readonly faults: readonly string[]
}

const kinds: readonly Kind[] = [
  { call: 'pwrite64', faults: ['error=EIO', 'error=ENOSPC', 'signal=KILL'] },
  { call: 'fdatasync', faults: ['error=EIO', 'signal=KILL'] },
  { call: 'fsync', faults: ['error=EIO', 'signal=KILL'] },
  { call: 'rename', faults: ['error=EIO', 'signal=KILL'] },
  { call: 'mkdir', faults: ['error=EIO', 'error=ENOSPC', 'signal=KILL'] },
  { call: 'openat', faults: ['error=EIO', 'signal=KILL'] },
  { call: 'ftruncate', faults: ['error=EIO', 'signal=KILL'] },
  { call: 'unlink', faults: ['error=EIO', 'signal=KILL'] },
]

export interface InjectedFigures {
  readonly faults: number
  /** How the servers ended that were hit. */
  readonly ends: Readonly<Record<string, number>>
  readonly appends: number
}

export interface InjectedCase {
  readonly from: 'nothing' | 'a torn tail'
  readonly call: string
  readonly fault: string
  readonly nth: number
}

export class InjectedFaults {
  readonly #strace: string
  readonly #root: string
  readonly #ends = new Map<string, number>()
  #faults = 0
  #appends = 0

  /** `root` is an empty folder, used up. */
  constructor(strace: string, root: string) {
    this.#strace = strace
    this.#root = root
  }

  get figures(): InjectedFigures {
    return { faults: this.#faults, ends: Object.fromEntries(this.#ends), appends: this.#appends }
  }

  /** Every place in both lives, found by a run without faults. */
  async cases(): Promise<InjectedCase[]> {
    const cases: InjectedCase[] = []
    for (const from of ['nothing', 'a torn tail'] as const) {
      const counts = await this.#count(from)
      for (const { call, faults } of kinds) {
        for (const fault of faults) {
          for (let nth = 1; nth <= (counts.get(call) ?? 0); nth++) cases.push({ from, call, fault, nth })
        }
      }
    }
    return cases
  }

  async run(one: InjectedCase, number: number): Promise<void> {
    const server = new TorturedServer(this.#folder(`case-${number}`, one.from), number)
    try {
      await this.#live(server, one)
    } catch (error) {
      throw new Error(`${one.call} ${one.fault} at ${one.nth}, from ${one.from}`, { cause: error })
    } finally {
      server.killed()
    }
    this.#appends += server.acknowledged.length
    rmSync(server.root, { recursive: true })
  }

  async #live(server: TorturedServer, { call, fault, nth, from }: InjectedCase): Promise<void> {
    const inject = `inject=${call}:${fault}:when=${nth}`
    const below = [...this.#tracing(server, call), '-e', inject, '--']
    let ended = await patiently(server.start(below, ONE_THREAD))
    if (ended === undefined) {
      await this.#work(server)
      ended = await patiently(server.end('SIGTERM'))
    }
    this.#demandClear(ended)
    if (/\(INJECTED\)|\+\+\+ killed by SIGKILL/.test(readFileSync(tracePath(server), 'utf8'))) this.#faults++
    const again = await server.start()
    assert.equal(again, undefined, `it does not start again: ${again?.said}`)
    if (server.acknowledged.length > 0) await server.check()
    await server.append('main')
    assert.equal((await server.end('SIGTERM')).code, 0)
    // A directory with a torn tail has what was before it, whatever became of the cut.
    if (from === 'nothing') await server.checkStopped()
  }

  /** What anybody does; refusals are expected. */
  async #work(server: TorturedServer): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await server.append('main').catch(() => {})
      if (round === 1) await server.createLedger('other').catch(() => {})
      if (round === 2) await server.append('other').catch(() => {})
    }
  }

  /** It stopped as told, or said in words what kept it from going on, or was killed. */
  #demandClear({ code, signal, said }: Ended): void {
    const end = signal === 'SIGKILL' || code === KILLED_CODE ? 'killed' : `exit code ${code}`
    this.#ends.set(end, (this.#ends.get(end) ?? 0) + 1)
    if (end === 'killed') return
    assert(code === 0 || code === 3, `it ended with ${end}: ${said}`)
    assert.doesNotMatch(said, /fault of Stele itself|\n {4}at /, said)
    if (code === 3) assert.match(said, /stele: |the writer has stopped/)
  }

  #tracing(server: TorturedServer, calls: string): string[] {
    const files = [
      'wal',
      'keys',
      'keys/pending',
      'derived',
      'segments',
      'admin.token',
      'admin.token.new',
      'cut.json.new',
    ]
    const ledgers = ['access', 'heads', 'main', 'system', 'other']
    files.push('wal/0000000000000001', 'derived/anchor.json', 'derived/anchor.json.new', 'cut.json')
    for (const name of ledgers) {
      files.push(`keys/${name}.key`, `keys/pending/${name}.key`, `keys/pending/${name}.key.new`, `derived/${name}`)
      files.push(`derived/${name}/level-0`, `derived/${name}/places`)
    }
    const paths = ['', ...files].flatMap((name) => ['-P', join(server.data, name)])
    const trace = ['-f', '--seccomp-bpf', '-qq', '-o', tracePath(server), '-e', `trace=${calls}`]
    return [this.#strace, ...trace, ...paths]
  }

  async #count(from: InjectedCase['from']): Promise<Map<string, number>> {
    const server = new TorturedServer(this.#folder(`count-${from.length}`, from), 1)
    const calls = kinds.map(({ call }) => call).join(',')
    assert.equal(await server.start([...this.#tracing(server, calls), '--'], ONE_THREAD), undefined)
    await this.#work(server)
    assert.equal((await server.end('SIGTERM')).code, 0)
    const counts = new Map<string, number>()
    const threads = new Map<string, number>()
    for (const [, thread = '', call = ''] of readFileSync(tracePath(server), 'utf8').matchAll(/^(\d+) (\w+)\(/gm)) {
      const count = (threads.get(`${thread} ${call}`) ?? 0) + 1
      threads.set(`${thread} ${call}`, count)
      counts.set(call, Math.max(counts.get(call) ?? 0, count))
    }
    return counts
  }

  #folder(name: string, from: InjectedCase['from']): string {
    const path = join(this.#root, name)
    mkdirSync(path)
    if (from === 'a torn tail') cpSync(join(this.#root, 'torn'), path, { recursive: true })
    return path
  }

  /** A directory whose last frame, never acknowledged, is torn. */
  async prepare(): Promise<void> {
    const server = new TorturedServer(join(this.#root, 'torn'), 1)
    mkdirSync(server.root)
    assert.equal(await server.start(), undefined)
    await server.append('main')
    // Published, and the head kept outside: what is written from here on is not.
    await sleep(1_500)
    await server.append('main')
    await server.end('SIGKILL')
    const wal = join(server.data, 'wal')
    const last = join(wal, readdirSync(wal).at(-1)!)
    const { length } = readFileSync(last)
    truncateSync(last, length - 100)
  }
}

function tracePath(server: TorturedServer): string {
  return join(server.root, 'trace')
}

async function patiently<T>(outcome: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: over.signal }).then(() =>
    assert.fail('it neither listens nor ends'),
  )
  late.catch(() => {})
  try {
    return await Promise.race([outcome, late])
  } finally {
    over.abort()
  }
}
