// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What the drill does to copies, from a changed byte to a history rewritten and signed again with everything that the
 * machine holds. Each says what has to find it; what the directory alone cannot show is part of the table, too.
 */
import { join } from 'node:path'
import { SALT_BYTES } from '@stele/proof'
import { KeyStore } from '../ledger/keys.ts'
import type { Signer } from '../ledger/signing.ts'
import { listSegments } from '../ledger/segment/cover.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { copyTree, type Ground } from './drill-ground.ts'
import {
  changedHistory,
  committed,
  eventsOf,
  type Head,
  type History,
  type HistoryEvent,
  leftOut,
  type Renote,
  signedAgain,
  underOldSignatures,
  writeHistory,
} from './forge.ts'
import { rewriteSegment } from './forge-segment.ts'
import { SEAL_FILE } from './open-log.ts'

/** Of a derived file. */
const RECORD_BYTES = 32

interface Attack {
  readonly disk: Disk
  readonly random: Random
  readonly ground: Ground
  /** An empty folder: the attacker leaves a directory there. */
  readonly to: string
}

export interface Attacked {
  /** An event that now stands where one stood of which somebody has a receipt. */
  readonly stands?: { readonly index: number; readonly event: Buffer }
  /** The head that was put in the place of the one outside. */
  readonly head?: Buffer
}

export interface Tampering {
  readonly name: string
  /** For people, as the rest of "somebody …". */
  readonly what: string
  /** What has to find it: `verify` with the head that was kept outside, or nothing but a receipt. */
  readonly foundBy: 'kept head' | 'receipt'
  /** Undefined where this directory has nothing to do it to. */
  readonly attack: (attack: Attack) => Promise<Attacked | undefined>
}

