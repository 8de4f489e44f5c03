// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What a start that was tried in memory did. */
import type { Opening } from '../ledger/opening.ts'

export type StartTrial =
  | { readonly isStarted: true; readonly opening: Opening; readonly head: string }
  | {
      readonly isStarted: false
      readonly why: 'data' | 'key' | 'head' | 'config'
      readonly message: string
      /** Where the data is at fault. */
      readonly place?: {
        readonly file: string
        readonly offset: number
        readonly expected: string
        readonly found: string
      }
      /** Where the head outside is kept, if the start came so far. */
      readonly head: string | undefined
    }
