// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * As much of WebAssembly's binary format as a program over one memory needs, so that it can be written here, read here,
 * and made when it is wanted: no tool, no blob. An instruction is written as a function of its operands, under the name
 * that the specification gives it; the engine checks the types.
 */

/** Instructions as bytes. */
export type Code = readonly number[]

/** A function: its first locals are its parameters, all i32; then those that it declares, i32 before v128. */
export interface WasmFunction {
  readonly parameterCount: number
  readonly i32Count: number
  readonly v128Count: number
  readonly body: Code
  /** Set where it is exported. */
  readonly name?: string
}

const [I32, V128, FUNCTION] = [0x7f, 0x7b, 0x60]
const EMPTY_BLOCK = 0x40
const END = 0x0b
const SIMD = 0xfd
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 }

/** LEB128 of an index, a length or an offset. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

/** LEB128 of an i32. */
function signed(value: number): number[] {
  const isLast = value >= -64 && value < 64
  return isLast ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}

const scalar =
  (opcode: number) =>
  (...operands: Code[]): Code => [...operands.flat(), opcode]

const vector =
  (opcode: number) =>
  (...operands: Code[]): Code => [...operands.flat(), SIMD, ...unsigned(opcode)]

/** Of a vector and of bits to shift by. */
const shift =
  (opcode: number) =>
  (x: Code, bits: number): Code =>
    vector(opcode)(x, i32.constant(bits))

const replaceLane =
  (opcode: number) =>
  (x: Code, lane: number, value: Code): Code => [...x, ...value, SIMD, opcode, lane]

/** Of an address; `offset` is added to it. No alignment is promised. */
const load =
  (...opcode: number[]) =>
  (address: Code, offset = 0): Code => [...address, ...opcode, 0, ...unsigned(offset)]

const store =
  (...opcode: number[]) =>
  (address: Code, offset: number, value: Code): Code => [...address, ...value, ...opcode, 0, ...unsigned(offset)]

export const local = {
  get: (index: number): Code => [0x20, ...unsigned(index)],
  set: (index: number, value: Code): Code => [...value, 0x21, ...unsigned(index)],
  tee: (index: number, value: Code): Code => [...value, 0x22, ...unsigned(index)],
}

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(value)],
  add: scalar(0x6a),
  sub: scalar(0x6b),
  and: scalar(0x71),
  shl: scalar(0x74),
  shrU: scalar(0x76),
  ltU: scalar(0x49),
  gtU: scalar(0x4b),
  load: load(0x28),
  load8U: load(0x2d),
  store8: store(0x3a),
}

export const v128 = {
  constant: (bytes: Code): Code => [SIMD, 0x0c, ...bytes],
  load: load(SIMD, 0x00),
  load32Splat: load(SIMD, 0x09),
  store: store(SIMD, 0x0b),
  and: vector(0x4e),
  or: vector(0x50),
  xor: vector(0x51),
}

export const i8x16 = {
  /** Bytes out of two vectors, by their place in both. */
  shuffle: (x: Code, y: Code, places: Code): Code => [...x, ...y, SIMD, 0x0d, ...places],
  splat: vector(0x0f),
  replaceLane: replaceLane(0x17),
  eq: vector(0x23),
  ltU: vector(0x26),
}

export const i32x4 = {
  splat: vector(0x11),
  replaceLane: replaceLane(0x1c),
  gtU: vector(0x3c),
  shl: shift(0xab),
  shrU: shift(0xad),
  add: vector(0xae),
}

/** `whenTrue` where `condition` is not 0, else `whenFalse`; both are computed. */
export const select: (whenTrue: Code, whenFalse: Code, condition: Code) => Code = scalar(0x1b)

export const call = (index: number, ...operands: Code[]): Code => [...operands.flat(), 0x10, ...unsigned(index)]

/** Runs `body`, and again as long as `condition` is not 0 behind it. */
export const doWhile = (body: Code, condition: Code): Code => {
  const [loop, branchToIt] = [0x03, [0x0d, 0]]
  return [loop, EMPTY_BLOCK, ...body, ...condition, ...branchToIt, END]
}

/** The module of these functions and of a memory with that many pages of 64 KiB, which is exported as `memory`. */
export function wasmModule(functions: readonly WasmFunction[], pageCount: number): Uint8Array<ArrayBuffer> {
  const exported = functions.flatMap(({ name }, index) => (name === undefined ? [] : [[...text(name), 0, index]]))
  return Uint8Array.from([
    ...MAGIC,
    ...section(
      SECTION.type,
      functions.map(({ parameterCount }) => [
        FUNCTION,
        ...counted(Array.from({ length: parameterCount }, () => [I32])),
        0,
      ]),
    ),
    ...section(
      SECTION.function,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(SECTION.memory, [[0, ...unsigned(pageCount)]]),
    ...section(SECTION.export, [[...text('memory'), 2, 0], ...exported]),
    ...section(SECTION.code, functions.map(codeOf)),
  ])
}

function codeOf({ i32Count, v128Count, body }: WasmFunction): Code {
  const locals = counted([
    [...unsigned(i32Count), I32],
    [...unsigned(v128Count), V128],
  ])
  return sized([...locals, ...body, END])
}

const section = (id: number, items: readonly Code[]): Code => [id, ...sized(counted(items))]
const counted = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes]
const text = (ascii: string): Code => sized([...Buffer.from(ascii, 'latin1')])
