// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Turns whatever went wrong into the RFC 9457 problem that the caller gets: never a stack, never content. */
import { DamagedError } from '../ledger/read.ts'
import { Problem, type ProblemCode } from '../schema/problem.ts'
import type { ProblemAnswer } from './schemas.ts'

export const PROBLEM_TYPE = 'application/problem+json'

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  507: 'Insufficient Storage',
}

export function titleOf(status: number): string {
  return titles[status] ?? 'Error'
}

/** Codes for what Fastify itself refuses, by status. */
const codeOfStatus: Readonly<Record<number, ProblemCode>> = {
  400: 'malformed-request',
  404: 'not-found',
  413: 'body-too-large',
  414: 'malformed-request',
  415: 'unsupported-media-type',
}

/** The problem behind an error. What nobody foresaw is `internal-error`; the log has the rest of it. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof DamagedError) {
    const detail = 'What is stored is not what was committed to: it was changed on the disk. Run stele verify there.'
    return new Problem('content-damaged', detail)
  }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  const code = codeOfStatus[status]
  if (code === undefined) return new Problem('internal-error', 'The server failed; its log says how.')
  return new Problem(code, 'The request is not well-formed HTTP for this server.')
}

export function problemAnswer(problem: Problem, request: string): ProblemAnswer {
  const { code, status, message, place } = problem
  const { retryAfter: _, allow: __, ...where } = place
  return {
    type: `urn:stele:error:${code}`,
    title: titleOf(status),
    status,
    code,
    detail: message,
    ...where,
    ...(status >= 500 ? { request } : {}),
  }
}
