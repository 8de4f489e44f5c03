// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The drill: tampers with copies of a data directory, one way at a time, and says for each what finds it and what does
 * not: `verify` with the head that was kept outside, `verify` without it, a receipt in somebody else's hands, the start
 * of the server. It never writes to the directory, and leaves nothing behind.
 */
import { join } from 'node:path'
import { verifyReceipt } from '@stele/proof'
import type { Clock } from '../platform/clock.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { inDrillFolder } from './drill-folder.ts'
import { DrillFault } from './drill-fault.ts'
import { type Ground, type OpenCopy, prepareGround } from './drill-ground.ts'
import type { Finding } from './finding.ts'
import type { KeptHead } from './kept-heads.ts'
import { Signatures } from './signatures.ts'
import { type Attacked, type Tampering, tamperings } from './tamperings.ts'
import { type DirectoryReport, type Verdict, verifyDirectory } from './verify-directory.ts'

const FINDERS = ['kept head', 'directory alone', 'receipt', 'start'] as const
/** `kept head` and `directory alone`: `verify` with the head outside and without it. */
export type Finder = (typeof FINDERS)[number]

export interface DrillStep {
  readonly name: string
  readonly what: string
  readonly verdictWithHead: Verdict
  readonly verdictWithoutHead: Verdict
  readonly foundBy: readonly Finder[]
  readonly notFoundBy: readonly Finder[]
  /** Whether what has to find it does. */
  readonly isFound: boolean
  /** The first entry or file that `verify` names, with the head outside. */
  readonly first?: Pick<Finding, 'what' | 'ledger' | 'index' | 'count' | 'file' | 'offset'>
  /** Why the server does not start, if it does not. */
  readonly startRefused: string | undefined
}

export interface DrillReport {
  readonly directory: string
  readonly ledger: string
  /** Entries of the ledger that were copied, those that the drill then appended, and the one that was tampered with. */
  readonly entryCount: number
  readonly ownCount: number
  readonly target: number
  readonly copiedBytes: number
  /** The copy is of the whole log; else of its beginning. */
  readonly isWhole: boolean
  readonly steps: readonly DrillStep[]
  readonly allFound: boolean
}

export interface DrillOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly directory: string
  /** A folder that is not there yet: made for this user alone, as it holds keys, and removed at the end. */
  readonly workFolder: string
  /** Bytes of the log that are copied at most; its first commit always is. */
  readonly capBytes?: number
  /** The largest that is not reserved, where it is not said. */
  readonly ledger?: string
  readonly open: OpenCopy
  readonly onStep?: (step: { readonly number: number; readonly count: number; readonly what: string }) => void
  readonly interrupted?: AbortSignal
}

const DEFAULT_CAP_BYTES = 32 * 1024 * 1024

export async function drill(options: DrillOptions): Promise<DrillReport> {
  const { disk, workFolder, directory, capBytes = DEFAULT_CAP_BYTES, interrupted } = options
  return await inDrillFolder(disk, workFolder, async () => {
    interrupted?.throwIfAborted()
    const ground = await prepareGround({ ...options, capBytes })
    const trial = new Trial(options, ground)
    await trial.demandSound()
    const steps: DrillStep[] = []
    for (const [position, tampering] of tamperings.entries()) {
      interrupted?.throwIfAborted()
      options.onStep?.({ number: position + 1, count: tamperings.length, what: tampering.what })
      const step = await trial.hold(tampering)
      if (step !== undefined) steps.push(step)
    }
    const { ledger, target, copiedBytes, isWhole, entryCount, ownCount } = ground
    const allFound = steps.every(({ isFound }) => isFound)
    const counts = { entryCount: entryCount - ownCount, ownCount }
    return { directory, ledger, ...counts, target, copiedBytes, isWhole, steps, allFound }
  })
}

/** One copy after the other, each tampered with and looked at by all who could find it. */
class Trial {
  readonly #options: DrillOptions
  readonly #ground: Ground
  readonly #folder: string
  readonly #signatures = new Signatures()

  constructor(options: DrillOptions, ground: Ground) {
    this.#options = options
    this.#ground = ground
    this.#folder = join(options.workFolder, 'tampered')
  }

