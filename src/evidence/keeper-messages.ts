// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the writer and the keeper process say to each other.

import type { Seal } from '../ledger/seal.ts'
import type { SealTask } from '../ledger/sealing.ts'
import type { PassProgress, PassResult, PassSchedule } from './background.ts'

/** From the writer. */
export type KeeperOrder =
  /** Sent first. `keptHead` is the file or URL of the head that is kept outside. */
  | {
      readonly type: 'open'
      readonly directory: string
      readonly keptHead: string
      readonly schedule: PassSchedule
    }
  | { readonly type: 'seal'; readonly id: number; readonly task: SealTask }
  | { readonly type: 'verify' }
  /** How much of one core sealing may take from now on. */
  | { readonly type: 'share'; readonly share: number }

/** From the keeper. */
export type KeeperReport =
  | { readonly type: 'sealed'; readonly id: number; readonly seal: Seal }
  /** `isFault`: what was read is not as it must be, so trying again is of no use. */
  | { readonly type: 'unsealed'; readonly id: number; readonly reason: string; readonly isFault: boolean }
  | { readonly type: 'segments'; readonly segments: SegmentTotals }
  | { readonly type: 'progress'; readonly progress: PassProgress }
  | { readonly type: 'result'; readonly result: PassResult }
  | { readonly type: 'log'; readonly line: object }

export interface SegmentTotals {
  readonly count: number
  readonly sizeBytes: number
}
