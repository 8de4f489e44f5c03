// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Which head a witness is asked to cosign next. Each is asked at its own pace, and none can go back to an older head, so
 * left to themselves two would go past one another and never cosign the same. A witness that is free takes the head on
 * which most others have signed or are signing, and of those the newest.
 */
import type { HeadCosignature } from '../state/cosigned-head.ts'

/** A published head and who has cosigned it so far. */
export interface PendingHead {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** The signed note as published. */
  readonly note: Buffer
  readonly text: string
  readonly ownLines: readonly string[]
  readonly cosignatures: Map<string, HeadCosignature>
  /** Witnesses that are being asked for it. */
  readonly asked: Set<string>
}

/** A head a second: what a slow witness may still want. */
const MAX_PENDING = 256

export class HeadChoice {
  /** By size, ascending. */
  #heads: PendingHead[] = []

  /** By size, ascending. */
  get all(): readonly PendingHead[] {
    return this.#heads
  }

  get newest(): PendingHead | undefined {
    return this.#heads.at(-1)
  }

  /** Takes a head that was published; of one size there is one, which keeps its cosignatures. */
  add(head: Omit<PendingHead, 'cosignatures' | 'asked'>): PendingHead {
    const same = this.#heads.find(({ size, root }) => size === head.size && root === head.root)
    const added = { ...head, cosignatures: same?.cosignatures ?? new Map(), asked: same?.asked ?? new Set<string>() }
    this.#heads = [...this.#heads.filter((other) => other !== same), added].toSorted((a, b) => a.size - b.size)
    // One that nobody has signed yet is worth least; the newest is never dropped.
    while (this.#heads.length > MAX_PENDING) {
      const unsigned = this.#heads
        .slice(0, -1)
        .findIndex(({ cosignatures, asked }) => cosignatures.size + asked.size === 0)
      this.#heads.splice(Math.max(0, unsigned), 1)
    }
    return added
  }

  /** Nobody needs heads before this size any more. */
  dropBefore(size: number): void {
    this.#heads = this.#heads.filter((head) => head.size >= size)
  }

  /** What a removed witness has signed counts no more. */
  forget(witness: string): void {
    for (const { cosignatures } of this.#heads) cosignatures.delete(witness)
  }

  /** The next head for a witness that has seen `seen` entries; one of that very size can still be cosigned. */
  next(witness: string, seen: number): PendingHead | undefined {
    let best: PendingHead | undefined
    let bestCount = -1
    for (const head of this.#heads) {
      if (head.size < seen || head.cosignatures.has(witness)) continue
      const others = new Set([...head.cosignatures.keys(), ...head.asked])
      others.delete(witness)
      if (others.size < bestCount) continue
      best = head
      bestCount = others.size
    }
    return best
  }
}
