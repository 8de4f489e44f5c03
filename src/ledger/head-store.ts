// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where the head of `heads` is kept outside the data directory: the one thing that a restored backup or a cloned
 * machine does not bring along. It is replaced only by compare-and-swap, so of two writers that share it one stops.
 */
import { dirname, join, resolve } from 'node:path'
import { type Clock } from '../platform/clock.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { GuardedHttpClient } from '../platform/http-client.ts'
import { tryLock } from '../platform/lock.ts'
import { pathDigest } from './keys.ts'

export interface HeadStore {
  /** File or URL, for messages. */
  readonly where: string
  /** The kept head, a signed note; undefined where none was ever kept. */
  read(): Promise<Buffer | undefined>
  /**
   * Keeps `next` if what is kept is still `expected`. Resolves to false where it is not; rejects where the outcome is
   * unknown or the store cannot be reached.
   */
  swap(expected: Buffer | undefined, next: Buffer): Promise<boolean>
}

const LOCK_TRIES = 200
const LOCK_WAIT_MS = 10

/** A head in a file, its compare-and-swap made atomic by a lock beside it. */
export class FileHeadStore implements HeadStore {
  readonly where: string
  readonly #disk: Disk
  readonly #clock: Clock

  constructor(disk: Disk, clock: Clock, path: string) {
    this.#disk = disk
    this.#clock = clock
    this.where = resolve(path)
  }

  async read(): Promise<Buffer | undefined> {
    return await this.#disk.readFile(this.where)
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    await this.#disk.makeDirectory(dirname(this.where))
    const lock = await this.#lock()
    try {
      const kept = await this.read()
      if (!sameBytes(kept, expected)) return false
      await replaceFile(this.#disk, this.where, next)
      return true
    } finally {
      lock.release()
    }
  }

  async #lock() {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const lock = tryLock(`${this.where}.lock`)
      if (lock !== undefined) return lock
      await this.#clock.sleep(LOCK_WAIT_MS)
    }
    throw new Error(`${this.where}.lock has been held by another process for ${(LOCK_TRIES * LOCK_WAIT_MS) / 1000} s`)
  }
}

const URL_TIMEOUT_MS = 5_000

/** A head behind a URL whose server compares and swaps: `PUT` with `If-Match` (or `If-None-Match: *`), as S3 does. */
export class UrlHeadStore implements HeadStore {
  readonly where: string
  readonly #client: GuardedHttpClient
  #tag: { readonly head: Buffer; readonly etag: string } | undefined

  constructor(client: GuardedHttpClient, url: string) {
    this.#client = client
    this.where = url
  }

  async read(): Promise<Buffer | undefined> {
    const answer = await this.#client.request({ ...this.#request, method: 'GET' })
    if (answer.status === 404) return undefined
    const { etag } = answer.headers
    if (answer.status !== 200) throw new Error(`GET ${this.where} answered ${answer.status}`)
    if (etag === undefined) throw new Error(`${this.where} answers without an ETag: it cannot compare and swap`)
    this.#tag = { head: answer.body, etag }
    return answer.body
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    if (expected !== undefined && !sameBytes(this.#tag?.head, expected) && !sameBytes(await this.read(), expected))
      return false
    const condition = expected === undefined ? { 'if-none-match': '*' } : { 'if-match': this.#tag?.etag ?? '' }
    const headers = { ...condition, 'content-type': 'text/plain; charset=utf-8' }
    const answer = await this.#client.request({ ...this.#request, method: 'PUT', headers, body: next })
    if (answer.status === 412 || answer.status === 409) return false
    if (answer.status < 200 || answer.status > 299) throw new Error(`PUT ${this.where} answered ${answer.status}`)
    const { etag } = answer.headers
    this.#tag = etag === undefined ? undefined : { head: next, etag }
    return true
  }

  get #request() {
    return { url: this.where, timeoutMs: URL_TIMEOUT_MS, privateAllowed: true }
  }
}

export function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.equals(b)
}

/**
 * The default place of heads: the user's state directory. One file an install, named by its id, so that a directory
 * that was moved or cloned finds it; and a note of which install a directory held, so that an emptied one is noticed.
 */
export class StateDirectory {
  readonly #disk: Disk
  readonly #path: string

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  headPath(originPrefix: string): string {
    return join(this.#path, 'heads', `${originPrefix.slice(originPrefix.lastIndexOf('/') + 1)}.head`)
  }

  /** The origin prefix of the install that this data directory held when it was last begun. */
  async heldBefore(dataDirectory: string): Promise<{ originPrefix: string; note: string } | undefined> {
    const note = this.#notePath(dataDirectory)
    const bytes = await this.#disk.readFile(note)
    return bytes === undefined ? undefined : { originPrefix: bytes.toString('utf8').split('\n')[0] ?? '', note }
  }

  async note(dataDirectory: string, originPrefix: string): Promise<void> {
    const path = this.#notePath(dataDirectory)
    await this.#disk.makeDirectory(dirname(path))
    await replaceFile(this.#disk, path, Buffer.from(`${originPrefix}\n${resolve(dataDirectory)}\n`))
  }

  #notePath(dataDirectory: string): string {
    return join(this.#path, 'directories', pathDigest(resolve(dataDirectory)))
  }
}
