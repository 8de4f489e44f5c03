// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checks the signed head of a folder: by a key or a policy that somebody trusts, else by the key that lies beside it,
// which shows only that all of it fits together.

import {
  type Checkpoint,
  ed25519Verifier,
  equalBytes,
  fromUtf8,
  type KeyPeriod,
  MAX_NOTE_BYTES,
  openByPeriods,
  openByPolicy,
  parseCheckpoint,
  parseNote,
  type Policy,
  ProofError,
  type RotationEnd,
  type Trust,
  utf8,
  verifyRotations,
  parseRotation,
} from '../src/index.ts'
import type { FolderFiles, FolderFinding } from './files.ts'
import { MAX_ROTATIONS } from './given-rotations.ts'
import { PATHS, rotationPath } from './paths.ts'

const MAX_VKEY_BYTES = 8_192

/** A key on the way to the one that signed: from and up to how many entries it stands for heads. */
interface SignerKey {
  readonly vkey: string
  readonly since: number
  /** Absent of a key that nothing is known to have followed. */
  readonly until?: number
}

/** Whose word the head is. `own key`: that of `log.vkey`. */
export type SignedBy = 'trusted key' | 'policy' | 'own key' | 'nobody'

export interface CheckedHead {
  /** The signed note; undefined where there is none. */
  readonly note: Uint8Array | undefined
  /** Undefined where the note cannot be read. */
  readonly checkpoint: Checkpoint | undefined
  readonly signedBy: SignedBy
  /** The key of `log.vkey`. */
  readonly vkey: string | undefined
  /** From the key that was trusted, or the folder's own, to the one that signed: each has signed who follows it. */
  readonly signers: readonly SignerKey[]
  readonly cosignatures: readonly { readonly witness: string; readonly time: number }[]
  /** Statements that lie in the folder, or were given in their place, the oldest first; those that lead to the signing key are verified. */
  readonly rotations: readonly Uint8Array[]
  /** Where keys of before ended: the tree must have had these roots. */
  readonly ends: readonly RotationEnd[]
  readonly findings: readonly FolderFinding[]
}

/** Throws a ProofError only where `trust` itself cannot be used. */
export async function checkHead(files: FolderFiles, trust: Trust | undefined): Promise<CheckedHead> {
  const check = new HeadCheck(files)
  return await check.run(trust)
}

class HeadCheck {
  readonly #files: FolderFiles
  readonly #findings: FolderFinding[] = []
  #ends: readonly RotationEnd[] = []
  #signers: readonly SignerKey[] = []
  #cosignatures: CheckedHead['cosignatures'] = []

  constructor(files: FolderFiles) {
    this.#files = files
  }

  async run(trust: Trust | undefined): Promise<CheckedHead> {
    if (trust !== undefined && !('quorum' in trust)) ed25519Verifier(trust.vkey)
    const note = this.#files.read(PATHS.checkpoint, MAX_NOTE_BYTES + 1)
    const checkpoint = note === undefined ? undefined : this.#parsed(note)
    const vkey = this.#vkey()
    const given = trust === undefined || 'quorum' in trust ? undefined : trust.rotations
    const rotations = given?.map(bytesOf) ?? this.#rotations()
    let signedBy: SignedBy = 'nobody'
    if (note !== undefined && checkpoint !== undefined)
      signedBy = await this.#signedBy(note, checkpoint, vkey, rotations, trust)
    const [cosignatures, ends, findings, signers] = [this.#cosignatures, this.#ends, this.#findings, this.#signers]
    return { note, checkpoint, signedBy, vkey, rotations, signers, cosignatures, ends, findings }
  }

  #parsed(note: Uint8Array): Checkpoint | undefined {
    try {
      return parseCheckpoint(parseNote(note).text)
    } catch (error) {
      this.#object(PATHS.checkpoint, error)
      return undefined
    }
  }

