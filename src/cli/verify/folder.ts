// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify FOLDER`: an export, a mirror, or the folder of any log that keeps to tlog-tiles, offline.

import { ProofError } from '@stele/proof'
import { type FolderFinding, NoLogError } from '@stele/proof/folder'

import { findingsText, objectionWords } from '../../evidence/directory-words.ts'
import type { Finding } from '../../evidence/finding.ts'
import { UnlistedLogError, type VerifiedFolder, verifyFolder } from '../../evidence/verify-folder.ts'
import { cpuCount } from '../../platform/workers.ts'
import { Progress } from '../append/progress.ts'
import type { ExitCode } from '../command.ts'
import { bytesText, count, counted, entries, jsonLine, printable, shellWord, witnessTime, wrapped } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure, usageFailure } from '../failure.ts'
import { keyWords } from './led-words.ts'
import { givenRotationsOf, NOTHING_SHOWN, type VerifyOptions } from './options.ts'

export async function verifyFolderCommand(
  name: string,
  options: VerifyOptions,
  environment: Environment,
): Promise<ExitCode> {
  const { vkey, policy, rotations, isJson, knownLogs } = options
  const folder = pathOf(environment, name)
  const { clock, disk, stdout, stderr, interrupted } = environment
  if ((await disk.regularBytes(folder)) !== undefined) {
    const what = `${printable(name)} is a file, and an event is verified with its proof`
    throw usageFailure(what, `As in: stele verify ${shellWord(name)} PROOF.tlog-proof; 'stele prove' writes a proof`)
  }
  let amount = { events: 0, readBytes: 0, totalBytes: undefined }
  const progress = new Progress(stderr, clock, () => amount)
  try {
    const verified = await verifyFolder({
      folder,
      ...(vkey === undefined ? {} : { vkey }),
      ...(policy === undefined ? {} : { policy }),
      ...(rotations === undefined ? {} : { rotations: (origin) => givenRotationsOf(rotations, origin, environment) }),
      knownLogs,
      threadCount: cpuCount(),
      onProgress: (doneCount) => (amount = { ...amount, events: doneCount }),
      beforeUnit: async () => {
        // A thread that never pauses hears no signal.
        await clock.sleep(0)
        if (interrupted.aborted) throw new Failure(3, 'verifying was interrupted', NOTHING_SHOWN, 'Run it again')
      },
    })
    await progress.end()
    const text = isJson
      ? jsonLine(shown(verified, folder))
      : verifiedText(verified, name, { checkedCount: amount.events, elapsedMs: progress.elapsedMs }, stdout.columns)
    await stdout.write(text)
    return verified.verdict === 'changed' ? 1 : 0
  } catch (error) {
    await progress.end()
    throw failureOf(error, name)
  }
}

function failureOf(error: unknown, name: string): unknown {
  if (error instanceof NoLogError) {
    return error.isDraft
      ? new Failure(
          3,
          `${printable(name)} is an export that is not finished`,
          NOTHING_SHOWN,
          'Run the same export again: it goes on',
        )
      : new Failure(
          3,
          `${printable(name)} is no folder of a log: it has no checkpoint`,
          NOTHING_SHOWN,
          `A data directory is verified by 'stele verify --data ${shellWord(name)}'`,
        )
  }
  if (error instanceof UnlistedLogError) {
    const { origin, listed } = error
    const others = listed.length === 0 ? 'no log' : listed.join(', ')
    return new Failure(
      2,
      `the policy says nothing of ${printable(origin)}, the log in ${printable(name)}: it lists ${printable(others)}`,
      NOTHING_SHOWN,
      "Give the key of that log with --key. A policy of heads alone, as 'stele witness policy' prints it, is for what 'stele prove --witnessed' writes",
    )
  }
  if (error instanceof ProofError) return usageFailure(`--key cannot be used: ${error.message}`, 'Give another key')
  if (error instanceof Error && 'syscall' in error) return fileFailure(error, name, 'read', NOTHING_SHOWN)
  return error
}

function shown(verified: VerifiedFolder, folder: string): object {
  return { folder, ...verified, rootsAt: undefined }
}

