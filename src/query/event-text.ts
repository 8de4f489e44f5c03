// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// All values of an event, and at which paths they stand. A value is kept once, as a line of the text, whatever paths
// it stands at in the source's form and in OCSF's; what only OCSF's form says is a line behind the text. What has no
// room is not searched; OCSF's paths have room of their own, so that no event can crowd them out.

import type { JsonValue } from '@stele/proof'

import type { OcsfEvent } from '../schema/ocsf.ts'
import { isPlaceholder } from '../schema/placeholder.ts'
import { clip, foldLines } from './fold.ts'
import type { PathName, PathNames, PathSet } from './path-names.ts'

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

class Walk {
  readonly #names: PathNames
  readonly #event: number
  readonly #values: string[] = []
  readonly #positions = new Map<string, number>()
  /** What only the OCSF form has, folded; its positions count on from those of the values. */
  readonly #more: string[] = []
  #roomChars = MAX_TEXT_CHARS
  #set: PathSet
  #roomPathsChars = MAX_RAW_PATHS_CHARS
  /** With the position of a value in place of a line. */
  readonly #places: number[] = []
  #roomPlaces = MAX_RAW_PLACES

  constructor(names: PathNames) {
    this.#names = names
    this.#event = names.nextEvent()
    this.#set = names.noPaths
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
    let position = this.#positions.get(text)
    if (position === undefined) {
      position = this.#values.push(text.length > this.#roomChars ? clip(text, this.#roomChars) : text) - 1
      this.#positions.set(text, position)
      this.#roomChars -= text.length + 1
    }
    this.#note(name, position)
  }

  #note(name: PathName, position: number): void {
    const { path } = name
    if (path === '' || this.#roomPlaces <= 0) return
    if (name.event !== this.#event) {
      if (path.length >= this.#roomPathsChars) return
      this.#roomPathsChars -= path.length + 1
      this.#set = this.#names.with(this.#set, name)
      name.event = this.#event
      name.number = this.#set.count
    }
    this.#roomPlaces--
    this.#places.push(name.number * PLACE_LINES + position)
  }

  event(ocsf: OcsfEvent): void {
    this.#roomPathsChars += MAX_OCSF_PATHS_CHARS
    this.#roomPlaces += MAX_OCSF_PLACES
    this.#attributes(ocsf as unknown as Members, this.#names.ocsf)
  }

  #attributes(members: Members, name: PathName): void {
    for (const key in members) {
      const value = members[key]
      // What the source alone knows is found by the source's paths, and when it was by a column of its own.
      if (value === undefined || key === 'unmapped' || key === 'data') continue
      if (key === 'time' && name === this.#names.ocsf) continue
      this.#ocsf(value, this.#names.below(name, key))
    }
  }

  #ocsf(value: unknown, name: PathName): void {
    if (typeof value === 'string') return this.#addOcsf(value, name)
    if (typeof value === 'number' || typeof value === 'boolean') return this.#addOcsf(String(value), name)
    if (typeof value !== 'object' || value === null || isPlaceholder(value)) return
    if (Array.isArray(value)) for (const member of value as readonly unknown[]) this.#ocsf(member, name)
    else this.#attributes(value as Members, name)
  }

  #addOcsf(value: string, name: PathName): void {
    let position = this.#positions.get(value)
    if (position === undefined) {
      if (this.#roomPlaces <= 0) return
      const folded = this.#names.folded(value)
      if (folded === '') return
      position = this.#values.length + this.#more.push(folded) - 1
      this.#positions.set(value, position)
    }
    this.#note(name, position)
  }

  result(): EventText {
    const values = this.#values
    const folded = foldLines(values)
    const text = clip(folded.text, MAX_TEXT_CHARS)
    const lineCount = text.length === folded.text.length ? Math.max(1, values.length) : countLines(text)
    return {
      text,
      more: this.#more.join('\n'),
      paths: this.#set.paths,
      places: this.#placesIn(folded.lines, lineCount),
    }
  }

  /** Places with the lines at which the values are at last; values that were cut off have none. */
  #placesIn(lines: readonly number[] | undefined, lineCount: number): readonly number[] {
    const places = this.#places
    const valueCount = this.#values.length
    let keptCount = 0
    for (let at = 0; at < places.length; at++) {
      const place = places[at]!
      const position = place % PLACE_LINES
      const isMore = position >= valueCount
      const line = isMore
        ? lineCount + position - valueCount + 1
        : lines === undefined
          ? position + 1
          : lines[position]!
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
