// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Evidence of a contradiction as a folder that a third party verifies offline, with the log's key and nothing of the
 * monitor's. It says what it proves, and what is only the monitor's word.
 */
import { join } from 'node:path'
import { ProofError } from '@stele/proof'
import { printable } from '@stele/proof/printable'
import { z } from 'zod'
import type { Disk } from '../../platform/disk.ts'
import { type Contradiction, type ForkProof, forkShown, formatForkProof, parseForkProof } from './contradiction.ts'
import {
  HeadFault,
  isRotation,
  type LogTrust,
  ofTwoSuccessors,
  openSigned,
  openStatement,
  type SignedHead,
} from './log-trust.ts'

const aboutSchema = z.strictObject({
  v: z.literal(1),
  kind: z.enum([
    'fork',
    'shrink',
    'key',
    'quorum',
    'tree',
    'entries',
    'content',
    'statement',
    'rotation',
    'successors',
  ]),
  at: z.string(),
  url: z.string(),
  ledger: z.string().optional(),
  origin: z.string(),
  vkey: z.string(),
  isPinned: z.boolean(),
  what: z.string(),
  olderFrom: z.string().optional(),
  newerFrom: z.string().optional(),
  servedPath: z.string().optional(),
})

type About = Readonly<z.infer<typeof aboutSchema>>

export interface Evidence {
  readonly about: About
  readonly older?: Buffer
  readonly newer?: Buffer
  readonly proof?: ForkProof
  readonly rotations: readonly string[]
}

/** What evidence comes to under a key that came from elsewhere. */
export interface Explanation {
  /** Whether it proves by itself that the log signed what excludes each other. */
  readonly isProven: boolean
  /** `two successors`: what is proven is that one key signed both, not by whose hand. */
  readonly finding?: 'fork' | 'two successors'
  readonly sentences: readonly string[]
}

/** A folder that is no evidence, or not whole. */
export class EvidenceFault extends Error {
  override readonly name = 'EvidenceFault'
}

const FILES = {
  about: 'about.json',
  readme: 'README.txt',
  older: 'older.checkpoint',
  newer: 'newer.checkpoint',
} as const
const PROOF_FILE = 'proof'
const SERVED_FILE = 'served'
const KEY_FILE = 'log.vkey'
const ROTATIONS_FILE = 'rotations.json'

export function evidenceFiles(contradiction: Contradiction, at: string): Map<string, Buffer> {
  const { kind, url, ledger, origin, vkey, isPinned, what, older, newer, proof, served, rotations } = contradiction
  const about: About = {
    v: 1,
    kind,
    at,
    url,
    ...(ledger === undefined ? {} : { ledger }),
    origin,
    vkey,
    isPinned,
    what,
    ...(older === undefined ? {} : { olderFrom: older.from }),
    ...(newer === undefined ? {} : { newerFrom: newer.from }),
    ...(served === undefined ? {} : { servedPath: served.path }),
  }
  const files = new Map<string, Buffer>()
  files.set(FILES.readme, Buffer.from(readme(about, proof !== undefined, rotations.length > 0)))
  files.set(FILES.about, Buffer.from(`${JSON.stringify(about, undefined, 2)}\n`))
  files.set(KEY_FILE, Buffer.from(`${vkey}\n`))
  if (older !== undefined) files.set(FILES.older, Buffer.from(older.note))
  if (newer !== undefined) files.set(FILES.newer, Buffer.from(newer.note))
  if (proof !== undefined) files.set(PROOF_FILE, Buffer.from(formatForkProof(proof)))
  if (served !== undefined) files.set(SERVED_FILE, Buffer.from(served.bytes))
  if (rotations.length > 0) files.set(ROTATIONS_FILE, Buffer.from(`${JSON.stringify(rotations)}\n`))
  return files
}

/** Reads a folder of evidence; nothing of it is verified. Throws an EvidenceFault. */
export async function readEvidence(disk: Disk, folder: string): Promise<Evidence> {
  const bytes = await disk.readFile(join(folder, FILES.about))
  if (bytes === undefined) throw new EvidenceFault(`${folder} holds no ${FILES.about}: it is no evidence of a monitor`)
  try {
    const about = aboutSchema.parse(JSON.parse(bytes.toString('utf8')))
    const [older, newer, proof, rotations] = await Promise.all(
      [FILES.older, FILES.newer, PROOF_FILE, ROTATIONS_FILE].map((name) => disk.readFile(join(folder, name))),
    )
    return {
      about,
      ...(older === undefined ? {} : { older }),
      ...(newer === undefined ? {} : { newer }),
      ...(proof === undefined ? {} : { proof: parseForkProof(proof.toString('utf8')) }),
      rotations: rotations === undefined ? [] : z.array(z.string()).parse(JSON.parse(rotations.toString('utf8'))),
    }
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof ProofError) {
      throw new EvidenceFault(`${folder} is not as a monitor writes evidence: ${error.message}`)
    }
    throw error
  }
}

