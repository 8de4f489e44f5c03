// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Standard base64 (RFC 4648 section 4) from bytes to bytes: events may have 16 MiB, for which strings are too slow.

import { ProofError, utf8 } from '../src/index.ts'

const CHARACTERS = utf8('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const PAD = 0x3d
const NONE = 64
const VALUES = new Uint8Array(256).fill(NONE)
for (const [value, character] of CHARACTERS.entries()) VALUES[character] = value

/** The characters for `bytes`, padded. */
export function encodeBase64(bytes: Uint8Array): Uint8Array {
  const characters = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(PAD)
  for (let at = 0, to = 0; at < bytes.length; at += 3, to += 4) {
    const left = bytes.length - at
    const bits = bytes[at]! * 65_536 + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0)
    characters[to] = CHARACTERS[bits >>> 18]!
    characters[to + 1] = CHARACTERS[(bits >>> 12) & 63]!
    if (left > 1) characters[to + 2] = CHARACTERS[(bits >>> 6) & 63]!
    if (left > 2) characters[to + 3] = CHARACTERS[bits & 63]!
  }
  return characters
}

/** Reads exactly what `encodeBase64` writes. Throws `base64-malformed`. */
export function decodeBase64(characters: Uint8Array): Uint8Array {
  const { length } = characters
  const padCount = Number(characters[length - 1] === PAD) + Number(characters[length - 2] === PAD)
  const bytes = new Uint8Array(Math.floor(length / 4) * 3 - padCount)
  // Of a text whose end is padded the last bits mean nothing, and are zero.
  let isRight = length % 4 === 0
  for (let at = 0, to = 0; isRight && at < length; at += 4, to += 3) {
    const wanted = at + 4 < length ? 4 : 4 - padCount
    let bits = 0
    for (let i = 0; i < 4; i++) {
      const value = i < wanted ? VALUES[characters[at + i]!]! : 0
      isRight &&= value !== NONE
      bits = bits * 64 + (value % NONE)
    }
    bytes[to] = bits >>> 16
    if (wanted > 2) bytes[to + 1] = bits >>> 8
    if (wanted > 3) bytes[to + 2] = bits
    isRight &&= wanted === 4 || bits % (wanted === 3 ? 256 : 65_536) === 0
  }
  if (!isRight) throw new ProofError('base64-malformed', 'the text is not canonical base64')
  return bytes
}
