// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds what a request says against a schema, and says in plain words what is not as it should be. */
import { z } from 'zod'
import { Problem } from '../schema/problem.ts'

type Part = 'path' | 'query' | 'body'

/** What the schema makes of the value. Throws `invalid-field`. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: Part): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new Problem(
    'invalid-field',
    issue === undefined ? `${where}: not as expected.` : said(issue, schema, value, where),
  )
}

function said(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, where: Part): string {
  const field = issue.path.length === 0 ? where : issue.path.join('.')
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0 && schema instanceof z.ZodObject) {
    const unknown = issue.keys.map((key) => JSON.stringify(key)).join(', ')
    return `${where}: there is no ${unknown}; there are ${Object.keys(schema.shape).join(', ')}.`
  }
  if (issue.code === 'invalid_type') {
    const found = valueAt(value, issue.path)
    if (found === undefined) return `${field}: it is missing.`
    if (where === 'query' && Array.isArray(found)) return `${field}: it is there more than once.`
  }
  return `${field}: ${issue.message}.`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (found, name) => (typeof found === 'object' && found !== null ? (found as Members)[name] : undefined),
    value,
  )
}

type Members = { readonly [name: PropertyKey]: unknown }
