// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Opens a data directory: its ledgers, held against the head that is kept outside, and their administration. What
 * `stele serve` serves, and what commands on a stopped server's machine work on.
 */
import { join, resolve, sep } from 'node:path'
import { mintToken } from './access/credentials.ts'
import { FileHeadStore, type HeadStore, StateDirectory, UrlHeadStore } from './ledger/head-store.ts'
import { KEYS, keysDirectory, noteKeysDirectory } from './ledger/keys-directory.ts'
import { Ledgers } from './ledger/ledgers.ts'
import { BACKUP_BEGUN, type LedgerSizes, lookAround, MANIFEST, RESTORE_BEGUN } from './ledger/opening.ts'
import { HeadFault } from './ledger/publish.ts'
import { SEGMENTS } from './ledger/sealed-entries.ts'
import { ThreadedCheck } from './ledger/segment/threaded-check.ts'
import { ThreadedSpans } from './ledger/segment/threaded-spans.ts'
import { HEAD_NAME } from './ledger/store/directory-store.ts'
import { type Clock, SystemClock } from './platform/clock.ts'
import { type Disk, NodeDisk, replaceFile } from './platform/disk.ts'
import { GuardedHttpClient } from './platform/http-client.ts'
import { type Lock, tryLock } from './platform/lock.ts'
import { type Random, randomBase32, SystemRandom } from './platform/random.ts'
import { NativeIdFinder } from './sources/native-id.ts'
import { Administration } from './state/administration.ts'
import type { SystemState } from './state/system-state.ts'

const INSTALL_ID_CHARS = 13
/** With an install id, the longest ledger name and two slashes, an origin has at most 255 bytes. */
const NAME = /^[A-Za-z0-9._-]{1,177}$/

export interface DirectoryConfig {
  readonly dataDirectory: string
  readonly name: string
  /** Where the head is kept outside; the user's state directory where it is not said. */
  readonly head?: string
  /** The folder that holds the keys; where it is not said, the one of before, else one in the data directory. */
  readonly keys?: string
  readonly stateDirectory: string
  readonly version: string
  /** Takes one line of the log; never event content or secrets. */
  readonly log: (line: object) => void
  /** Whether an empty directory may be begun; it may where that is not said. */
  readonly mayBegin?: boolean
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Throws where somebody elsewhere knows more of these ledgers; nothing was written by then. */
  readonly hold?: (ledgers: Ledgers, state: SystemState) => Promise<void>
}

const SHOWN_STRANGERS = 3

/** A configuration that is refused: what is wrong and how to mend it. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault'
}

export interface OpenDirectory {
  readonly ledgers: Ledgers
  readonly administration: Administration
  readonly adminTokenPath: string
  close(): Promise<void>
}

/** What of the machine a directory is opened with. */
export interface DirectoryParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** When files are begun; as they are in use where it is not said. */
  readonly sizes?: Partial<LedgerSizes>
  /** Takes the directory's lock; the machine's where it is not said. */
  readonly lock?: (path: string) => Lock | undefined
  /** What is used in the place of the store of the head. */
  readonly shadowed?: (store: HeadStore) => HeadStore
}

/** Disk, clock and randomness of the machine itself. */
export const systemParts = (): DirectoryParts => ({
  disk: new NodeDisk(),
  clock: new SystemClock(),
  random: new SystemRandom(),
})

/** Nothing is begun among somebody else's files, nor where a directory was to be there. */
async function demandOwnOrEmpty(disk: Disk, { dataDirectory, mayBegin = true }: DirectoryConfig): Promise<void> {
  const { isBegun, strangers } = await lookAround(disk, dataDirectory)
  if (isBegun) return await demandNoBackup(disk, dataDirectory)
  const shown = strangers.slice(0, SHOWN_STRANGERS).join(', ')
  const more = strangers.length > SHOWN_STRANGERS ? ` and ${strangers.length - SHOWN_STRANGERS} more` : ''
  const isSealed = (await disk.readFile(join(dataDirectory, SEGMENTS, HEAD_NAME))) !== undefined
  // Behind a seal there must be a log: opening says what is missing.
  if (isSealed && strangers.length === 0) return
  if (!mayBegin) throw new ConfigFault(`${dataDirectory} is not a data directory of Stele: it has no log`)
  if (strangers.length === 0) return
  const mend = 'Give an empty folder, or one that is not there yet, with --data.'
  throw new ConfigFault(`${dataDirectory} is not a data directory of Stele: it has ${shown}${more}. ${mend}`)
}

/** A backup looks like a data directory, and is one once it has been restored and verified. */
async function demandNoBackup(disk: Disk, dataDirectory: string): Promise<void> {
  const names = await disk.list(dataDirectory)
  if (names.includes(RESTORE_BEGUN)) {
    throw new ConfigFault(`${dataDirectory} was not restored to its end. Run stele restore into it again.`)
  }
  if (!names.includes(MANIFEST) && !names.includes(BACKUP_BEGUN)) return
  const mend = 'Make a data directory of it with stele restore: what a server appended here would be in no backup.'
  throw new ConfigFault(`${dataDirectory} is a backup. ${mend}`)
}

