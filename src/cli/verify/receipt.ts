// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify EVENT PROOF`: one event with its receipt, offline.

import { parseVkey, ProofError, toBase64 } from '@stele/proof'

import { isProof, NoKeyError, type ReceiptVerdict, standingOf, verifyEvent } from '../../evidence/verify-receipt.ts'
import type { ExitCode } from '../command.ts'
import { count, jsonLine, printable, shellWord, wrapped } from '../display.ts'
import type { Environment } from '../environment.ts'
import { Failure, usageFailure } from '../failure.ts'
import { readNamed, type VerifyOptions } from './options.ts'

export async function verifyReceiptCommand(
  [eventName, proofName, surplus]: readonly string[],
  { vkey, policy, isJson, knownLogs }: VerifyOptions,
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
  const trust = { ...(vkey === undefined ? {} : { vkey }), ...(policy === undefined ? {} : { policy }) }
  const verdict = await verifyEvent({ event, proof, knownLogs, ...trust }).catch((error: unknown) => {
    throw trustFailure(error)
  })
  const { stdout } = environment
  const text = isJson ? jsonLine(receiptJson(verdict)) : receiptText(eventName, verdict, stdout.columns)
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

function receiptJson({ verdict, report, trust, retired, contradiction, evidence }: ReceiptVerdict): object {
  const { root, checks, ...rest } = report
  return {
    ...rest,
    verdict,
    trust,
    key: standingOf(trust),
    ...(root === undefined ? {} : { root: toBase64(root) }),
    ...(retired === undefined ? {} : { retired }),
    ...(contradiction === undefined ? {} : { contradiction }),
    ...(evidence === undefined ? {} : { evidence }),
    checks,
  }
}

function receiptText(eventName: string, verdict: ReceiptVerdict, columns: number): string {
  const lines = words(eventName, verdict).flatMap((paragraph) => [...wrapped(paragraph, columns), ''])
  for (const { what, ok, detail } of verdict.report.checks) {
    const mark = ok === true ? 'holds' : ok === false ? 'FAILS' : 'not checked'
    lines.push(`  ${mark.padEnd(11)}  ${what}: ${detail}`)
  }
  return `${lines.map(printable).join('\n')}\n`
}

function words(
  eventName: string,
  { verdict, report, trust, retired, contradiction, evidence }: ReceiptVerdict,
): string[] {
  if (verdict === 'invalid') {
    const kept = evidence === undefined ? '' : ` Both are kept in ${evidence}: show them to whoever relies on the log.`
    if (contradiction !== undefined) return [`Do not rely on this: ${contradiction}.${kept}`]
    const failed = report.checks.find(({ ok }) => ok === false)
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
    return [`${what} ${signers[trust]}`, vouchers.join(' ')]
  }
  return [
    `${eventName} and its proof are self-consistent: as far as they go, ${what}`,
    'The key is not pinned: it is the one that this command saw first, and whether it is the key of the log that you ' +
      'mean is not shown. Get it from somebody else, and give it with --key.',
  ]
}

const signers: Readonly<Record<ReceiptVerdict['trust'], string>> = {
  key: 'It is signed by the key that you gave.',
  policy: 'It is signed as your policy demands.',
  'pinned before': 'It is signed by the key that was pinned for this log before.',
  'seen before': 'It is signed by a key that is not pinned.',
}
