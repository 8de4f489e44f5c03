// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Vectors that third-party Go code made, each with that code's own verdict: how they are read here, and where the two
// verdicts differ. test/interop-go makes them; a slow test of the project has them made again and reads those too.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  ALG_MLDSA44,
  consistencyProof,
  cosignatureVerifier,
  ed25519Verifier,
  entriesPath,
  formatBundle,
  inclusionProof,
  isMldsa44Signature,
  mldsa44Verifier,
  openByPolicy,
  openCheckpoint,
  openNote,
  parseCosignature,
  parsePolicy,
  parseProof,
  parseVkey,
  ProofError,
  rootAt,
  subtreeMessage,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
  utf8,
  verifyConsistency,
  verifyInclusion,
  verifyProof,
} from '../src/index.ts'
import { NumberedLog } from './numbered-log.ts'

export const KINDS = ['notes', 'cosignatures', 'subtrees', 'proofs', 'proof-files', 'policies', 'tiles'] as const

export type Kind = (typeof KINDS)[number]

/** What was compared, and each vector of which the two sides say something else. */
export interface Outcome {
  readonly count: number
  readonly accepted: number
  readonly madeBy: readonly string[]
  /** `stricter`: they accept and this package refuses; else `laxer`, or `other` where both accept and read otherwise. */
  readonly differences: readonly { readonly name: string; readonly how: 'stricter' | 'laxer' | 'other' }[]
}

/** What Go's code accepts and this package refuses, with the reason. */
export const STRICTER: Readonly<Partial<Record<Kind, Readonly<Record<string, string>>>>> = {
  notes: { 'the bits behind the end are set': 'base64 has one form: else a note has copies that differ' },
  'proof-files': {
    'a sign before the index': 'the document wants digits alone',
    'a zero before the index': 'the document wants no leading zeros',
    'empty extra': 'the document leaves the line out where there is no extra',
    'a hash with its last bits set': 'base64 has one form',
  },
  policies: { 'no newline at the end': 'the document ends every line by one: a policy that was cut is no policy' },
}

/** `accepted` is the verdict of the code that made it. Bytes are base64; Go writes none as null. */
interface Judged {
  readonly name: string
  readonly accepted: boolean
}
interface NoteVector extends Judged {
  readonly note: string | null
  readonly vkeys: readonly string[]
  readonly text?: string
  readonly signers?: number
}
interface CosignatureVectors {
  readonly log: string
  readonly signers: readonly {
    readonly name: string
    readonly vkey: string
    readonly notes: readonly (Judged & { readonly note: string; readonly time?: number })[]
  }[]
}
interface SubtreeVectors {
  readonly vkey: string
  readonly subtrees: readonly {
    readonly signature: string
    readonly cases: readonly {
      readonly origin: string
      readonly time: number
      readonly start: number
      readonly end: number
      readonly hash: string
      readonly accepted: boolean
    }[]
  }[]
}
interface ProofVectors {
  readonly roots: readonly { readonly size: number; readonly root: string }[]
  readonly digests: readonly {
    readonly size: number
    readonly at: number
    readonly inclusion: string
    readonly consistency: string
  }[]
  readonly checks: readonly {
    readonly kind: 'inclusion' | 'consistency'
    readonly size: number
    readonly at: number
    readonly root: string
    readonly hashes: readonly string[]
    readonly leaf?: string
    readonly old?: string
    readonly accepted: boolean
  }[]
}
interface ProofFileVector extends Judged {
  readonly vkey: string
  readonly entry: string
  readonly file: string
}
type NoteKind = 'bare' | 'witnessed' | 'unsigned'
interface PolicyVectors {
  readonly notes: Readonly<Record<NoteKind, string>>
  readonly policies: readonly (Judged & { readonly policy: string } & { readonly [kind in NoteKind]?: boolean })[]
}
interface TileVector {
  readonly size: number
  readonly vkey: string
  readonly checkpoint: string
  /** By path, the bytes, or of a large log eight bytes of their SHA-256 in hexadecimal. */
  readonly files: Readonly<Record<string, string>>
}

class Comparison {
  count = 0
  accepted = 0
  readonly differences: { name: string; how: 'stricter' | 'laxer' | 'other' }[] = []

  /** `read` throws a ProofError where it refuses; what it resolves to is compared with `expected`. */
  async add(name: string, theirs: boolean, read: () => unknown, expected?: unknown): Promise<void> {
    this.count++
    if (theirs) this.accepted++
    const [ours, found] = await verdictOf(read)
    if (ours !== theirs) this.differences.push({ name, how: theirs ? 'stricter' : 'laxer' })
    else if (ours && expected !== undefined && JSON.stringify(found) !== JSON.stringify(expected))
      this.differences.push({ name, how: 'other' })
  }
}

async function verdictOf(read: () => unknown): Promise<readonly [boolean, unknown]> {
  try {
    const found = await read()
    return [found !== false, found]
  } catch (error) {
    if (error instanceof ProofError) return [false, undefined]
    throw error
  }
}

export async function compare(folder: string, kind: Kind): Promise<Outcome> {
  const { madeBy, vectors } = JSON.parse(readFileSync(join(folder, `${kind}.json`), 'utf8')) as {
    madeBy: string[]
    vectors: never
  }
  const comparison = new Comparison()
  await comparers[kind](vectors, comparison)
  const { count, accepted, differences } = comparison
  return { count, accepted, madeBy, differences }
}

