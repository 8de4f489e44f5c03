// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What may have been meant by a query that was read well and finds nothing.

import { formatQuery } from './format.ts'
import { formatTime, parseTime } from './time.ts'
import type { Query } from './tree.ts'

const MAX_HINTS = 3
/** Of an outcome each is all there is. */
const OUTCOMES: readonly string[] = ['success', 'failure', 'unknown']

/** Hints, each a part of a sentence; `since` is the time that was asked for beside the query. */
export function hintsOf(query: Query, nowMs: number, since?: string): readonly string[] {
  const sinceMs = since === undefined ? undefined : parseTime(since, nowMs)
  const outside = sinceMs === undefined ? [] : hintsOfPart({ kind: 'after', ms: sinceMs }, nowMs)
  return [...new Set([...hintsOfPart(query, nowMs), ...outside])].slice(0, MAX_HINTS)
}

function hintsOfPart(query: Query, nowMs: number): readonly string[] {
  switch (query.kind) {
    case 'and':
    case 'or':
      return query.of.flatMap((part) => hintsOfPart(part, nowMs))
    case 'field': {
      const { field, pattern } = query
      if (pattern.length > 1 || (field === 'outcome' && OUTCOMES.includes(pattern[0]!))) return []
      return [
        `${formatQuery(query)} is compared as a whole: try ${formatQuery({ ...query, pattern: [...pattern, ''] })}`,
      ]
    }
    case 'path': {
      const { path, test } = query
      const own = path.startsWith('raw.') ? [`'stele fields ${path}' says whether events have such a field`] : []
      if (test.kind !== 'pattern' || test.pattern.length > 1) return own
      const wider: Query = { ...query, test: { ...test, pattern: [...test.pattern, ''] } }
      return [`${formatQuery(query)} is compared as a whole: try ${formatQuery(wider)}`, ...own]
    }
    case 'text': {
      const text = query.pattern.join('*')
      return /^(?:and|or|not)$/.test(text) ? [`${text} is looked for as a word: operators are in capitals`] : []
    }
    case 'after': {
      const time = formatTime(query.ms)
      return query.ms > nowMs ? [`${time}, after which events are asked for, has not come yet`] : []
    }
    case 'all':
    case 'not':
    case 'exists':
    case 'source':
    case 'cidr':
    case 'number':
    case 'before':
      return []
  }
}