/** Keys that are to be outside must not be inside, too. */
async function demandOutside(disk: Disk, dataDirectory: string, keys: string): Promise<void> {
  const inside = join(dataDirectory, KEYS)
  if (resolve(keys) === resolve(inside)) return
  if (`${resolve(keys)}${sep}`.startsWith(`${resolve(dataDirectory)}${sep}`)) {
    throw new ConfigFault(`--keys ${keys} is in the data directory. Name a folder outside of it.`)
  }
  const names = (await disk.list(inside)).filter((name) => name.endsWith('.key'))
  if (names.length === 0) return
  const mend = `Move them: mkdir -p -m 700 ${keys} && mv ${inside}/* ${keys}/ && rmdir ${inside}`
  throw new ConfigFault(`${inside} holds keys, and --keys names another folder for them. ${mend}`)
}

/** Opens a data directory, beginning it where it is empty. */
export async function openDirectory(
  config: DirectoryConfig,
  parts: DirectoryParts = systemParts(),
): Promise<OpenDirectory> {
  const { disk, clock, random, sizes, lock = tryLock, shadowed = (store) => store } = parts
  const { dataDirectory, stateDirectory, log } = config
  if (!NAME.test(config.name)) {
    throw new ConfigFault(`--name ${config.name}: use 1 to 177 letters, digits, dots, hyphens and underscores`)
  }
  await demandOwnOrEmpty(disk, config)
  const states = new StateDirectory(disk, stateDirectory)
  const before = config.head === undefined ? await states.heldBefore(dataDirectory) : undefined
  const jumps: { wallMs: number; ledgerMs: number }[] = []
  const keys = config.keys ?? (await keysDirectory(disk, dataDirectory))
  if (config.keys !== undefined) await demandOutside(disk, dataDirectory, config.keys)
  const segments = new ThreadedCheck(join(dataDirectory, SEGMENTS))
  const spans = new ThreadedSpans(join(dataDirectory, SEGMENTS), (error) => {
    log({ level: 'warn', message: 'segments are read by the writer itself: its threads ended', reason: String(error) })
  })
  let administration: Administration | undefined
  const ledgers = await Ledgers.open({
    disk,
    clock,
    random,
    directory: dataDirectory,
    keys,
    lock,
    newOriginPrefix: () => {
      if (config.mayBegin === false) throw new ConfigFault(`${dataDirectory} has a log that was never begun`)
      if (before !== undefined) {
        const mend = `Bring the data back, or remove ${before.note} to begin anew.`
        throw new HeadFault(`${dataDirectory} is empty, but it held the ledgers of ${before.originPrefix}. ${mend}`)
      }
      return `${config.name}/${randomBase32(random, INSTALL_ID_CHARS)}`
    },
    headStore: (originPrefix): HeadStore => {
      if (config.head?.match(/^https?:\/\//)) {
        return shadowed(new UrlHeadStore(new GuardedHttpClient(), config.head))
      }
      return shadowed(new FileHeadStore(disk, clock, config.head ?? states.headPath(originPrefix)))
    },
    checkSegment: segments.check,
    spans,
    nativeIds: new NativeIdFinder(),
    ...(sizes === undefined ? {} : { sizes }),
    ...(config.onProgress === undefined ? {} : { onProgress: config.onProgress }),
    onClockJump: (jump) => {
      log({
        level: 'error',
        message: 'the wall clock jumped; ledger time does not follow until it is confirmed',
        ...jump,
      })
      if (administration === undefined) jumps.push(jump)
      else
        void administration.clockJumped(jump).catch((error: unknown) => log({ level: 'error', message: String(error) }))
    },
    onFailure: (error) => log({ level: 'error', message: 'the writer has stopped', reason: String(error) }),
  })
  const adminTokenPath = join(dataDirectory, 'admin.token')
  const noteKeys = async () =>
    config.keys === undefined ? undefined : await noteKeysDirectory(disk, dataDirectory, keys)
  try {
    // Keys that are made now must be found again; those that are there must first be the right ones.
    if (ledgers.opening.begun) await noteKeys()
    administration = await Administration.open({
      ledgers,
      version: config.version,
      mintToken: () => mintToken(random),
      keepAdminToken: async (token) => await replaceFile(disk, adminTokenPath, Buffer.from(`${token}\n`)),
      hold: async (state) => await config.hold?.(ledgers, state),
    })
    await noteKeys()
    for (const jump of jumps) await administration.clockJumped(jump)
    if (config.head === undefined) await states.note(dataDirectory, ledgers.originPrefix)
  } catch (error) {
    await ledgers.close()
    throw error
  }
  const opened = administration
  return {
    ledgers,
    administration: opened,
    adminTokenPath,
    async close() {
      ledgers.endWaiting()
      try {
        if (ledgers.failure === undefined) await opened.recordStop()
      } finally {
        try {
          await ledgers.close()
        } finally {
          await spans.close()
          await segments.close()
        }
      }
    },
  }
}
