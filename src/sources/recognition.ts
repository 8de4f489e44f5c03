// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The connectors' tables, compiled so that the scanner can mark what it passes by: one hash lookup a key at the top of
// an event and inside the few objects that shapes look into, no string and no object an event.

import assert from 'node:assert/strict'

import type { Connector, Container, Mark, NativeId, Shape } from './connector.ts'

const HEAD_COUNT = 1024

/** What may follow a key: one pattern of the values asked for, and the marks that it makes. */
export interface Pattern {
  readonly bytes: Uint8Array
  readonly anyBefore: boolean
  readonly anyBehind: boolean
  readonly marks: number[]
}

/** A key under `parent` (another key's id, 0 for the top of the event). */
export interface Key {
  readonly parent: number
  readonly bytes: Uint8Array
  /** Next key of the same hash, 0 for none. */
  readonly next: number
  /** Made by the key's presence. */
  readonly marks: number[]
  readonly patterns: Pattern[]
  /** Marks under it: cleared where the key is repeated, since the last one counts. */
  readonly children: number[]
  isParent: boolean
  /** A string under it may be the event's id. */
  isId: boolean
  /** Ids of the keys under it for which that holds. */
  readonly idChildren: number[]
  /** Bits of the containers whose members an array under this key may be. */
  arrays: number
  /** Bits of the containers in which it may stand. */
  framing: number
}

export interface CompiledShape {
  readonly kind: number
  readonly all: readonly number[]
  readonly none: readonly number[]
}

/** Connectors by `kind`, their position in the registry. */
export class Recognition {
  readonly families: readonly number[]
  /** Bits of the containers that a kind comes in. */
  readonly containers: readonly number[]
  /** Ids of the keys that hold the id of an event of a kind, the one that counts first. */
  readonly ids: readonly (readonly number[])[]
  readonly keys: Key[]
  readonly heads = new Uint16Array(HEAD_COUNT)
  /** The first one that fits says the kind. */
  readonly shapes: readonly CompiledShape[]
  /** So many of the shapes are settled before an event ends: they ask for nothing inside it, and for no absence. */
  readonly plainShapeCount: number
  /** Nothing seen: a mark for each, and a place for each key. */
  readonly noMarks: readonly number[]
  readonly noKeys: readonly number[]

  constructor(connectors: readonly Connector[]) {
    assert.ok(connectors.length <= 256, 'a kind is one byte')
    const families = [...new Set(connectors.map(({ family }) => family))]
    this.families = connectors.map(({ family }) => families.indexOf(family))
    // Id 0 is no key: what a lookup answers where nothing is known.
    this.keys = [newKey(0, new Uint8Array(0), 0)]

    const marks = new Map<string, number>()
    const compile = (mark: Mark): number => {
      const name = JSON.stringify([mark.in ?? null, mark.key, mark.is ?? null])
      const known = marks.get(name)
      if (known !== undefined) return known
      const id = marks.size
      marks.set(name, id)
      this.#addMark(mark, id)
      return id
    }
    const ranked = connectors
      .flatMap(({ shapes, catchAll }, kind) =>
        shapes.map((shape) => ({ kind, shape, rank: catchAll === true ? 2 : isPlain(shape) ? 0 : 1 })),
      )
      .toSorted((one, other) => one.rank - other.rank)
    this.plainShapeCount = ranked.filter(({ rank }) => rank === 0).length
    this.shapes = ranked.map(({ kind, shape }) => ({
      kind,
      all: shape.all.map(compile),
      none: (shape.none ?? []).map(compile),
    }))

    const containers = connectors.flatMap((connector) => connector.containers)
    const names = [...new Set(containers.map((container) => JSON.stringify(container)))]
    assert.ok(names.length <= 30, 'a container is one bit')
    const bitOf = (container: Container): number => 1 << names.indexOf(JSON.stringify(container))
    for (const container of containers) {
      const { key, beside } = container
      this.#key(0, key).arrays |= bitOf(container)
      for (const name of [key, ...beside]) this.#key(0, name).framing |= bitOf(container)
    }
    this.containers = connectors.map(({ containers }) =>
      containers.reduce((bits, container) => bits | bitOf(container), 0),
    )
    this.ids = connectors.map(({ ids = [] }) => ids.map((id) => this.#idKey(id)))
    this.noMarks = Array.from(marks, () => 0)
    this.noKeys = this.keys.map(() => 0)
  }

  /** Id of a key whose bytes are `body[start, end)`, 0 if no table names it. A quote stands on either side. */
  find(parent: number, body: Uint8Array, start: number, end: number): number {
    const { keys } = this
    let id = this.heads[slot(parent, body[start]!, body[end - 1]!, end - start)]!
    for (; id !== 0; id = keys[id]!.next) {
      const key = keys[id]!
      if (key.parent === parent && key.bytes.length === end - start && equal(key.bytes, body, start)) return id
    }
    return 0
  }

  #addMark(mark: Mark, id: number): void {
    let parent = 0
    if (mark.in !== undefined) {
      const outer = this.#key(0, mark.in)
      outer.isParent = true
      outer.children.push(id)
      parent = this.keys.indexOf(outer)
    }
    const key = this.#key(parent, mark.key)
    if (mark.is === undefined) key.marks.push(id)
    for (const value of mark.is ?? []) addPattern(key.patterns, value, id)
  }

  #idKey({ in: outer, key }: NativeId): number {
    const parent = outer === undefined ? undefined : this.#key(0, outer)
    const found = this.#key(parent === undefined ? 0 : this.keys.indexOf(parent), key)
    const id = this.keys.indexOf(found)
    found.isId = true
    if (parent !== undefined && !parent.idChildren.includes(id)) parent.idChildren.push(id)
    return id
  }

  #key(parent: number, name: string): Key {
    const bytes = Buffer.from(name)
    const known = this.find(parent, Buffer.from(`"${name}"`), 1, bytes.length + 1)
    if (known !== 0) return this.keys[known]!
    const head = slot(parent, bytes[0] ?? 0x22, bytes[bytes.length - 1] ?? 0x22, bytes.length)
    const key = newKey(parent, bytes, this.heads[head]!)
    this.heads[head] = this.keys.push(key) - 1
    return key
  }
}

function newKey(parent: number, bytes: Uint8Array, next: number): Key {
  return {
    parent,
    bytes,
    next,
    marks: [],
    patterns: [],
    children: [],
    isParent: false,
    isId: false,
    idChildren: [],
    arrays: 0,
    framing: 0,
  }
}

function addPattern(patterns: Pattern[], value: string, mark: number): void {
  const anyBefore = value.startsWith('*')
  const anyBehind = value.endsWith('*')
  const bytes = Buffer.from(value.slice(anyBefore ? 1 : 0, anyBehind ? -1 : undefined)).map(lower)
  const known = patterns.find(
    (pattern) =>
      pattern.anyBefore === anyBefore &&
      pattern.anyBehind === anyBehind &&
      pattern.bytes.length === bytes.length &&
      equal(pattern.bytes, bytes, 0),
  )
  if (known !== undefined) known.marks.push(mark)
  else patterns.push({ bytes, anyBefore, anyBehind, marks: [mark] })
}

function isPlain({ all, none }: Shape): boolean {
  return none === undefined && all.every((mark) => mark.in === undefined)
}

function slot(parent: number, first: number, last: number, length: number): number {
  return (first * 61 + last * 13 + length * 151 + parent * 401) & (HEAD_COUNT - 1)
}

function equal(bytes: Uint8Array, body: Uint8Array, start: number): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== body[start + at]) return false
  return true
}

/** ASCII lower case. */
export function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}
