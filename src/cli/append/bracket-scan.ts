// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Finds where JSON values end in a stream, by brackets and strings alone. It does not say whether they are JSON: the
// server does, over the very same bytes, so the two need not agree on what is wrong with a broken one.

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const STRUCTURAL = Uint8Array.from({ length: 256 }, (_, byte) =>
  [QUOTE, COMMA, COLON, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE].includes(byte) ? 1 : 0,
)

/** Where a scan stands; it goes on with the next bytes of the same value. */
export class BracketScan {
  depth = 0
  /** Byte at which the scan stopped: a bracket, a comma, a colon or a closing quote; 0 where the bytes ended. */
  found = 0
  #inString = false
  #escaped = false

  /**
   * Goes on from `p`, and stops behind the next bracket, comma, colon or string at a depth of `watch` or less (an
   * opening bracket counts for the depth around it). Answers where it stopped: `end`, where there was none.
   */
  next(bytes: Uint8Array, start: number, end: number, watch: number): number {
    let p = start
    for (;;) {
      if (this.#inString) {
        p = this.#string(bytes, p, end)
        if (this.#inString) break
        if (this.depth <= watch) return this.#stop(QUOTE, p)
      }
      while (p < end && STRUCTURAL[bytes[p]!] === 0) p++
      if (p >= end) break
      const byte = bytes[p++]!
      if (byte === QUOTE) {
        this.#inString = true
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.depth++
        if (this.depth - 1 <= watch) return this.#stop(byte, p)
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.depth--
        if (this.depth <= watch) return this.#stop(byte, p)
      } else if (this.depth <= watch) {
        return this.#stop(byte, p)
      }
    }
    return this.#stop(0, end)
  }

  #string(bytes: Uint8Array, start: number, end: number): number {
    let p = start
    if (this.#escaped && p < end) {
      p++
      this.#escaped = false
    }
    while (p < end) {
      const byte = bytes[p++]!
      if (byte === QUOTE) {
        this.#inString = false
        return p
      }
      if (byte === BACKSLASH) {
        if (p === end) this.#escaped = true
        p++
      }
    }
    return end
  }

  #stop(found: number, p: number): number {
    this.found = found
    return p
  }
}

/** White space of JSON. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

export function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isSpace(bytes[at]!)) return false
  return true
}
