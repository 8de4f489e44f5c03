// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A log that wants to be cosigned, and a reader of cosignatures, both written after the C2SP documents and RFC 6962 with
// nothing of Stele's own: what they and the witness agree on, the documents say.

import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

import { type HeadStore, sameBytes } from '../src/ledger/head-store.ts'
import { LedgerTime } from '../src/ledger/ledger-time.ts'
import { type Clock, SystemClock } from '../src/platform/clock.ts'
import { type Disk, NodeDisk, replaceFile } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { type RunningWitness, startWitness, type WitnessConfig, type WitnessMachine } from '../src/witness-server.ts'
import { Refusal } from '../src/witness/witnessing/fault.ts'
import { logsOfVkeys } from '../src/witness/witnessing/log-list.ts'
import { RequestRates } from '../src/witness/witnessing/request-rates.ts'
import { Witness } from '../src/witness/witnessing/witness.ts'
import { WitnessKey } from '../src/witness/witnessing/witness-key.ts'
import { WitnessState } from '../src/witness/witnessing/witness-state.ts'
import { scratch, SeededRandom } from './scratch.ts'

const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const LEAF = Buffer.of(0)
const NODE = Buffer.of(1)

/** MTH of RFC 6962, section 2.1, word for word. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return sha256(LEAF, leaves[0]!)
  const k = split(leaves.length)
  return sha256(NODE, treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

/** PROOF of RFC 6962, section 2.1.2, word for word. */
function consistency(m: number, leaves: readonly Buffer[], isOld = true): Buffer[] {
  const n = leaves.length
  if (m === n) return isOld ? [] : [treeHash(leaves)]
  const k = split(n)
  if (m <= k) return [...consistency(m, leaves.slice(0, k), isOld), treeHash(leaves.slice(k))]
  return [...consistency(m - k, leaves.slice(k), false), treeHash(leaves.slice(0, k))]
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function keyIdOf(name: string, alg: number, publicKey: Buffer): Buffer {
  return sha256(name, '\n', Buffer.of(alg), publicKey).subarray(0, 4)
}

export class TestLog {
  readonly origin: string
  readonly vkey: string
  leaves: Buffer[] = []
  readonly #name: string
  readonly #keyId: Buffer
  readonly #key: KeyObject

  constructor(origin: string, name = origin) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
    this.origin = origin
    this.#name = name
    this.#key = privateKey
    this.#keyId = keyIdOf(name, 1, raw)
    this.vkey = `${name}+${this.#keyId.toString('hex')}+${Buffer.concat([Buffer.of(1), raw]).toString('base64')}`
  }

  grow(count: number, what = 'leaf'): this {
    const from = this.leaves.length
    for (let at = 0; at < count; at++) this.leaves.push(Buffer.from(`${what} ${from + at}`))
    return this
  }

  get size(): number {
    return this.leaves.length
  }

  root(size = this.size): Buffer {
    return treeHash(this.leaves.slice(0, size))
  }

  rangeRoot(start: number, end: number): Buffer {
    return treeHash(this.leaves.slice(start, end))
  }

  text(size = this.size, extension = ''): string {
    return `${this.origin}\n${size}\n${this.root(size).toString('base64')}\n${extension}`
  }

  signatureLine(text: string): string {
    return `— ${this.#name} ${Buffer.concat([this.#keyId, sign(null, Buffer.from(text), this.#key)]).toString('base64')}\n`
  }

  note(text = this.text()): string {
    return `${text}\n${this.signatureLine(text)}`
  }

  proof(old: number, size = this.size): string[] {
    if (old === 0) return []
    return consistency(old, this.leaves.slice(0, size)).map((hash) => hash.toString('base64'))
  }

  /** A body of add-checkpoint. */
  request(old: number, size = this.size): string {
    return requestOf(old, this.proof(old, size), this.note(this.text(size)))
  }
}

export function requestOf(old: number | string, proof: readonly string[], note: string): string {
  return `old ${old}\n${proof.map((line) => `${line}\n`).join('')}\n${note}`
}

