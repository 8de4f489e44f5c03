// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Names of the places in events at which values stand, as the index has them: `raw.` and the names on the way for the
// source's own, an attribute's path for those of OCSF; folded, and members of arrays as one. Each is made once, however
// many events have it. Strangers choose the names, so there is an end to how many are kept, and to how long one is.

import { clip, fold, MAX_VALUE_CHARS } from './fold.ts'

/** A longer path is not searched by. */
export const MAX_PATH_CHARS = 256
/** Names that are kept between events. */
const MAX_KNOWN = 20_000

/** Longer values are hardly ever met again. */
const MAX_KEPT_CHARS = 24

export interface PathName {
  /** Empty where values are not searched by it. */
  readonly path: string
  readonly members: Map<string, PathName>
  /** Of the event at hand: which one that is, and the path's number in it. */
  event: number
  number: number
}

/** The paths of an event, in the order in which they were met: events of one kind lead to the same one. */
export interface PathSet {
  readonly paths: string
  readonly count: number
  /** What was met next the last time, and where that led: mostly it is so again. */
  lastName: PathName | undefined
  lastSet: PathSet | undefined
  readonly further: Map<PathName, PathSet>
}

const RAW = 'raw'

export class PathNames {
  #known = new Map<string, PathName>()
  #keyCount = 0
  #event = 0
  #raw = nameOf('')
  #ocsf = nameOf('')
  #noPaths = setOf('', 0)
  readonly #folded = new Map<string, string>()
  readonly #nameless = nameOf('')

  /** The names are told apart by the event that they were last met in. */
  nextEvent(): number {
    if (this.#keyCount > MAX_KNOWN) {
      this.#known = new Map()
      this.#keyCount = 0
      this.#raw = nameOf('')
      this.#ocsf = nameOf('')
      this.#noPaths = setOf('', 0)
    }
    return ++this.#event
  }

  /** A value of OCSF's form, folded and clipped: most are the names and numbers of its classes, again and again. */
  folded(value: string): string {
    return this.#folded.get(value) ?? this.#foldedNow(value)
  }

  #foldedNow(value: string): string {
    const folded = clip(fold(value), MAX_VALUE_CHARS)
    if (value.length > MAX_KEPT_CHARS) return folded
    if (this.#folded.size >= MAX_KNOWN) this.#folded.clear()
    this.#folded.set(value, folded)
    return folded
  }

  /** Of an event of which nothing was met yet. */
  get noPaths(): PathSet {
    return this.#noPaths
  }

  /** The set with one more path. */
  with(set: PathSet, name: PathName): PathSet {
    if (set.lastName === name) return set.lastSet!
    const further = set.further.get(name) ?? this.#enlarged(set, name)
    set.lastName = name
    set.lastSet = further
    return further
  }

  #enlarged(set: PathSet, name: PathName): PathSet {
    const further = setOf(`${set.paths === '' ? '\n' : set.paths}${name.path}\n`, set.count + 1)
    set.further.set(name, further)
    this.#keyCount++
    return further
  }

  get raw(): PathName {
    return this.#raw
  }

  get ocsf(): PathName {
    return this.#ocsf
  }

  /** The name of a member of what `name` names. */
  below(name: PathName, key: string): PathName {
    return name.members.get(key) ?? this.#made(name, key)
  }

  #made(name: PathName, key: string): PathName {
    if (name === this.#nameless || key.length > MAX_PATH_CHARS) return this.#nameless
    const base = name === this.#raw ? RAW : name.path
    const path = name === this.#ocsf ? fold(key) : `${base}.${fold(key)}`
    if (path.length > MAX_PATH_CHARS) return this.#nameless
    // Keys that differ in case only, or have a dot in them, lead to the same path.
    const known = this.#known.get(path) ?? nameOf(path)
    this.#known.set(path, known)
    this.#keyCount++
    name.members.set(key, known)
    return known
  }
}

function nameOf(path: string): PathName {
  return { path, members: new Map(), event: 0, number: 0 }
}

function setOf(paths: string, count: number): PathSet {
  return { paths, count, lastName: undefined, lastSet: undefined, further: new Map() }
}
