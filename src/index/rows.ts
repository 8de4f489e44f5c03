// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of the index in ClickHouse's RowBinary: numbers little-endian, strings behind their length as LEB128, arrays
 * behind their count. The same bytes are what `check` holds the index against.
 */
import type { SearchDocument } from '../query/document.ts'
import { addressBytes } from '../query/address.ts'

const FIRST_CAPACITY_BYTES = 4 * 1024 * 1024
/** A number or a string's length, and what a string of 16 bits a unit may at most grow to. */
const NUMBER_BYTES = 10
const BYTES_PER_UNIT = 3

/** Rows that are inserted together. */
export class RowBlock {
  #bytes = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES)
  #end = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  get sizeBytes(): number {
    return this.#end
  }

  /** What was written so far; it is overwritten after `clear`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end)
  }

  clear(): void {
    this.#end = 0
    this.#count = 0
  }

  add(ledger: string, index: number, document: SearchDocument): void {
    this.#demand(8 * NUMBER_BYTES)
    this.#string(ledger)
    this.#uint64(index)
    this.#int64(document.timeMs)
    this.#int64(document.atMs)
    this.#string(document.source)
    this.#end = this.#bytes.writeUInt32LE(document.classUid, this.#end)
    this.#end = this.#bytes.writeUInt8(document.severity, this.#end)
    this.#strings(document.actor)
    this.#strings(document.target)
    this.#strings(document.action)
    this.#string(document.outcome[0] ?? '')
    this.#addresses(document.ip)
    this.#strings(document.app)
    this.#strings(document.session)
    this.#strings(document.correlation)
    this.#strings(document.privilege)
    this.#strings(document.country)
    this.#string(document.text)
    this.#strings(document.actorNames)
    this.#strings(document.targetNames)
    this.#strings(document.appNames)
    this.#string(document.paths)
    this.#numbers(document.places)
    this.#string(document.more)
    this.#count++
  }

  #numbers(values: readonly number[]): void {
    this.#demand(NUMBER_BYTES + values.length * 4)
    this.#length(values.length)
    for (const value of values) this.#end = this.#bytes.writeUInt32LE(value, this.#end)
  }

  #strings(values: readonly string[]): void {
    this.#demand(NUMBER_BYTES)
    this.#length(values.length)
    for (let at = 0; at < values.length; at++) this.#string(values[at]!)
  }

  #string(text: string): void {
    const { length } = text
    this.#demand(length * BYTES_PER_UNIT + NUMBER_BYTES)
    const bytes = this.#bytes
    const start = this.#end
    if (length < 40) {
      let at = start + 1
      for (let position = 0; ; position++) {
        if (position === length) {
          bytes[start] = length
          this.#end = at
          return
        }
        const unit = text.charCodeAt(position)
        if (unit > 0x7f) break
        bytes[at++] = unit
      }
    }
    this.#longString(text)
  }

  /** Writes behind a length of as many bytes as it will most likely have, and moves the text where it has more. */
  #longString(text: string): void {
    const guess = lengthBytes(text.length)
    const written = this.#bytes.write(text, this.#end + guess, 'utf8')
    const needed = lengthBytes(written)
    if (needed !== guess) {
      this.#bytes.copyWithin(this.#end + needed, this.#end + guess, this.#end + guess + written)
    }
    this.#length(written)
    this.#end += written
  }

  #addresses(addresses: readonly string[]): void {
    this.#demand(NUMBER_BYTES + addresses.length * 16)
    this.#length(addresses.length)
    for (let at = 0; at < addresses.length; at++) this.#address(addresses[at]!)
  }

  #address(text: string): void {
    const bytes = this.#bytes
    const start = this.#end
    this.#end = start + 16
    if (text.includes(':')) return bytes.set(addressBytes(text), start)
    // IPv4 in its canonical form, mapped into IPv6.
    bytes.fill(0, start, start + 10)
    bytes[start + 10] = 0xff
    bytes[start + 11] = 0xff
    let value = 0
    let part = start + 12
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      if (unit !== 0x2e) value = value * 10 + unit - 0x30
      else {
        bytes[part++] = value
        value = 0
      }
    }
    bytes[part] = value
  }

  #length(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#end++] = rest
  }

  #uint64(value: number): void {
    this.#bytes.writeUInt32LE(value % 2 ** 32, this.#end)
    this.#bytes.writeUInt32LE(Math.floor(value / 2 ** 32), this.#end + 4)
    this.#end += 8
  }

  #int64(value: number): void {
    const high = Math.floor(value / 2 ** 32)
    this.#bytes.writeUInt32LE(value - high * 2 ** 32, this.#end)
    this.#bytes.writeInt32LE(high, this.#end + 4)
    this.#end += 8
  }

  #demand(moreBytes: number): void {
    if (this.#end + moreBytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + moreBytes))
    this.#bytes.copy(larger, 0, 0, this.#end)
    this.#bytes = larger
  }
}

function lengthBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4
}
