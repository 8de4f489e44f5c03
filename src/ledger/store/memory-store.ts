// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Objects in memory, for tests. It holds its users to what the contract trusts them with: it fails where other bytes
 * come under a key that was ever given, even if that object is removed. What it takes and hands out are copies.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { DataFault } from '../data-fault.ts'
import { checkKey, checkPrefix } from './object-key.ts'
import { type ObjectDraft, type ObjectInfo, ObjectMissing, type ObjectStore, type StoredHead } from './object-store.ts'

export class MemoryStore implements ObjectStore {
  readonly where = 'memory'
  readonly #objects = new Map<string, Buffer>()
  /** SHA-256 of all that was ever under a key. */
  readonly #given = new Map<string, string>()
  #head: StoredHead | undefined

  async draft(): Promise<ObjectDraft> {
    let parts: Buffer[] | undefined = []
    return {
      write: async (bytes) => {
        assert(parts !== undefined, 'a draft that is done is not written')
        parts.push(Buffer.from(bytes))
      },
      create: async (key) => {
        assert(parts !== undefined, 'a draft that is done is not created')
        const bytes = Buffer.concat(parts)
        parts = undefined
        return this.#create(key, bytes)
      },
      abandon: async () => {
        parts = undefined
      },
    }
  }

  async read(key: string, position: number, lengthBytes: number): Promise<Buffer> {
    const bytes = this.#demand(key)
    const end = position + lengthBytes
    if (end > bytes.length) {
      throw new DataFault(`${this.where}/${key}`, position, 'the object ends early', `${end} bytes`, `${bytes.length}`)
    }
    return Buffer.from(bytes.subarray(position, end))
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    checkPrefix(prefix)
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    return keys.map((key) => ({ key, sizeBytes: this.#demand(key).length }))
  }

  async remove(key: string): Promise<void> {
    checkKey(key)
    this.#objects.delete(key)
  }

  async readHead(): Promise<StoredHead | undefined> {
    return this.#head === undefined ? undefined : { ...this.#head, bytes: Buffer.from(this.#head.bytes) }
  }

  async swapHead(expected: string | undefined, bytes: Uint8Array): Promise<string | undefined> {
    if (this.#head?.version !== expected) return undefined
    const version = digest(bytes)
    this.#head = { bytes: Buffer.from(bytes), version }
    return version
  }

  /** Changes an object behind everybody's back, or removes it: for tests that tamper. */
  tamper(key: string, bytes: Buffer | undefined): void {
    checkKey(key)
    if (bytes === undefined) this.#objects.delete(key)
    else {
      this.#objects.set(key, Buffer.from(bytes))
      this.#given.set(key, digest(bytes))
    }
  }

  #create(key: string, bytes: Buffer): 'created' | 'exists' {
    checkKey(key)
    const found = digest(bytes)
    assert.equal(found, this.#given.get(key) ?? found, `${key} was given to other bytes`)
    if (this.#objects.has(key)) return 'exists'
    this.#objects.set(key, bytes)
    this.#given.set(key, found)
    return 'created'
  }

  #demand(key: string): Buffer {
    checkKey(key)
    const bytes = this.#objects.get(key)
    if (bytes === undefined) throw new ObjectMissing(`${this.where} has no ${key}`)
    return bytes
  }
}

function digest(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}
