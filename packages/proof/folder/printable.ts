// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Text of others (events, logs, witnesses, servers, file names) on its way to a reader. Characters that could hide, forge
// or reorder what is read, or drive a terminal, are written out: controls, what changes the direction of what follows,
// what shows nothing. What is kept and hashed is never touched.

const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\ufffd]/gu
const NAMED: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** Text that shows what it holds and does nothing else, on one line. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, (character) => NAMED[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** The same on many lines: newlines and tabs stay. */
export function printableLines(text: string): string {
  return text.replaceAll(/[^\n\t]+/g, printable)
}

/** A text of JSON that says the same, in characters that are safe to show. */
export function printableJson(text: string): string {
  return text.replaceAll(UNSAFE, (character) =>
    Array.from({ length: character.length }, (_, unit) => {
      return `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`
    }).join(''),
  )
}
