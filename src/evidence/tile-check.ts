// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds the tiles that a server serves against the hashes that its entries give, level by level, as they come. */
import { HASH_BYTES, TILE_WIDTH } from '@stele/proof'
import type { Findings } from './finding.ts'
import type { ServedLedger } from './served-ledger.ts'

const MAX_OPEN_COUNT = 8

interface Level {
  tileIndex: number
  count: number
  readonly hashes: Buffer
}

export class TileCheck {
  readonly #ledger: ServedLedger
  readonly #findings: Findings
  readonly #size: number
  readonly #levels: Level[] = []
  #open: Promise<void>[] = []

  constructor(ledger: ServedLedger, size: number, findings: Findings) {
    this.#ledger = ledger
    this.#size = size
    this.#findings = findings
  }

  /** The next hash of a level, 32 bytes at `offset`. */
  expect(levelNumber: number, bytes: Uint8Array, offset: number): void {
    const fresh = { tileIndex: 0, count: 0, hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES) }
    const level = (this.#levels[levelNumber] ??= fresh)
    level.hashes.set(bytes.subarray(offset, offset + HASH_BYTES), level.count * HASH_BYTES)
    level.count++
    if (level.count < TILE_WIDTH) return
    this.#check(levelNumber, level)
    level.tileIndex++
    level.count = 0
  }

  /** Waits while too many tiles are under way. */
  async step(): Promise<void> {
    if (this.#open.length < MAX_OPEN_COUNT) return
    await this.#settle()
  }

  /** Checks the partial tiles of the edge. */
  async finish(): Promise<void> {
    for (const [levelNumber, level] of this.#levels.entries()) {
      if (level !== undefined && level.count > 0) this.#check(levelNumber, level)
    }
    await this.#settle()
  }

  async #settle(): Promise<void> {
    const open = this.#open
    this.#open = []
    await Promise.all(open)
  }

  #check(levelNumber: number, { tileIndex, count, hashes }: Level): void {
    const expected = Buffer.from(hashes.subarray(0, count * HASH_BYTES))
    const check = this.#compare(levelNumber, tileIndex, count, expected)
    // It is awaited in `step` or `finish`, unless an earlier one fails.
    check.catch(() => {})
    this.#open.push(check)
  }

  async #compare(level: number, tileIndex: number, count: number, expected: Buffer): Promise<void> {
    const found = Buffer.from(await this.#ledger.tile(level, tileIndex, count))
    if (found.equals(expected)) return
    const byte = expected.findIndex((value, at) => value !== found[at])
    const position = Math.floor(byte / HASH_BYTES)
    const first = (tileIndex * TILE_WIDTH + position) * TILE_WIDTH ** level
    const range = { ledger: this.#ledger.name, index: first, count: Math.min(TILE_WIDTH ** level, this.#size - first) }
    const at = position * HASH_BYTES
    this.#findings.add({
      kind: 'entry',
      ...range,
      what: `tile ${level}/${tileIndex} has another hash than the entries give`,
      expected: expected.toString('hex', at, at + HASH_BYTES),
      found: found.toString('hex', at, at + HASH_BYTES),
    })
  }
}
