// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Verifying receipts one after another, as whoever was handed them does: on one thread, by packages/proof alone. */
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import {
  ALG_ED25519,
  ALG_ED25519_COSIGNATURE,
  ALG_MLDSA44,
  contentHash,
  cosignatureMessage,
  type Ed25519Check,
  formatCheckpoint,
  formatCosignature,
  formatEntry,
  formatNote,
  formatReceipt,
  formatSignatureLine,
  formatVkey,
  formatWitnessedReceipt,
  Frontier,
  hashLeaf,
  inclusionProof,
  keyIdOf,
  parseCheckpoint,
  parsePolicy,
  parseReceipt,
  parseVkey,
  subtreeMessage,
  toBase64Url,
  type Trust,
  utf8,
  verifyReceipt,
} from '@stele/proof'
import { count, table } from './report.ts'

/** The last of so many entries has a path of twenty hashes. */
const LOG_SIZE = 2 ** 20
const EVENT_BYTES = 1_024
const POOL_COUNT = 500
const FAMILY = 'bench.example.com/abcdefghijklm'
const TIME = 1_700_000_000

export async function benchReceipts(seconds: number): Promise<string> {
  const ledger = newKey(`${FAMILY}/main`, ALG_ED25519)
  const heads = newKey(`${FAMILY}/heads`, ALG_MLDSA44)
  const witnesses = [1, 2, 3].map((number) => newKey(`witness-${number}.example.com`, ALG_ED25519_COSIGNATURE))
  const quorum = witnesses.map(({ vkey }, i) => `witness W${i} ${vkey}\n`).join('') + 'group G 2 W0 W1 W2\nquorum G\n'
  const log = new HashedLog(LOG_SIZE)
  const events = Array.from({ length: POOL_COUNT }, (_, i) => utf8(`${i} `.padEnd(EVENT_BYTES, 'x')))

  const signed = (text: string) => formatNote(text, [ledger.line(text)])
  const cosigned = (key: Key) => (text: string) =>
    formatNote(text, [key.line(text), ...witnesses.map((witness) => witness.line(text))])
  const plain = await Promise.all(events.map((event) => log.receipt(event, ledger.name, signed)))
  const byPolicy = await Promise.all(events.map((event) => log.receipt(event, ledger.name, cosigned(ledger))))
  const witnessed = await Promise.all(
    plain.map(async (receipt) => {
      const { checkpoint } = parseReceipt(receipt)
      return formatWitnessedReceipt({
        receipt,
        headsReceipt: await log.receipt(checkpoint, heads.name, cosigned(heads)),
      })
    }),
  )
  const rows = [['receipt of a log of 2^20, event of 1 KB', 'receipts/s', 'CPU µs', 'bytes']]
  rows.push(await measured('Ed25519 key', events, plain, { vkey: ledger.vkey }, seconds))
  const byNode = { vkey: ledger.vkey, check: nodeCheck(ledger.vkey) }
  rows.push(await measured("Ed25519 key, by Node's own crypto", events, plain, byNode, seconds))
  const policy = parsePolicy(`log ${ledger.vkey}\n${quorum}`)
  rows.push(await measured('policy, three witnesses', events, byPolicy, policy, seconds))
  const headsPolicy = parsePolicy(`log ${heads.vkey}\n${quorum}`)
  rows.push(await measured('witnessed: heads by ML-DSA-44, three witnesses', events, witnessed, headsPolicy, seconds))
  return table(rows)
}

async function measured(
  name: string,
  events: readonly Uint8Array[],
  receipts: readonly string[],
  trust: Trust,
  seconds: number,
): Promise<string[]> {
  const files = receipts.map(utf8)
  const verify = async (number: number) => {
    const { verdict } = await verifyReceipt(events[number % POOL_COUNT]!, files[number % POOL_COUNT]!, trust)
    if (verdict !== 'valid') throw new Error(`a good receipt is ${verdict}`)
  }
  for (let number = 0; number < POOL_COUNT; number++) await verify(number)
  const [startedMs, startedCpu] = [performance.now(), process.cpuUsage()]
  let done = 0
  while (performance.now() - startedMs < seconds * 1_000) await verify(done++)
  const elapsedMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(startedCpu)
  return [name, count((done / elapsedMs) * 1_000), count((user + system) / done), count(files[0]!.length)]
}

/** As packages/proof/examples/verify-with-node-crypto.ts makes one. */
function nodeCheck(vkey: string): Ed25519Check {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(parseVkey(vkey).publicKey) }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return (_, message, signature) => verify(null, message, key, signature)
}

interface Key {
  readonly name: string
  readonly vkey: string
  /** The signature line over a checkpoint, as its kind of key signs one. */
  line(text: string): string
}

function newKey(name: string, alg: number): Key {
  const { privateKey, publicKey } =
    alg === ALG_MLDSA44 ? generateKeyPairSync('ml-dsa-44') : generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(alg === ALG_MLDSA44 ? -1_312 : -32)
  const messageOf = (text: string): Uint8Array => {
    if (alg === ALG_ED25519) return utf8(text)
    if (alg === ALG_ED25519_COSIGNATURE) return cosignatureMessage(TIME, utf8(text))
    const { origin, size, root } = parseCheckpoint(text)
    return subtreeMessage(name, TIME, { origin, start: 0, end: size, root })
  }
  const line = (text: string): string => {
    const signature = sign(null, messageOf(text), privateKey)
    const bytes = alg === ALG_ED25519 ? signature : formatCosignature({ time: TIME, signature })
    return formatSignatureLine(name, keyIdOf(name, alg, raw), bytes)
  }
  return { name, vkey: formatVkey(name, alg, raw), line }
}

/** The hashes of a log, so that one entry of it can be any. */
class HashedLog {
  readonly #size: number
  /** Hashes of each tile level, one behind the other. */
  readonly #levels: Buffer[]
  readonly #frontier = new Frontier()

  constructor(size: number) {
    this.#size = size
    this.#levels = [0, 1, 2].map((level) => Buffer.alloc(Math.ceil(size / 256 ** level) * 32))
    const filled = [0, 0, 0]
    const put = (level: number, hash: Uint8Array) => {
      this.#levels[level]!.set(hash, filled[level]! * 32)
      filled[level]! += 1
    }
    // The last place is left to the entry of each receipt.
    for (let index = 0; index < size - 1; index++) {
      const leaf = createHash('sha256').update(`\0${index}`).digest()
      put(0, leaf)
      this.#frontier.append(leaf, 0, (level, hash, at) => put(level, hash.subarray(at, at + 32)))
    }
  }

  /** The receipt of an event that is the last of the log. */
  async receipt(event: Uint8Array, origin: string, sign: (text: string) => string): Promise<string> {
    const salt = new Uint8Array(16).fill(7)
    const sha256 = toBase64Url(contentHash(salt, event))
    const at = '2026-01-02T03:04:05.678Z'
    const line = formatEntry({ at, source: 'generic', by: 'tok-1', media: 'text/plain', size: event.length, sha256 })
    const entry = utf8(line)
    const frontier = this.#frontier.snapshot()
    frontier.append(hashLeaf(entry))
    const hashes = await inclusionProof(this.#size - 1, this.#size, async (level, start, hashCount) => {
      return this.#levels[level]!.subarray(start * 32, (start + hashCount) * 32)
    })
    const checkpoint = sign(formatCheckpoint({ origin, size: this.#size, root: frontier.root() }))
    return formatReceipt({ salt, entry, index: this.#size - 1, hashes, checkpoint })
  }
}
