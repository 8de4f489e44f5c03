// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// All values of an event, and at which paths they stand. A value is kept once, as a line of the text, whatever paths
// it stands at in the source's form and in OCSF's; what only OCSF's form says is a line behind the text. What has no
// room is not searched; OCSF's paths have room of their own, so that no event can crowd them out.

import type { JsonValue } from '@stele/proof'

import type { OcsfEvent } from '../schema/ocsf.ts'
import { isPlaceholder } from '../schema/placeholder.ts'
import { clip, fold, foldLines, MAX_VALUE_CHARS } from './fold.ts'
import type { PathName, PathNames } from './path-names.ts'

/** Longest text that is searched, folded; what is behind is not. */
export const MAX_TEXT_CHARS: number = 1024 * 1024
/** Room for the different paths of an event, a line each, and for the values at them. */
export const MAX_RAW_PATHS_CHARS = 12_288
export const MAX_RAW_PLACES = 3_072
const MAX_OCSF_PATHS_CHARS = 8_192
const MAX_OCSF_PLACES = 1_024

/** A place is a path's number times this and the number of a line. */
export const PLACE_LINES: number = 2 ** 20

export interface EventText {
  /** The event's distinct values (not its keys), each a line. */
  readonly text: string
  /** Values that only the OCSF form has, each a line; these count on from those of the text. */
  readonly more: string
  /** The different paths, each between line breaks, numbered from 1. */
  readonly paths: string
  /** What stands where: the path's number times `PLACE_LINES`, and the number of the line, from 1. */
  readonly places: readonly number[]
}

export const noText: EventText = Object.freeze({ text: '', more: '', paths: '', places: Object.freeze([]) })

/** `value` is the event as parsed, or its text; undefined where it is neither. */
export function eventTextOf(ocsf: OcsfEvent, value: JsonValue | undefined, names: PathNames): EventText {
  const walk = new Walk(names)
  if (typeof value === 'object' && value !== null) walk.raw(value, names.raw)
  else if (value !== undefined && value !== null) walk.whole(String(value))
  walk.event(ocsf)
  return walk.result()
}

/** What is a line of the text or behind it, in the order of the paths' places. */
export function linesOf({ text, more }: EventText): readonly string[] {
  return `${text}\n${more}`.split('\n')
}

/** The path's number in an event that has it, else 0. */
export function pathNumber(path: string, { paths }: EventText): number {
  const at = paths.indexOf(`\n${path}\n`)
  let number = 0
  for (let position = 0; position !== -1 && position <= at; number++) position = paths.indexOf('\n', position + 1)
  return number
}

/** Most events have few values, and looking through those is quicker than hashing each. */
const HASHED_FROM_COUNT = 32

class Walk {
  readonly #names: PathNames
  readonly #event: number
  readonly #values: string[] = []
  #hashed: Map<string, number> | undefined
  readonly #more: string[] = []
  #roomChars = MAX_TEXT_CHARS
  readonly #paths: string[] = []
  #roomPathsChars = MAX_RAW_PATHS_CHARS
  /** With the position of a value in place of a line; those of `#more` are behind all others. */
  readonly #places: number[] = []
  #roomPlaces = MAX_RAW_PLACES

  constructor(names: PathNames) {
    this.#names = names
    this.#event = names.nextEvent()
  }

  whole(text: string): void {
    if (text !== '') this.#values.push(clip(text, MAX_TEXT_CHARS))
  }

  /** Events are at most 64 deep. */
  raw(value: JsonValue, name: PathName): void {
    if (value === null || this.#roomChars <= 0) return
    if (typeof value === 'string') return this.#add(value, name)
    if (typeof value !== 'object') return this.#add(String(value), name)
    if (isArray(value)) for (const member of value) this.raw(member, name)
    else for (const key in value) this.raw(value[key]!, this.#names.below(name, key))
  }

  #add(text: string, name: PathName): void {
    if (text === '') return
    let position = this.#positionOf(text)
    if (position === -1) {
      position = this.#values.push(clip(text, this.#roomChars)) - 1
      this.#hashed?.set(text, position)
      this.#roomChars -= text.length + 1
    }
    this.#note(name, position)
  }

  #positionOf(text: string): number {
    const values = this.#values
    if (values.length < HASHED_FROM_COUNT) return values.indexOf(text)
    this.#hashed ??= new Map(values.map((value, position) => [value, position]))
    return this.#hashed.get(text) ?? -1
  }

  #note(name: PathName, position: number): void {
    const { path } = name
    if (path === '' || this.#roomPlaces <= 0) return
    if (name.event !== this.#event) {
      if (path.length >= this.#roomPathsChars) return
      this.#roomPathsChars -= path.length + 1
      name.event = this.#event
      name.number = this.#paths.push(path)
    }
    this.#roomPlaces--
    this.#places.push(name.number * PLACE_LINES + position)
  }

  event(ocsf: OcsfEvent): void {
    this.#roomPathsChars += MAX_OCSF_PATHS_CHARS
    this.#roomPlaces += MAX_OCSF_PLACES
    const members: object = ocsf
    for (const [key, value] of Object.entries(members) as [string, unknown][]) {
      // It is a column of its own.
      if (key !== 'time') this.#attribute(key, value, this.#names.ocsf)
    }
  }

  #attribute(key: string, value: unknown, name: PathName): void {
    // What the source alone knows is found by the source's paths.
    if (value === undefined || key === 'unmapped' || key === 'data') return
    this.#ocsf(value, this.#names.below(name, key))
  }

  #ocsf(value: unknown, name: PathName): void {
    if (typeof value === 'string') return this.#addOcsf(value, name)
    if (typeof value === 'number' || typeof value === 'boolean') return this.#addOcsf(String(value), name)
    if (typeof value !== 'object' || value === null || isPlaceholder(value)) return
    if (Array.isArray(value)) for (const member of value as readonly unknown[]) this.#ocsf(member, name)
    else for (const key in value) this.#attribute(key, (value as Members)[key], name)
  }

  #addOcsf(value: string, name: PathName): void {
    if (value === '') return
    const known = this.#positionOf(value)
    if (known !== -1) return this.#note(name, known)
    const folded = clip(fold(value), MAX_VALUE_CHARS)
    if (folded === '' || this.#roomPlaces <= 0) return
    const position = this.#more.indexOf(folded)
    this.#note(name, this.#values.length + (position === -1 ? this.#more.push(folded) - 1 : position))
  }

  result(): EventText {
    const values = this.#values
    const folded = foldLines(values)
    const text = clip(folded.text, MAX_TEXT_CHARS)
    const lineCount = text.length === folded.text.length ? Math.max(1, values.length) : countLines(text)
    return {
      text,
      more: this.#more.join('\n'),
      paths: this.#paths.length === 0 ? '' : `\n${this.#paths.join('\n')}\n`,
      places: this.#placesIn(folded.lines, lineCount),
    }
  }

  /** Places with the lines at which the values are at last; values that were cut off have none. */
  #placesIn(lines: readonly number[] | undefined, lineCount: number): number[] {
    const places = this.#places
    const valueCount = this.#values.length
    let keptCount = 0
    for (const place of places) {
      const position = place % PLACE_LINES
      const isMore = position >= valueCount
      const line = isMore ? lineCount + position - valueCount + 1 : (lines?.[position] ?? position + 1)
      if (isMore || line <= lineCount) places[keptCount++] = place - position + line
    }
    places.length = keptCount
    return places
  }
}

type Members = Readonly<Record<string, unknown>>

function countLines(text: string): number {
  let count = 1
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
