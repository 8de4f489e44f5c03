// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A tree as text again: what `parseQuery` reads into the same tree.

import { formatNetwork } from './address.ts'
import { MAX_SEVERITY } from './fields.ts'
import { formatTime } from './time.ts'
import type { Pattern, Query } from './tree.ts'

export function formatQuery(query: Query): string {
  switch (query.kind) {
    case 'all':
      return '*'
    case 'and':
      return query.of.map((part) => (part.kind === 'or' ? `(${formatQuery(part)})` : formatQuery(part))).join(' ')
    case 'or':
      return query.of.map(formatQuery).join(' OR ')
    case 'not':
      return query.of.kind === 'and' || query.of.kind === 'or'
        ? `-(${formatQuery(query.of)})`
        : `-${formatQuery(query.of)}`
    case 'field':
      return `${query.field}:${formatPattern(query.pattern)}`
    case 'exists':
      return `exists:${query.field}`
    case 'source':
      return `source:${formatPattern(joinedBySlash(query.parts))}`
    case 'cidr':
      return `ip:${formatNetwork(query)}`
    case 'number':
      return `${query.field}:${formatRange(query.from, query.to)}`
    case 'after':
    case 'before':
      return `${query.kind}:${formatTime(query.ms)}`
    case 'text':
      return formatPattern(query.pattern)
  }
}

/** Bare where that is read the same. */
function formatPattern(pattern: Pattern): string {
  const text = pattern.join('*')
  const isPlain = /^[a-z0-9*][a-z0-9*@./_-]*$/.test(text) && !/^(?:and|or|not)$/.test(text)
  if (isPlain && pattern.every((part) => !part.includes('*'))) return text
  return `"${pattern.map((part) => part.replaceAll(/["\\*]/g, '\\$&')).join('*')}"`
}

function joinedBySlash(parts: readonly Pattern[]): Pattern {
  return parts.reduce((whole, part) => [...whole.slice(0, -1), `${whole.at(-1)!}/${part[0]!}`, ...part.slice(1)])
}

function formatRange(from: number, to: number): string {
  if (from === to) return String(from)
  return to === MAX_SEVERITY ? `>=${from}` : `<=${to}`
}
