// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What is done where a witness says that it has seen other heads of these ledgers, or newer ones. Its bare word raises an
 * alarm, and what was sent and answered is kept: nobody but the witness vouches for it, so it stops nothing. A head that
 * it shows and that our own key has signed is another matter: there is a second history, and the writer stops.
 */
import { join } from 'node:path'
import { openByPeriods, ProofError, rootAt } from '@stele/proof'
import type { Ledgers } from '../ledger/ledgers.ts'
import { HeadFault } from '../ledger/publish.ts'
import { WITNESSED_EVIDENCE } from '../ledger/witnessed-head.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import type { WitnessRecord } from '../state/witness-list.ts'
import type { Contradiction } from './courier.ts'
import type { WitnessClient } from './witness-client.ts'

const HEADS = 'heads'
const SHOWN_MS = 5_000

export interface ContradictionsOptions {
  readonly ledgers: Ledgers
  readonly disk: Disk
  readonly directory: string
  readonly clock: Clock
  readonly record: (event: SystemEvent) => Promise<void>
  readonly log: (line: object) => void
}

export class Contradictions {
  readonly #options: ContradictionsOptions
  readonly #client: WitnessClient

  constructor(options: ContradictionsOptions, client: WitnessClient) {
    this.#options = options
    this.#client = client
  }

  /** Keeps and records it, of one kind once for as long as the witness is asked. */
  async take(witness: WitnessRecord, contradiction: Contradiction, signal: AbortSignal): Promise<void> {
    const { ledgers, log } = this.#options
    const shown = await this.#client.latest(witness.url, ledgers.origin(HEADS), signal, SHOWN_MS)
    if (!witness.contradictions.some(({ kind }) => kind === contradiction.kind)) {
      try {
        await this.#record(witness, contradiction, shown)
      } catch (error) {
        // It is tried again when the witness says it again.
        log({ level: 'error', message: 'not recorded', reason: error instanceof Error ? error.message : String(error) })
      }
    }
    const fault = shown === undefined ? undefined : await contradicted(ledgers, witness, shown)
    if (fault !== undefined) ledgers.appending.stop(fault)
  }

  async #record(witness: WitnessRecord, contradiction: Contradiction, shown: Buffer | undefined): Promise<void> {
    const { log, disk, directory, clock, record } = this.#options
    const { kind, head, told } = contradiction
    const { size } = head
    const { name } = witness
    const evidence = `${WITNESSED_EVIDENCE}/${name}-${kind}-${size}.txt`
    const said = { name, kind, size, ...(told === undefined ? {} : { told }), evidence }
    log({ level: 'error', message: 'a witness contradicts the ledgers', ...said })
    await disk.makeDirectory(join(directory, WITNESSED_EVIDENCE))
    const text = evidenceText(witness, contradiction, shown, timeText(clock.wallMs()))
    await replaceFile(disk, join(directory, evidence), text)
    const root = Buffer.from(head.root, 'hex').toString('base64')
    await record({ type: 'witness.contradicted', v: 1, ...said, root })
  }
}

/** What is wrong where a witness shows a head that our own key has signed, and that this data does not lead to. */
export async function contradicted(
  ledgers: Ledgers,
  { name }: Pick<WitnessRecord, 'name'>,
  shown: Buffer,
): Promise<HeadFault | undefined> {
  const mend =
    'There is a second history under the same key: an older copy of the directory was restored, or two servers run on ' +
    'copies of it, or somebody has the key. Bring back the newest copy, and run one server on it.'
  try {
    const { checkpoint } = await openByPeriods(shown, ledgers.keyring.periods(HEADS))
    const { hashes, size: present } = ledgers.log(HEADS)
    const { size, root } = checkpoint
    if (size > present) {
      return new HeadFault(
        `the witness ${name} shows a head that this key has signed of ${size} published heads, and there are ${present}. ${mend}`,
      )
    }
    const found = await rootAt(size, hashes)
    if (Buffer.from(found).equals(root)) return undefined
    const [said, own] = [root, found].map((hash) => Buffer.from(hash).toString('hex'))
    return new HeadFault(
      `the witness ${name} shows a head that this key has signed with root ${said} at size ${size}, the data has ${own}. ${mend}`,
    )
  } catch (error) {
    // What our key has not signed says nothing.
    if (error instanceof ProofError) return undefined
    throw error
  }
}

/** For people and programs: every part as it was on the wire, behind a line that says what it is. */
function evidenceText(
  { name, url, vkey }: WitnessRecord,
  { kind, told, request, status, answer, head }: Contradiction,
  shown: Buffer | undefined,
  at: string,
): Buffer {
  const what = kind === 'fork' ? 'does not accept this head' : `says that it has seen ${told} published heads`
  const parts = [
    `At ${at} the witness ${name} (${url}, ${vkey}) ${what}, which counts ${head.size}.\n`,
    `--- what was sent to it (add-checkpoint), ${Buffer.byteLength(request)} bytes:\n`,
    request,
    `--- its answer, status ${status}, ${answer.length} bytes:\n`,
    answer,
    '\n',
    ...(shown === undefined
      ? ['--- it shows no checkpoint of its own.\n']
      : [`--- the checkpoint that it shows, ${shown.length} bytes:\n`, shown, '\n']),
  ]
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}
