// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whether bytes that stand inside of JSON keep to themselves. A whole parser takes twice as long as the hash of what it
// reads; that the value is JSON through and through, whoever wrote it there has seen.

const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
/** What a byte means outside of strings: nothing, a quote, what opens, what closes, what may not be there. */
const [PLAIN, STRING, OPENS, CLOSES, REFUSED] = [0, 1, 2, 3, 4]
const MEANING = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < SPACE) return REFUSED
  if (byte === QUOTE) return STRING
  const character = String.fromCharCode(byte)
  return '{['.includes(character) ? OPENS : '}]'.includes(character) ? CLOSES : PLAIN
})

/**
 * Whether an object, an array or a string begins and ends with the bytes, on one line: nothing in it then ends the value
 * that it stands in. Other values (numbers, literals) are read by the platform.
 */
export function isOneJsonValue(bytes: Uint8Array): boolean {
  const first = MEANING[bytes[0] ?? 0]
  if (first !== OPENS && first !== STRING) return isPlainValue(bytes)
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const meaning = MEANING[bytes[at]!]
    if (meaning === PLAIN) continue
    if (meaning === STRING) {
      at = endOfString(bytes, at + 1)
      if (at === -1) return false
    } else if (meaning === OPENS) depth++
    else if (meaning === CLOSES) depth--
    else return false
    if (depth === 0) return at === bytes.length - 1
  }
  return false
}

/** Where the closing quote stands; -1 where there is none on this line. */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) at++
    else if (byte < SPACE) return -1
  }
  return -1
}

/** Numbers and literals have none of the characters that end one. */
function isPlainValue(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.every((byte) => /[-+.a-zA-Z0-9]/.test(String.fromCharCode(byte)))
}
