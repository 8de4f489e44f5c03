#!/usr/bin/env node
// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier alone, for whoever has no Stele: receipts, checkpoints, exports. It opens the files that it is given and
// nothing else, and needs no network.

import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { parseArgs } from 'node:util'

import { checkFolder, checkUnit, givenRotations, mayHaveFollowed, NoLogError, PATHS } from '../folder/index.ts'
import { printable } from '../folder/printable.ts'
import {
  ed25519Verifier,
  MAX_EVENT_BYTES,
  MAX_NOTE_BYTES,
  parseCheckpoint,
  parseNote,
  parsePolicy,
  type Policy,
  ProofError,
  type Report,
  type Trust,
  verifyCheckpoint,
  verifyProof,
  verifyReceipt,
} from '../src/index.ts'
import { NodeFolderFiles, nodeHasher, readRotations } from './node-files.ts'
import { folderText, jsonLine, reportText } from './words.ts'

const USAGE = `Usage: stele-verify EVENT RECEIPT TRUST [--json]
       stele-verify FOLDER TRUST [--json]
       stele-verify --checkpoint FILE TRUST [--json]
       stele-verify ENTRY --proof FILE TRUST [--json]

TRUST is --key VKEY|FILE [--rotations FILE], or --policy FILE.

Verifies offline what a Stele log says:
that EVENT is byte for byte what it recorded, by RECEIPT (a .tlog-proof file);
that FOLDER (an export, or the folder of any log that keeps to C2SP tlog-tiles) is whole: every entry,
every tile, every event that is in it, and the signed head;
that a checkpoint is signed;
that a log, of Stele or not, holds ENTRY (the bytes of a leaf), by a bare C2SP tlog-proof.

  --key      the log's key, or a file that holds it; get it from somebody else than who gave you the rest
             (Ed25519; ML-DSA-44, too, but for a folder)
  --rotations  with an Ed25519 --key that later ones have followed: the log's signed statements of that, from anybody.
             As GET /v1/ledgers/LEDGER/keys or 'stele key list --rotations' has them, or an export's folder rotations
  --policy   a C2SP tlog-policy: the logs, and the witnesses that must have cosigned
  --json     print the report as JSON

Exit code: 0 valid, 1 not shown to be valid, 2 wrong usage, 3 a file could not be read.
`

const OPTIONS = {
  key: { type: 'string' },
  rotations: { type: 'string' },
  policy: { type: 'string' },
  checkpoint: { type: 'string' },
  proof: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

const EXPECTED = 'an event and its receipt, a folder, --checkpoint and a file, or an entry and --proof are expected'

/** A verdict and the words for it. */
interface Said {
  readonly verdict: Report['verdict']
  readonly report: unknown
  readonly text: string
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENXIO: 'it is not a regular file',
}

class Usage extends Error {}
class Unreadable extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args)
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const trust = await readTrust(values)
  const { verdict, report, text } = await verify(values, positionals, trust)
  process.stdout.write(values.json === true ? jsonLine(report) : text)
  return verdict === 'valid' ? 0 : 1
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error))
  }
}

async function verify(
  { checkpoint, proof }: { readonly checkpoint?: string; readonly proof?: string },
  operands: readonly string[],
  trust: Trust | undefined,
): Promise<Said> {
  const [first, second, ...rest] = operands
  if (rest.length > 0 || (checkpoint !== undefined && proof !== undefined)) throw new Usage(EXPECTED)
  if (checkpoint !== undefined) {
    if (first !== undefined) throw new Usage(EXPECTED)
    return said(await verifyCheckpoint(await readNamed(checkpoint), trust), trust)
  }
  if (first === undefined || (proof !== undefined && second !== undefined)) throw new Usage(EXPECTED)
  if (proof !== undefined) return said(await verifyProof(await readNamed(first), await readNamed(proof), trust), trust)
  if (second !== undefined)
    return said(await verifyReceipt(await readNamed(first), await readNamed(second), trust), trust)
  if (!(await named(first, async () => await stat(first))).isDirectory())
    throw new Usage(`${first} is no folder, and a receipt takes its event, too`)
  return await verifyFolder(first, trust)
}

function said(report: Report, trust: Trust | undefined): Said {
  return { verdict: report.verdict, report, text: reportText(report, hintOf(report, trust)) }
}

