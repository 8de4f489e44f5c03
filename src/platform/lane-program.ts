// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * SHA-256 (FIPS 180-4) of four messages side by side, each in one lane of 128-bit vectors, as a program for WebAssembly.
 * What a platform's own call costs, more than all the rounds of a tree node, is paid once for many messages then. The
 * program trusts the addresses that it is given.
 */
import { call, type Code, doWhile, i32, i32x4, i8x16, local, select, v128, wasmModule } from './wasm-code.ts'

const LANES = [0, 1, 2, 3]
const QUARTERS = [0, 1, 2, 3]
const BLOCK_BYTES = 64
/** The two blocks that end a message. */
const ENDING_BYTES = 2 * BLOCK_BYTES
const VECTOR_BYTES = 16
const STATE_WORDS = 8
const ROUNDS = 64
const HASH_BYTES = 32

/** Where things are in the memory: constants and working space first, then the caller's. */
const AT = { rounds: 0, initial: 256, mask: 512, state: 1_024, endings: 2_048 }
export const LANE_MEMORY = {
  /** Two u32 a message: where it begins, and its bytes. Filled up with empty ones to a multiple of four. */
  table: 4_096,
  maxMessages: 1_024,
  data: 16_384,
  dataBytes: 256 * 1_024,
  /** As many hashes as there are messages, and up to three more. */
  hashes: 16_384 + 257 * 1_024,
  pageCount: 5,
} as const

/** Hashes as the tables of FIPS 180-4 have them; whoever hands in others gets another hash. */
export interface Sha256Constants {
  readonly rounds: readonly number[]
  readonly initial: readonly number[]
}

export interface LaneExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Hashes the messages of the table. */
  readonly messages: (tableAt: number, count: number, hashesAt: number) => void
  /** Hashes 0x01 ‖ each two hashes of the row at `rowAt`; `hashesAt` may be `rowAt`. */
  readonly nodes: (rowAt: number, count: number, hashesAt: number) => void
}

export function writeConstants(memory: LaneExports['memory'], { rounds, initial }: Sha256Constants): void {
  new Uint32Array(memory.buffer, AT.rounds).set(rounds)
  new Uint32Array(memory.buffer, AT.initial).set(initial)
}

export function laneProgram(): Uint8Array<ArrayBuffer> {
  const [compressed, hashed] = [compress(), nodes()]
  return wasmModule([compressed, hashed, messages()], LANE_MEMORY.pageCount)
}

const at = (address: number): Code => i32.constant(address)
const repeated = (byte: number): Code => v128.constant(Array.from({ length: VECTOR_BYTES }, () => byte))
const each = (items: readonly number[], code: (item: number) => Code): Code => items.flatMap(code)
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** The bytes of these words of two vectors. */
const words = (...places: number[]): number[] => places.flatMap((word) => numbers(4).map((byte) => 4 * word + byte))
const SWAPPED = numbers(VECTOR_BYTES).map((byte) => byte ^ 3)

/** Each word with its bytes in the other order; `temporary` is a local for it. */
const swapped = (x: Code, temporary: number): Code =>
  i8x16.shuffle(local.tee(temporary, x), local.get(temporary), SWAPPED)

/**
 * Turns rows into columns: vector `i` of the result has word `i` of each of the four. `pairs` are four locals; each result
 * is given out before the next is made.
 */
function transposed(rows: readonly Code[], pairs: readonly number[], give: (code: Code, i: number) => Code): Code {
  const [r0, r1, r2, r3] = rows as [Code, Code, Code, Code]
  const [low01, low23, high01, high23] = pairs as [number, number, number, number]
  const joined = (one: number, other: number, half: number) =>
    i8x16.shuffle(local.get(one), local.get(other), half === 0 ? words(0, 1, 4, 5) : words(2, 3, 6, 7))
  return [
    ...local.set(low01, i8x16.shuffle(r0, r1, words(0, 4, 1, 5))),
    ...local.set(low23, i8x16.shuffle(r2, r3, words(0, 4, 1, 5))),
    ...local.set(high01, i8x16.shuffle(r0, r1, words(2, 6, 3, 7))),
    ...local.set(high23, i8x16.shuffle(r2, r3, words(2, 6, 3, 7))),
    ...each(LANES, (i) => give(i < 2 ? joined(low01, low23, i) : joined(high01, high23, i - 2), i)),
  ]
}

