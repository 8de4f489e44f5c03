// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Rotations of a ledger's keys (docs/format.md, "Key rotation"): signed notes in which the old key names its successor
// and the last head that it stands for. A chain of them leads from a key that somebody pinned to today's.

import { openCheckpoint, readHead, type Checkpoint, type TreeHead } from './checkpoint.ts'
import { ProofError } from './error.ts'
import { bytesOf, demand, ROTATION_HEADER, within } from './inner.ts'
import { equalBytes, type Hash } from './hash.ts'
import { ALG_ED25519, ALG_MLDSA44, keyOfKind, parseVkey } from './key.ts'
import { ed25519Verifier, noteMessage, openNote, parseNote } from './note.ts'

/** The last head of an old key: a number of leaves and their 32-byte root. */
export interface RotationEnd {
  readonly size: number
  readonly root: Hash
}

/** What a rotation says: from `end` on, heads of `origin` are signed by the new keys. */
export interface Rotation {
  readonly origin: string
  readonly end: RotationEnd
  /** The new Ed25519 key. */
  readonly vkey: string
  /** The new ML-DSA-44 key, of a ledger that has one. */
  readonly mldsaVkey?: string
}

/** A key of a ledger and the sizes of the heads that it may sign: from `from` on, up to `until.size` where it is retired. */
export interface KeyPeriod {
  /** The Ed25519 key. */
  readonly vkey: string
  /** The ML-DSA-44 key beside it; unknown of a key that was pinned and that no rotation brought. */
  readonly mldsaVkey?: string
  readonly from: number
  readonly until?: RotationEnd
}

/** Reads a rotation; nothing is verified. Throws `rotation-malformed`, with the line. */
export function parseRotation(note: string | Uint8Array): Rotation {
  return readStatement(note).rotation
}

/**
 * Follows the rotations of a ledger, oldest first, from the pinned Ed25519 key on: each must be signed by the key before
 * it and by the new one. Those before the pinned key are passed over. Gives the periods from the pinned key's on to the
 * newest's. Throws `rotation-malformed`, `rotation-broken` (both with the position), and for the pinned key
 * `key-malformed`, `algorithm-unsupported`.
 */
export async function verifyRotations(
  pinnedVkey: string,
  rotations: readonly (string | Uint8Array)[],
): Promise<KeyPeriod[]> {
  const pinned = ed25519Verifier(pinnedVkey)
  const statements = rotations.map((note, position) => {
    return within('rotation-malformed', { position }, () => readStatement(note))
  })
  const found = statements.findIndex(({ oldKeyId }) => oldKeyId === pinned.keyId)
  const first = found < 0 ? statements.length : found
  const periods: KeyPeriod[] = [{ vkey: pinnedVkey, from: 0 }]
  for (const [position, { rotation, bytes }] of statements.entries()) {
    if (position < first - 1) continue
    const last = periods.at(-1)!
    const isPinned = position < first
    const { origin, end, vkey, mldsaVkey } = rotation
    const unbroken = (isSo: boolean, message: string) => demand(isSo, 'rotation-broken', message, { position })
    unbroken(origin === pinned.name, `the rotation is of ${origin}, not of ${pinned.name}`)
    unbroken(!isPinned || vkey === pinnedVkey, 'the rotations neither begin nor end with the key that is pinned')
    unbroken(isPinned || periods.every((period) => period.vkey !== vkey), 'the new key was in use before')
    unbroken(end.size >= last.from, 'the rotation ends at a smaller size than the one before it')
    // Of the rotation that brought the pinned key only that key's own word can be checked.
    const vkeys = isPinned ? [vkey] : [last.vkey, vkey]
    const opened = await openNote(
      bytes,
      vkeys.map((key) => ed25519Verifier(key)),
    ).catch((error: unknown) => {
      throw error instanceof ProofError ? new ProofError('rotation-broken', error.message, { position }) : error
    })
    unbroken(opened.verified.length === vkeys.length, 'the key before this rotation has not signed it')
    const next: KeyPeriod = { vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }), from: end.size }
    periods.splice(-1, 1, ...(isPinned ? [] : [{ ...last, until: end }]), next)
  }
  return periods
}

/**
 * Verifies a checkpoint that a key of one of these periods signed. Throws what `openCheckpoint` throws, and
 * `key-retired` where the key's period ended at a smaller size, or at this one with another root. A checkpoint of a
 * retired key counts only where `isSettled`, or where the caller shows that it is the start of the tree at `until`.
 * `rank` is the period's place among them.
 */
export async function openByPeriods(
  note: Uint8Array,
  periods: readonly KeyPeriod[],
): Promise<{ checkpoint: Checkpoint; period: KeyPeriod; rank: number }> {
  const verifiers = periods.map(({ vkey }) => ed25519Verifier(vkey))
  const { checkpoint, note: opened } = await openCheckpoint(note, verifiers, verifiers[0]?.name ?? '')
  const { size, root } = checkpoint
  const signed = periods.filter((_, i) => opened.verified.some(({ verifier }) => verifier === verifiers[i]))
  const allows = ({ until }: KeyPeriod) =>
    until === undefined || size < until.size || (size === until.size && equalBytes(root, until.root))
  const period = signed.find(allows)
  const end = signed[0]?.until?.size
  demand(period !== undefined, 'key-retired', `a head of ${size} entries is signed by a key that was retired at ${end}`)
  return { checkpoint, period, rank: periods.indexOf(period) }
}

/** Whether a head of this period needs no proof: the key is not retired, or the head is the very one that it ended with. */
export function isSettled({ size }: TreeHead, { until }: KeyPeriod): boolean {
  return until === undefined || size === until.size
}

function readStatement(note: string | Uint8Array): { rotation: Rotation; bytes: Uint8Array; oldKeyId: number } {
  const bytes = bytesOf(note)
  const { text, signatures } = within('rotation-malformed', {}, () => parseNote(bytes))
  const rotation = readRotationText(text)
  const [old, renewed, ...rest] = signatures
  const { origin, vkey } = rotation
  const isPair = old?.name === origin && renewed?.name === origin && rest.length === 0
  demand(isPair, 'rotation-malformed', 'a rotation has two signatures, of the old key and of the new one')
  const { keyId } = parseVkey(vkey)
  const isOrdered = renewed.keyId === keyId && old.keyId !== keyId
  demand(isOrdered, 'rotation-malformed', 'the second signature alone is of the new key')
  return { rotation, bytes, oldKeyId: old.keyId }
}

/** Reads the text of a rotation. */
export function readRotationText(text: string): Rotation {
  within('rotation-malformed', {}, () => noteMessage(text))
  const [header, origin = '', size = '', root = '', vkey = '', ...rest] = text.split('\n')
  demand(header === ROTATION_HEADER, 'rotation-malformed', `the first line is not ${ROTATION_HEADER}`, { line: 1 })
  const isWhole = rest.pop() === '' && rest.length <= 1
  demand(isWhole, 'rotation-malformed', 'a rotation has one line or two of new keys', { line: 5 })
  const end = readHead('rotation-malformed', 2, origin, size, root)
  const [mldsaVkey] = rest
  checkKey(vkey, ALG_ED25519, origin, 5)
  if (mldsaVkey !== undefined) checkKey(mldsaVkey, ALG_MLDSA44, origin, 6)
  return { origin, end: { size: end.size, root: end.root }, vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }) }
}

function checkKey(vkey: string, alg: number, origin: string, line: number): void {
  const key = within('rotation-malformed', { line }, () => keyOfKind(vkey, alg))
  demand(key.name === origin, 'rotation-malformed', `the key is of ${key.name}, not of ${origin}`, { line })
}
