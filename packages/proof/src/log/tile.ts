// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Paths of tiles and the form of entry bundles (C2SP tlog-tiles).

import { demand } from '../inner.ts'
import { TILE_WIDTH } from '../tree.ts'

export { TILE_WIDTH } from '../tree.ts'

const MAX_TILE_LEVEL = 63

/** What a path under a log's prefix asks for. `level` is 0 for entries; `width` is 256 for a full tile. */
export interface TileAddress {
  readonly kind: 'tile' | 'entries'
  readonly level: number
  readonly index: number
  readonly width: number
}

/** Path of a tile below the log's prefix, as `tile/0/x001/067` or `tile/0/x001/067.p/8`. Throws `tile-out-of-range`. */
export function tilePath(tileLevel: number, index: number, width: number = TILE_WIDTH): string {
  checkRange('level', tileLevel, 0, MAX_TILE_LEVEL)
  return `tile/${tileLevel}/${numberPath(index, width)}`
}

/** Path of an entry bundle below the log's prefix, as `tile/entries/x001/067`. Throws `tile-out-of-range`. */
export function entriesPath(index: number, width: number = TILE_WIDTH): string {
  return `tile/entries/${numberPath(index, width)}`
}

/** Reads what `tilePath` and `entriesPath` write, and nothing else: anything not canonical is undefined. */
export function parseTilePath(path: string): TileAddress | undefined {
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path)
  if (match === null) return undefined
  const [, at = '', number = '', width = String(TILE_WIDTH)] = match
  const kind = at === 'entries' ? 'entries' : 'tile'
  const level = kind === 'entries' ? 0 : Number(at)
  const index = Number(number.replaceAll(/[x/]/g, ''))
  if (level > MAX_TILE_LEVEL || !isWithin(index, 0, Number.MAX_SAFE_INTEGER)) return undefined
  const address: TileAddress = { kind, level, index, width: Number(width) }
  if (!isWithin(address.width, 1, TILE_WIDTH)) return undefined
  const canonical = kind === 'tile' ? tilePath(level, index, address.width) : entriesPath(index, address.width)
  return canonical === path ? address : undefined
}

/** How many hashes tile `index` of `tileLevel` has in a tree of `size` leaves: 0 (there is none) to 256. */
export function tileWidthAt(size: number, tileLevel: number, index: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** tileLevel)
  return Math.min(TILE_WIDTH, Math.max(0, hashes - index * TILE_WIDTH))
}

/** The `count` entries of a bundle, as views into it. Throws `bundle-malformed` where it holds fewer or more bytes. */
export function parseBundle(bundle: Uint8Array, count: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  let at = 0
  for (let position = 0; position < count; position++) {
    const start = at + 2
    demand(start <= bundle.length, 'bundle-malformed', 'the bundle ends early', { offset: at, position })
    at = start + bundle[at]! * 256 + bundle[at + 1]!
    demand(at <= bundle.length, 'bundle-malformed', 'an entry is cut off', { offset: start, position })
    entries.push(bundle.subarray(start, at))
  }
  demand(at === bundle.length, 'bundle-malformed', 'bytes follow the last entry', { offset: at })
  return entries
}

function numberPath(index: number, width: number): string {
  checkRange('index', index, 0, Number.MAX_SAFE_INTEGER)
  checkRange('width', width, 1, TILE_WIDTH)
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.../g)!
  const path = groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join('/')
  return width === TILE_WIDTH ? path : `${path}.p/${width}`
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function checkRange(field: string, value: number, least: number, most: number): void {
  demand(isWithin(value, least, most), 'tile-out-of-range', `the ${field} of a tile is out of range`, { field })
}