const rotatedAndXored = (x: Code, ...by: number[]): Code =>
  by
    .map((bits) => v128.xor(i32x4.shrU(x, bits), i32x4.shl(x, 32 - bits)))
    .reduce((all, rotated) => v128.xor(all, rotated))

/** compress(p0, p1, p2, p3): one block of each lane, at these addresses, into the state of those that the mask has. */
function compress() {
  const k = 4
  const w = (i: number) => 5 + (i % 16)
  const variable = (i: number) => 21 + ((i + ROUNDS) % STATE_WORDS)
  const t1 = 29
  /** a xor b of this round and of the one before, which is b xor c: both for Maj, which so takes three instructions. */
  const mixed = (i: number) => 30 + (i % 2)
  const { get, set } = local

  const expand = (i: number): Code => {
    const [x, y] = [get(w(i + 1)), get(w(i + 14))]
    const s0 = v128.xor(rotatedAndXored(x, 7, 18), i32x4.shrU(x, 3))
    const s1 = v128.xor(rotatedAndXored(y, 17, 19), i32x4.shrU(y, 10))
    return set(w(i), i32x4.add(i32x4.add(get(w(i)), s0), i32x4.add(get(w(i + 9)), s1)))
  }
  const round = (i: number, constants: Code): Code => {
    const [a, b, , d, e, f, g, h] = numbers(STATE_WORDS).map((place) => variable(place - i))
    const ch = v128.xor(get(g!), v128.and(get(e!), v128.xor(get(f!), get(g!))))
    const maj = v128.xor(get(b!), v128.and(get(mixed(i)), get(mixed(i + 1))))
    const scheduled = i32x4.add(get(w(i)), v128.load32Splat(constants, AT.rounds + 4 * i))
    return [
      ...set(t1, i32x4.add(i32x4.add(get(h!), scheduled), i32x4.add(rotatedAndXored(get(e!), 6, 11, 25), ch))),
      ...set(d!, i32x4.add(get(d!), get(t1))),
      ...set(mixed(i), v128.xor(get(a!), get(b!))),
      ...set(h!, i32x4.add(i32x4.add(get(t1), rotatedAndXored(get(a!), 2, 13, 22)), maj)),
    ]
  }
  const stateWord = (i: number) => v128.load(at(AT.state), i * VECTOR_BYTES)
  const addMasked = (i: number): Code => i32x4.add(stateWord(i), v128.and(v128.load(at(AT.mask)), get(variable(i))))

  const body: Code = [
    ...each(QUARTERS, (quarter) => [
      // The variables are free still.
      ...each(LANES, (lane) =>
        set(variable(lane), swapped(v128.load(get(lane), quarter * VECTOR_BYTES), variable(lane))),
      ),
      ...transposed(
        LANES.map((lane) => get(variable(lane))),
        [25, 26, 27, 28],
        (code, i) => set(w(4 * quarter + i), code),
      ),
    ]),
    ...each(numbers(STATE_WORDS), (i) => set(variable(i), stateWord(i))),
    ...set(mixed(1), v128.xor(get(variable(1)), get(variable(2)))),
    ...each(numbers(16), (i) => round(i, at(0))),
    ...set(k, i32.constant(64)),
    ...doWhile(
      each(numbers(16), (i) => [...expand(i), ...round(i, get(k))]),
      i32.ltU(local.tee(k, i32.add(get(k), i32.constant(64))), i32.constant(4 * ROUNDS)),
    ),
    ...each(numbers(STATE_WORDS), (i) => v128.store(at(AT.state), i * VECTOR_BYTES, addMasked(i))),
  ]
  return { parameterCount: 4, i32Count: 1, v128Count: 27, body }
}

