// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Copies objects of segments from one store to another: they never change, so only what is not there is copied. */
import { createHash } from 'node:crypto'
import { DataFault } from '../ledger/data-fault.ts'
import { parseSegmentKey, type Segment } from '../ledger/segment/segment.ts'
import type { ObjectInfo, ObjectStore } from '../ledger/store/object-store.ts'
import type { ManifestFile } from './manifest.ts'

const CHUNK_BYTES = 1024 * 1024

/** The objects of segments, each once. */
export function objectsOf(segments: readonly Segment[]): ObjectInfo[] {
  const objects = segments.flatMap(({ log, content }) => [log, content])
  return [...new Map(objects.map((object) => [object.key, object])).values()]
}

export function manifestFile({ key, sizeBytes }: ObjectInfo): ManifestFile {
  return { path: `segments/${key}`, sizeBytes, sha256: parseSegmentKey(key)?.sha256 ?? '' }
}

/**
 * Copies one object, and makes it durable, if its bytes have the hash that its name says; a DataFault where they have
 * not. `onBytes` is called after each part and throws where the copying is to end.
 */
export async function copyObject(
  from: ObjectStore,
  to: ObjectStore,
  { key, sizeBytes }: ObjectInfo,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const digest = createHash('sha256')
  const draft = await to.draft()
  try {
    for (let position = 0; position < sizeBytes; position += CHUNK_BYTES) {
      const bytes = await from.read(key, position, Math.min(CHUNK_BYTES, sizeBytes - position))
      digest.update(bytes)
      await draft.write(bytes)
      onBytes(bytes.length)
    }
    const [expected, found] = [parseSegmentKey(key)?.sha256 ?? 'a name of a segment', digest.digest('hex')]
    if (expected !== found) {
      throw new DataFault(`${from.where}/${key}`, 0, 'the bytes are not those that the name says', expected, found)
    }
    await draft.create(key)
  } finally {
    await draft.abandon()
  }
}
