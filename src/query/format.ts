// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A tree as text again: what `parseQuery` reads into the same tree.

import { formatNetwork, type Network } from './address.ts'
import { MAX_SEVERITY } from './fields.ts'
import { formatTime } from './time.ts'
import { formatPath } from './paths.ts'
import { formatNumberRange } from './range.ts'
import { quoted } from './tokens.ts'
import type { Pattern, PathTest, Query } from './tree.ts'

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
    case 'path':
      return formatPathTerm(query.path, query.test)
    case 'after':
    case 'before':
      return `${query.kind}:${formatTime(query.ms)}`
    case 'text':
      return formatPattern(query.pattern)
  }
}

function formatPathTerm(path: string, test: PathTest): string {
  switch (test.kind) {
    case 'exists':
      return `exists:${/^[^\s():"*[\]]+$/.test(path) ? path : quoted(path, 'literal')}`
    case 'pattern':
      return `${formatPath(path)}:${formatWhole(test.pattern)}`
    case 'cidr':
      return `${formatPath(path)}:${formatWidely(test)}`
    case 'range':
      return `${formatPath(path)}:${formatNumberRange(test)}`
  }
}

/** A single address of IPv4 would be read as a text. */
function formatWidely(network: Network): string {
  const text = formatNetwork(network)
  return /[:/]/.test(text) ? text : `${text}/32`
}

/** As a value at a path: what looks like a range or an address stands in quotes. */
function formatWhole(pattern: Pattern): string {
  const text = formatPattern(pattern)
  return text.startsWith('"') || !/\.\.|^[0-9a-f.:/]+$/.test(text) || /^[0-9]+$/.test(text) ? text : `"${text}"`
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
  if (to === MAX_SEVERITY) return `>=${from}`
  return from === 0 ? `<=${to}` : `${from}..${to}`
}
