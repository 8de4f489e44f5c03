// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a drill stands on: a copy of the beginning of a data directory, which is only read and may be in use; the head
 * of the copy kept outside it; an older state of it; and receipts that somebody else could hold.
 */
import { basename, join } from 'node:path'
import { formatReceipt } from '@stele/proof'
import { type Batch, ownBatch } from '../ledger/batch.ts'
import { DataFault } from '../ledger/data-fault.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { LedgerSizes } from '../ledger/opening.ts'
import { sealWalFile } from '../ledger/sealing.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { listWalFiles, walPath } from '../ledger/wal/files.ts'
import { BLOCK_BYTES } from '../ledger/wal/format.ts'
import { isFlaw, readFrame } from '../ledger/wal/frame-reader.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { isReserved } from '../state/administration.ts'
import { DrillFault, NoLedgerFault } from './drill-fault.ts'
import { takeKeys } from './drill-keys.ts'
import { eventsOf, type History, readHistory, writeHistory } from './forge.ts'
import { segmentsDirectory } from './open-log.ts'
import { unsealedBeginning } from './unseal.ts'

/** Opens a data directory as the server does, with its head kept in that file; `sizes` where not in those of use. */
export type OpenCopy = (place: {
  readonly dataDirectory: string
  readonly head: string
  readonly sizes?: Partial<LedgerSizes>
}) => Promise<{
  readonly ledgers: Ledgers
  close(): Promise<void>
}>

/** A receipt in somebody else's hands, with the event that it is about. */
interface HeldReceipt {
  readonly index: number
  readonly event: Buffer
  readonly text: string
  /** The signed checkpoint in it. */
  readonly checkpoint: Buffer
}

export interface Ground {
  /** The copy, closed cleanly; never changed from here on. */
  readonly baseline: string
  /** The same at an earlier close. */
  readonly earlier: string
  /** The head of the copy, as it was kept outside. */
  readonly head: Buffer
  readonly history: History
  readonly ledger: string
  readonly vkey: string
  /** Entries of the ledger, those among them that are the drill's own, and the one that is tampered with. */
  readonly entryCount: number
  readonly ownCount: number
  readonly target: number
  readonly receipts: readonly HeldReceipt[]
  /** Bytes of the log that were copied, and whether they are all of it. */
  readonly copiedBytes: number
  readonly isWhole: boolean
}

export interface GroundOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly directory: string
  readonly workFolder: string
  readonly capBytes: number
  readonly ledger?: string
  readonly open: OpenCopy
}

type Part = 'wal' | 'segments' | 'keys' | 'derived'

/** Entries that a ledger needs for all tamperings: one before the changed one, and two to change places. */
const LEAST_ENTRIES = 4
const CHUNK_BYTES = 1024 * 1024
/** So small that all but the last commits are sealed, and a ledger of some size has several segments. */
const SIZES = { walFileBytes: 4 * BLOCK_BYTES, segmentEntries: 4_096 }

export async function prepareGround(options: GroundOptions): Promise<Ground> {
  const { disk, workFolder, open } = options
  const [baseline, earlier, log] = ['baseline', 'earlier', 'log'].map((name) => join(workFolder, name)) as [
    string,
    string,
    string,
  ]
  const place = { dataDirectory: baseline, head: join(workFolder, 'outside', 'kept.head'), sizes: SIZES }
  const copied = await copyBeginning(options, baseline)
  const before = await readHistory(disk, baseline)
  const names = await takeKeys(options, before, baseline, copied.isWhole)
  const ledger = chooseLedger(before, names, options.ledger)

  const first = await open(place)
  let own
  try {
    const missing = Math.max(1, LEAST_ENTRIES - first.ledgers.log(ledger).size)
    for (own = 0; own < missing; own++) await first.ledgers.append(ledger, drillBatch(options.clock))
    await sealCompleted(options, first.ledgers, baseline, log)
  } finally {
    await first.close()
  }
  await copyTree(disk, baseline, earlier)
  const second = await open(place)
  let held
  try {
    for (own++; ; own++) {
      await second.ledgers.append(ledger, drillBatch(options.clock))
      await second.ledgers.publish()
      if (second.ledgers.sealTask() === undefined) continue
      // What is completed by then is sealed, what is completed later is not.
      if (second.ledgers.log(ledger).sealedSize > first.ledgers.log(ledger).sealedSize) break
      await sealCompleted(options, second.ledgers, baseline, log)
    }
    held = await receive(second.ledgers, ledger)
  } finally {
    await second.close()
  }
  const head = await disk.readFile(place.head)
  if (head === undefined) throw new DrillFault('the head of the copy was not kept')
  await copyTree(disk, baseline, log, ['wal'])
  const history = await readHistory(disk, log)
  return { baseline, earlier, head, history, ledger, ownCount: own, ...held, ...copied }
}

/** Seals what is completed of the copy's log, as the keeper does; the files are kept in `log` for what rewrites them. */
async function sealCompleted({ disk }: GroundOptions, ledgers: Ledgers, directory: string, log: string): Promise<void> {
  const store = new DirectoryStore(disk, segmentsDirectory(directory))
  await disk.makeDirectory(join(log, 'wal'))
  for (let task = ledgers.sealTask(); task !== undefined; task = ledgers.sealTask()) {
    await copyFile(disk, walPath(directory, task.file), walPath(log, task.file))
    await ledgers.acceptSeal(await sealWalFile({ disk, directory, store }, task))
  }
}