  #vkey(): string | undefined {
    const bytes = this.#files.read(PATHS.vkey, MAX_VKEY_BYTES)
    if (bytes === undefined) return undefined
    try {
      const vkey = fromUtf8(bytes).replace(/\n$/, '')
      ed25519Verifier(vkey)
      return vkey
    } catch (error) {
      this.#object(PATHS.vkey, error)
      return undefined
    }
  }

  async #signedBy(
    note: Uint8Array,
    checkpoint: Checkpoint,
    vkey: string | undefined,
    rotations: readonly Uint8Array[],
    trust: Trust | undefined,
  ): Promise<SignedBy> {
    try {
      if (trust !== undefined && 'quorum' in trust) return await this.#byPolicy(note, checkpoint, vkey, trust)
      const oldest = rotations[0]
      // Without a trusted key the oldest that a statement brought begins the chain: its old key is known to nobody.
      const pinned = trust?.vkey ?? (oldest === undefined ? vkey : parseRotation(oldest).vkey)
      if (pinned === undefined) return 'nobody'
      const periods = await verifyRotations(pinned, rotations)
      const { period, rank } = await openByPeriods(note, periods)
      this.#signers = periods.slice(0, rank + 1).map(signerKey)
      this.#hold(period, periods, checkpoint)
      if (vkey !== undefined && vkey !== period.vkey) {
        const keys = { expected: period.vkey, found: vkey }
        this.#add({ kind: 'key', file: PATHS.vkey, what: 'it is not the key that signed the head', ...keys })
      }
      return trust === undefined || trust.pinned === false ? 'own key' : 'trusted key'
    } catch (error) {
      const isRotation = error instanceof ProofError && error.code.startsWith('rotation-')
      const isGiven = trust !== undefined && 'rotations' in trust
      const position = isRotation && !isGiven ? (error.place.position ?? 0) : undefined
      const isOther = error instanceof ProofError && error.code === 'signature-missing' && trust !== undefined
      if (isOther && !('quorum' in trust) && ed25519Verifier(trust.vkey).name === checkpoint.origin) {
        const lacking = isGiven ? 'the rotations that were given do not lead' : 'no rotations that are here lead'
        const what = `${error.message}, and ${lacking} from the given one to the one that has: if the log's key was rotated, give its signed statements of that with --rotations`
        this.#add({ kind: 'key', file: PATHS.checkpoint, what })
      } else this.#object(position === undefined ? PATHS.checkpoint : rotationPath(position), error)
      return 'nobody'
    }
  }

  async #byPolicy(
    note: Uint8Array,
    checkpoint: Checkpoint,
    vkey: string | undefined,
    policy: Policy,
  ): Promise<SignedBy> {
    const { log, cosignatures } = await openByPolicy(note, policy)
    this.#cosignatures = cosignatures
    const own = vkey === undefined ? undefined : ed25519Verifier(vkey)
    if (own !== undefined && !equalBytes(own.publicKey, log.key.publicKey)) {
      const what = `it is not the key that the policy lists for ${checkpoint.origin}`
      this.#add({ kind: 'key', file: PATHS.vkey, what })
    }
    return 'policy'
  }

  /** A head counts up to where its key ended, and the tree must have had the roots at which the keys before ended. */
  #hold({ until }: KeyPeriod, periods: readonly KeyPeriod[], { size }: Checkpoint): void {
    if (until !== undefined && until.size > size) {
      const what = `its key was retired at ${until.size} entries, and that these ${size} are their beginning is not shown`
      this.#add({ kind: 'key', file: PATHS.checkpoint, what })
    }
    this.#ends = periods.flatMap((period) => {
      return period.until === undefined || period.until.size > size ? [] : [period.until]
    })
  }

  #rotations(): Uint8Array[] {
    const statements: Uint8Array[] = []
    for (let position = 0; position < MAX_ROTATIONS; position++) {
      const statement = this.#files.read(rotationPath(position), MAX_NOTE_BYTES)
      if (statement === undefined) break
      statements.push(statement)
    }
    return statements
  }

  #object(file: string, error: unknown): void {
    if (!(error instanceof ProofError)) throw error
    this.#add({ kind: 'key', file, what: error.message })
  }

  #add(finding: FolderFinding): void {
    this.#findings.push(finding)
  }
}

function signerKey({ vkey, from, until }: KeyPeriod): SignerKey {
  return { vkey, since: from, ...(until === undefined ? {} : { until: until.size }) }
}

function bytesOf(statement: string | Uint8Array): Uint8Array {
  return typeof statement === 'string' ? utf8(statement) : statement
}
