// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where segments are kept: objects that never change once made, found by key, and one small head that is replaced by
 * compare-and-swap. No more than a directory and an object store both do, so nothing above knows which of them it is.
 * Whoever asks for an object checks what comes; the store vouches for nothing but that a key is never given twice.
 */

export interface ObjectInfo {
  /** `/` parts folders; below one ledger all names have one length a kind, so their order is that of first indexes. */
  readonly key: string
  readonly sizeBytes: number
}

/** An object that is being written. It has no key, and is seen by nobody, before `create`. */
export interface ObjectDraft {
  /** Bytes behind those of before; the buffer is the caller's again once this resolves. */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Makes it durable under a key. `exists` where there is an object of that key: that one stays, and the draft is gone.
   * Rejects where the outcome is unknown: whoever goes on looks what lies under the key.
   */
  create(key: string): Promise<'created' | 'exists'>
  /** Drops it; after `create` that does nothing. */
  abandon(): Promise<void>
}

export interface StoredHead {
  readonly bytes: Buffer
  /** Names these bytes to `swapHead`. */
  readonly version: string
}

/** There is no object of that key. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing'
}

export interface ObjectStore {
  /** Folder or URL, for messages. */
  readonly where: string
  draft(): Promise<ObjectDraft>
  /** Exactly these bytes. Rejects with ObjectMissing, or with a DataFault where the object ends before. */
  read(key: string, position: number, lengthBytes: number): Promise<Buffer>
  /** All objects whose key begins with `prefix`, in order of their keys' bytes. Drafts and the head are none. */
  list(prefix: string): Promise<ObjectInfo[]>
  /** Removes what another object holds too; that it is not there is no error. */
  remove(key: string): Promise<void>
  readHead(): Promise<StoredHead | undefined>
  /**
   * Replaces the head if it still is what `expected` names (undefined: if there is none). Resolves to the new version,
   * or to undefined where it is another; rejects where the outcome is unknown.
   */
  swapHead(expected: string | undefined, bytes: Uint8Array): Promise<string | undefined>
}
