// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What one question to the index may take of the machine, and who decides when it is asked. */

export interface AskLimits {
  readonly timeMs: number
  /** A slow one gives way to all others. */
  readonly lane: 'quick' | 'slow'
}

export type Ask<T> = (limits: AskLimits) => Promise<T>

/** Has a question asked that may take so long; twice where the first try was given up. */
export type Turn = <T>(timeMs: number, ask: Ask<T>) => Promise<T>

/** Of one who shares the index with nobody. */
export const atOnce: Turn = async (timeMs, ask) => await ask({ timeMs, lane: 'quick' })