/** Verifies evidence under a key or policy that its reader got elsewhere. */
export async function explainEvidence(evidence: Evidence, trust: LogTrust): Promise<Explanation> {
  const { about, older, newer, proof } = evidence
  const claim = `A monitor says that ${about.origin} did this, seen ${about.at} at ${about.url}: ${about.what}.`
  if (older === undefined || newer === undefined) return { isProven: false, sentences: [claim, wordOnly(about)] }
  const heads: SignedHead[] = []
  for (const [name, note] of [['older', older] as const, ['newer', newer] as const]) {
    try {
      heads.push(await signedHead(note, trust))
    } catch (error) {
      if (!(error instanceof HeadFault)) throw error
      const unsigned = `The ${name} head is not signed by that key: ${error.message}.`
      return { isProven: false, sentences: [claim, unsigned, NOTHING_PROVEN] }
    }
  }
  const [one, other] = heads as [SignedHead, SignedHead]
  const signed = signersOf(one, other)
  try {
    const old = ofTwoSuccessors([older, one], [newer, other])
    if (old !== undefined) {
      const shown = `The retired key ${old} of ${trust.origin} has signed two different successors.`
      return { isProven: false, finding: 'two successors', sentences: [shown, signed, EITHER] }
    }
    const shown = forkShown(one.checkpoint, other.checkpoint, proof)
    const retired = heads.find(({ retiredAt }) => retiredAt !== undefined)
    if (shown !== undefined && retired === undefined) {
      const sentences = [`${trust.origin} has contradicted itself: ${shown}.`, signed, CONVICTS]
      return { isProven: true, finding: 'fork', sentences }
    }
    if (shown !== undefined && retired !== undefined)
      return { isProven: false, sentences: [claim, signed, retiredWords(retired), NOTHING_PROVEN] }
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    return { isProven: false, sentences: [claim, signed, `The proof does not hold: ${error.message}.`, NOTHING_PROVEN] }
  }
  return { isProven: false, sentences: [claim, signed, wordOnly(about)] }
}

/** A signed head, or the last head of an old key, which a statement of rotation names. */
async function signedHead(note: Buffer, trust: LogTrust): Promise<SignedHead> {
  return isRotation(note) ? await openStatement(note, trust) : await openSigned(note, trust)
}

function signersOf(one: SignedHead, other: SignedHead): string {
  const [first, second] = [one, other].map(({ vkeys }) => vkeys.join(' and '))
  const [size, otherSize] = [one.checkpoint.size, other.checkpoint.size]
  return first === second
    ? `Both heads, of ${size} and of ${otherSize} entries, are signed by ${first}.`
    : `The head of ${size} entries is signed by ${first}, that of ${otherSize} entries by ${second}.`
}

function retiredWords({ checkpoint, retiredAt }: SignedHead): string {
  return (
    `The two exclude each other, but for the head of ${checkpoint.size} entries stands a key that was retired at ` +
    `${retiredAt}: either somebody else has that key, or the log forked before that rotation.`
  )
}

const CONVICTS =
  'A log that only grows cannot have signed both. Nothing but these two notes, the proof beside them and the key was ' +
  'needed to show it.'
const EITHER =
  'Either the operator forked the log, or somebody else holds that key: these two notes and the key show that both were ' +
  'signed, and cannot show by whom. The successor that was seen first counts; who saw neither should ask others, or a ' +
  'witness, which of the two the log has gone on with.'
const NOTHING_PROVEN = 'So this folder proves nothing against the log.'

function wordOnly({ kind }: About): string {
  if (kind === 'shrink') {
    return 'Each of the two may have been the log’s head at some time: that the smaller one was shown after the larger one is the monitor’s word.'
  }
  return 'That this was served is the monitor’s word: whoever else asks the log can see whether it still is.'
}

function readme(about: About, hasProof: boolean, isRotated: boolean): string {
  const { kind, at, vkey, isPinned, olderFrom, newerFrom, servedPath } = about
  const [what, origin, url] = [about.what, about.origin, about.url].map((text) => printable(text))
  const files = [
    ...(olderFrom === undefined
      ? []
      : [`older.checkpoint   the signed head that was seen first: ${printable(olderFrom)}`]),
    ...(newerFrom === undefined ? [] : [`newer.checkpoint   the head that was seen now: ${printable(newerFrom)}`]),
    ...(hasProof
      ? ['proof              that the tree of the larger head does not begin with that of the smaller one']
      : []),
    ...(servedPath === undefined ? [] : [`served             what was served as ${servedPath}`]),
    'log.vkey           the key that the heads were held against',
    'about.json         the same as here, for programs',
  ]
  const proves = hasProof || (kind === 'fork' && newerFrom !== undefined)
  const worth = proves
    ? `An append-only log cannot have signed both heads: whoever has the log's key, from anywhere but here, can verify it
offline, without trusting whoever ran this monitor${isRotated ? ' (but a head of a key that was retired since\nconvicts nobody, for that key may have been stolen: the command says so)' : ''}:`
    : kind === 'successors'
      ? `One key signed both statements, which takes nobody's word: whoever has the log's key can verify it offline. Whether
the operator signed the second one or somebody who stole that retired key, nothing here can show:`
      : `This is a monitor's word, with what was served; it does not by itself convict the log. What can be verified:`
  return `What happened
  ${what}

Log       ${origin}
Key       ${vkey}${isPinned ? '' : '\n          (nobody had pinned it: it is what the server told)'}
Seen at   ${at}
From      ${url}

Files
${files.map((line) => `  ${line}`).join('\n')}

What it is worth
${worth}

  stele monitor --explain FOLDER --key VKEY
`
}
