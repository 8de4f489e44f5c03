// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Where frames are checked: in this thread, which is quicker for a little, or on all cores. */
import assert from 'node:assert/strict'
import { checkBlock, type CheckedFrame } from './frame-check.ts'
import type { DirectoryThreads } from './directory-threads.ts'
import type { FrameBlock } from './wal-walk.ts'

export interface CheckedBlock {
  readonly bytes: Buffer
  readonly frames: readonly CheckedFrame[]
}

export interface FrameChecker {
  /** Blocks that are worth having under way at the same time. */
  readonly depth: number
  /** Takes the block's memory, and gives it back with what was found. */
  check(block: FrameBlock, fileId: Buffer): Promise<CheckedBlock>
}

export class LocalChecker implements FrameChecker {
  readonly depth = 1

  async check({ bytes, places }: FrameBlock, fileId: Buffer): Promise<CheckedBlock> {
    return { bytes, frames: checkBlock(bytes, fileId, places) }
  }
}

export class ThreadedChecker implements FrameChecker {
  readonly depth: number
  readonly #threads: DirectoryThreads

  constructor(threads: DirectoryThreads) {
    this.depth = threads.count * 3
    this.#threads = threads
  }

  async check({ bytes, places }: FrameBlock, fileId: Buffer): Promise<CheckedBlock> {
    const memory = bytes.buffer
    assert(memory instanceof ArrayBuffer && bytes.byteOffset === 0)
    const sizeBytes = bytes.length
    const job = { memory, sizeBytes, fileId: Uint8Array.from(fileId), places }
    const answer = await this.#threads.checkBlock(job)
    return { bytes: Buffer.from(answer.memory, 0, sizeBytes), frames: answer.frames }
  }
}
