// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The words by which applications say how severe an event is and how it ended.

import { type Json, wholeOf } from './json.ts'
import type { SeverityId } from './ocsf-base.ts'

export const severities: ReadonlyMap<string, SeverityId> = new Map([
  ['debug', 1],
  ['info', 1],
  ['information', 1],
  ['informational', 1],
  ['notice', 1],
  ['low', 2],
  ['medium', 3],
  ['moderate', 3],
  ['warn', 3],
  ['warning', 3],
  ['high', 4],
  ['error', 4],
  ['critical', 5],
  ['crit', 5],
  ['alert', 5],
  ['fatal', 6],
  ['emergency', 6],
])

const successWords = 'success successful succeeded ok allow allowed granted accepted completed true'
const failureWords =
  'failure failed fail error deny denied rejected refused blocked unauthorized forbidden timeout aborted invalid false'
const outcomes: ReadonlyMap<string, 1 | 2> = new Map([
  ...successWords.split(' ').map((word) => [word, 1] as const),
  ...failureWords.split(' ').map((word) => [word, 2] as const),
])

/** Undefined for a word that no table holds; numbers are HTTP status codes. */
export function outcomeIdOf(value: Json | undefined): 1 | 2 | undefined {
  const status = wholeOf(value)
  if (status !== undefined) return status >= 100 && status < 400 ? 1 : status >= 400 && status < 600 ? 2 : undefined
  if (typeof value === 'boolean') return value ? 1 : 2
  return typeof value === 'string' ? outcomes.get(value.slice(0, 32).trim().toLowerCase()) : undefined
}
