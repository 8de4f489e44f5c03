// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Problems (RFC 9457) as they arrive. A field that is not of its form is left out: the status already says no.

import { fromUtf8 } from '@stele/proof'

import { type ProblemFields, SteleError } from './error.ts'

/** The refusal that an answer is; `bytes` is its body where that is a problem. */
export function readProblem(status: number, bytes: Uint8Array | undefined, retryAfter: string | null): SteleError {
  const fields = bytes === undefined ? {} : parse(bytes)
  const { code, detail, title, suggestion } = fields
  const problem: ProblemFields = {
    ...(isCode(code) ? { code } : {}),
    ...(typeof detail === 'string' ? { detail } : {}),
    ...(typeof suggestion === 'string' ? { suggestion } : {}),
    ...wholes(fields),
    ...(/^\d{1,6}$/.test(retryAfter ?? '') ? { retryAfterMs: Number(retryAfter) * 1000 } : {}),
  }
  const words = typeof detail === 'string' ? detail : typeof title === 'string' ? title : `HTTP status ${status}`
  return new SteleError('refused', words, { status, problem })
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function isCode(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z]+(?:-[a-z]+)*$/.test(value)
}

const wholeNames = ['offset', 'line', 'event', 'limit', 'column', 'length'] as const

function wholes(fields: Readonly<Record<string, unknown>>): Pick<ProblemFields, (typeof wholeNames)[number]> {
  const pairs = wholeNames.map((name) => [name, fields[name]] as const)
  return Object.fromEntries(pairs.filter(([, value]) => Number.isSafeInteger(value) && Number(value) >= 0))
}
