// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Takes from a thread, and from every thread that it starts afterwards, all files but the named ones and all of TCP but
 * one port to listen at (Linux: Landlock, documented in the kernel's userspace-api). Nothing can give it back. It is the
 * kernel that refuses then, whatever a foreign library is made to do.
 */
import { constants, closeSync, openSync, fstatSync } from 'node:fs'
import { DataType, type FieldType, load, open } from 'ffi-rs'

export interface Confinement {
  /** Files, and folders with all in them. What is not there is left out. */
  readonly readable: readonly string[]
  /** Folders in which everything may be done but to execute. */
  readonly writable: readonly string[]
  readonly listenPort: number
}

// The same on all architectures.
const CREATE_RULESET = 444
const ADD_RULE = 445
const RESTRICT_SELF = 446
const VERSION_FLAG = 1
const PATH_BENEATH = 1
const NET_PORT = 2
const PR_SET_NO_NEW_PRIVS = 38
const O_PATH = 0x20_0000

/** Access rights by their bit, of files: execute, write, read, read a folder, … refer, truncate, device ioctl. */
const WRITE_FILE = 1 << 1
const READ_FILE = 1 << 2
const READ_DIRECTORY = 1 << 3
const EXECUTE = 1 << 0
const TRUNCATE = 1 << 14
const BIND_TCP = 1 << 0
const NET_BITS = 2
const SCOPE_BITS = 2
/** Before this one no file could be renamed into another folder. */
const OLDEST_VERSION = 2

/** Resolves to undefined once confined, else to why that cannot be done here: then nothing was changed. */
export function confineThisThread({ readable, writable, listenPort }: Confinement): string | undefined {
  if (process.platform !== 'linux') return 'only Linux can confine it'
  open({ library: 'libc', path: 'libc.so.6' })
  const version = systemCall([DataType.I64, DataType.I64, DataType.I64], [CREATE_RULESET, 0, 0, VERSION_FLAG])
  if (version < OLDEST_VERSION) return 'this system has no Landlock, or an old one'
  const fileBits = version >= 5 ? 16 : version >= 3 ? 15 : 14
  const handled = 2 ** fileBits - 1
  const attributes = Buffer.alloc(24)
  attributes.writeUInt32LE(handled, 0)
  attributes.writeUInt32LE(version >= 4 ? 2 ** NET_BITS - 1 : 0, 8)
  attributes.writeUInt32LE(version >= 6 ? 2 ** SCOPE_BITS - 1 : 0, 16)
  const sizeBytes = version >= 6 ? 24 : version >= 4 ? 16 : 8
  const ruleset = must(
    'landlock_create_ruleset',
    systemCall([DataType.U8Array, DataType.I64, DataType.I64], [CREATE_RULESET, attributes, sizeBytes, 0]),
  )
  const readRights = READ_FILE | READ_DIRECTORY
  for (const path of readable) allowPath(ruleset, path, readRights, handled)
  for (const path of writable) allowPath(ruleset, path, handled & ~EXECUTE, handled)
  if (version >= 4) allowListening(ruleset, listenPort)
  const prctl = [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]
  must('prctl', callC('prctl', [DataType.I32, ...Array<DataType>(4).fill(DataType.I64)], prctl))
  must('landlock_restrict_self', systemCall([DataType.I64, DataType.I64], [RESTRICT_SELF, ruleset, 0]))
  closeSync(ruleset)
  return undefined
}

function allowPath(ruleset: number, path: string, rights: number, handled: number): void {
  const descriptor = openIfThere(path)
  if (descriptor === undefined) return
  const ofFiles = READ_FILE | WRITE_FILE | (handled & TRUNCATE)
  const allowed = fstatSync(descriptor).isDirectory() ? rights : rights & ofFiles
  const rule = Buffer.alloc(12)
  rule.writeUInt32LE(allowed, 0)
  rule.writeInt32LE(descriptor, 8)
  addRule(ruleset, PATH_BENEATH, rule)
  closeSync(descriptor)
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, O_PATH | constants.O_RDONLY)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function allowListening(ruleset: number, port: number): void {
  const rule = Buffer.alloc(16)
  rule.writeUInt32LE(BIND_TCP, 0)
  rule.writeUInt32LE(port, 8)
  addRule(ruleset, NET_PORT, rule)
}

function addRule(ruleset: number, type: number, rule: Buffer): void {
  const parameters = [DataType.I64, DataType.I64, DataType.U8Array, DataType.I64]
  must('landlock_add_rule', systemCall(parameters, [ADD_RULE, ruleset, type, rule, 0]))
}

function must(what: string, result: number): number {
  if (result < 0) throw new Error(`${what} failed`)
  return result
}

function systemCall(types: readonly FieldType[], values: readonly unknown[]): number {
  return callC('syscall', [DataType.I64, ...types], values)
}

function callC(funcName: string, paramsType: FieldType[], paramsValue: readonly unknown[]): number {
  return load({ library: 'libc', funcName, retType: DataType.I64, paramsType, paramsValue: [...paramsValue] })
}
