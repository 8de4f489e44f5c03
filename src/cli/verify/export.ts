// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify FILE FILE.summary`: the export of a result with its signed summary, offline.

import { isExportSummary, MAX_NOTE_BYTES, ProofError, toBase64 } from '@stele/proof'

import { type ExportVerdict, verifyExport } from '../../evidence/verify-export.ts'
import { NoKeyError } from '../../evidence/verify-receipt.ts'
import type { DiskFile } from '../../platform/disk.ts'
import type { ExitCode } from '../command.ts'
import { count, counted, entries, jsonLine, printable, shellWord, wrapped } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure, usageFailure } from '../failure.ts'
import { givenRotationsOf, NOTHING_SHOWN, readNamed, type VerifyOptions } from './options.ts'

const CHUNK_BYTES = 1024 * 1024

/** Whether the second of two files is the summary of an export; the other way round is told. */
export async function isExport(names: readonly string[], environment: Environment): Promise<boolean> {
  const [first, second, ...more] = names
  if (first === undefined || second === undefined || more.length > 0) return false
  if (await isSummary(second, environment)) return true
  if (!(await isSummary(first, environment))) return false
  throw usageFailure(
    `${printable(first)} is the summary of an export: they stand the wrong way round`,
    `Type: stele verify ${shellWord(second)} ${shellWord(first)}`,
  )
}

async function isSummary(name: string, environment: Environment): Promise<boolean> {
  const bytes = await environment.disk.regularBytes(pathOf(environment, name))
  return bytes !== undefined && bytes <= MAX_NOTE_BYTES && isExportSummary(await readNamed(name, environment))
}

export async function verifyExportCommand(
  [fileName = '', summaryName = '']: readonly string[],
  { vkey, policy, rotations: file, isJson, knownLogs }: VerifyOptions,
  environment: Environment,
): Promise<ExitCode> {
  if (policy !== undefined) throw usageFailure('the summary of an export is signed by its ledger alone', 'Give --key')
  const note = await readNamed(summaryName, environment)
  const rotations = (origin: string) => (file === undefined ? [] : givenRotationsOf(file, origin, environment))
  const exported = await open(fileName, environment)
  try {
    const verdict = await verifyExport({ chunks: chunksOf(exported), note, vkey, rotations, knownLogs })
    const { stdout } = environment
    await stdout.write(isJson ? jsonLine(verdictJson(verdict)) : verdictText(fileName, verdict, stdout.columns))
    return verdict.verdict === 'invalid' ? 1 : 0
  } catch (error) {
    throw trustFailure(error)
  } finally {
    await exported.close()
  }
}

async function open(name: string, environment: Environment): Promise<DiskFile> {
  try {
    return await environment.disk.open(pathOf(environment, name), 'read')
  } catch (error) {
    throw fileFailure(error, name, 'read', NOTHING_SHOWN)
  }
}

async function* chunksOf(file: DiskFile): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES)
  for (let position = 0; ;) {
    const got = await file.read(chunk, position)
    if (got === 0) return
    yield chunk.subarray(0, got)
    position += got
  }
}

function trustFailure(error: unknown): unknown {
  if (error instanceof NoKeyError) {
    return new Failure(
      2,
      `no key of ${printable(error.origin)} is known here, so anybody can have written this summary`,
      NOTHING_SHOWN,
      'Get the key from somebody else than whoever gave you the export, and give it with --key',
    )
  }
  if (error instanceof ProofError) return usageFailure(`--key cannot be used: ${error.message}`, 'Give another key')
  return error
}

function verdictJson({ verdict, summary, checks, trust, retired }: ExportVerdict): object {
  const said =
    summary === undefined
      ? {}
      : { summary: { ...summary, root: toBase64(summary.root), sha256: toBase64(summary.sha256) } }
  return { verdict, trust, ...said, ...(retired === undefined ? {} : { retired }), checks }
}

function verdictText(name: string, verdict: ExportVerdict, columns: number): string {
  const lines = sentences(name, verdict).flatMap((sentence) => [...wrapped(sentence, columns), ''])
  for (const { what, ok, detail } of verdict.checks) {
    const mark = ok === true ? 'holds' : ok === false ? 'FAILS' : 'not checked'
    lines.push(`  ${mark.padEnd(11)}  ${what}: ${detail}`)
  }
  return `${lines.map(printable).join('\n')}\n`
}

function sentences(name: string, { verdict, summary, checks, trust, retired }: ExportVerdict): string[] {
  if (verdict === 'invalid' || summary === undefined) {
    const failed = checks.find(({ ok }) => ok === false)
    return [`Do not rely on this: ${failed?.what}: ${failed?.detail}.`]
  }
  const { origin, count: found, query, since, until, size, entries: there, asked, leftOut } = summary
  const range = `${since === undefined ? '' : ` from ${since} on`}${until === undefined ? '' : ` before ${until}`}`
  const what = query === '' ? 'all events' : `the query ${query}`
  const left = leftOut === 0 ? '' : ` ${counted(leftOut, 'hit')} of its index had to be left out.`
  const rest = there > size ? ` ${entries(there - size)} behind these were not searched.` : ''
  const told = `${name} is what ${origin} gave on ${asked} for ${what}${range}: ${counted(found, 'event')} of its first ${count(size)} entries.${rest}${left}`
  const limit = 'That no other event matches is not shown: for that, search an export or a copy of the whole ledger.'
  if (retired !== undefined) {
    return [
      told,
      `The key that signed it was retired at ${count(retired.size)} entries; whoever has it can sign still.`,
      limit,
    ]
  }
  if (trust === 'seen before') {
    return [
      told,
      'The key is not pinned: it is the one that this command saw first. Give the right one with --key.',
      limit,
    ]
  }
  return [told, limit]
}
