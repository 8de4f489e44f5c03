// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The worker thread of a verification: checks blocks of frames. */
import { rowHasher } from '../platform/row-hasher.ts'
import { answerJobs } from '../platform/workers.ts'
import { checkBlock, type CheckedFrame } from './frame-check.ts'

export interface BlockJob {
  readonly memory: ArrayBuffer
  readonly sizeBytes: number
  readonly fileId: Uint8Array
  readonly places: readonly number[]
}

export interface BlockAnswer {
  readonly memory: ArrayBuffer
  readonly frames: readonly CheckedFrame[]
}

const rows = rowHasher()

answerJobs((job) => {
  const { memory, sizeBytes, fileId, places } = job as BlockJob
  const frames = checkBlock(Buffer.from(memory, 0, sizeBytes), Buffer.from(fileId), places, rows)
  const answer: BlockAnswer = { memory, frames }
  return { answer, moved: [memory] }
})