export interface Cosignature {
  readonly alg: number
  readonly time: number
}

/** Reads signature lines after tlog-cosignature and verifies each by the key of `vkeys` that it names. */
export function cosignatures(vkeys: readonly string[], text: string, lines: string): Cosignature[] {
  assert(lines.endsWith('\n'))
  return lines
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const [dash, name, encoded = '', ...rest] = line.split(' ')
      assert.equal(dash, '—')
      assert.deepEqual(rest, [])
      const bytes = Buffer.from(encoded, 'base64')
      const vkey = vkeys.find((one) => one.startsWith(`${name}+${bytes.toString('hex', 0, 4)}+`))
      assert(vkey !== undefined, `no key has made ${line}`)
      const material = Buffer.from(vkey.split('+').slice(2).join('+'), 'base64')
      const [alg, raw] = [material[0]!, material.subarray(1)]
      assert.deepEqual(bytes.subarray(0, 4), keyIdOf(name!, alg, raw))
      const time = Number(bytes.readBigUInt64BE(4))
      const message = alg === 4 ? Buffer.from(`cosignature/v1\ntime ${time}\n${text}`) : subtree(name!, time, text)
      assert(verify(null, message, publicKeyOf(alg, raw), bytes.subarray(12)), `a bad signature: ${line}`)
      return { alg, time }
    })
}

function subtree(name: string, time: number, text: string): Buffer {
  const [origin = '', size = '', root = ''] = text.split('\n')
  return subtreeMessageOf(name, time, origin, 0, Number(size), Buffer.from(root, 'base64'))
}

function subtreeMessageOf(
  name: string,
  time: number,
  origin: string,
  start: number,
  end: number,
  root: Buffer,
): Buffer {
  const framed = (words: string) => [Buffer.of(Buffer.byteLength(words)), Buffer.from(words)]
  const uint64 = (value: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(value))
    return bytes
  }
  const head = [Buffer.from('subtree/v1\n\0'), ...framed(name), uint64(time), ...framed(origin)]
  return Buffer.concat([...head, uint64(start), uint64(end), root])
}

function publicKeyOf(alg: number, raw: Buffer): KeyObject {
  const prefix = alg === 4 ? '302a300506032b6570032100' : '30820532300b06096086480165030403110382052100'
  return createPublicKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der', type: 'spki' })
}

export interface TestWitness extends RunningWitness {
  readonly directory: string
  readonly logged: readonly object[]
  post(body: string | Uint8Array, path?: string): Promise<Posted>
  /** What is served of a log. */
  latest(origin: string): Promise<Posted>
}

interface Posted {
  readonly status: number
  readonly type: string | null
  readonly headers: Headers
  readonly body: string
}

export interface TestWitnessOptions {
  readonly directory: string
  readonly logs: readonly TestLog[]
  readonly config?: Partial<WitnessConfig>
  readonly machine?: Partial<WitnessMachine>
}

/** A witness on a free port of the loopback address, in a folder that the caller removes. */
export async function runWitness({ directory, logs, config, machine }: TestWitnessOptions): Promise<TestWitness> {
  const logged: object[] = []
  const running = await startWitness(
    {
      directory: join(directory, 'witness'),
      stateDirectory: join(directory, 'state'),
      listenHost: '127.0.0.1',
      listenPort: 0,
      name: 'witness.example.com/1',
      logVkeys: logs.map(({ vkey }) => vkey),
      logFiles: [],
      perSecond: 10_000,
      trustState: false,
      insecurePlaintext: false,
      version: 'test',
      log: (line) => void logged.push(line),
      ...config,
    },
    { disk: new NodeDisk(), clock: new SystemClock(), random: new SystemRandom(), lock: tryLock, ...machine },
  )
  const ask = async (path: string, init?: RequestInit): Promise<Posted> => {
    const response = await fetch(`${running.url}${path}`, init)
    const type = response.headers.get('content-type')
    return { status: response.status, type, headers: response.headers, body: await response.text() }
  }
  return {
    ...running,
    directory,
    logged,
    post: async (body, path = '/add-checkpoint') => await ask(path, { method: 'POST', body: Buffer.from(body) }),
    latest: async (origin) => await ask(`/${sha256(origin).toString('hex')}/checkpoint`),
  }
}

