// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds what a Stele server published of its ledgers, the signed heads in `heads`, against the trees that it shows. Each
 * statement is first shown to be in the verified tree of `heads`, so a server that shows ledgers differently to
 * different people must either be found here, or show them different `heads`, which two monitors compare.
 */
import { equalBytes, fromUtf8, hashLeaf, ProofError, utf8 } from '@stele/proof'
import type { ServedEvent } from '../served-ledger.ts'
import { fitsEntry } from './event-check.ts'
import { SourceSilent } from './log-source.ts'
import { HeadFault, headOf } from './log-trust.ts'
import type { LogWatch, VerifiedHead } from './log-watch.ts'
import type { MonitorState } from './state.ts'

/** Entries between two times at which it is remembered how far this is. */
const KEPT_EVERY = 4_096

export interface Compared {
  /** Statements that agree with the trees. */
  readonly agreeingCount: number
  /** Of these, those that a key before the known one signed: the trees agree, the signatures are not checked. */
  readonly earlierCount: number
  /** Statements of ledgers that this monitor does not see. */
  readonly unseenCount: number
  /** False where the events of `heads` may not be read. */
  readonly isRead: boolean
}

/** Compares what is new in `heads` with the ledgers that were verified in this round. Throws a LogContradiction. */
export async function compareHeads(
  heads: LogWatch,
  watchOf: (origin: string) => LogWatch | undefined,
  state: MonitorState,
): Promise<Compared> {
  const { verified, known, source } = heads
  const size = verified?.checkpoint.size ?? 0
  const from = known?.comparedCount ?? 0
  const counts = { agreeingCount: 0, earlierCount: 0, unseenCount: 0 }
  if (verified === undefined || from >= size) return { ...counts, isRead: true }
  const events = source.events?.(from)
  if (events === undefined) return { ...counts, isRead: false }
  const keep = async (comparedCount: number): Promise<void> => {
    const log = heads.known
    if (log !== undefined) await state.keep({ ...log, comparedCount })
  }
  let next = from
  try {
    for await (const event of events) {
      const note = await checkedNote(heads, verified, event, next)
      const watch = watchOf(headOf(utf8(note)).origin)
      if (watch === undefined) counts.unseenCount++
      // A ledger that did not answer in this round is compared in a later one.
      else if (watch.verified === undefined) break
      else {
        if ((await holdStatement(heads, watch, watch.verified, note, next)) === 'earlier') counts.earlierCount++
        counts.agreeingCount++
      }
      next++
      if (next % KEPT_EVERY === 0) await keep(next)
      if (next === size) break
    }
  } catch (error) {
    if (error instanceof SourceSilent && error.isRefusal && next === from) return { ...counts, isRead: false }
    throw error
  }
  if (next > from) await keep(next)
  return { ...counts, isRead: true }
}

/** The note in an event of `heads`, which must be the event that the verified tree holds at that index. */
async function checkedNote(
  heads: LogWatch,
  { note, tiles }: VerifiedHead,
  { index, entryLine, salt, event }: ServedEvent,
  expected: number,
): Promise<string> {
  const what = `entry ${expected} of heads`
  const newer = { note, from: heads.source.url }
  if (index !== expected) throw heads.contradiction('entries', `${what} is due, and ${index} came`, { newer })
  const entry = utf8(entryLine)
  const leaf = await heads.below(note, async () => await tiles.read(0, index, 1))
  if (!equalBytes(hashLeaf(entry), leaf)) {
    const served = { path: what, bytes: entry }
    throw heads.contradiction('entries', `${what} is not the one of the signed head`, { newer, served })
  }
  const served = { path: what, bytes: event }
  if (!fitsEntry(entry, salt, event)) {
    throw heads.contradiction('content', `the event of ${what} is not the one that it commits to`, { newer, served })
  }
  try {
    headOf(event)
    return fromUtf8(event)
  } catch (error) {
    if (!(error instanceof HeadFault) && !(error instanceof ProofError)) throw error
    throw heads.contradiction('statement', `${what} is no signed head: ${error.message}`, { newer, served })
  }
}

async function holdStatement(
  heads: LogWatch,
  watch: LogWatch,
  verified: VerifiedHead,
  note: string,
  index: number,
): Promise<'signed' | 'earlier'> {
  try {
    return await watch.holdRecorded(verified, note, `entry ${index} of ${heads.source.url}`)
  } catch (error) {
    if (!(error instanceof HeadFault)) throw error
    const what = `entry ${index} of heads is no head that ${watch.known?.origin} signed: ${error.message}`
    throw heads.contradiction('statement', what, { newer: { note, from: `entry ${index} of ${heads.source.url}` } })
  }
}
