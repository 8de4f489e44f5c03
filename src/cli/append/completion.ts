// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is kept of a large file that was stored to its end, so that the same command once more does not send it again:
// the server knows events again only for a while. It is the word of this machine, of a file that nobody has touched
// since, and holds while the server has that very ledger, no shorter than it was then.

import { counted } from '../display.ts'

/** Of smaller files nothing is kept: what they hold is cheap to send, and sent again on purpose. */
const MIN_BYTES = 1024 * 1024

/** The ledger that is appended to, as the server last told of it. */
export interface LedgerState {
  readonly origin: string
  readonly size: number
}

export interface Completion {
  readonly ledger: LedgerState
  /** Of the file, see `OpenedFile`. */
  readonly sizeBytes: number
  readonly changedNs: string
  readonly at: string
  /** Of the events, where they lie together and none of them was there before. */
  readonly first?: number
}

/** The file as it was before it was read. */
export interface FileState {
  readonly sizeBytes: number
  readonly changedNs: string
}

export function isKept({ sizeBytes }: FileState): boolean {
  return sizeBytes >= MIN_BYTES
}

export function isSameFile(one: FileState, other: FileState): boolean {
  return one.sizeBytes === other.sizeBytes && one.changedNs === other.changedNs
}

export function holds(completion: Completion, file: FileState, { origin, size }: LedgerState): boolean {
  const { ledger } = completion
  return isSameFile(completion, file) && ledger.origin === origin && ledger.size <= size
}

export function completionText({ first, at }: Completion, events: number, isForReceipts: boolean): string {
  const last = first === undefined || events === 1 ? '' : ` to ${first + events - 1}`
  const where = first === undefined ? '' : `, as number${events === 1 ? '' : 's'} ${first}${last}`
  const day = `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`
  return `was stored before: ${counted(events, 'event')}${where}, on ${day}. Nothing of it was sent${isForReceipts ? ", and no receipts came: 'stele prove' makes one of an event" : ''}`
}