async function verifyFolder(folder: string, trust: Trust | undefined): Promise<Said> {
  const files = new NodeFolderFiles(folder)
  const hasher = nodeHasher()
  if (trust !== undefined && 'quorum' in trust) demandListed(files, folder, trust)
  try {
    const checked = await checkFolder({
      files,
      hasher,
      ...(trust === undefined ? {} : { trust }),
      check: (unit) => checkUnit(files, hasher, unit),
      depth: 1,
    })
    const isTrusted = checked.signedBy === 'trusted key' || checked.signedBy === 'policy'
    const verdict = checked.findingCount > 0 ? 'invalid' : isTrusted ? 'valid' : 'self-consistent'
    return { verdict, report: { verdict, ...checked }, text: folderText(checked, verdict) }
  } catch (error) {
    throw error instanceof NoLogError ? new Unreadable(`${folder} cannot be verified: ${error.message}`) : error
  }
}

/** A policy that does not list the log says nothing of its folder, good or bad. */
function demandListed(files: NodeFolderFiles, folder: string, { logs }: Policy): void {
  const head = files.read(PATHS.checkpoint, MAX_NOTE_BYTES + 1)
  const origin = head === undefined ? undefined : originOf(head)
  if (origin === undefined || logs.some(({ key }) => key.name === origin)) return
  const listed = logs.map(({ key }) => key.name).join(', ') || 'no log'
  const what = `the policy says nothing of ${origin}, the log in ${folder}: it lists ${listed}. Give that log's --key`
  throw new ProofError('origin-unexpected', what)
}

/** Undefined where it cannot be read, which the check will say. */
function originOf(head: Uint8Array): string | undefined {
  try {
    return parseCheckpoint(parseNote(head).text).origin
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}

/** A file that the command line names: a regular one, and no larger than an event may be, for nothing else is larger. */
async function readNamed(name: string): Promise<Uint8Array> {
  const files = new NodeFolderFiles(dirname(name))
  const bytes = await named(name, async () => files.read(basename(name), MAX_EVENT_BYTES + 1))
  if (bytes === undefined) throw new Unreadable(`${name} could not be read: ${REASONS['ENOENT']}`)
  if (bytes.length <= MAX_EVENT_BYTES) return bytes
  throw new Unreadable(`${name} is none of what is verified: it has more than ${MAX_EVENT_BYTES} bytes`)
}

/** What the system says of a file, in words. */
async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const why = REASONS[String(error.code)] ?? error.message
    throw new Unreadable(`${name} could not be read: ${why}`)
  }
}

async function readTrust({
  key,
  rotations,
  policy,
}: {
  readonly key?: string
  readonly rotations?: string
  readonly policy?: string
}): Promise<Trust | undefined> {
  if (rotations !== undefined && key === undefined) throw new Usage('--rotations goes with --key')
  if (key !== undefined && policy !== undefined) throw new Usage('give --key or --policy, not both')
  if (policy !== undefined) return parsePolicy(await readNamed(policy))
  if (key === undefined) return undefined
  const vkey = key.includes('+')
    ? key
    : Buffer.from(await readNamed(key))
        .toString('utf8')
        .trimEnd()
  if (rotations === undefined) return { vkey }
  return { vkey, rotations: await readGivenRotations(rotations, ed25519Verifier(vkey).name) }
}

async function readGivenRotations(path: string, origin: string): Promise<string[]> {
  const bytes = await named(path, async () => readRotations(path))
  if (bytes === undefined) throw new Unreadable(`${path} could not be read: it is no file or folder of rotations`)
  try {
    return givenRotations(bytes, origin)
  } catch (error) {
    throw error instanceof ProofError ? new ProofError(error.code, `${path}: ${error.message}`, error.place) : error
  }
}

/** What to do where the head is signed by another key of the log than the given one, which may have been followed. */
function hintOf(report: Report, trust: Trust | undefined): string {
  if (trust === undefined || !mayHaveFollowed(report, trust)) return ''
  return trust.rotations === undefined
    ? "the given key may have handed over to the one that signed: give the log's signed statements of that with --rotations FILE (GET /v1/ledgers/LEDGER/keys, 'stele key list --rotations', or an export's folder rotations)"
    : 'the rotations that were given may be older than this: get them again'
}

/** That ML-DSA is new in Node's WebCrypto says nothing of what is verified; every other warning is printed as ever. */
function leaveOutMldsaWarning(): void {
  for (const print of process.listeners('warning')) {
    process.off('warning', print)
    process.on('warning', (warning) => {
      const isExpected = warning.name === 'ExperimentalWarning' && warning.message.includes('ML-DSA-44')
      if (!isExpected) print(warning)
    })
  }
}

leaveOutMldsaWarning()
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof Usage || error instanceof ProofError
  process.stderr.write(`stele-verify: ${printable(error instanceof Error ? error.message : String(error))}\n`)
  if (error instanceof Usage) process.stderr.write(USAGE)
  process.exitCode = isUsage ? 2 : 3
}
