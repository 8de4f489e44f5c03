// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Strict text encodings. The platform's own are lenient (`atob` takes spaces and `AB==`, `Number` takes `0x10`,
// `TextDecoder` eats a byte order mark), and two readers that differ in leniency can be shown two logs.

import { ProofError } from './error.ts'
import { demand } from './inner.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Bytes of `text` in UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Decodes UTF-8, byte order mark kept. Throws `text-malformed` where the bytes aren't UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new ProofError('text-malformed', 'the text is not valid UTF-8')
  }
}

/** The parts, one behind the other, in a copy. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((bytes, { length }) => bytes + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let characters = ''
  for (let i = 0; i < bytes.length; i++) characters += String.fromCharCode(bytes[i]!)
  return btoa(characters)
}

/** Decodes exactly what `toBase64` writes. Throws `base64-malformed` for anything else: spaces, missing padding, set trailing bits. */
export function fromBase64(text: string): Uint8Array {
  let characters = ''
  try {
    characters = atob(text)
  } catch {}
  const bytes = new Uint8Array(characters.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i)
  // `atob` passes over spaces, missing padding and bits behind the last byte: the length or the last four tell of each.
  const last = bytes.subarray(bytes.length - (bytes.length % 3 || 3))
  const isCanonical = text.length === 4 * Math.ceil(bytes.length / 3) && toBase64(last) === text.slice(-4)
  demand(isCanonical, 'base64-malformed', 'the text is not canonical base64')
  return bytes
}

/** Decodes exactly what `toBase64Url` writes. Throws `base64-malformed` for anything else. */
export function fromBase64Url(text: string): Uint8Array {
  demand(!/[+/=]/.test(text), 'base64-malformed', 'the text is not base64url')
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4))
}

/** A tree size, an index or a time: decimal, no sign, no leading zero, at most 2^53 - 1. Throws `decimal-malformed`. */
export function parseDecimal(text: string): number {
  const isDecimal = /^(?:0|[1-9][0-9]{0,15})$/.test(text) && BigInt(text) <= BigInt(Number.MAX_SAFE_INTEGER)
  demand(isDecimal, 'decimal-malformed', 'a decimal number from 0 to 2^53 - 1 without leading zeros is expected')
  return Number(text)
}
