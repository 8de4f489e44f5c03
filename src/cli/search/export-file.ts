// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele search --export FILE`: writes what comes beside its place, and gives it its name once all of it is there, the
// ledger's signed summary is of exactly these bytes, and both are durable. What breaks off leaves no file.

import { createHash } from 'node:crypto'
import { dirname } from 'node:path'

import { type CheckedSummary, EVERY_LEDGER, type SteleClient, SteleError } from '@stele/sdk'

import { keyChain } from '../../evidence/key-chain.ts'
import { KnownLogFault, KnownLogs } from '../../evidence/known-logs.ts'
import { replaceFile } from '../../platform/disk.ts'
import { tryLock } from '../../platform/lock.ts'
import { randomBase32 } from '../../platform/random.ts'
import { Progress } from '../append/progress.ts'
import type { ExitCode } from '../command.ts'
import type { Connection } from '../connect.ts'
import { bytesText, count, counted, entries, printable, shellQuoted, shellWord, wrapped } from '../display.ts'
import { type Environment, pathOf, stateDirectory } from '../environment.ts'
import { Failure, fileFailure, usageFailure } from '../failure.ts'
import { searchFailure } from './asking.ts'
import { leftOutText } from './foot.ts'
import { RowCount } from './row-count.ts'

const NAME_CHARS = 24
const FILE_MODE = 0o600
const SAFE = 'No file was kept, so that a part is not taken for the whole'
const AGAIN = 'Run the same command again'

export interface ExportAsked {
  readonly ledger: string
  readonly q: string
  readonly since: string | undefined
  readonly until: string | undefined
  readonly format: string | undefined
  readonly receipts: boolean
}

export async function exportToFile(
  file: string,
  asked: ExportAsked,
  connection: Connection,
  environment: Environment,
): Promise<ExitCode> {
  const { disk, stdout, stderr } = environment
  const { ledger, q } = asked
  if (ledger === EVERY_LEDGER) throw usageFailure('an export is of one ledger', 'Name it with --ledger')
  if (file === '-') {
    throw usageFailure('an export is a file and its summary', 'Name a file; --json writes hits to standard output')
  }
  const format = formatOf(asked.format, file)
  if (asked.receipts && format === 'csv') throw usageFailure('--receipts stand in NDJSON only', 'Add --format ndjson')
  const path = pathOf(environment, file)
  for (const [name, taken] of [[file, path] as const, [`${file}.summary`, `${path}.summary`] as const]) {
    if ((await disk.regularBytes(taken)) === undefined) continue
    throw usageFailure(`${printable(name)} is there already`, 'Name another file, or move that one away')
  }
  const partial = `${path}.partial`
  try {
    const { client } = connection
    const [vkey = ''] = (await client.ledger(ledger, { signal: environment.interrupted })).vkeys
    const name = randomBase32(environment.random, NAME_CHARS)
    const received = await download(client, { ...asked, format, name }, partial, environment)
    const summary = await client.exportSummary(ledger, { name, q, format, vkey, ...received })
    await demandKnownKey(client, ledger, summary, vkey, environment)
    await replaceFile(disk, `${path}.summary`, Buffer.from(summary.note), 0o644)
    await disk.rename(partial, path)
    await disk.syncDirectory(dirname(path))
    await stdout.write(doneText(file, asked, summary, vkey, stdout.columns))
    if (summary.leftOut > 0) await stderr.write(leftOutText(summary.leftOut))
    return summary.count > 0 ? 0 : 1
  } catch (error) {
    await disk.remove(partial).catch(() => {})
    throw failureOf(error, file, q, connection, environment)
  }
}

function formatOf(text: string | undefined, file: string): 'ndjson' | 'csv' {
  if (text === undefined) return file.toLowerCase().endsWith('.csv') ? 'csv' : 'ndjson'
  if (text === 'ndjson' || text === 'csv') return text
  throw usageFailure(`--format ${printable(text)} is none`, 'Write --format ndjson or --format csv')
}

type Download = ExportAsked & { readonly format: 'ndjson' | 'csv'; readonly name: string }

