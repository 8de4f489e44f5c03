// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Offset of the first byte that begins no well-formed UTF-8 sequence (Unicode, table 3-7), or the length of `bytes`.
 * Slower than `isUtf8`: for the way of failure.
 */
export function wellFormedLength(bytes: Uint8Array): number {
  let p = 0
  while (p < bytes.length) {
    const size = sequenceSize(bytes[p]!, bytes[p + 1] ?? 0)
    if (size === 0) return p
    for (let next = p + 2; next < p + size; next++) if (!isTail(bytes[next] ?? 0)) return p
    p += size
  }
  return p
}

/** Length of the sequence that these two bytes begin, 0 if none. */
function sequenceSize(first: number, second: number): number {
  if (first < 0x80) return 1
  if (!isTail(second)) return 0
  if (first >= 0xc2 && first <= 0xdf) return 2
  // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
  if (first >= 0xe0 && first <= 0xef) {
    return (first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f) ? 0 : 3
  }
  if (first >= 0xf0 && first <= 0xf4) {
    return (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f) ? 0 : 4
  }
  return 0
}

function isTail(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf
}
