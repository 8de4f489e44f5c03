// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ways of changing an answer in one place.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** One change of one field, for any answer of the same form; undefined where the field is that already. */
export interface Lie {
  readonly what: string
  readonly tell: (answer: Json) => Json | undefined
}

/** Every way of changing one field's form: left out, or of another type. */
export function* misshapen(answer: Json): Generator<Lie> {
  for (const { path } of fieldsOf(answer, [])) {
    for (const other of [undefined, null, [], {}, 'x\ud800', '', 1.5, -1, 2 ** 60, true] as const) {
      yield lieAt(path, JSON.stringify(other), () => other)
    }
  }
}

/** One field of a good form changed to another of that form. */
export function* altered(answer: Json): Generator<Lie> {
  for (const { path, at } of fieldsOf(answer, [])) {
    if (typeof at === 'number') {
      for (const by of [1, -1, 3]) yield lieAt(path, `${by} more`, (value) => Math.max(0, Number(value) + by))
    } else if (typeof at === 'string') {
      for (const place of placesIn(at))
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
    tell: (answer) => {
      const lie = replaced(answer, path, other)
      return JSON.stringify(lie) === JSON.stringify(answer) ? undefined : lie
    },
  }
}

/** Up to 60 of the places in a text, the last one among them. */
export function placesIn(text: string): number[] {
  const step = Math.max(1, Math.ceil(text.length / 60))
  return Array.from({ length: Math.ceil(text.length / step) }, (_, turn) => text.length - 1 - turn * step)
}

/** One character changed to another, of its kind where it has one. */
export function flipped(text: string, at: number): string {
  const was = text[at] ?? ''
  const is = /[0-9]/.test(was) ? (was === '1' ? '2' : '1') : was === 'B' ? 'C' : was === '\n' ? ' ' : 'B'
  return text.slice(0, at) + is + text.slice(at + 1)
}

type Path = readonly (string | number)[]

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
