// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What can be searched by: the fields of the language, and the paths that a ledger's events have.

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { type Reach, readCounts, readReach, type ValueCount } from './search.ts'

const FIELD_KINDS = ['text', 'ip', 'number', 'source', 'keyword'] as const
const PATH_KINDS = ['source', 'ocsf'] as const

export interface SearchField {
  readonly name: string
  readonly title: string
  /** How its values are written: whole text, an address or network, a name or number, a source; a keyword is no field. */
  readonly kind: (typeof FIELD_KINDS)[number]
  /** The OCSF attributes that it reads. */
  readonly paths?: readonly string[]
  /** A query. */
  readonly example: string
  /** The most frequent ones of the ledger. */
  readonly values?: readonly ValueCount[]
}

export interface SearchPath {
  /** As it is written in a query. */
  readonly path: string
  /** A field of the source's own, or an attribute of OCSF. */
  readonly kind: (typeof PATH_KINDS)[number]
  /** Events that have a value there. */
  readonly count: number
  /** A value there, folded. */
  readonly example?: string
}

export interface SearchFields extends Reach {
  readonly fields: readonly SearchField[]
  /** The most frequent first. */
  readonly paths: readonly SearchPath[]
  /** Whether there are more paths, or more events that have them. */
  readonly more: boolean
}

export function readSearchFields(value: unknown, ledger: string, limit: number): SearchFields {
  const answer = new Fields('the fields', value)
  const paths = answer.list('paths').map(readPath)
  if (paths.length > limit) throw untrustworthy(`${limit} paths were asked for, and ${paths.length} came`)
  const more = answer.has('more')
  if (more && !answer.flag('more'))
    throw untrustworthy('it says that there are no more paths, where it says nothing then')
  return {
    fields: answer.list('fields').map(readField),
    paths,
    more,
    ...readReach(answer, ledger),
  }
}

function readField(value: unknown): SearchField {
  const fields = new Fields('a field', value)
  return {
    name: fields.text('name'),
    title: fields.text('title'),
    kind: fields.oneOf('kind', FIELD_KINDS),
    example: fields.text('example'),
    ...(fields.has('paths') ? { paths: fields.texts('paths') } : {}),
    ...(fields.has('values') ? { values: readCounts(fields.list('values')) } : {}),
  }
}

function readPath(value: unknown): SearchPath {
  const fields = new Fields('a path', value)
  const path = { path: fields.anyText('path'), kind: fields.oneOf('kind', PATH_KINDS), count: fields.whole('count') }
  return fields.has('example') ? { ...path, example: fields.anyText('example') } : path
}
