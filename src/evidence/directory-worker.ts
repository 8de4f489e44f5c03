// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The worker thread of a verification: checks whole segments, which it reads itself, and blocks of frames, which it is
 * given. One does both, for a thread takes longer to begin than to check a hundred thousand entries.
 */
import type { Segment } from '../ledger/segment/segment.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { NodeDisk } from '../platform/disk.ts'
import { rowHasher } from '../platform/row-hasher.ts'
import { answerJobs } from '../platform/workers.ts'
import { checkBlock, type CheckedFrame } from './frame-check.ts'
import { type CheckedSegment, checkWhole, type Used } from './segment-check.ts'

interface SegmentJob {
  /** That of the segments. */
  readonly directory: string
  readonly segment: Segment
  readonly used: Used
  readonly withContent: boolean
}

interface BlockJob {
  readonly memory: ArrayBuffer
  readonly sizeBytes: number
  readonly fileId: Uint8Array
  readonly places: readonly number[]
}

export type DirectoryJob = SegmentJob | BlockJob

export interface BlockAnswer {
  readonly memory: ArrayBuffer
  readonly frames: readonly CheckedFrame[]
}

export type DirectoryAnswer = CheckedSegment | BlockAnswer

const rows = rowHasher()

answerJobs(async (given) => {
  const job = given as DirectoryJob
  if ('memory' in job) return ofBlock(job)
  const { directory, segment, used, withContent } = job
  const store = new DirectoryStore(new NodeDisk(), directory)
  return { answer: await checkWhole(store, segment, used, { withContent, rows }), moved: [] }
})

function ofBlock({ memory, sizeBytes, fileId, places }: BlockJob) {
  const frames = checkBlock(Buffer.from(memory, 0, sizeBytes), Buffer.from(fileId), places, rows)
  const answer: BlockAnswer = { memory, frames }
  return { answer, moved: [memory] }
}
