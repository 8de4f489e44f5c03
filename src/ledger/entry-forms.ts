// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Entries that were appended together differ in size and digest alone. So once the strict parser has read one of them,
 * another is in its one serialisation exactly if it is the same line around its own size and digest: one comparison,
 * a tenth of the parser's cost. Byte by byte, for a call into the platform for so few would cost more.
 */
import { MAX_EVENT_BYTES } from '@stele/proof'

/** What stands before the size, between size and digest, and behind the digest. */
interface Form {
  readonly head: Uint8Array
  readonly middle: Uint8Array
  readonly tail: Uint8Array
  readonly time: string
}

/** Sources that are mixed in one batch; more than these are parsed. */
const MAX_FORMS = 8
/** Of 32 bytes in base64url; the last character carries four bits. */
const DIGEST_CHARS = 43
const MAX_SIZE_DIGITS = String(MAX_EVENT_BYTES).length
const ZERO = 0x30
const LAST_OF_DIGEST = 2
/** By byte: 0 where it is no character of base64url, 2 where it carries four bits and two zeros, else 1. */
const base64Url = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code)
  return 'AEIMQUYcgkosw048'.includes(character) ? LAST_OF_DIGEST : /[\w-]/.test(character) ? 1 : 0
})

export class EntryForms {
  readonly #forms: Form[] = []

  /** The time of an entry that is one of the known forms around this size and digest; else undefined. */
  timeOf(entry: Uint8Array, sizeBytes: number, digest: string): string | undefined {
    for (const form of this.#forms) {
      const digestAt = digestAtIn(entry, form)
      if (digestAt === undefined || sizeIn(entry, form, digestAt) !== sizeBytes) continue
      if (digest.length === DIGEST_CHARS && says(digest, entry, digestAt)) return form.time
    }
    return undefined
  }

  /** The time of an entry that is one of the known forms around any size and any digest; else undefined. */
  timeOfAny(entry: Uint8Array): string | undefined {
    for (const form of this.#forms) {
      const digestAt = digestAtIn(entry, form)
      if (digestAt === undefined || sizeIn(entry, form, digestAt) === undefined) continue
      if (isDigest(entry, digestAt)) return form.time
    }
    return undefined
  }

  /** Keeps the form of an entry that the strict parser has read. */
  learn(entry: Uint8Array, sizeBytes: number, digest: string, time: string): void {
    const line = Buffer.from(entry)
    // No value before the size can hold a quote, so the first match is the key itself.
    const sizeKey = ',"size":'
    const sizeAt = line.indexOf(sizeKey) + sizeKey.length
    const middleAt = sizeAt + String(sizeBytes).length
    const digestAt = line.indexOf(digest, middleAt)
    this.#forms.unshift({
      head: line.subarray(0, sizeAt),
      middle: line.subarray(middleAt, digestAt),
      tail: line.subarray(digestAt + digest.length),
      time,
    })
    if (this.#forms.length > MAX_FORMS) this.#forms.pop()
  }
}

/** Where the digest begins in an entry that may be of this form; undefined where it is of another. */
function digestAtIn(entry: Uint8Array, { head, middle, tail }: Form): number | undefined {
  const tailAt = entry.length - tail.length
  const digestAt = tailAt - DIGEST_CHARS
  const middleAt = digestAt - middle.length
  if (middleAt <= head.length) return undefined
  const fits = stands(head, entry, 0) && stands(middle, entry, middleAt) && stands(tail, entry, tailAt)
  return fits ? digestAt : undefined
}

/** The size, as entries write it, of an event that may be there; else undefined. */
function sizeIn(entry: Uint8Array, { head, middle }: Form, digestAt: number): number | undefined {
  const from = head.length
  const to = digestAt - middle.length
  if (to - from > MAX_SIZE_DIGITS || (entry[from] === ZERO && to - from > 1)) return undefined
  let size = 0
  for (let at = from; at < to; at++) {
    const digit = entry[at]! - ZERO
    if (digit < 0 || digit > 9) return undefined
    size = size * 10 + digit
  }
  return size <= MAX_EVENT_BYTES ? size : undefined
}

/** Whether the 43 bytes from there on are a SHA-256 in base64url, in its one form. */
function isDigest(entry: Uint8Array, from: number): boolean {
  const last = from + DIGEST_CHARS - 1
  for (let at = from; at < last; at++) if (base64Url[entry[at]!] === 0) return false
  return base64Url[entry[last]!] === LAST_OF_DIGEST
}

function stands(part: Uint8Array, entry: Uint8Array, at: number): boolean {
  for (let i = 0; i < part.length; i++) if (entry[at + i] !== part[i]) return false
  return true
}

/** `text` is ASCII. */
function says(text: string, entry: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (entry[at + i] !== text.charCodeAt(i)) return false
  return true
}
