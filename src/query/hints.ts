// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What may have been meant by a query that was read well and finds nothing.

import type { TextField } from './fields.ts'
import { formatQuery } from './format.ts'
import { nearestFew } from './nearest.ts'
import { formatPath } from './paths.ts'
import { formatTime, parseTime } from './time.ts'
import type { Query } from './tree.ts'

const MAX_HINTS = 3
/** Of an outcome these are nearly all there is. */
const OUTCOMES: readonly string[] = ['success', 'failure', 'unknown']

/** What is known of the events that were searched; all of it may be a part only. */
export interface Known {
  /** Frequent values of fields. */
  readonly values: ReadonlyMap<TextField, readonly string[]>
  /** The paths of the source's own names that events have, as queries write them. */
  readonly paths?: readonly string[]
}

export interface HintContext {
  readonly nowMs: number
  /** The time that was asked for beside the query. */
  readonly since?: string | undefined
  readonly known?: Known | undefined
  /** The command that lists the paths that begin so, for where they are not known here. */
  readonly fieldsCommand: (path: string) => string
}

/** Of what it would help to know values and paths. */
export function wantedFor(query: Query): { readonly fields: readonly TextField[]; readonly hasPath: boolean } {
  const parts = termsOf(query)
  const fields = parts.flatMap((part) =>
    part.kind === 'field' && part.field !== 'ledger' && part.pattern.length === 1 && !isOutcome(part)
      ? [part.field]
      : [],
  )
  return { fields: [...new Set(fields)], hasPath: parts.some((part) => part.kind === 'path' && isOwn(part.path)) }
}

/** Hints, each a part of a sentence. */
export function hintsOf(query: Query, context: HintContext): readonly string[] {
  const { nowMs, since } = context
  const sinceMs = since === undefined ? undefined : parseTime(since, nowMs)
  const outside: Term[] = sinceMs === undefined ? [] : [{ kind: 'after', ms: sinceMs }]
  return [
    ...new Set([...timeHints(query), ...[...termsOf(query), ...outside].flatMap((part) => hintsOfTerm(part, context))]),
  ].slice(0, MAX_HINTS)
}

/** Of times that must both hold. */
function timeHints(query: Query): readonly string[] {
  if (query.kind !== 'and') return []
  const after = Math.max(...query.of.map((part) => (part.kind === 'after' ? part.ms : -Infinity)))
  const before = Math.min(...query.of.map((part) => (part.kind === 'before' ? part.ms : Infinity)))
  if (!Number.isFinite(after) || !Number.isFinite(before)) return []
  const [from, until] = [formatTime(after), formatTime(before)]
  if (after >= before) return [`nothing is after ${from} and before ${until}: try after:${until} before:${from}`]
  return before - after === 1 ? [`${from} is a moment: time:>=${from} is all since then`] : []
}

type Term = Exclude<Query, { kind: 'and' | 'or' | 'not' }>

/** What is to be there; of what is left out nothing may be there. */
function termsOf(query: Query): readonly Term[] {
  if (query.kind === 'and' || query.kind === 'or') return query.of.flatMap(termsOf)
  return query.kind === 'not' ? [] : [query]
}

function hintsOfTerm(query: Term, context: HintContext): readonly string[] {
  switch (query.kind) {
    case 'field':
      return hintsOfField(query, context.known)
    case 'path':
      return hintsOfPath(query, context)
    case 'text': {
      const text = query.pattern.join('*')
      return /^(?:and|or|not)$/.test(text) ? [`${text} is looked for as a word: operators are in capitals`] : []
    }
    case 'after': {
      const time = formatTime(query.ms)
      return query.ms > context.nowMs ? [`${time}, after which events are asked for, has not come yet`] : []
    }
    case 'all':
    case 'exists':
    case 'source':
    case 'cidr':
    case 'number':
    case 'before':
      return []
  }
}

type FieldTerm = Extract<Query, { kind: 'field' }>

function isOutcome({ field, pattern }: FieldTerm): boolean {
  return field === 'outcome' && OUTCOMES.includes(pattern[0]!)
}

function hintsOfField(query: FieldTerm, known: Known | undefined): readonly string[] {
  const [value = ''] = query.pattern
  if (query.pattern.length > 1 || isOutcome(query)) return []
  const values = [...(query.field === 'outcome' ? OUTCOMES : []), ...(known?.values.get(query.field) ?? [])]
  if (values.includes(value)) return []
  const near = nearestFew(value, values)
  if (near.length > 0) {
    return [
      `${formatQuery(query)}: did you mean ${either(near.map((one) => formatQuery({ ...query, pattern: [one] })))}`,
    ]
  }
  return [`${formatQuery(query)} is compared as a whole: try ${formatQuery({ ...query, pattern: [value, ''] })}`]
}

type PathQuery = Extract<Query, { kind: 'path' }>

function hintsOfPath(query: PathQuery, { known, fieldsCommand }: HintContext): readonly string[] {
  const { path, test } = query
  // A number may be a name, too.
  const members = isOwn(path) ? path.replaceAll(/\.[0-9]+(?=\.|$)/g, '') : path
  if (members !== path && members !== 'raw') {
    return [`members of an array have no number: try ${formatQuery({ ...query, path: members })}`]
  }
  const written = formatPath(path)
  const paths = isOwn(path) ? known?.paths : undefined
  if (paths !== undefined && !paths.includes(written)) return [pathHint(path, paths, fieldsCommand)]
  const own =
    isOwn(path) && paths === undefined ? [`whether events have such a field, this says: ${fieldsCommand(path)}`] : []
  if (test.kind !== 'pattern' || test.pattern.length > 1) return own
  const wider: Query = { ...query, test: { ...test, pattern: [...test.pattern, ''] } }
  return [`${formatQuery(query)} is compared as a whole: try ${formatQuery(wider)}`, ...own]
}

/** For a path that is not among those that are known. */
function pathHint(path: string, paths: readonly string[], fieldsCommand: (path: string) => string): string {
  const written = formatPath(path)
  const below = paths.filter((one) => one.startsWith(`${written}.`)).slice(0, MAX_HINTS)
  if (below.length > 0) return `${written} has no value of its own: try ${either(below)}`
  const near = nearestFew(written, paths)
  // A name that stands elsewhere.
  const last = lastName(path)
  const elsewhere = near.length > 0 ? near : paths.filter((one) => lastName(one) === last).slice(0, MAX_HINTS)
  const most = `${written} is not among the fields that most events have`
  if (elsewhere.length > 0) return `${most}: did you mean ${either(elsewhere)}`
  return `${most}; this lists them: ${fieldsCommand('raw.')}`
}

function lastName(path: string): string {
  return path.replace(/"$/, '').split('.').at(-1)!
}

function isOwn(path: string): boolean {
  return path.startsWith('raw.')
}

function either(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`
}