  /** What is found in a copy must be the drill's doing, so nothing may be found before. */
  async demandSound(): Promise<void> {
    const { baseline, head } = this.#ground
    const { verdict, findings } = await this.#verify(baseline, [{ where: 'the head kept outside', bytes: head }])
    const [first] = findings
    if (verdict === 'unchanged') return
    throw new DrillFault(`the directory is not sound as it is: ${first?.what ?? verdict}`)
  }

  /** Undefined where there is nothing to tamper with in this way. */
  async hold({ name, what, foundBy: due, attack }: Tampering): Promise<DrillStep | undefined> {
    const { disk, random } = this.#options
    const ground = this.#ground
    await disk.remove(this.#folder)
    await disk.makeDirectory(this.#folder)
    const attacked = await attack({ disk, random, ground, to: this.#folder })
    if (attacked === undefined) return undefined
    const head = attacked.head ?? ground.head
    const withHead = await this.#verify(this.#folder, [{ where: 'the head kept outside', bytes: head }])
    const alone = await this.#verify(this.#folder, [])
    const isReceiptBroken = await this.#breaksReceipt(attacked)
    const startRefused = await this.#startRefused(head)
    const found: Readonly<Record<Finder, boolean>> = {
      'kept head': withHead.verdict === 'changed',
      'directory alone': alone.verdict === 'changed',
      receipt: isReceiptBroken,
      start: startRefused !== undefined,
    }
    const first = firstOf(withHead)
    return {
      name,
      what,
      verdictWithHead: withHead.verdict,
      verdictWithoutHead: alone.verdict,
      foundBy: FINDERS.filter((finder) => found[finder]),
      notFoundBy: FINDERS.filter((finder) => !found[finder]),
      isFound: found[due],
      ...(first === undefined ? {} : { first }),
      startRefused,
    }
  }

  async #verify(directory: string, heads: readonly KeptHead[]): Promise<DirectoryReport> {
    return await verifyDirectory({ disk: this.#options.disk, directory, heads, signatures: this.#signatures })
  }

  /**
   * Whoever holds a receipt looks whether the ledger still has the root that it was signed for, and whether the event
   * that the ledger now has there is the one that the receipt proves.
   */
  async #breaksReceipt({ stands }: Attacked): Promise<boolean> {
    const { receipts, vkey } = this.#ground
    for (const { index, event, text, checkpoint } of receipts) {
      const own = await verifyReceipt(event, text, { vkey })
      if (own.verdict !== 'valid') throw new Error(`the receipt of ${index} does not hold in itself`)
      const { heads } = await this.#verify(this.#folder, [{ where: 'a receipt', bytes: checkpoint }])
      if (heads[0]?.holds !== true) return true
      if (index !== stands?.index) continue
      if ((await verifyReceipt(stands.event, text, { vkey })).verdict !== 'valid') return true
    }
    return false
  }

  /** Starts on the tampered copy, which is not looked at any more after this. */
  async #startRefused(head: Buffer): Promise<string | undefined> {
    const { disk, open, workFolder } = this.#options
    const headPath = join(workFolder, 'outside', 'tampered.head')
    await replaceFile(disk, headPath, head)
    try {
      const opened = await open({ dataDirectory: this.#folder, head: headPath })
      await opened.close()
      return undefined
    } catch (error) {
      // A disk that fails is no refusal.
      if (!(error instanceof Error) || 'syscall' in error) throw error
      return error.message.replaceAll(`${this.#folder}/`, '').replaceAll(headPath, 'the head kept outside')
    }
  }
}

/** What a person is pointed at: where something is wrong, and the first bad entry. */
function firstOf({ findings, firstBad }: DirectoryReport): DrillStep['first'] {
  const [finding] = findings
  if (finding === undefined) return undefined
  const { what, file, offset, ledger, index, count } = finding
  return {
    what,
    ...(ledger === undefined ? {} : { ledger }),
    ...(index === undefined ? {} : { index }),
    ...(count === undefined ? {} : { count }),
    ...firstBad,
    ...(file === undefined ? {} : { file }),
    ...(offset === undefined ? {} : { offset }),
  }
}
