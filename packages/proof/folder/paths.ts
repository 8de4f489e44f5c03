// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Names of the files that an export has beside those of tlog-tiles.

/** Entries whose hashes are one of level 2, and that are checked at once: no file of contents reaches over such a run. */
export const UNIT_ENTRIES = 65_536

/** The folder's files beside tiles. */
export const PATHS: {
  readonly checkpoint: string
  /** The log's key, on one line. */
  readonly vkey: string
  readonly contents: string
  /** The first entry whose content is there and the one behind the last: two decimals on a line. */
  readonly range: string
  /** What an unfinished export is about to become. */
  readonly draft: string
} = {
  checkpoint: 'checkpoint',
  vkey: 'log.vkey',
  contents: 'contents',
  range: 'contents/range',
  draft: 'draft.json',
}

/** `contents/0000000000065536.ndjson` holds the contents of entry 65,536 and of those behind it. */
export function contentsPath(first: number): string {
  return `${PATHS.contents}/${String(first).padStart(16, '0')}.ndjson`
}

/** The first entry of a file of contents by its name, or undefined where it is none. */
export function contentsFirst(name: string): number | undefined {
  const match = /^([0-9]{16})\.ndjson$/.exec(name)
  const first = Number(match?.[1])
  return Number.isSafeInteger(first) ? first : undefined
}

/** `rotations/000` is the oldest statement. */
export function rotationPath(position: number): string {
  return `rotations/${String(position).padStart(3, '0')}`
}

/** The line of `contents/range`. */
export function formatRange(first: number, end: number): string {
  return `${first} ${end}\n`
}
