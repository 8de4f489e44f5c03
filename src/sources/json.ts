// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Reading parsed JSON that strangers wrote. Any value may stand under any key and be of any size, so a mapping takes
// what is of the kind that it expects and leaves the rest. Keys are literals that no prototype has; a key out of the
// event goes through `memberOf`, and into a new object through `without`.

import type { JsonObject, JsonValue } from '@stele/proof'

export type { JsonObject } from '@stele/proof'
export type Json = JsonValue

/** Longest name, id or code that is copied out of an event; longer ones are clipped. */
export const MAX_NAME_CHARS = 1_024

/** A string or a number as text, trimmed and clipped; undefined where it is another kind, or empty. */
export function text(value: Json | undefined, maxChars: number = MAX_NAME_CHARS): string | undefined {
  if (typeof value === 'string') {
    const trimmed = trim(value)
    if (trimmed === '') return undefined
    return trimmed.length > maxChars ? clip(trimmed, maxChars) : trimmed
  }
  return typeof value === 'number' ? String(value) : undefined
}

/** `text` at most `maxChars` long, its end marked where something was cut off, no character cut in two. */
export function clip(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text
  const last = text.charCodeAt(maxChars - 2)
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 2 : maxChars - 1)}…`
}

/** An object; undefined for an array or anything else. */
export function objectOf(value: Json | undefined): JsonObject | undefined {
  return isObject(value) ? value : undefined
}

const nothing: readonly Json[] = Object.freeze([])

/** An array; an empty one for anything else. */
export function arrayOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : nothing
}

/** The objects of an array, the rest left out; so many at most. */
export function objectsOf(value: Json | undefined, maxCount: number = 64): readonly JsonObject[] {
  const objects: JsonObject[] = []
  for (const member of arrayOf(value)) {
    if (objects.length >= maxCount) break
    if (isObject(member)) objects.push(member)
  }
  return objects
}

/** A finite number, or a string that is one in decimal digits. */
export function numberOf(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || value.length > 32) return undefined
  const trimmed = trim(value)
  if (!/^-?[0-9]+(?:\.[0-9]+)?$/.test(trimmed)) return undefined
  return Number(trimmed)
}

/** As `numberOf`, where it is a whole number that is exact. */
export function wholeOf(value: Json | undefined): number | undefined {
  const number = numberOf(value)
  return number !== undefined && Number.isSafeInteger(number) ? number : undefined
}

/** A boolean, or a string that is `true` or `false` in any case. */
export function booleanOf(value: Json | undefined): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string' || value.length > 8) return undefined
  const folded = value.trim().toLowerCase()
  return folded === 'true' ? true : folded === 'false' ? false : undefined
}

/** The event's own member, never one of a prototype: for keys that an event names. */
export function memberOf(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** The members under other keys than `taken`, by reference; undefined where none are left. */
export function without(object: JsonObject, taken: ReadonlySet<string>): JsonObject | undefined {
  const rest = Object.entries(object).filter(([key]) => !taken.has(key))
  // Defines members instead of assigning them: `__proto__` is a key like any other.
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

/** Deeper than this, JSON inside a string stays text: whoever walks an event need not expect more than events may have. */
const MAX_INNER_DEPTH = 32

/**
 * What JSON inside a string says: `"\"x\""` is `x`, `"[true]"` is `[true]`. Any other value, and text that is no
 * JSON, is itself; an empty string and an absent value are undefined.
 */
export function decoded(value: Json | undefined): Json | undefined {
  if (typeof value !== 'string') return value
  const trimmed = trim(value)
  if (trimmed === '') return undefined
  if (!maybeJson(trimmed)) return value
  const plain = plainly(trimmed)
  if (plain !== undefined) return plain
  try {
    const inner = JSON.parse(trimmed) as Json
    return trimmed.length > 2 * MAX_INNER_DEPTH && deeperThan(inner, MAX_INNER_DEPTH) ? value : inner
  } catch {
    return value
  }
}

const EMPTY: readonly Json[] = Object.freeze([])

/** Most are `"x"`, `["x"]` or `[]`, which need no parser. */
function plainly(value: string): Json | undefined {
  const { length } = value
  const first = value.charCodeAt(0)
  if (first === 0x5b) {
    if (length === 2 && value === '[]') return EMPTY
    if (value.charCodeAt(1) !== 0x22 || value.indexOf('"', 2) !== length - 2 || !value.endsWith(']')) return undefined
    return value.includes('\\') ? undefined : [value.slice(2, -2)]
  }
  if (first !== 0x22 || length === 1 || value.indexOf('"', 1) !== length - 1) return undefined
  return value.includes('\\') ? undefined : value.slice(1, -1)
}

function deeperThan(value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((member: Json) => deeperThan(member, depth - 1))
}

/** Spares most texts the cost of an exception. */
function maybeJson(trimmed: string): boolean {
  const last = trimmed.charCodeAt(trimmed.length - 1)
  switch (trimmed.charCodeAt(0)) {
    case 0x22:
      return last === 0x22 && trimmed.length > 1
    case 0x5b:
      return last === 0x5d
    case 0x7b:
      return last === 0x7d
    case 0x66:
      return trimmed === 'false'
    case 0x6e:
      return trimmed === 'null'
    case 0x74:
      return trimmed === 'true'
    default:
      return false
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function trim(value: string): string {
  const { length } = value
  if (length === 0) return value
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(length - 1)
  // Every white space is at most a space or beyond ASCII.
  const bare = first > 0x20 && first < 0x7f && last > 0x20 && last < 0x7f
  return bare ? value : value.trim()
}
