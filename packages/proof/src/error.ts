// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What is malformed has not the form of its kind. */
type Form = 'decimal' | 'base64' | 'text' | 'bundle' | 'entry' | 'note' | 'key' | 'checkpoint' | 'proof' | 'receipt'

/** Every way in which a check fails: a closed union, so that a caller can match on it. One is added, never renamed. */
export type ProofErrorCode =
  | `${Form | 'policy' | 'rotation' | 'content-line' | 'summary'}-malformed`
  | `${'index' | 'size' | 'tile'}-out-of-range`
  | `${'hash' | 'hashes' | 'proof'}-length`
  | `${'root' | 'content'}-mismatch`
  | `key-${'ambiguous' | 'retired'}`
  | `signature-${'invalid' | 'missing'}`
  | 'rotation-broken'
  | 'entry-version'
  | 'origin-unexpected'
  | 'algorithm-unsupported'
  | 'quorum-missing'

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