/** An event of the drill's own, for the copy only: what a roll back takes away, and what a small ledger lacks. */
function drillBatch(clock: Clock): Batch {
  const event = Buffer.from(JSON.stringify({ drill: 'an event of the drill', at: timeText(clock.wallMs()) }))
  return ownBatch([event], 'generic', 'application/json', 'local')
}

async function receive(
  ledgers: Ledgers,
  ledger: string,
): Promise<Pick<Ground, 'receipts' | 'entryCount' | 'target' | 'vkey'>> {
  const { size } = ledgers.log(ledger)
  const target = Math.floor(size / 2)
  const checkpoint = ledgers.checkpoint(ledger)
  const receipts: HeldReceipt[] = []
  for (const index of [target, size - 1]) {
    const { salt, entryBytes, event } = await ledgers.event(ledger, index)
    const hashes = await ledgers.prove(ledger, index, size)
    const text = formatReceipt({ salt, entry: entryBytes, index, hashes, checkpoint })
    receipts.push({ index, event: Buffer.from(event), text, checkpoint: Buffer.from(checkpoint) })
  }
  return { receipts, entryCount: size, target, vkey: ledgers.vkey(ledger) }
}

/** Copies whole frames from the first on, as many as the cap allows; what a running server writes now is left out. */
async function copyBeginning(options: GroundOptions, to: string): Promise<{ copiedBytes: number; isWhole: boolean }> {
  const { disk, directory, capBytes, random } = options
  const fileId = Buffer.alloc(16)
  random.fill(fileId, 0, fileId.length)
  const unsealed = await unsealedBeginning(disk, directory, capBytes, fileId)
  if (unsealed === undefined) return await copyLog(options, to)
  const { history, ...copied } = unsealed
  await writeHistory(disk, to, history, (note) => note)
  return copied
}

async function copyLog(
  { disk, directory, capBytes }: GroundOptions,
  to: string,
): Promise<{ copiedBytes: number; isWhole: boolean }> {
  const { files } = await listWalFiles(disk, directory)
  if (files.length === 0) throw new DrillFault(`${directory} has no log of Stele`)
  await disk.makeDirectory(join(to, 'wal'))
  let copiedBytes = 0
  for (const [position, { path, header }] of files.entries()) {
    const { end, why } = await endOfWhole(disk, path, header.fileId, capBytes - copiedBytes, copiedBytes === 0)
    if (why instanceof DataFault && position < files.length - 1) throw why
    if (end > BLOCK_BYTES) {
      await copyFile(disk, path, join(to, 'wal', basename(path)), end)
      copiedBytes += end
    }
    if (why !== undefined) return { copiedBytes, isWhole: why !== 'cap' }
  }
  return { copiedBytes, isWhole: true }
}

/** Where the whole frames of a file end that fit under the cap, the first of all in any case; and why there. */
async function endOfWhole(
  disk: Disk,
  path: string,
  fileId: Buffer,
  capBytes: number,
  isFirst: boolean,
): Promise<{ end: number; why: 'cap' | DataFault | undefined }> {
  const file = await disk.open(path, 'read')
  try {
    const sizeBytes = await file.sizeBytes()
    for (let end = BLOCK_BYTES; ;) {
      const frame = await readFrame(file, sizeBytes, fileId, end)
      if (frame === undefined) return { end, why: undefined }
      if (isFlaw(frame))
        return { end, why: new DataFault(path, end + frame.at, frame.what, frame.expected, frame.found) }
      const next = end + frame.header.frameBytes
      if (next > capBytes && !(isFirst && end === BLOCK_BYTES)) return { end, why: 'cap' }
      end = next
    }
  } finally {
    await file.close()
  }
}

function chooseLedger(history: History, names: readonly string[], wanted: string | undefined): string {
  const own = names.filter((name) => !isReserved(name))
  if (wanted !== undefined && own.includes(wanted)) return wanted
  if (wanted !== undefined) {
    const known = own.length === 0 ? 'it has none' : `it has ${own.join(', ')}`
    throw new NoLedgerFault(`there is no ledger ${wanted} in the part that is copied: ${known}`)
  }
  const [largest] = own.toSorted((a, b) => eventsOf(history, b).length - eventsOf(history, a).length)
  if (largest === undefined) throw new DrillFault('no ledger was ever created in the part that is copied')
  return largest
}

/** Copies the log, segments, keys and derived files of a directory that nobody writes to. */
export async function copyTree(
  disk: Disk,
  from: string,
  to: string,
  parts: readonly Part[] = ['wal', 'segments', 'keys', 'derived'],
): Promise<void> {
  for (const part of parts) {
    await disk.makeDirectory(join(to, part))
    for (const name of await disk.list(join(from, part))) {
      const [source, target] = [join(from, part, name), join(to, part, name)]
      if (part === 'wal' || part === 'keys' || /^(?:anchor\.json|_head)$/.test(name)) {
        await copyFile(disk, source, target)
        continue
      }
      await disk.makeDirectory(target)
      for (const file of await disk.list(source)) await copyFile(disk, join(source, file), join(target, file))
    }
  }
}

/** Copies a file, or its first bytes. */
async function copyFile(disk: Disk, from: string, to: string, lengthBytes?: number): Promise<void> {
  const source = await disk.open(from, 'read')
  try {
    const end = lengthBytes ?? (await source.sizeBytes())
    const file = await disk.open(to, 'create')
    try {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, end))
      for (let position = 0; position < end;) {
        const got = await source.read(chunk.subarray(0, Math.min(chunk.length, end - position)), position)
        if (got === 0) throw new Error(`${from} was cut while it was copied`)
        await file.write(chunk.subarray(0, got), position)
        position += got
      }
    } finally {
      await file.close()
    }
  } finally {
    await source.close()
  }
}