export const tamperings: readonly Tampering[] = [
  {
    name: 'edit',
    what: 'changes bytes of an event in the log, and nothing else',
    foundBy: 'kept head',
    attack: async ({ disk, ground, to }) => {
      await copyTree(disk, ground.baseline, to)
      // The last one is not sealed.
      const index = ground.entryCount - 1
      const place = eventsOf(ground.history, ground.ledger)[index]
      if (place === undefined) return undefined
      const event = edited(place)
      await overwrite(disk, join(to, place.file), place.offset, event)
      return { stands: { index, event } }
    },
  },
  {
    name: 'edit-segment',
    what: 'changes an event in a segment, compresses it again, and names it for what it holds now',
    foundBy: 'kept head',
    attack: async (attack) => await editSegment(attack, (_, content) => ({ content })),
  },
  {
    name: 'edit-segment-consistent',
    what: 'does so, and makes the entry, its leaf hash, and the root in the name right again',
    foundBy: 'kept head',
    attack: async (attack) => await editSegment(attack, (place, content) => recommitted(place, content)),
  },
  {
    name: 'remove-segment',
    what: 'removes a segment',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { store, segment } = await targetSegment(attack)
      await store.remove(segment.content.key)
      await store.remove(segment.log.key)
      return {}
    },
  },
  {
    name: 'swap-segments',
    what: 'lets the segments of two ledgers change places',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { segment, others } = await targetSegment(attack)
      const other = others[0]
      if (other === undefined) return undefined
      const folder = join(attack.to, 'segments')
      await swapFiles(attack.disk, join(folder, segment.log.key), join(folder, other.log.key))
      await swapFiles(attack.disk, join(folder, segment.content.key), join(folder, other.content.key))
      return {}
    },
  },
  {
    name: 'roll-back-seal',
    what: 'puts an older seal and its segments back, and leaves the log as it is',
    foundBy: 'kept head',
    attack: async ({ disk, ground, to }) => {
      await copyTree(disk, ground.baseline, to, ['wal', 'keys', 'derived'])
      await copyTree(disk, ground.earlier, to, ['segments'])
      return {}
    },
  },
  {
    name: 'forge-seal',
    what: 'lets the seal say less than is sealed',
    foundBy: 'kept head',
    attack: async ({ disk, ground, to }) => {
      await copyTree(disk, ground.baseline, to)
      const path = join(to, SEAL_FILE)
      const text = (await disk.readFile(path))?.toString('latin1')
      if (text === undefined) return undefined
      await replaceFile(disk, path, Buffer.from(text.replace(/"size":[0-9]+/, '"size":0'), 'latin1'))
      return {}
    },
  },
  {
    name: 'edit-consistent',
    what: 'changes an event, and makes every hash and root right again',
    foundBy: 'kept head',
    attack: async (attack) => await rewrite(attack, withEdit(attack), underOldSignatures),
  },
  {
    name: 'edit-unpublished',
    what: 'does so, and leaves out the signed heads that speak of it',
    foundBy: 'kept head',
    attack: async (attack) => await rewrite(attack, withEdit(attack), leftOut),
  },
  {
    name: 'delete',
    what: 'deletes an event, and makes the rest fit',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { ground } = attack
      const history = changedHistory(ground.history, ground.ledger, (event, index) =>
        index === ground.target ? [] : [event],
      )
      return await rewrite(attack, history, underOldSignatures)
    },
  },
  {
    name: 'insert',
    what: 'puts in an event that never was, and makes the rest fit',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { ground } = attack
      const history = changedHistory(ground.history, ground.ledger, (event, index) =>
        index === ground.target ? [committed(event, newSalt(attack), edited(event)), event] : [event],
      )
      return await rewrite(attack, history, underOldSignatures)
    },
  },
  {
    name: 'reorder',
    what: 'lets two events change places, and makes the rest fit',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { history, ledger, target } = attack.ground
      const [first, second] = eventsOf(history, ledger).slice(target)
      if (first === undefined || second === undefined) return undefined
      const swapped = [moved(second, first), moved(first, second)]
      const changed = changedHistory(history, ledger, (event, index) => [swapped[index - target] ?? event])
      return await rewrite(attack, changed, underOldSignatures)
    },
  },
  { name: 'truncate', what: 'cuts the last commits off the log', foundBy: 'kept head', attack: truncate },
  {
    name: 'roll-back',
    what: 'puts an older copy of the whole directory back',
    foundBy: 'kept head',
    attack: async ({ disk, ground, to }) => {
      await copyTree(disk, ground.earlier, to)
      return {}
    },
  },
  {
    name: 'swap-log',
    what: 'lets two files of the log change places',
    foundBy: 'kept head',
    attack: async (attack) => await swap(attack, await attack.disk.list(join(attack.ground.baseline, 'wal')), 'wal'),
  },
  {
    name: 'swap-keys',
    what: 'lets the keys of two ledgers change places',
    foundBy: 'kept head',
    attack: async (attack) => await swap(attack, ['heads.key', `${attack.ground.ledger}.key`], 'keys'),
  },
  {
    name: 'swap-hashes',
    what: 'lets the tree hashes of two ledgers change places',
    foundBy: 'kept head',
    attack: async (attack) =>
      await swap(attack, ['system/level-0-00000000', `${attack.ground.ledger}/level-0-00000000`], 'derived'),
  },
  {
    name: 'change-hash',
    what: 'changes a hash in the files of the tree',
    foundBy: 'kept head',
    attack: async (attack) => await changeDerived(attack, 'level-0-00000000'),
  },
  {
    name: 'change-place',
    what: 'changes where the log is said to hold an event',
    foundBy: 'kept head',
    attack: async (attack) => await changeDerived(attack, 'places-00000000'),
  },
  {
    name: 'rewrite-signed',
    what: 'rewrites history and signs all of it again with the real keys',
    foundBy: 'kept head',
    attack: async (attack) => {
      const { changed } = await rewriteSigned(attack)
      return changed
    },
  },
  {
    name: 'rewrite-signed-head',
    what: 'does so, and replaces the head that was kept outside, too',
    foundBy: 'receipt',
    attack: async (attack) => {
      const { changed, heads, signers } = await rewriteSigned(attack)
      const [head, signer] = [heads.get('heads'), signers.get('heads')]
      if (head === undefined || signer === undefined) return undefined
      return { ...changed, head: Buffer.from(signer.checkpoint(head.size, head.root)) }
    },
  },
]

/** Another event of the same length, where there is one: a character of it is another. */
function edited({ content }: HistoryEvent): Buffer {
  const event = Buffer.from(content.subarray(SALT_BYTES))
  if (event.length === 0) return Buffer.from('!')
  const middle = Math.floor(event.length / 2)
  event[middle] = event[middle] === 0x78 ? 0x79 : 0x78
  return event
}

function withEdit({ ground }: Attack): History {
  return changedHistory(ground.history, ground.ledger, (event, index) =>
    index === ground.target ? [committed(event, event.content.subarray(0, SALT_BYTES), edited(event))] : [event],
  )
}

/** An event under the entry of another place: its time, so that time still goes forward. */
function moved({ content }: HistoryEvent, place: HistoryEvent): HistoryEvent {
  return committed(place, content.subarray(0, SALT_BYTES), content.subarray(SALT_BYTES))
}

function newSalt({ random }: Attack): Buffer {
  const salt = Buffer.alloc(SALT_BYTES)
  random.fill(salt, 0, SALT_BYTES)
  return salt
}

