#!/usr/bin/env node
// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele-verify EVENT RECEIPT --key VKEY | --policy FILE`: the verifier alone, for whoever has no Stele. Opens the files
// that it is given and nothing else.

import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'

import { parsePolicy, ProofError, verifyReceipt, type Report, type Trust } from '../src/index.ts'

const USAGE = `Usage: stele-verify EVENT RECEIPT --key VKEY|FILE | --policy FILE [--json]

Verifies offline that EVENT is byte for byte what a Stele log recorded, by RECEIPT (a .tlog-proof file).

  --key      the log's key, or a file that holds it; get it from somebody else than who gave you the receipt
  --policy   a C2SP tlog-policy: the logs, and the witnesses that must have cosigned
  --json     print the report as JSON

Exit code: 0 valid, 1 not shown to be valid, 2 wrong usage, 3 a file could not be read.
`

const OPTIONS = {
  key: { type: 'string' },
  policy: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

class Usage extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args)
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const [eventPath, receiptPath, ...rest] = positionals
  if (eventPath === undefined || receiptPath === undefined || rest.length > 0) throw new Usage('two files are expected')
  const trust = await readTrust(values.key, values.policy)
  const report = await verifyReceipt(await readFile(eventPath), await readFile(receiptPath), trust)
  process.stdout.write(values.json === true ? `${JSON.stringify(report, bytesAsHex)}\n` : describe(report))
  return report.verdict === 'valid' ? 0 : 1
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error))
  }
}

async function readTrust(key: string | undefined, policy: string | undefined): Promise<Trust | undefined> {
  if (key !== undefined && policy !== undefined) throw new Usage('give --key or --policy, not both')
  if (policy !== undefined) return parsePolicy(await readFile(policy))
  if (key === undefined) return undefined
  return { vkey: key.includes('+') ? key : (await readFile(key, 'utf8')).trimEnd() }
}

function describe({ verdict, checks, origin, index, time }: Report): string {
  const words = { true: 'ok  ', false: 'BAD ', 'not checked': '-   ' }
  const lines = checks.map(({ what, ok, detail }) => `${words[`${ok}`]} ${what}: ${detail}`)
  const place = verdict === 'invalid' ? '' : ` (number ${index} of ${origin}, recorded ${time})`
  return [...lines, `${verdict}${place}`, ''].join('\n')
}

function bytesAsHex(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof Usage || error instanceof ProofError
  process.stderr.write(`stele-verify: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof Usage) process.stderr.write(USAGE)
  process.exitCode = isUsage ? 2 : 3
}
