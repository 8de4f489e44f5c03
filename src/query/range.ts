// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Numbers as queries and events write them, and ranges of them. What a number is is said once, for the memory and, as
// an expression, for ClickHouse: within these bounds both read the same.

/** As a text is a number, for JavaScript and RE2. */
export const NUMBER_EXPRESSION = '^-?[0-9]{1,30}(?:\\.[0-9]{1,30})?(?:e[+-]?[0-9]{1,2})?$'
const NUMBER = new RegExp(NUMBER_EXPRESSION)

export interface Bound {
  readonly value: number
  readonly isIncluded: boolean
}

/** Without a bound it is open there; it has at least one. */
export interface NumberRange {
  readonly from?: Bound
  readonly to?: Bound
}

/** The number that a folded text is; undefined where it is none. */
export function numberOf(text: string): number | undefined {
  // Minus zero is zero.
  return NUMBER.test(text) ? Number(text) + 0 : undefined
}

export function isWithin(value: number, { from, to }: NumberRange): boolean {
  if (from !== undefined && !(from.isIncluded ? value >= from.value : value > from.value)) return false
  return to === undefined || (to.isIncluded ? value <= to.value : value < to.value)
}

export function formatNumberRange({ from, to }: NumberRange): string {
  if (from !== undefined && to !== undefined) return `${from.value}..${to.value}`
  if (from !== undefined) return `>${from.isIncluded ? '=' : ''}${from.value}`
  return to === undefined ? '*' : `<${to.isIncluded ? '=' : ''}${to.value}`
}

/** A comparison, as `>=5` or `5..10`, whatever it is of; undefined for another text. */
export function comparisonOf(text: string): Comparison | undefined {
  const [, sign, compared] = /^([<>]=?)(.*)$/.exec(text) ?? []
  if (sign !== undefined && compared !== undefined) return { kind: sign as Sign, value: compared.trim() }
  const at = text.indexOf('..')
  if (at === -1) return undefined
  return { kind: '..', from: text.slice(0, at), to: text.slice(at + '..'.length) }
}

type Sign = '<' | '<=' | '>' | '>='

export type Comparison =
  | { readonly kind: Sign; readonly value: string }
  | { readonly kind: '..'; readonly from: string; readonly to: string }