/** Leaves a changed log with the keys; derived files are left out, for the server makes them from the log. */
async function rewrite(
  { disk, ground, to }: Attack,
  history: History,
  renote: Renote,
): Promise<Attacked & { readonly heads: ReadonlyMap<string, Head> }> {
  await copyTree(disk, ground.baseline, to, ['keys'])
  const heads = await writeHistory(disk, to, history, renote)
  const [index, place] = [ground.target, eventsOf(history, ground.ledger)[ground.target]]
  const stands = place === undefined ? undefined : { index, event: place.content.subarray(SALT_BYTES) }
  return { heads, ...(stands === undefined ? {} : { stands }) }
}

async function rewriteSigned(attack: Attack) {
  const { disk, random, ground } = attack
  const keys = new KeyStore(disk, random, ground.baseline)
  const signers = new Map<string, Signer>()
  for (const name of await keys.names()) {
    const [signer] = await keys.candidates(name, `${ground.history.originPrefix}/${name}`)
    if (signer !== undefined) signers.set(name, signer)
  }
  const { heads, ...changed } = await rewrite(attack, withEdit(attack), signedAgain(signers))
  return { changed, heads, signers }
}

/** The segment that holds the target, in a copy, and those of other ledgers. */
async function targetSegment({ disk, ground, to }: Attack) {
  await copyTree(disk, ground.baseline, to)
  const store = new DirectoryStore(disk, join(to, 'segments'))
  const segments = [...(await listSegments(store)).values()].flat()
  const segment = segments.find(
    ({ ledger, first, count }) => ledger === ground.ledger && first <= ground.target && ground.target < first + count,
  )
  if (segment === undefined) throw new Error('the target is not sealed')
  return { store, segment, others: segments.filter(({ ledger }) => ledger !== ground.ledger) }
}

async function editSegment(
  attack: Attack,
  change: (place: HistoryEvent, content: Buffer) => Partial<Pick<HistoryEvent, 'entry' | 'content'>>,
): Promise<Attacked> {
  const { ground } = attack
  const { store, segment } = await targetSegment(attack)
  let stands: Attacked['stands']
  await rewriteSegment(store, segment, ({ index, entry, content }) => {
    if (index !== ground.target) return { entry, content }
    const place = { entry, content, file: '', offset: 0 }
    const event = edited(place)
    stands = { index, event }
    return { entry, content, ...change(place, Buffer.concat([content.subarray(0, SALT_BYTES), event])) }
  })
  return stands === undefined ? {} : { stands }
}

function recommitted(place: HistoryEvent, content: Buffer): HistoryEvent {
  return committed(place, content.subarray(0, SALT_BYTES), content.subarray(SALT_BYTES))
}

/** Drops the commit that holds the last entry of the ledger, and all behind it. */
async function truncate({ disk, ground, to }: Attack): Promise<Attacked | undefined> {
  const { files, originPrefix } = ground.history
  const all = files.flatMap(({ frames }, file) => frames.map((frame) => ({ file, frame })))
  const cut = all.findLastIndex(({ frame }) => frame.sections.some(({ ledger }) => ledger === ground.ledger))
  if (cut < 1) return undefined
  const kept = files.map(({ fileId }, position) => ({
    fileId,
    frames: all.slice(0, cut).flatMap(({ file, frame }) => (file === position ? [frame] : [])),
  }))
  await copyTree(disk, ground.baseline, to, ['keys'])
  const left = kept.filter(({ frames }) => frames.length > 0)
  await writeHistory(disk, to, { originPrefix, files: left }, underOldSignatures)
  return {}
}

/** Lets two files of a folder change places; the first and the last of those that are named. */
async function swap(
  { disk, ground, to }: Attack,
  names: readonly string[],
  folder: string,
): Promise<Attacked | undefined> {
  const [first, last] = [names[0], names.at(-1)]
  if (first === undefined || last === undefined || first === last) return undefined
  await copyTree(disk, ground.baseline, to)
  await swapFiles(disk, join(to, folder, first), join(to, folder, last))
  return {}
}

async function swapFiles(disk: Disk, first: string, last: string): Promise<void> {
  const beside = `${first}.beside`
  await disk.rename(first, beside)
  await disk.rename(last, first)
  await disk.rename(beside, last)
}

/** Changes the last record in a derived file of the ledger. */
async function changeDerived({ disk, ground, to }: Attack, name: string): Promise<Attacked | undefined> {
  await copyTree(disk, ground.baseline, to)
  const path = join(to, 'derived', ground.ledger, name)
  const bytes = await disk.readFile(path)
  const at = (bytes?.length ?? 0) - RECORD_BYTES
  const byte = bytes?.[at]
  if (byte === undefined) return undefined
  await overwrite(disk, path, at, Buffer.of(byte ^ 1))
  return {}
}

async function overwrite(disk: Disk, path: string, position: number, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'write')
  try {
    await file.write(bytes, position)
  } finally {
    await file.close()
  }
}
