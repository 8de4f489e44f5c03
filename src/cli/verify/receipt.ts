// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify EVENT PROOF`: one event with its receipt, offline.

import { parseVkey, ProofError, type Report, toBase64 } from '@stele/proof'
import { mayHaveFollowed } from '@stele/proof/folder'

import { isProof, NoKeyError, type ReceiptVerdict, standingOf, verifyEvent } from '../../evidence/verify-receipt.ts'
import type { ExitCode } from '../command.ts'
import { count, jsonLine, printable, shellWord, wrapped } from '../display.ts'
import type { Environment } from '../environment.ts'
import { Failure, usageFailure } from '../failure.ts'
import { keyWords } from './led-words.ts'
import { givenRotationsOf, readNamed, type VerifyOptions } from './options.ts'

export async function verifyReceiptCommand(
  [eventName, proofName, surplus]: readonly string[],
  { vkey, policy, rotations, isJson, knownLogs }: VerifyOptions,
  environment: Environment,
): Promise<ExitCode> {
  if (eventName === undefined || proofName === undefined || surplus !== undefined) {
    throw usageFailure(
      'verify takes an EVENT and its PROOF',
      'As in: stele verify event.json event.tlog-proof --key KEY',
    )
  }
  const event = await readNamed(eventName, environment)
  const proof = await readNamed(proofName, environment)
  if (isProof(event) && !isProof(proof)) {
    throw usageFailure(
      `${printable(eventName)} is a proof, and ${printable(proofName)} is none: they stand the wrong way round`,
      `Type: stele verify ${shellWord(proofName)} ${shellWord(eventName)}`,
    )
  }
  const trust = {
    ...(vkey === undefined ? {} : { vkey }),
    ...(policy === undefined ? {} : { policy }),
    ...(rotations === undefined
      ? {}
      : { rotations: (origin: string) => givenRotationsOf(rotations, origin, environment) }),
  }
  const verdict = await verifyEvent({ event, proof, knownLogs, ...trust }).catch((error: unknown) => {
    throw trustFailure(error)
  })
  const { stdout } = environment
  const hint = hintOf(verdict.report, vkey, verdict.trust, rotations !== undefined)
  const text = isJson ? jsonLine(receiptJson(verdict)) : receiptText(eventName, verdict, hint, stdout.columns)
  await stdout.write(text)
  return verdict.verdict === 'invalid' ? 1 : 0
}

function trustFailure(error: unknown): unknown {
  if (error instanceof NoKeyError) {
    return new Failure(
      2,
      `no key of ${printable(error.origin)} is known here, so anybody can have written this proof`,
      'The event and the proof fit each other, which shows nothing by itself',
      'Get the key from somebody else than whoever gave you the proof, and give it with --key or --policy',
    )
  }
  if (error instanceof ProofError) return usageFailure(`--key cannot be used: ${error.message}`, 'Give another key')
  return error
}

function receiptJson({ verdict, report, trust, followedAt, retired, contradiction, evidence }: ReceiptVerdict): object {
  const { root, checks, ...rest } = report
  return {
    ...rest,
    verdict,
    trust,
    key: standingOf(trust),
    ...(root === undefined ? {} : { root: toBase64(root) }),
    ...(followedAt.length === 0 ? {} : { followedAt }),
    ...(retired === undefined ? {} : { retired }),
    ...(contradiction === undefined ? {} : { contradiction }),
    ...(evidence === undefined ? {} : { evidence }),
    checks,
  }
}

function receiptText(eventName: string, verdict: ReceiptVerdict, hint: string, columns: number): string {
  const lines = words(eventName, verdict, hint).flatMap((paragraph) => [...wrapped(paragraph, columns), ''])
  for (const { what, ok, detail } of verdict.report.checks) {
    const mark = ok === true ? 'holds' : ok === false ? 'FAILS' : 'not checked'
    lines.push(`  ${mark.padEnd(11)}  ${what}: ${detail}`)
  }
  return `${lines.map(printable).join('\n')}\n`
}

function words(
  eventName: string,
  { verdict, report, trust, followedAt, retired, contradiction, evidence }: ReceiptVerdict,
  hint: string,
): string[] {
  if (verdict === 'invalid') {
    const kept = evidence === undefined ? '' : ` Both are kept in ${evidence}: show them to whoever relies on the log.`
    if (contradiction !== undefined) return [`Do not rely on this: ${contradiction}.${kept}`]
    const failed = report.checks.find(({ ok }) => ok === false)
    const missing = `No key that you trust vouches for this proof of ${eventName}: ${failed?.detail}.`
    if (failed?.code === 'signature-missing') return hint === '' ? [missing] : [missing, hint]
    return [`This proof does not hold for ${eventName}: ${failed?.detail ?? 'a check failed'}.`]
  }
  const { origin = '', index = 0, size = 0, entry } = report
  const source =
    entry === undefined ? '' : `, received at ${entry.at} from ${entry.source} by the credential ${entry.by}`
  const what = `${eventName} is byte for byte what ${origin} recorded as entry ${count(index)} of ${count(size)}${source}.`
  if (retired !== undefined) {
    const { name } = parseVkey(retired.vkey)
    const log = name === origin ? 'the log' : name
    return [
      `${eventName} and its proof are self-consistent: as far as they go, ${what}`,
      `It is signed by a key that was retired when ${log} had ${count(retired.size)} entries. Whoever has that key can ` +
        'sign such heads still, and that this one is the beginning of the log is not shown. Get a new proof of the entry.',
    ]
  }
  if (verdict === 'valid') {
    // The first sentence is `what` again; the others name who vouches, the witnesses with their times, and the gaps.
    const [, ...vouchers] = report.summary
    return [`${what} ${signedBy(trust, followedAt)}`, vouchers.join(' ')]
  }
  return [
    `${eventName} and its proof are self-consistent: as far as they go, ${what}`,
    'The key is not pinned: it is the one that this command saw first, and whether it is the key of the log that you ' +
      'mean is not shown. Get it from somebody else, and give it with --key.',
  ]
}

function signedBy(trust: ReceiptVerdict['trust'], followedAt: readonly number[]): string {
  if (trust === 'policy') return 'It is signed as your policy demands.'
  return `It is signed by ${keyWords(TRUSTED[trust], 'a later key', followedAt)}.`
}

const TRUSTED: Readonly<Record<Exclude<ReceiptVerdict['trust'], 'policy'>, string>> = {
  key: 'the key that you gave',
  'pinned before': 'the key that was pinned for this log before',
  'seen before': 'a key that is not pinned',
}

/** What to do where the key that signed may be one that followed the trusted one; empty where that cannot be. */
function hintOf(
  report: Report,
  vkey: string | undefined,
  trust: ReceiptVerdict['trust'],
  hasRotations: boolean,
): string {
  if (trust === 'policy' || (vkey !== undefined && !mayHaveFollowed(report, { vkey }))) return ''
  if (hasRotations)
    return 'The rotations that you gave lead to no key that signed it: they may be older than this proof. Get them again.'
  return (
    'It is signed by a key that the given one may have handed over to. If so, the log has signed statements of that, which ' +
    "anybody may hand you: give them with --rotations FILE. 'stele key list --rotations' prints them, " +
    'GET /v1/ledgers/LEDGER/keys answers them, and an export has them in its folder rotations.'
  )
}