const comparers: Readonly<Record<Kind, (vectors: never, comparison: Comparison) => Promise<void>>> = {
  notes: async (vectors: readonly NoteVector[], comparison) => {
    for (const { name, note, vkeys, accepted, text, signers } of vectors) {
      const verifiers = vkeys.map((vkey) => ed25519Verifier(vkey))
      const read = async () => {
        const opened = await openNote(bytesOf(note), verifiers)
        return { text: opened.text, signers: new Set(opened.verified.map(({ keyId }) => keyId)).size }
      }
      await comparison.add(name, accepted, read, { text, signers })
    }
  },

  cosignatures: async ({ log, signers }: CosignatureVectors, comparison) => {
    const logVerifier = ed25519Verifier(log)
    for (const { name: who, vkey, notes } of signers) {
      const verifier = parseVkey(vkey).alg === ALG_MLDSA44 ? mldsa44Verifier(vkey) : cosignatureVerifier(vkey)
      for (const { name, note, accepted, time } of notes) {
        const read = async () => {
          const opened = await openNote(utf8(note), [verifier])
          // Where its own key is right, the log's has signed too.
          await openCheckpoint(utf8(note), [logVerifier, verifier], logVerifier.name)
          return parseCosignature(opened.verified[0]!.signature).time
        }
        await comparison.add(`${who}, ${name}`, accepted, read, time)
      }
    }
  },

  subtrees: async ({ vkey, subtrees }: SubtreeVectors, comparison) => {
    const { name, publicKey } = parseVkey(vkey)
    for (const { signature, cases } of subtrees) {
      for (const { origin, time, start, end, hash, accepted } of cases) {
        const read = async () => {
          const message = subtreeMessage(name, time, { origin, start, end, root: bytesOf(hash) })
          return await isMldsa44Signature(publicKey, message, bytesOf(signature))
        }
        await comparison.add([origin, time, start, end].join(' '), accepted, read)
      }
    }
  },

  proofs: async ({ roots, digests, checks }: ProofVectors, comparison) => {
    const sizes = roots.map(({ size }) => size)
    const log = new NumberedLog(Math.max(...sizes))
    for (const { size, root } of roots) {
      const read = async () => textOf(await rootAt(size, log.read))
      await comparison.add(`the root of ${size}`, true, read, root)
    }
    for (const { size, at, inclusion, consistency } of digests) {
      const read = async () => ({
        inclusion: digestOf(await inclusionProof(at, size, log.read)),
        consistency: digestOf(await consistencyProof(at, size, log.read)),
      })
      await comparison.add(`the proofs of ${at} in ${size}`, true, read, { inclusion, consistency })
    }
    for (const [place, check] of checks.entries()) {
      const { kind, size, at, root, hashes, accepted, leaf, old } = check
      const proof = hashes.map(bytesOf)
      const read =
        kind === 'inclusion'
          ? () => verifyInclusion(bytesOf(leaf), at, size, proof, bytesOf(root))
          : () => verifyConsistency(at, bytesOf(old), size, bytesOf(root), proof)
      await comparison.add(`${kind} ${place}: ${at} in ${size}`, accepted, read)
    }
  },

  'proof-files': async (vectors: readonly ProofFileVector[], comparison) => {
    for (const { name, vkey, entry, file, accepted } of vectors) {
      const read = async () => {
        parseProof(bytesOf(file))
        return (await verifyProof(utf8(entry), bytesOf(file), { vkey })).verdict === 'valid'
      }
      await comparison.add(name, accepted, read)
    }
  },

  policies: async ({ notes, policies }: PolicyVectors, comparison) => {
    for (const vector of policies) {
      const { name, policy: text, accepted } = vector
      await comparison.add(name, accepted, () => void parsePolicy(text))
      if (!accepted || !(await verdictOf(() => void parsePolicy(text)))[0]) continue
      for (const [kind, note] of Object.entries(notes) as [NoteKind, string][]) {
        const read = async () => void (await openByPolicy(utf8(note), parsePolicy(text)))
        await comparison.add(`${name}: ${kind}`, vector[kind] === true, read)
      }
    }
  },

  tiles: async (vectors: readonly TileVector[], comparison) => {
    for (const { size, vkey, checkpoint, files } of vectors) {
      const log = new NumberedLog(size)
      const read = async () => {
        const verifier = ed25519Verifier(vkey)
        return textOf((await openCheckpoint(utf8(checkpoint), verifier, verifier.name)).checkpoint.root)
      }
      await comparison.add(`the checkpoint of ${size}`, true, read, textOf(await rootAt(size, log.read)))
      const isWhole = Object.values(files).some((bytes) => bytes.length > 16)
      for (const [path, bytes] of await tilesOf(log, size)) {
        const found = isWhole ? textOf(bytes) : createHash('sha256').update(bytes).digest('hex').slice(0, 16)
        await comparison.add(path, path in files, () => found, files[path])
      }
      const count = (await tilesOf(log, size)).length
      await comparison.add(`as many files for ${size}`, true, () => count, Object.keys(files).length)
    }
  },
}

/** Path and bytes of all tiles and bundles of the numbered log. */
async function tilesOf(log: NumberedLog, size: number): Promise<[string, Uint8Array][]> {
  const tiles: [string, Uint8Array][] = []
  for (let level = 0; tileWidthAt(size, level, 0) > 0; level++) {
    for (let index = 0, width = tileWidthAt(size, level, 0); width > 0; width = tileWidthAt(size, level, ++index)) {
      tiles.push([tilePath(level, index, width), await log.read(level, index * TILE_WIDTH, width)])
      if (level > 0) continue
      const entries = Array.from({ length: width }, (_, at) => NumberedLog.entry(index * TILE_WIDTH + at))
      tiles.push([entriesPath(index, width), formatBundle(entries)])
    }
  }
  return tiles
}

/** Go writes a nil slice as null. */
function bytesOf(base64: string | null | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(base64 ?? '', 'base64'))
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function digestOf(hashes: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const one of hashes) hash.update(one)
  return hash.digest('hex').slice(0, 32)
}