/** The same in a folder of its own, which ends with the test. */
export async function testWitness(
  context: TestContext,
  logs: readonly TestLog[],
  rest: Pick<TestWitnessOptions, 'config' | 'machine'> = {},
): Promise<TestWitness> {
  const witness = await runWitness({ directory: scratch(context), logs, ...rest })
  context.after(async () => await witness.close())
  return witness
}

/** A head on a disk of a test, its compare-and-swap not disturbed by anybody. */
export class DiskHeadStore implements HeadStore {
  readonly where = '/outside/head'
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async read(): Promise<Buffer | undefined> {
    return await this.#disk.readFile(this.where)
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    if (!sameBytes(await this.read(), expected)) return false
    await this.#disk.makeDirectory(dirname(this.where))
    await replaceFile(this.#disk, this.where, next)
    return true
  }
}

export interface BareWitness {
  readonly state: WitnessState
  /** The status, and the lines or the reason. */
  add(body: string): Promise<{ readonly status: number; readonly body: string }>
}

interface BareOptions {
  readonly disk: Disk
  readonly head: HeadStore
  readonly logs: readonly TestLog[]
  readonly clock?: Clock
  readonly outdatedBytes?: number
}

/** A witness without a server or a folder of the machine. */
export async function bareWitness(options: BareOptions): Promise<BareWitness> {
  const { disk, head, logs, clock = new SystemClock(), outdatedBytes } = options
  const state = await WitnessState.open({
    disk,
    head,
    random: new SeededRandom(7),
    folder: '/witness/state',
    keyName: 'witness+12345678',
    trustState: false,
    onUnvouched: () => {},
    onFailure: () => {},
    ...(outdatedBytes === undefined ? {} : { outdatedBytes }),
  })
  const witness = new Witness(
    {
      key: WitnessKey.make('witness', new SeededRandom(1)),
      state,
      time: new LedgerTime(clock, state.lastTime * 1_000, () => {}),
      rates: new RequestRates(clock, 1_000_000),
      onContradiction: async () => {},
    },
    logsOfVkeys(logs.map(({ vkey }) => vkey)).logs,
  )
  const add = async (body: string) => {
    try {
      return { status: 200, body: await witness.addCheckpoint(Buffer.from(body)) }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { status: error.status, body: error.message }
    }
  }
  return { state, add }
}

/** SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs, section 4.4.1, word for word. */
export function subtreeProof(start: number, end: number, leaves: readonly Buffer[], isKnown = true): Buffer[] {
  const n = leaves.length
  if (start === 0 && end === n) return isKnown ? [] : [treeHash(leaves)]
  const k = split(n)
  if (end <= k) return [...subtreeProof(start, end, leaves.slice(0, k), isKnown), treeHash(leaves.slice(k))]
  if (k <= start) return [...subtreeProof(start - k, end - k, leaves.slice(k), isKnown), treeHash(leaves.slice(0, k))]
  return [...subtreeProof(0, end - k, leaves.slice(k), false), treeHash(leaves.slice(0, k))]
}

/** Verifies the one line of sign-subtree, which has no time. */
export function subtreeCosignature(
  vkeys: readonly string[],
  origin: string,
  start: number,
  end: number,
  root: Buffer,
  line: string,
): void {
  const [, name = '', encoded = ''] = /^— (\S+) (\S+)\n$/.exec(line) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const vkey = vkeys.find((one) => one.startsWith(`${name}+${bytes.toString('hex', 0, 4)}+`))
  assert(vkey !== undefined)
  const material = Buffer.from(vkey.split('+').slice(2).join('+'), 'base64')
  assert.equal(material[0], 6)
  assert.equal(bytes.readBigUInt64BE(4), 0n)
  const message = subtreeMessageOf(name, 0, origin, start, end, root)
  assert(verify(null, message, publicKeyOf(6, material.subarray(1)), bytes.subarray(12)))
}