const COMPRESS = 0
const ending = (lane: number) => AT.endings + lane * ENDING_BYTES

const begin: Code = each(numbers(STATE_WORDS), (i) =>
  v128.store(at(AT.state), i * VECTOR_BYTES, v128.load32Splat(at(AT.initial), 4 * i)),
)

/** Writes the hash of each lane behind the one before; `v` is the first of eight locals for vectors. */
function giveHashes(hashesAt: Code, v: number): Code {
  return each([0, 1], (half) => [
    ...each(LANES, (i) => local.set(v + i, v128.load(at(AT.state), (4 * half + i) * VECTOR_BYTES))),
    ...transposed(
      LANES.map((i) => local.get(v + i)),
      [v + 4, v + 5, v + 6, v + 7],
      (code, lane) => v128.store(hashesAt, lane * HASH_BYTES + half * VECTOR_BYTES, swapped(code, v)),
    ),
  ])
}

/** nodes(rowAt, count, hashesAt) */
function nodes() {
  const [row, count, hashes, v] = [0, 1, 2, 3]
  const { get, set } = local
  // 0x01 ‖ left ‖ right is read from the byte before, and is a block and one byte: 520 bits.
  const put = (lane: number): Code => [
    ...each(QUARTERS, (quarter) => {
      const read = v128.load(get(row), lane * BLOCK_BYTES + quarter * VECTOR_BYTES)
      const first = quarter === 0 ? i8x16.replaceLane(read, 0, i32.constant(1)) : read
      return v128.store(at(ending(lane)), quarter * VECTOR_BYTES, first)
    }),
    ...i32.store8(at(ending(lane)), BLOCK_BYTES, i32.load8U(get(row), (lane + 1) * BLOCK_BYTES)),
  ]
  const body: Code = [
    ...v128.store(at(AT.mask), 0, repeated(255)),
    ...each(LANES, (lane) => [
      ...each(QUARTERS, (quarter) => v128.store(at(ending(lane)), BLOCK_BYTES + quarter * VECTOR_BYTES, repeated(0))),
      ...i32.store8(at(ending(lane)), BLOCK_BYTES + 1, i32.constant(0x80)),
      ...i32.store8(at(ending(lane)), ENDING_BYTES - 2, i32.constant(520 >> 8)),
      ...i32.store8(at(ending(lane)), ENDING_BYTES - 1, i32.constant(520 & 255)),
    ]),
    ...set(row, i32.sub(get(row), i32.constant(1))),
    ...set(count, i32.add(get(hashes), i32.shl(get(count), i32.constant(5)))),
    ...doWhile(
      [
        ...each(LANES, put),
        ...begin,
        ...call(COMPRESS, ...LANES.map((lane) => at(ending(lane)))),
        ...call(COMPRESS, ...LANES.map((lane) => at(ending(lane) + BLOCK_BYTES))),
        ...giveHashes(get(hashes), v),
        ...set(row, i32.add(get(row), i32.constant(4 * BLOCK_BYTES))),
      ],
      i32.ltU(local.tee(hashes, i32.add(get(hashes), i32.constant(4 * HASH_BYTES))), get(count)),
    ),
  ]
  return { parameterCount: 3, i32Count: 0, v128Count: 8, body, name: 'nodes' }
}

/**
 * messages(tableAt, count, hashesAt). A lane whose message has fewer blocks than another of the four goes on, with a
 * mask that keeps its state.
 */
