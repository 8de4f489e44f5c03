// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a query is once it is read. Everything that it looks for is folded already, times are Unix milliseconds and
// addresses are ranges: evaluating it in memory and in ClickHouse start from the same tree.

import type { FieldName, NumberField, TextField } from './fields.ts'
import type { NumberRange } from './range.ts'

export type Query =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly of: readonly Query[] }
  | { readonly kind: 'or'; readonly of: readonly Query[] }
  | { readonly kind: 'not'; readonly of: Query }
  | Term

export type Term =
  /** One of the field's values as a whole. */
  | { readonly kind: 'field'; readonly field: TextField; readonly pattern: Pattern }
  | { readonly kind: 'exists'; readonly field: FieldName }
  /** Each part of the source against its own pattern: the type or what begins it before a dot, instance, stream. */
  | { readonly kind: 'source'; readonly parts: readonly Pattern[] }
  /** An address from `from` to `to`, both inclusive, as 32 hexadecimal digits; IPv4 is mapped into IPv6. */
  | { readonly kind: 'cidr'; readonly from: string; readonly to: string }
  /** From `from` to `to`, both inclusive. */
  | { readonly kind: 'number'; readonly field: NumberField; readonly from: number; readonly to: number }
  /** One of the values at a path, of those that are the source's own or of OCSF's; the path as the index has it. */
  | { readonly kind: 'path'; readonly path: string; readonly test: PathTest }
  | { readonly kind: 'after'; readonly ms: number }
  | { readonly kind: 'before'; readonly ms: number }
  /** Free text within one value of the event, from the begin of a word to the end of one. */
  | { readonly kind: 'text'; readonly pattern: Pattern }

export type PathTest =
  /** The value as a whole. */
  | { readonly kind: 'pattern'; readonly pattern: Pattern }
  | ({ readonly kind: 'range' } & NumberRange)
  | { readonly kind: 'cidr'; readonly from: string; readonly to: string }
  /** There is a value, here or below. */
  | { readonly kind: 'exists' }

/**
 * Folded literals with a wildcard between each two of them, so there is always at least one; only the first and the
 * last may be empty. A wildcard stands for any characters in a field's value, for those of one word in free text.
 */
export type Pattern = readonly string[]

/** Whether it stands for every value. */
export function isAny(pattern: Pattern): boolean {
  return pattern.length > 1 && pattern.every((part) => part === '')
}
