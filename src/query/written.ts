// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The values of a field as an event writes them, not folded: for people. Bounded like what is searched.

import { isPlaceholder } from '../schema/placeholder.ts'
import { MAX_FIELD_VALUES } from './document.ts'
import { type FieldName, fieldOf, type FieldPath } from './fields.ts'

/** An event may have any. */
const MAX_CHARS = 1_000

/** Distinct, in the order of the field's paths. */
export function writtenValues(ocsf: { readonly class_uid: number }, name: FieldName): readonly string[] {
  const paths: readonly FieldPath[] = fieldOf(name)?.paths ?? []
  const found = new Set<string>()
  for (const { path, classes } of paths) {
    if (classes === undefined || classes.includes(ocsf.class_uid)) collect(ocsf, path.split('.'), found)
  }
  return [...found]
}

/** The first text at a path of an event; empty where there is none. */
export function writtenAt(ocsf: object, path: string): string {
  const found = new Set<string>()
  collect(ocsf, path.split('.'), found)
  return [...found][0] ?? ''
}

/** `[]` behind a name is each member of an array. */
function collect(value: unknown, path: readonly string[], found: Set<string>): void {
  const [part, ...rest] = path
  if (part === undefined) {
    if (typeof value === 'string' && value !== '' && found.size < MAX_FIELD_VALUES) found.add(bounded(value))
    return
  }
  const name = part.replace('[]', '')
  if (typeof value !== 'object' || value === null || isPlaceholder(value) || !Object.hasOwn(value, name)) return
  const member = (value as { readonly [name: string]: unknown })[name]
  if (part === name) collect(member, rest, found)
  else if (Array.isArray(member) && !isPlaceholder(member)) {
    for (const one of member.slice(0, MAX_FIELD_VALUES) as readonly unknown[]) collect(one, rest, found)
  }
}

function bounded(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS).toWellFormed()}…`
}