function messages() {
  const [table, count, hashes] = [0, 1, 2]
  const start = (lane: number) => 3 + lane
  /** Where the blocks begin that end the message. */
  const tail = (lane: number) => 7 + lane
  const blocks = (lane: number) => 11 + lane
  const [most, block, v] = [15, 16, 17]
  const { get, set } = local
  const places = (quarter: number) => v128.constant(numbers(VECTOR_BYTES).map((byte) => quarter * VECTOR_BYTES + byte))

  /** Copies what is behind the last whole block, and ends it: 0x80, zeros, and the length in bits, which fits 24. */
  const prepare = (lane: number): Code => {
    const lengthBytes = i32.load(get(table), 8 * lane + 4)
    const restBytes = i32.and(lengthBytes, i32.constant(63))
    // The last block is the second one where fewer than eight bytes are left behind the 0x80.
    const lastAt = i32.and(i32.add(restBytes, i32.constant(8)), i32.constant(64))
    const lengthByte = (fromEnd: number, value: Code) => i32.store8(get(block), ending(lane) + 64 - fromEnd, value)
    const quarterOf = (quarter: number): Code => {
      const isBefore = i8x16.ltU(places(quarter), get(v))
      const isEnd = i8x16.eq(places(quarter), get(v))
      const rest = v128.and(v128.load(get(tail(lane)), quarter * VECTOR_BYTES), isBefore)
      return v128.or(rest, v128.and(isEnd, repeated(0x80)))
    }
    return [
      ...set(start(lane), i32.load(get(table), 8 * lane)),
      ...set(tail(lane), i32.add(get(start(lane)), i32.and(lengthBytes, i32.constant(-64)))),
      ...set(blocks(lane), i32.shrU(i32.add(lengthBytes, i32.constant(72)), i32.constant(6))),
      ...set(v, i8x16.splat(restBytes)),
      ...each(QUARTERS, (quarter) => [
        ...v128.store(at(ending(lane)), quarter * VECTOR_BYTES, quarterOf(quarter)),
        ...v128.store(at(ending(lane)), BLOCK_BYTES + quarter * VECTOR_BYTES, repeated(0)),
      ]),
      ...set(block, lastAt),
      ...lengthByte(1, i32.shl(lengthBytes, i32.constant(3))),
      ...lengthByte(2, i32.shrU(lengthBytes, i32.constant(5))),
      ...lengthByte(3, i32.shrU(lengthBytes, i32.constant(13))),
    ]
  }
  /** Where this lane's next block is: in the message, then in its ending; what comes behind is not kept. */
  const next = (lane: number): Code => {
    const inMessage = i32.add(get(start(lane)), i32.shl(get(block), i32.constant(6)))
    const isSecond = i32.gtU(inMessage, get(tail(lane)))
    const inEnding = i32.add(at(ending(lane)), i32.shl(isSecond, i32.constant(6)))
    return select(inMessage, inEnding, i32.ltU(inMessage, get(tail(lane))))
  }
  const isGoingOn = i32x4.gtU(
    LANES.reduce((vector, lane) => i32x4.replaceLane(vector, lane, get(blocks(lane))), repeated(0)),
    i32x4.splat(get(block)),
  )
  const larger = (one: number, other: number) => select(get(one), get(other), i32.gtU(get(one), get(other)))
  const body: Code = [
    ...set(count, i32.add(get(hashes), i32.shl(get(count), i32.constant(5)))),
    ...doWhile(
      [
        ...each(LANES, prepare),
        ...set(most, i32.constant(0)),
        ...each(LANES, (lane) => set(most, larger(most, blocks(lane)))),
        ...set(block, i32.constant(0)),
        ...begin,
        ...doWhile(
          [...v128.store(at(AT.mask), 0, isGoingOn), ...call(COMPRESS, ...LANES.map(next))],
          i32.ltU(local.tee(block, i32.add(get(block), i32.constant(1))), get(most)),
        ),
        ...giveHashes(get(hashes), v),
        ...set(table, i32.add(get(table), i32.constant(32))),
      ],
      i32.ltU(local.tee(hashes, i32.add(get(hashes), i32.constant(4 * HASH_BYTES))), get(count)),
    ),
  ]
  return { parameterCount: 3, i32Count: 14, v128Count: 8, body, name: 'messages' }
}
