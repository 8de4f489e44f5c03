// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Paths as a query names them: `raw.` and the source's own names, which anything may follow, or an attribute of OCSF,
// of which it is known which there are.

import { ocsfAttributes } from '../schema/ocsf-attributes.ts'
import { fieldOf, keywords } from './fields.ts'
import { fold } from './fold.ts'
import { nearest } from './nearest.ts'

const RAW_PREFIX = /^raw\./i
const SEGMENT = /"((?:[^"\\]|\\.)*)"|([^".]+)/y
const tables: Readonly<Record<string, Readonly<Record<string, string>>>> = ocsfAttributes

/** A field, a path, or a keyword that is written like one, in any case. */
export function isField(name: string): boolean {
  return isShort(name) || pathOf(name) !== undefined
}

/** A name without a path. */
export function isShort(name: string): boolean {
  const folded = name.toLowerCase()
  return fieldOf(folded) !== undefined || keywords.some((keyword) => keyword.name === folded)
}

/** The path as the index has it, where the name is the source's own or an attribute of OCSF that has values; else undefined. */
export function pathOf(name: string): string | undefined {
  if (RAW_PREFIX.test(name)) return rawPath(name)
  const folded = fold(name)
  return isValue(kindOf(folded)) ? folded : undefined
}

/** As `pathOf`, for whether it is there at all: an object is, where one of its attributes is. */
export function existingPathOf(name: string): string | undefined {
  if (RAW_PREFIX.test(name)) return rawPath(name)
  const folded = fold(name)
  const kind = kindOf(folded)
  return kind === undefined || kind === 'json' ? undefined : folded
}

/** The path of `exists:"raw.some name"`, whose parts are not in quotes by themselves. */
export function pathInQuotes(text: string): string | undefined {
  if (!RAW_PREFIX.test(text)) return existingPathOf(text)
  const names = text.slice('raw.'.length).split('.').map(fold)
  return names.includes('') ? undefined : ['raw', ...names].join('.')
}

/** Names in quotes may hold anything; a dot in them is as one between names. */
function rawPath(name: string): string | undefined {
  const names: string[] = []
  let at = 'raw.'.length
  for (;;) {
    SEGMENT.lastIndex = at
    const found = SEGMENT.exec(name)
    if (found === null) return undefined
    const [whole, inQuotes, bare = ''] = found
    if (bare.includes('*')) return undefined
    names.push(inQuotes === undefined ? bare : inQuotes.replaceAll(/\\(.)/g, '$1'))
    at += whole.length
    if (at === name.length) break
    if (name[at] !== '.') return undefined
    at++
  }
  const path = ['raw', ...names.map(fold)].join('.')
  return names.some((one) => fold(one) === '') ? undefined : path
}

/** As `pathOf` reads it again. */
export function formatPath(path: string): string {
  if (!path.startsWith('raw.') || /^raw(?:\.[^\s:()".*[\]]+)+$/.test(path)) return path
  return `raw."${path.slice('raw.'.length).replaceAll(/["\\]/g, '\\$&')}"`
}

/** What OCSF has at the path: `text`, `number`, `boolean`, `json` and below that, or an object's name; undefined for nothing. */
export function kindOf(path: string): string | undefined {
  let kind = 'event'
  for (const name of path.split('.')) {
    if (kind === 'json') break
    const table = Object.hasOwn(tables, kind) ? tables[kind] : undefined
    if (table === undefined || !Object.hasOwn(table, name)) return undefined
    kind = table[name]!
  }
  return kind
}

/** Whether it begins as attributes of OCSF do. */
export function isWithinOcsf(path: string): boolean {
  const [first = '', ...rest] = path.split('.')
  return rest.length > 0 && kindOf(first) !== undefined
}

function isValue(kind: string | undefined): boolean {
  return kind === 'text' || kind === 'number' || kind === 'boolean'
}

/** The attribute of OCSF that is nearest to a name of several parts, or to one of its own; undefined where none is. */
export function nearestPath(asked: string): string | undefined {
  const names: string[] = []
  let kind = 'event'
  for (const name of fold(asked).split('.')) {
    const table = tables[kind]
    if (table === undefined) break
    const known = Object.hasOwn(table, name) ? name : nearest(name, Object.keys(table))
    // Another attribute of the same object would be a guess.
    if (known === undefined) return undefined
    names.push(known)
    kind = table[known]!
  }
  const within = tables[kind]
  if (within === undefined) return kind === 'json' ? undefined : names.join('.')
  // Of an object what it is called by.
  const first = ['name', 'uid', 'value'].find((name) => Object.hasOwn(within, name))
  return first === undefined ? undefined : [...names, first].join('.')
}

/** All paths of OCSF at which values stand, and what they are; deeper ones than events have are left out. */
export function ocsfPaths(): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const walk = (object: string, above: readonly string[]) => {
    for (const [name, kind] of Object.entries(tables[object] ?? {})) {
      const path = [...above, name]
      if (isValue(kind)) found.set(path.join('.'), kind)
      else if (kind !== 'json' && path.length < MAX_DEPTH) walk(kind, path)
    }
  }
  walk('event', [])
  return found
}

const MAX_DEPTH = 4
