// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { dirname } from 'node:path'

import { equalBytes, parsePolicy, sha256, verifyReceipt } from '@stele/proof'
import type { MediaType, Trust } from '@stele/proof'
import type { LedgerHead } from '@stele/sdk'

import { replaceFile } from '../platform/disk.ts'
import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, jsonOption, ledgerOption, serverOptions } from './connect.ts'
import { clipped, count, jsonLine, printable, shellQuoted, shellWord, wrapped } from './display.ts'
import { type Environment, pathOf } from './environment.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'
import { sentenceOf } from './search/hit-words.ts'

const MAX_SENTENCE_CHARS = 120
const DEFAULT_WAIT_SECONDS = 30
const MAX_WAIT_SECONDS = 60
const NOTHING_WRITTEN = 'Nothing was written'
const extensions: Readonly<Record<MediaType, string>> = {
  'application/json': 'json',
  'text/plain': 'txt',
  'application/octet-stream': 'bin',
}

export const prove = defineCommand({
  name: 'prove',
  summary: 'Writes the proof that an event is in a ledger',
  description:
    "The proof (C2SP tlog-proof) and the event's bytes are all that somebody else needs, beside a key that came another way: 'stele verify EVENT PROOF --key KEY' works without a server. Both are checked before they are written. Where the ledger's key was rotated, LEDGER-INDEX.rotations is written beside them, for whoever has an old key.\nWith a token that may read, the proof is a receipt: it carries the entry and the salt, which 'stele verify' needs. With one that may only verify, it is the bare proof, and no event is written.",
  operands: 'INDEX',
  options: {
    out: { type: 'string', value: 'FILE', help: 'where the proof is written; else LEDGER-INDEX.tlog-proof' },
    event: {
      type: 'string',
      value: 'FILE',
      help: "where the event's bytes are written; else LEDGER-INDEX.json, .txt or .bin",
    },
    page: {
      type: 'string',
      value: 'FILE',
      help: 'also write the verifier page: one HTML file that checks both in a browser, without a network',
    },
    witnessed: {
      type: 'boolean',
      help: "has the proof lead up to a head that the server's witnesses have cosigned, and waits for that: 'stele verify EVENT PROOF --policy FILE' then needs no word of the server",
    },
    wait: {
      type: 'string',
      value: 'SECONDS',
      help: `with --witnessed: for how long; else ${DEFAULT_WAIT_SECONDS}, at most ${MAX_WAIT_SECONDS}`,
    },
    ...ledgerOption,
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele prove 1203 --witnessed', does: 'writes a proof that witnesses vouch for' },
    { command: 'stele prove 1203', does: 'writes main-1203.tlog-proof and main-1203.json' },
    {
      command: 'stele prove 17 --ledger payments --out proof.txt --event event.json',
      does: 'writes them under these names',
    },
    {
      command: 'stele prove 1203 --page verify.html',
      does: 'writes the page, too, for whoever has a browser and nothing else',
    },
  ],
  run: async ({ options, operands }, environment) => {
    const { ledger = DEFAULT_LEDGER } = options
    const index = indexOf(operands)
    const connection = await connect(options, environment)
    const words = { safe: NOTHING_WRITTEN }
    const { vkeys } = await connection.call(words, (client) => client.ledger(ledger))
    const [vkey = ''] = vkeys
    const witnessed = options.witnessed === true
    const asked = witnessed ? { witnessed, waitSeconds: waitOf(options.wait) } : {}
    const proof = await connection.call(words, (client) => client.receipt(ledger, index, asked))
    const out = options.out ?? `${ledger}-${index}.tlog-proof`
    const { rotations } = await connection.call(words, (client) => client.keys(ledger))
    const rotationsFile = rotations.length === 0 ? undefined : `${out.replace(/\.tlog-proof$/, '')}.rotations`
    let eventFile: string | undefined
    let sentence = ''
    if (proof.event !== undefined) {
      sentence = sentenceOf(proof.event)
      const { event, entry } = proof.event
      const trust = witnessed
        ? parsePolicy(await connection.call(words, (client) => client.witnessPolicy()))
        : { vkey, pinned: false }
      await demandSigned(event, proof.text, trust)
      eventFile = options.event ?? `${ledger}-${index}.${extensions[entry.media]}`
      const beside = [options.page, rotationsFile].filter((name) => name !== undefined)
      demandApart([out, eventFile, ...beside], environment)
      await write(eventFile, event, environment)
    } else if (options.event !== undefined || options.page !== undefined) {
      throw new Failure(
        2,
        'this token may not read events',
        NOTHING_WRITTEN,
        'Leave out --event and --page, or use a token with the scope read',
      )
    }
    await write(out, Buffer.from(proof.text), environment)
    if (rotationsFile !== undefined) await write(rotationsFile, Buffer.from(rotations.join('')), environment)
    const page = options.page === undefined ? undefined : await writePage(options.page, environment)

    const { origin, size, root } = proof.head
    const next =
      eventFile === undefined
        ? undefined
        : `stele verify ${shellWord(eventFile)} ${shellWord(out)} ${witnessed ? '--policy policy.txt' : `--key ${shellQuoted(vkey)}`}`
    if (options.json === true) {
      const hex = Buffer.from(root).toString('base64')
      await environment.stdout.write(
        jsonLine({
          ledger,
          index,
          origin,
          size,
          root: hex,
          vkeys,
          out,
          ...(eventFile === undefined ? {} : { event: eventFile }),
          ...(rotationsFile === undefined ? {} : { rotations: rotationsFile }),
          ...(page === undefined ? {} : { page: page.file, pageSha256: page.sha256 }),
          ...(proof.witnessed === undefined ? {} : { witnessed: headJson(proof.witnessed) }),
          ...(next === undefined ? {} : { next }),
        }),
      )
      return 0
    }
    const { witnessed: witnessedHead } = proof
    const where = page === undefined ? 'that --page FILE writes' : 'in their browser'
    const means = witnessed
      ? `Give both files to whoever asks. The policy is what 'stele witness policy' prints, its keys compared with what the witnesses publish. They drop all three on the page ${where}, or type:`
      : `Give both files to whoever asks, and tell them the key some other way. They drop both on the page ${where}, or type:`
    const lines = [
      `${printable(out)} proves that entry ${index} is one of the ${count(size)} of ${printable(origin)}.`,
      ...(witnessedHead === undefined
        ? []
        : [
            `That is vouched for by the head of size ${count(witnessedHead.size)} of ${printable(witnessedHead.origin)}, which witnesses have cosigned.`,
          ]),
      ...(eventFile === undefined
        ? ['It is a bare proof: the event and its salt take a token that may read.']
        : [`${printable(eventFile)} is the event, byte for byte: ${clipped(printable(sentence), MAX_SENTENCE_CHARS)}`]),
      ...(page === undefined
        ? []
        : [`${printable(page.file)} is the page that verifies them in a browser. Its SHA-256: ${page.sha256}`]),
      ...(rotationsFile === undefined
        ? []
        : wrapped(rotationsWords(rotationsFile, rotations.length), environment.stdout.columns)),
      ...(next === undefined ? [] : ['', ...wrapped(means, environment.stdout.columns), '', `  ${next}`]),
    ]
    await environment.stdout.write(`${lines.join('\n')}\n`)
    return 0
  },
})

function waitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_WAIT_SECONDS
  const seconds = /^[0-9]{1,2}$/.test(text) ? Number(text) : MAX_WAIT_SECONDS + 1
  if (seconds <= MAX_WAIT_SECONDS) return seconds
  throw usageFailure(`--wait ${printable(text)} is not a number of seconds up to ${MAX_WAIT_SECONDS}`, 'Write it as 30')
}

function rotationsWords(file: string, rotationCount: number): string {
  const followed =
    rotationCount === 1
      ? 'The key was followed by another once'
      : `The key was followed by others ${count(rotationCount)} times`
  return `${followed}: ${printable(file)} holds what the old ones signed of that. Whoever has an old key gives that key and --rotations ${shellWord(file)}.`
}

function headJson({ origin, size, root }: LedgerHead): object {
  return { origin, size, root: Buffer.from(root).toString('base64') }
}

function indexOf(operands: readonly string[]): number {
  const [text, surplus] = operands
  if (text === undefined) throw usageFailure('prove needs the INDEX of an event', 'As in: stele prove 1203')
  if (surplus !== undefined) throw usageFailure('prove takes one INDEX', `Leave out ${printable(surplus)}`)
  if (!/^\d{1,15}$/.test(text))
    throw usageFailure(`${printable(text)} is not an index`, 'Give a number: the first event is 0')
  return Number(text)
}

/** What is handed on as a proof must be one under the key, or the policy, that the reader is told of. */
async function demandSigned(event: Uint8Array, receipt: string, trust: Trust): Promise<void> {
  const { verdict, checks } = await verifyReceipt(event, receipt, trust)
  if (verdict !== 'invalid') return
  const failed = checks.find(({ ok }) => ok === false)
  const what = failed === undefined ? 'the proof does not hold' : `${failed.what}: ${printable(failed.detail)}`
  if ('quorum' in trust) {
    // The policy was read after the proof: a key, a witness or the quorum may be another by then.
    throw new Failure(
      3,
      `the server gave a proof that does not hold under its own policy (${what})`,
      NOTHING_WRITTEN,
      "If keys, witnesses or the quorum were changed just now ('stele key list', 'stele witness list'), run it again; else run stele verify against that server",
    )
  }
  throw new Failure(
    3,
    `the server gave a proof that does not hold (${what})`,
    NOTHING_WRITTEN,
    'Run stele verify against that server',
  )
}

function demandApart(names: readonly string[], environment: Environment): void {
  if (new Set(names.map((name) => pathOf(environment, name))).size === names.length) return
  throw usageFailure('two of the files to write have the same name', 'Give them different names')
}

/** Writes the page of this program, whatever the server hands out; its SHA-256 is what its sources make. */
async function writePage(file: string, environment: Environment): Promise<{ file: string; sha256: string }> {
  const bytes = await environment.verifierPage()
  await write(file, bytes, environment)
  return { file, sha256: Buffer.from(sha256(bytes)).toString('hex') }
}

async function write(name: string, bytes: Uint8Array, environment: Environment): Promise<void> {
  const path = pathOf(environment, name)
  try {
    const held = await environment.disk.readFile(path)
    if (held !== undefined && equalBytes(held, bytes)) return
    await environment.disk.makeDirectory(dirname(path), 0o755)
    await replaceFile(environment.disk, path, bytes, 0o644)
  } catch (error) {
    throw fileFailure(error, name, 'written', '')
  }
}
