// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a monitor remembers: a folder that one process holds at a time. Of each log the newest head that was verified,
 * which is enough, since each was shown to begin with the one before it; and evidence, which is never removed here. A file is
 * replaced whole, so a crash leaves what was there or what is there now.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { pathDigest } from '../../ledger/keys.ts'
import { type Clock, timeText } from '../../platform/clock.ts'
import { type Disk, replaceFile } from '../../platform/disk.ts'
import type { Lock } from '../../platform/lock.ts'
import type { Contradiction } from './contradiction.ts'
import { evidenceFiles } from './evidence-folder.ts'

const watchedLogSchema = z.strictObject({
  v: z.literal(1),
  url: z.string(),
  ledger: z.string().optional(),
  origin: z.string(),
  vkey: z.string(),
  /** Somebody gave the key, rather than take it from the server. */
  isPinned: z.boolean(),
  rotations: z.array(z.string()),
  firstSeen: z.string(),
  lastSeen: z.string(),
  /** When a head was first seen that is larger than the one before. */
  grownAt: z.string(),
  /** The newest verified head: a signed note. */
  head: z.string(),
  /** Of a ledger `heads`: how many of its entries were held against the other ledgers. */
  comparedCount: z.int().nonnegative().optional(),
  /** Of a mirror that is being made: how many entries are durable, its checkpoint notwithstanding. */
  mirror: z.strictObject({ folder: z.string(), size: z.int().nonnegative() }).optional(),
})

export type WatchedLog = Readonly<z.infer<typeof watchedLogSchema>>

const monitorSchema = z.strictObject({ v: z.literal(1), url: z.string(), kind: z.enum(['log', 'server']) })

/** A state that cannot be used. */
export class StateFault extends Error {
  override readonly name = 'StateFault'
}

/** Evidence that is kept. */
export interface KeptEvidence {
  readonly path: string
  /** False where this very contradiction had been kept before. */
  readonly isNew: boolean
}

/** Contradictions of one log and kind that are kept: a fork that goes on growing is the same one again and again. */
const MAX_ALIKE = 10
/** Marks, in a folder of evidence, that somebody was told. */
const TOLD_FILE = 'told'

export class MonitorState {
  readonly folder: string
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #lock: Lock
  readonly #logs: Map<string, WatchedLog>

  private constructor(disk: Disk, clock: Clock, lock: Lock, folder: string, logs: Map<string, WatchedLog>) {
    this.#disk = disk
    this.#clock = clock
    this.#lock = lock
    this.folder = folder
    this.#logs = logs
  }

  /** Takes the folder, made where it is not there. Throws a StateFault. */
  static async open(
    disk: Disk,
    clock: Clock,
    tryLock: (path: string) => Lock | undefined,
    folder: string,
  ): Promise<MonitorState> {
    await disk.makeDirectory(join(folder, 'logs'))
    const lock = tryLock(join(folder, 'LOCK'))
    if (lock === undefined) throw new StateFault(`another monitor is running on ${folder}`)
    try {
      const logs = new Map<string, WatchedLog>()
      for (const name of (await disk.list(join(folder, 'logs'))).filter((file) => file.endsWith('.json'))) {
        const path = join(folder, 'logs', name)
        const log = parsed(watchedLogSchema, await disk.readFile(path))
        if (log === undefined || name !== `${pathDigest(log.url)}.json`) {
          throw new StateFault(`${path} is not what a monitor remembers of a log: put it back as it was`)
        }
        logs.set(log.url, log)
      }
      return new MonitorState(disk, clock, lock, folder, logs)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  get logs(): readonly WatchedLog[] {
    return [...this.#logs.values()]
  }

  log(url: string): WatchedLog | undefined {
    return this.#logs.get(url)
  }

  /** What the monitored address turned out to be. Throws a StateFault where this folder is of another one. */
  async target(url: string): Promise<'log' | 'server' | undefined> {
    const path = join(this.folder, 'monitor.json')
    const bytes = await this.#disk.readFile(path)
    if (bytes === undefined) return undefined
    const target = parsed(monitorSchema, bytes)
    if (target === undefined) throw new StateFault(`${path} is not a monitor's: put it back as it was`)
    if (target.url === url) return target.kind
    throw new StateFault(`${this.folder} is of a monitor of ${target.url}: a monitor of ${url} needs another folder`)
  }

  async keepTarget(url: string, kind: 'log' | 'server'): Promise<void> {
    await replaceFile(this.#disk, join(this.folder, 'monitor.json'), jsonFile({ v: 1, url, kind }))
  }

  async keep(log: WatchedLog): Promise<void> {
    await replaceFile(this.#disk, join(this.folder, 'logs', `${pathDigest(log.url)}.json`), jsonFile(log))
    this.#logs.set(log.url, log)
  }

  /** Writes all newest heads to one file, for another monitor to compare with its own. */
  async publishHeads(): Promise<void> {
    const lines = this.logs.map(({ origin, head }) => `${JSON.stringify({ origin, head })}\n`)
    await replaceFile(this.#disk, join(this.folder, 'heads.ndjson'), Buffer.from(lines.join('')))
  }

  /** Keeps a contradiction in a folder of its own, which is there whole or not at all. */
  async keepEvidence(contradiction: Contradiction): Promise<KeptEvidence> {
    const { kind, origin, older, newer, served } = contradiction
    const content = [kind, older?.note ?? '', newer?.note ?? '', served?.path ?? ''].join('\n')
    const likes = `${pathDigest(origin)}-${kind}-`
    const name = `${likes}${hash('sha256', content, 'hex').slice(0, 12)}`
    const [path, draft] = [join(this.#evidencePath, name), join(this.#evidencePath, `${name}.new`)]
    const alike = (await this.evidence()).filter((kept) => kept.startsWith(join(this.#evidencePath, likes)))
    if (alike.includes(path)) return { path, isNew: false }
    const [first] = alike
    if (first !== undefined && alike.length >= MAX_ALIKE) return { path: first, isNew: false }
    await this.#disk.remove(draft)
    await this.#disk.makeDirectory(draft)
    const files = evidenceFiles(contradiction, timeText(this.#clock.wallMs()))
    for (const [file, bytes] of files) await replaceFile(this.#disk, join(draft, file), bytes)
    await this.#disk.rename(draft, path)
    await this.#disk.syncDirectory(this.#evidencePath)
    return { path, isNew: true }
  }

  /** Folders of evidence that are kept. */
  async evidence(): Promise<string[]> {
    const names = await this.#disk.list(this.#evidencePath)
    return names.filter((name) => !name.endsWith('.new')).map((name) => join(this.#evidencePath, name))
  }

  /** Folders of evidence of which nobody was told yet. */
  async untold(): Promise<string[]> {
    const untold: string[] = []
    for (const path of await this.evidence()) {
      if ((await this.#disk.regularBytes(join(path, TOLD_FILE))) === undefined) untold.push(path)
    }
    return untold
  }

  async markTold(path: string): Promise<void> {
    await replaceFile(this.#disk, join(path, TOLD_FILE), Buffer.from(`${timeText(this.#clock.wallMs())}\n`))
  }

  close(): void {
    this.#lock.release()
  }

  get #evidencePath(): string {
    return join(this.folder, 'evidence')
  }
}

function jsonFile(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

function parsed<T>(schema: z.ZodType<T>, bytes: Buffer | undefined): T | undefined {
  if (bytes === undefined) return undefined
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) return undefined
    throw error
  }
}
