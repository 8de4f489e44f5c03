// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Every way in which a check fails: a closed union, so that a caller can match on it. One is added, never renamed. */
export type ProofErrorCode =
  | 'decimal-malformed'
  | 'base64-malformed'
  | 'text-malformed'
  | 'hash-length'
  | 'hashes-length'
  | 'index-out-of-range'
  | 'size-out-of-range'
  | 'proof-length'
  | 'root-mismatch'
  | 'tile-out-of-range'
  | 'bundle-malformed'
  | 'entry-malformed'
  | 'entry-version'
  | 'note-malformed'
  | 'key-malformed'
  | 'key-ambiguous'
  | 'algorithm-unsupported'
  | 'signature-invalid'
  | 'signature-missing'
  | 'checkpoint-malformed'
  | 'origin-unexpected'
  | 'proof-malformed'
  | 'receipt-malformed'
  | 'content-mismatch'
  | 'policy-malformed'
  | 'quorum-missing'
  | 'rotation-malformed'
  | 'rotation-broken'
  | 'key-retired'

/** Where in the input the fault lies, as far as it is known. */
export interface ProofErrorPlace {
  /** Line of a text, from 1. */
  readonly line?: number
  /** Byte offset, from 0. */
  readonly offset?: number
  /** Name of the field. */
  readonly field?: string
  /** Position in a list (of proof hashes, of entries in a bundle), from 0. */
  readonly position?: number
}

/** What every function of this package throws when the input fails a check. Its message is fit to be shown. */
export class ProofError extends Error {
  override readonly name = 'ProofError'
  readonly code: ProofErrorCode
  readonly place: ProofErrorPlace

  constructor(code: ProofErrorCode, message: string, place: ProofErrorPlace = {}) {
    super(message)
    this.code = code
    this.place = place
  }
}

/** Runs `read` and gives its `ProofError`, if any, the code of the format that is being read, and the place in it. */
export function within<T>(code: ProofErrorCode, place: ProofErrorPlace, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ProofError ? new ProofError(code, error.message, { ...error.place, ...place }) : error
  }
}
