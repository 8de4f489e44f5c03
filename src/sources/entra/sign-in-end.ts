// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a sign-in ended. The resource says it by code in `status`, and so does the envelope in `resultType`; reduced
// exports have one of them only, or the name of the result.

import { clip, objectOf, text, wholeOf } from '../json.ts'
import type { Outcome } from '../ocsf-base.ts'
import type { EntraRecord } from './record.ts'
import { signInError } from './sign-in-errors.ts'
import type { SignInError } from './sign-in-errors.ts'

const MAX_REASON_CHARS = 80

export interface End {
  readonly outcome: Outcome
  readonly error?: SignInError | undefined
  /** Of a failure: why, as the sentence has it. */
  readonly words?: string | undefined
  /** What the source adds to its reason. */
  readonly details?: string | undefined
}

/** Some exports write the name of the result where others have its code. */
const namedResults: ReadonlyMap<string, number> = new Map([
  ['success', 0],
  ['failure', -1],
])

export function endOf(record: EntraRecord): End {
  const status = objectOf(record.resource['status'])
  const given = text(status?.['failureReason']) ?? record.resultDescription
  const additional = text(status?.['additionalDetails'])
  const result = record.resultType
  const code =
    wholeOf(status?.['errorCode']) ??
    wholeOf(result) ??
    namedResults.get((result ?? record.resultSignature ?? '').toLowerCase())
  if (code === undefined) {
    return { outcome: { status_id: 0, status: 'Unknown', status_detail: given ?? additional } }
  }
  if (code === 0) {
    return { outcome: { status_id: 1, status: 'Success', status_code: '0', status_detail: additional } }
  }
  const error = signInError(code, `${given ?? ''} ${additional ?? ''}`.toLowerCase())
  // `Other.` is what the source writes where it has no text.
  const reason = given === undefined || /^other\.?$/i.test(given) ? undefined : given
  const status_detail = reason ?? additional ?? error?.words
  const status_code = code < 0 ? undefined : String(code)
  const outcome: Outcome =
    error?.end === 'asked'
      ? { status_id: 99, status: 'Interrupted', status_code, status_detail }
      : { status_id: 2, status: 'Failure', status_code, status_detail }
  const details = reason === undefined ? undefined : additional
  return { outcome, error, words: error?.words ?? unknownError(code, reason), details }
}

function unknownError(code: number, reason: string | undefined): string {
  if (reason !== undefined) return plain(reason)
  return code < 0 ? 'no reason given' : `error ${code}`
}

/** The first sentence of the source's reason, as a part of ours. */
function plain(reason: string): string {
  const stop = reason.indexOf('. ')
  const first = stop === -1 ? reason : reason.slice(0, stop)
  const bare = first.endsWith('.') ? first.slice(0, -1) : first
  // `TLS 1.0` stays as it is.
  return clip(/^[A-Z][a-z]/.test(bare) ? bare.charAt(0).toLowerCase() + bare.slice(1) : bare, MAX_REASON_CHARS)
}

export function severityOf({ outcome, error }: End): 1 | 2 | 3 {
  return outcome.status_id === 2 ? (error?.severity ?? 2) : 1
}
