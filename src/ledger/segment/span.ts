// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A run of bytes of a segment's object, and who reads it: this thread, or one beside it. */
import type { SegmentKind } from './segment.ts'

export interface Span {
  readonly key: string
  readonly position: number
  readonly lengthBytes: number
  /** What is asked of a compressed part; where it is not said, the bytes themselves are. */
  readonly part?: {
    readonly kind: SegmentKind
    readonly rawBytes: number
    /** How many entries or contents it holds, and which of them are wanted. */
    readonly count: number
    readonly from: number
    readonly to: number
  }
}

export interface SpanReading {
  /** What the span holds, or what `here`, which reads it in this thread, resolves to or rejects with. */
  read(span: Span, here: () => Promise<readonly Buffer[]>): Promise<readonly Buffer[]>
}

export const inThisThread: SpanReading = { read: async (_span, here) => await here() }
