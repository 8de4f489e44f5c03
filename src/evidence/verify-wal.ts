// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Drives a verification over all files of a WAL: blocks are checked ahead, as many as are worth it, and replayed in
 * order, so memory does not grow with the log. A last frame that is not whole is told apart: a crash leaves one, and
 * so does whoever cuts the log.
 */
import { BLOCK_BYTES } from '../ledger/wal/format.ts'
import type { Finding } from './finding.ts'
import type { CheckedFrame } from './frame-check.ts'
import type { FrameChecker } from './frame-checker.ts'
import { firstCommitOf, type Replay, type Unfinished } from './replay.ts'
import { BlockMemory, type FrameBlock, type Gap, type WalkedFile, walkFrames } from './wal-walk.ts'

/** The unfinished end of a WAL, and what to object to if it turns out not to be a crash's. */
export interface Tail extends Unfinished {
  readonly findings: readonly Finding[]
}

/** Replays the files; resolves to the unfinished end, if there is one. */
export async function verifyWal(
  files: readonly WalkedFile[],
  checker: FrameChecker,
  replay: Replay,
  onBytes: (bytes: number) => Promise<void>,
): Promise<Tail | undefined> {
  const memory = new BlockMemory()
  for (const [position, walked] of files.entries()) {
    const isLast = position === files.length - 1
    if (isLast && walked.header === undefined && walked.sizeBytes <= BLOCK_BYTES) return unborn(walked)
    replay.enter(walked)
    await onBytes(Math.min(BLOCK_BYTES, walked.sizeBytes))
    const tail = await new FileVerification(walked, isLast, checker, replay, memory, onBytes).run()
    if (tail !== undefined) return tail
  }
  return undefined
}

class FileVerification {
  readonly #walked: WalkedFile
  readonly #isLast: boolean
  readonly #checker: FrameChecker
  readonly #replay: Replay
  readonly #memory: BlockMemory
  readonly #onBytes: (bytes: number) => Promise<void>

  constructor(
    walked: WalkedFile,
    isLast: boolean,
    checker: FrameChecker,
    replay: Replay,
    memory: BlockMemory,
    onBytes: (bytes: number) => Promise<void>,
  ) {
    this.#walked = walked
    this.#isLast = isLast
    this.#checker = checker
    this.#replay = replay
    this.#memory = memory
    this.#onBytes = onBytes
  }

  async run(): Promise<Tail | undefined> {
    const { file, sizeBytes, fileId } = this.#walked
    const ahead: (() => Promise<Tail | undefined>)[] = []
    for await (const part of walkFrames(file, sizeBytes, fileId, this.#memory)) {
      if (part.kind === 'frames') ahead.push(this.#checkAhead(part))
      else if (this.#isLast && part.end === sizeBytes) ahead.push(async () => this.#cutOff(part.position, part))
      else ahead.push(async () => await this.#stepOver(part))
      while (ahead.length > this.#checker.depth) {
        const tail = await ahead.shift()?.()
        if (tail !== undefined) return tail
      }
    }
    for (const take of ahead.splice(0)) {
      const tail = await take()
      if (tail !== undefined) return tail
    }
    return undefined
  }

  /** Begins to check a block; what it returns replays it. */
  #checkAhead(block: FrameBlock): () => Promise<Tail | undefined> {
    const { position } = block
    const checked = this.#checker.check(block, this.#walked.fileId)
    checked.catch(() => {})
    return async () => {
      const { bytes, frames } = await checked
      for (const frame of frames) {
        const isEnd = this.#isLast && position + frame.at + frame.frameBytes === this.#walked.sizeBytes
        if (isEnd && isTorn(frame)) return this.#torn(frame, position + frame.at)
        const whole = bytes.subarray(frame.at, frame.at + frame.frameBytes)
        await this.#replay.take(whole, frame, this.#walked, position + frame.at)
      }
      await this.#replay.compareDerived()
      await this.#onBytes(bytes.length)
      this.#memory.giveBack(bytes)
      return undefined
    }
  }

  async #stepOver(gap: Gap): Promise<undefined> {
    this.#replay.takeGap(gap, this.#walked)
    await this.#onBytes(gap.end - gap.position)
  }

  #cutOff(position: number, { why, expected, found }: { why: string; expected: string; found: string }): Tail {
    const { name: file, sizeBytes } = this.#walked
    const findings = [{ kind: 'frame' as const, file, offset: position, what: why, expected, found }]
    return { file, position, bytes: sizeBytes - position, why, findings }
  }

  #torn(frame: CheckedFrame, position: number): Tail {
    const { name: file, sizeBytes } = this.#walked
    const findings = frame.faults.map(({ at, ...fault }) => ({ ...fault, file, offset: position + at }))
    return { file, position, bytes: sizeBytes - position, why: findings[0]?.what ?? '', findings }
  }
}

/** A frame whose body is not the one that its header counts: all that a torn write can do to a frame. */
function isTorn(frame: CheckedFrame): boolean {
  return frame.faults.some((fault) => fault.kind === 'frame')
}

/** A file whose creation a crash cut short. */
function unborn(walked: WalkedFile): Tail {
  const { name: file, sizeBytes, finding } = walked
  const why = `WAL file ${firstCommitOf(walked)} was never begun`
  return { file, position: 0, bytes: sizeBytes, why, findings: finding === undefined ? [] : [finding] }
}
