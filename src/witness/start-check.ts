// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Before a server writes anything: have the witnesses seen more of `heads` than is here? A snapshot of a machine that is
 * brought back brings along the head that was kept outside on that machine; what witnesses have seen it does not. A head
 * that they show and our key has signed settles it; so does the word of as many witnesses as must cosign. Of fewer the
 * start takes notice and goes on, for no single witness is to keep a log shut; and none is waited for beyond seconds.
 */
import type { Ledgers } from '../ledger/ledgers.ts'
import { HeadFault } from '../ledger/publish.ts'
import { verifierOf } from '../state/cosigned-head.ts'
import type { WitnessList, WitnessRecord } from '../state/witness-list.ts'
import { contradicted } from './contradictions.ts'
import { WitnessClient, type WitnessClientOptions } from './witness-client.ts'

const HEADS = 'heads'
const ANSWER_MS = 3_000

export interface StartCheckOptions extends WitnessClientOptions {
  readonly ledgers: Ledgers
  readonly witnesses: WitnessList
  readonly log: (line: object) => void
}

/** What a witness says that it has seen, where that is more than there is; a fault where it can show it. */
interface Ahead {
  readonly witness: WitnessRecord
  readonly size: number
  readonly fault: HeadFault | undefined
}

/** Throws a HeadFault where the data is older than what witnesses have seen. */
export async function holdAgainstWitnesses(options: StartCheckOptions): Promise<void> {
  const { ledgers, witnesses, log } = options
  if (witnesses.asked.length === 0 || ledgers.log(HEADS).size === 0) return
  const client = new WitnessClient(options)
  const asked = await Promise.all(witnesses.asked.map(async (witness) => await ask(client, ledgers, witness)))
  const ahead = asked.filter((found) => found !== undefined)
  const proven = ahead.find(({ fault }) => fault !== undefined)
  if (proven?.fault !== undefined) throw proven.fault
  for (const { witness, size } of ahead) {
    const present = ledgers.log(HEADS).size
    log({
      level: 'error',
      message: 'a witness has seen more heads than there are',
      witness: witness.name,
      size,
      present,
    })
  }
  if (ahead.length === 0 || ahead.length < witnesses.neededCount) return
  const names = ahead.map(({ witness }) => witness.name).join(', ')
  const size = Math.max(...ahead.map((found) => found.size))
  throw new HeadFault(
    `${ahead.length === 1 ? 'the witness' : 'the witnesses'} ${names} ${ahead.length === 1 ? 'has' : 'have'} seen ` +
      `${size} published heads, the data directory has ${ledgers.log(HEADS).size}: the data is older than what was ` +
      'published. If an older copy of the directory was restored, bring back the newest one; if it is the witness that ' +
      "is wrong, take it off the list with 'stele witness remove NAME --data DIR'.",
  )
}

/** Submits the head of what is here, which was published once; whether it is cosigned is of no matter. */
async function ask(client: WitnessClient, ledgers: Ledgers, witness: WitnessRecord): Promise<Ahead | undefined> {
  const { signal } = new AbortController()
  const { size: present } = ledgers.log(HEADS)
  const submission = { old: 0, proof: [], note: Buffer.from(ledgers.checkpoint(HEADS)) }
  const answer = await client.addCheckpoint(witness.url, verifierOf(witness), submission, signal, ANSWER_MS)
  const size = answer.kind === 'has' ? answer.size : 0
  if (size <= present && answer.kind !== 'fork') return undefined
  const shown = await client.latest(witness.url, ledgers.origin(HEADS), signal, ANSWER_MS)
  const fault = shown === undefined ? undefined : await contradicted(ledgers, witness, shown)
  // That a head does not follow is its bare word, of which its courier will hear again.
  return size > present || fault !== undefined ? { witness, size, fault } : undefined
}