function verifiedText(
  verified: VerifiedFolder,
  name: string,
  { checkedCount, elapsedMs }: { readonly checkedCount: number; readonly elapsedMs: number },
  columns: number,
): string {
  const { findings, findingCount } = verified
  const lines = words(verified, name).flatMap((paragraph) => [...wrapped(paragraph, columns), ''])
  if (findingCount > 0) lines.push(...findingsText(findings.map(named), findingCount), '')
  const seconds = elapsedMs / 1000
  const rate = count(Math.round(checkedCount / Math.max(seconds, 0.001)))
  lines.push(`Checked ${entries(checkedCount)} in ${seconds.toFixed(1)} s: ${rate} entries/s.`)
  return `${lines.map(printable).join('\n')}\n`
}

/** A folder has one log, so an entry is named without it. */
function named(finding: FolderFinding): Finding {
  return finding.index === undefined ? finding : { ...finding, ledger: 'entry' }
}

function words(verified: VerifiedFolder, name: string): string[] {
  const { verdict, origin = '', size, root, findingCount, firstBad, since, evidence } = verified
  if (verdict === 'changed') {
    const { index = 0, count: many = 1 } = firstBad ?? {}
    const range = many === 1 ? `is ${index}` : `is one of ${index} to ${index + many - 1}`
    const first = firstBad === undefined ? '' : ` The first bad entry ${range}.`
    const kept =
      evidence === undefined ? '' : ` Both heads are kept in ${evidence}: show them to whoever relies on the log.`
    return [`${name}: this is not what was recorded, or not all of it.${first} ${objectionWords(findingCount)}:${kept}`]
  }
  const what = `${name} holds the ${entries(size)} of ${origin}, with the root ${root}.`
  const seen = since === undefined ? '' : ` ${firstWords(since.size)} that this command saw on ${since.seen}.`
  return [`${what} ${contentWords(verified)}${seen}`, signerWords(verified)]
}

function firstWords(size: number): string {
  return size === 1 ? 'Its first entry is the one' : `Its first ${entries(size)} are those`
}

function contentWords({ contents, size }: VerifiedFolder): string {
  if (contents === undefined) return 'There are no events with them.'
  const { first, end, eventBytes } = contents
  if (end - first === 1)
    return `The event of entry ${count(first)}, ${bytesText(eventBytes)}, is the one that it commits to.${size === 1 ? '' : ' Others are not here.'}`
  if (first === 0 && end === size)
    return `All their events, ${bytesText(eventBytes)}, are those that the entries commit to.`
  const which = `the ${counted(end - first, 'event')} of the entries ${count(first)} to ${count(end - 1)}, ${bytesText(eventBytes)}`
  return `${which.charAt(0).toUpperCase()}${which.slice(1)}, are those that the entries commit to; others are not here.`
}

function signerWords({ trust, signedBy, signers, verdict, cosignatures }: VerifiedFolder): string {
  if (signedBy === 'nobody') {
    return 'Self-consistent: no key was given, and none lies in the folder, so the signature was not checked. Anybody can have written this. Give the key of the log with --key.'
  }
  const seen = cosignatures.map(({ witness, time }) => `${witness} on ${witnessTime(time)}`).join(', ')
  const witnesses =
    seen === '' ? ' No witness vouches for it.' : ` Seen by these witnesses, each by its own clock: ${seen}.`
  if (verdict === 'self-consistent' && (trust === 'key' || trust === 'policy')) {
    return 'Self-consistent: its head is signed by a key that the log retired later, so that these entries are the beginning of the log is not shown. Verify a folder of the log as it is now.'
  }
  const ends = signers.slice(0, -1).map(({ until = 0 }) => until)
  const signer = signers.at(-1)?.vkey ?? ''
  if (trust === 'key') return `Its head is signed by ${keyWords('the key that you gave', signer, ends)}.`
  if (trust === 'policy') return `Its head is signed as your policy demands.${witnesses}`
  if (trust === 'pinned before')
    return `Its head is signed by ${keyWords('the key that was pinned for this log before', signer, ends)}.`
  const consistent =
    verdict === 'unchanged'
      ? `It is signed by ${keyWords('the key that this command saw first', signer, ends)}`
      : 'Self-consistent: its head is signed by the key that lies beside it'
  return `${consistent}, and whether ${ends.length === 0 ? 'that is the key' : 'those are the keys'} of the log that you mean is not shown. Get it from somebody else, and give it with --key.`
}
