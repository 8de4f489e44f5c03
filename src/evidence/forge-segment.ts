// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The attacker of the drill among segments: writes one anew, with every hash, table and name right again. */
import { hashLeaf } from '@stele/proof'
import { SegmentReader } from '../ledger/segment/segment-reader.ts'
import { SegmentWriter } from '../ledger/segment/segment-writer.ts'
import type { Segment } from '../ledger/segment/segment.ts'
import type { ObjectStore } from '../ledger/store/object-store.ts'

interface SealedEvent {
  readonly index: number
  /** The line that the leaf is made of. */
  readonly entry: Buffer
  /** Salt and event. */
  readonly content: Buffer
}

/** Puts another segment in the place of one; `change` gives what stands there instead of an event. */
export async function rewriteSegment(
  store: ObjectStore,
  segment: Segment,
  change: (event: SealedEvent) => Pick<SealedEvent, 'entry' | 'content'> & { readonly leaf?: Uint8Array },
): Promise<Segment> {
  const reader = await SegmentReader.open(store, segment)
  const { ledger, first } = segment
  const originPrefix = reader.origin.slice(0, -(ledger.length + 1))
  const writer = await SegmentWriter.begin({ store, originPrefix, ledger, first })
  for await (const event of reader.walk(first)) {
    const { entry, content, leaf } = change(event)
    await writer.add(entry, leaf ?? hashLeaf(entry), content)
  }
  const written = await writer.finish()
  for (const kind of ['log', 'content'] as const) {
    if (written[kind].key !== segment[kind].key) await store.remove(segment[kind].key)
  }
  return written
}
