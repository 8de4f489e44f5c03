// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ways of changing an answer in one place.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** One change of one field, for any answer of the same form; undefined where the field is that already. */
export interface Lie {
  readonly what: string
  /** The field that is changed: names, and positions in lists. */
  readonly path: Path
  readonly tell: (answer: Json) => Json | undefined
}

const FORMS: readonly (Json | undefined)[] = [undefined, null, [], {}, 'x\ud800', '', 1.5, -1, 2 ** 60, true]

/** Every way of changing one field's form: left out, or of another type. */
export function* misshapen(answer: Json, others: readonly (Json | undefined)[] = FORMS): Generator<Lie> {
  for (const { path } of fieldsOf(answer, [])) {
    for (const other of others) {
      yield lieAt(path, JSON.stringify(other), () => other)
    }
  }
}

/** One field left out, turned round, or changed to another of its form. */
export function* everyLie(answer: Json): Generator<Lie> {
  // A few of each: where it matters most, other tests tell them all.
  yield* misshapen(answer, [undefined, [], {}, 'x\ud800', '', -1])
  yield* altered(answer, 5)
  for (const { path, at } of fieldsOf(answer, [])) {
    if (typeof at === 'boolean') yield lieAt(path, 'the contrary', (value) => value !== true)
    if (Array.isArray(at)) yield lieAt(path, 'turned round', (value) => (value as Json[]).toReversed())
  }
}

/** One field of a good form changed to another of that form. */
export function* altered(answer: Json, maxPlaces = 60): Generator<Lie> {
  for (const { path, at } of fieldsOf(answer, [])) {
    if (typeof at === 'number') {
      for (const by of [1, -1, 3]) yield lieAt(path, `${by} more`, (value) => Math.max(0, Number(value) + by))
    } else if (typeof at === 'string') {
      for (const place of placesIn(at, maxPlaces))
        yield lieAt(path, `other at ${place} of ${at.length}`, (value) => flipped(value as string, place))
    } else if (Array.isArray(at)) {
      yield lieAt(path, 'without the first', (value) => (value as Json[]).slice(1))
      yield lieAt(path, 'with the first again', (value) => [...(value as Json[]), (value as Json[])[0]!])
    }
  }
}

function lieAt(path: Path, words: string, other: (value: Json) => Json | undefined): Lie {
  return {
    what: `${path.join('.')}: ${words}`,
    path,
    tell: (answer) => {
      const lie = replaced(answer, path, other)
      return JSON.stringify(lie) === JSON.stringify(answer) ? undefined : lie
    },
  }
}

/** Up to so many of the places in a text, the last one among them. */
export function placesIn(text: string, maxPlaces = 60): number[] {
  const step = Math.max(1, Math.ceil(text.length / maxPlaces))
  return Array.from({ length: Math.ceil(text.length / step) }, (_, turn) => text.length - 1 - turn * step)
}

/** One character changed to another, of its kind where it has one. */
export function flipped(text: string, at: number): string {
  const was = text[at] ?? ''
  const is = /[0-9]/.test(was) ? (was === '1' ? '2' : '1') : was === 'B' ? 'C' : was === '\n' ? ' ' : 'B'
  return text.slice(0, at) + is + text.slice(at + 1)
}

export type Path = readonly (string | number)[]

function* fieldsOf(value: Json, path: Path): Generator<{ readonly path: Path; readonly at: Json }> {
  if (path.length > 0) yield { path, at: value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value))
    yield* fieldsOf(member, [...path, Array.isArray(value) ? Number(key) : key])
}

function replaced(value: Json, [key, ...rest]: Path, other: (value: Json) => Json | undefined): Json {
  const copy = structuredClone(value) as Record<string, Json>
  const found = rest.length > 0 ? replaced(copy[key!]!, rest, other) : other(copy[key!]!)
  if (found === undefined) delete copy[key!]
  else copy[key!] = found
  return copy
}
