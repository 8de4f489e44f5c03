// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the files of this package share and nobody else needs: checks that end in a typed error with its place.

import { ProofError, type ProofErrorCode, type ProofErrorPlace } from './error.ts'

/** First line of a proof, of a rotation, and of an export's summary. */
export const PROOF_HEADER = 'c2sp.org/tlog-proof@v1'
export const ROTATION_HEADER = 'stele/key-rotation/v1'
export const SUMMARY_HEADER = 'stele/export-summary/v1'

/** Throws a `ProofError` where `isSo` is false. */
export function demand(isSo: boolean, code: ProofErrorCode, message: string, place?: ProofErrorPlace): asserts isSo {
  if (!isSo) throw new ProofError(code, message, place)
}

/** Runs `read` and gives its `ProofError`, if any, the code of the format that is being read, and the place in it. */
export function within<T>(code: ProofErrorCode | undefined, place: ProofErrorPlace, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new ProofError(code ?? error.code, error.message, { ...error.place, ...place })
  }
}

/** Throws `size-out-of-range` where `size` is none. */
export function checkSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size
  throw new ProofError('size-out-of-range', `a size is an integer from 0 to 2^53 - 1, not ${size}`, { field: 'size' })
}

/** A file as bytes. */
export function bytesOf(file: string | Uint8Array): Uint8Array {
  return typeof file === 'string' ? new TextEncoder().encode(file) : file
}

/** The number that the first four bytes are, big-endian. */
export function readUint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

/** Whether a key can have this name. The spaces are Unicode's, written out: `\s` has U+FEFF and lacks U+0085. */
export function isKeyName(name: string): boolean {
  const spaces = /[\u0000-\u0020+\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/
  return name !== '' && !spaces.test(name) && name.isWellFormed()
}
