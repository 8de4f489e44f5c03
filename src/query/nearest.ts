// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is nearest to a word that is not known.

/** A known word of few edits from `word`, or one that it begins. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const asked = word.slice(0, 32).toLowerCase()
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of known) {
    const begins = asked.length >= 3 && name.startsWith(asked)
    const edits = begins ? 1 : editCount(asked, name)
    if (edits <= Math.max(1, Math.floor(name.length / 3)) && (best === undefined || edits < best.edits)) {
      best = { name, edits }
    }
  }
  return best?.name
}

const MAX_NEAR = 3

/** The known texts, three at most, that hardly differ from one that is not known; the nearest first. */
export function nearestFew(text: string, known: Iterable<string>): readonly string[] {
  const mostEdits = Math.max(1, Math.min(3, Math.floor(text.length / 4)))
  const near: { readonly name: string; readonly edits: number }[] = []
  for (const name of new Set(known)) {
    if (Math.abs(name.length - text.length) > mostEdits) continue
    const edits = editCount(text, name)
    if (edits <= mostEdits) near.push({ name, edits })
  }
  return near
    .toSorted((one, other) => one.edits - other.edits)
    .slice(0, MAX_NEAR)
    .map(({ name }) => name)
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
export function editCount(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= from.length; row++) {
    const line = [row]
    for (let column = 1; column <= to.length; column++) {
      const above = rows[row - 1]!
      const replaced = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1)
      let edits = Math.min(replaced, above[column]! + 1, line[column - 1]! + 1)
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        edits = Math.min(edits, rows[row - 2]![column - 2]! + 1)
      }
      line.push(edits)
    }
    rows.push(line)
  }
  return rows[from.length]![to.length]!
}