/** Writes what comes into the file, durably. */
async function download(
  client: SteleClient,
  { ledger, q, since, until, format, receipts, name }: Download,
  partial: string,
  { disk, clock, stderr, interrupted: signal }: Environment,
): Promise<{ readonly bytes: number; readonly sha256: Uint8Array }> {
  const digest = createHash('sha256')
  const rows = new RowCount(format)
  let bytes = 0
  const progress = new Progress(stderr, clock, () => ({ events: rows.count, readBytes: bytes, totalBytes: undefined }))
  await disk.remove(partial)
  const file = await disk.open(partial, 'create', FILE_MODE)
  try {
    const range = { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
    for await (const chunk of client.exportResult(ledger, { q, ...range, format, receipts, name, signal })) {
      await file.write(chunk, bytes)
      digest.update(chunk)
      rows.add(chunk)
      bytes += chunk.length
    }
    await file.datasync()
  } catch (error) {
    throw await reasonOf(error, async () => await client.exportSummary(ledger, { ...nothing, name, q, format }))
  } finally {
    await progress.end()
    await file.close()
  }
  return { bytes, sha256: digest.digest() }
}

const nothing = { bytes: 0, sha256: new Uint8Array(0), vkey: '' }

/** Why a stream broke off, which only the server knows: asked for where its summary would be. */
async function reasonOf(error: unknown, ask: () => Promise<unknown>): Promise<unknown> {
  if (!(error instanceof SteleError) || error.failure !== 'interrupted') return error
  try {
    await ask()
  } catch (told) {
    if (told instanceof SteleError && told.status === 404) return new SteleError('interrupted', told.message)
  }
  return error
}

/** A log whose key is remembered must have that one, or one to which its rotations lead. */
async function demandKnownKey(
  client: SteleClient,
  ledger: string,
  { origin }: CheckedSummary,
  vkey: string,
  environment: Environment,
): Promise<void> {
  const knownLogs = new KnownLogs(environment.disk, environment.clock, tryLock, stateDirectory(environment))
  const known = await knownLogs.find(origin)
  if (known === undefined || known.vkey === vkey) return
  const { objection } = await keyChain(knownLogs, known, vkey, (await client.keys(ledger)).rotations)
  if (objection !== undefined) throw new KnownLogFault(objection)
}

function failureOf(
  error: unknown,
  file: string,
  q: string,
  { url, hasToken }: Connection,
  { interrupted }: Environment,
): unknown {
  if (interrupted.aborted) return new Failure(3, 'the export was interrupted, and is incomplete', SAFE, AGAIN)
  if (error instanceof KnownLogFault) return new Failure(1, printable(error.message), SAFE)
  if (error instanceof SteleError) {
    if (error.failure !== 'interrupted') return searchFailure(error, q, { url, hasToken, safe: SAFE })
    return new Failure(3, `the export is incomplete: ${printable(error.message)}`, SAFE, AGAIN)
  }
  if (error instanceof Error && 'syscall' in error) return fileFailure(error, file, 'written', SAFE)
  return error
}

function doneText(
  file: string,
  { ledger, q }: ExportAsked,
  { count: found, first, last, bytes, size, entries: there }: CheckedSummary,
  vkey: string,
  columns: number,
): string {
  const which = first === undefined || last === undefined ? '' : `, numbers ${count(first)} to ${count(last)}`
  const asked = q === '' ? '' : ` that ${printable(q)} finds`
  const rest =
    there > size ? ` The ${entries(there - size)} behind these were not searched: they are not indexed yet.` : ''
  const sentences = [
    `${printable(file)} holds ${counted(found, 'event')}${which}, of the ledger ${ledger}${asked} in its first ${entries(size)}, ${bytesText(bytes)}.${rest}`,
    `${printable(file)}.summary is signed by the ledger: what was asked, and the SHA-256 of what was given. That no other event matches is not shown by it.`,
  ]
  const lines = sentences.flatMap((sentence) => wrapped(sentence, columns))
  const command = `stele verify ${shellWord(file)} ${shellWord(`${file}.summary`)} --key ${shellQuoted(vkey)}`
  return `${[...lines, '', 'Whoever gets both checks them, with a key that they got another way, by:', '', `  ${command}`].join('\n')}\n`
}
