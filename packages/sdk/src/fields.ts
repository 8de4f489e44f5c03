// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Reads the fields of an answer, each of which must be there and of its form: a server is trusted with nothing that can
// be checked. Fields that are not asked for are for later versions, and are passed over.

import { fromBase64, HASH_BYTES, ProofError } from '@stele/proof'

import { untrustworthy } from './error.ts'

export const LEDGER_NAME: RegExp = /^[a-z0-9][a-z0-9-]{0,62}$/
const TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

export class Fields {
  readonly #what: string
  readonly #values: Readonly<Record<string, unknown>>

  /** `what` names the answer in messages. */
  constructor(what: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw untrustworthy(`${what} is not an object`)
    }
    this.#what = what
    this.#values = value as Readonly<Record<string, unknown>>
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name)
  }

  text(name: string): string {
    const value = this.#value(name)
    return typeof value === 'string' && value.isWellFormed() ? value : this.#refuse(name, 'a text')
  }

  /** A text out of events, which may hold anything. */
  anyText(name: string): string {
    const value = this.#value(name)
    return typeof value === 'string' ? value : this.#refuse(name, 'a text')
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined
  }

  /** An index, a count or a size. */
  whole(name: string): number {
    const value = this.#value(name)
    return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : this.#refuse(name, 'a whole number')
  }

  flag(name: string): boolean {
    const value = this.#value(name)
    return typeof value === 'boolean' ? value : this.#refuse(name, 'true or false')
  }

  object(name: string): unknown {
    return this.#value(name)
  }

  /** Names and values of an object. */
  members(name: string): readonly (readonly [string, unknown])[] {
    const value = this.#value(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#refuse(name, 'an object')
    return Object.entries(value)
  }

  list(name: string): readonly unknown[] {
    const value = this.#value(name)
    return Array.isArray(value) ? value : this.#refuse(name, 'a list')
  }

  texts(name: string): readonly string[] {
    return this.list(name).map((value) =>
      typeof value === 'string' && value.isWellFormed() ? value : this.#refuse(name, 'a list of texts'),
    )
  }

  wholes(name: string): readonly number[] {
    return this.list(name).map((value) =>
      Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : this.#refuse(name, 'a list of whole numbers'),
    )
  }

  base64(name: string): Uint8Array {
    const text = this.text(name)
    try {
      return fromBase64(text)
    } catch (error) {
      if (error instanceof ProofError) return this.#refuse(name, 'base64')
      throw error
    }
  }

  root(name: string): Uint8Array {
    const root = this.base64(name)
    return root.length === HASH_BYTES ? root : this.#refuse(name, 'a root of 32 bytes')
  }

  ledger(name: string): string {
    const text = this.text(name)
    return LEDGER_NAME.test(text) ? text : this.#refuse(name, 'the name of a ledger')
  }

  /** RFC 3339 in UTC with milliseconds. */
  time(name: string): string {
    const text = this.text(name)
    return TIME.test(text) ? text : this.#refuse(name, 'a time')
  }

  optionalTime(name: string): string | undefined {
    return this.has(name) ? this.time(name) : undefined
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const text = this.text(name)
    return values.find((value) => value === text) ?? this.#refuse(name, values.join(' or '))
  }

  #value(name: string): unknown {
    return this.has(name) ? this.#values[name] : undefined
  }

  #refuse(name: string, wanted: string): never {
    throw untrustworthy(`${this.#what}: ${name} is not ${wanted}`)
  }
}
