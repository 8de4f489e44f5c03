// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the server's answers say, and the checks that each must pass before anybody sees it.

import {
  ALG_ED25519,
  type Entry,
  contentHash,
  equalBytes,
  fromUtf8,
  hashLeaf,
  parseCheckpoint,
  parseEntry,
  parseNote,
  parseReceipt,
  parseVkey,
  ProofError,
  SALT_BYTES,
  toBase64,
  toBase64Url,
  utf8,
  verifyInclusion,
} from '@stele/proof'

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { timeMs } from './platform.ts'

/** A ledger's signed tree head. */
export interface LedgerHead {
  readonly origin: string
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** The signed note. */
  readonly checkpoint: string
}

/** What an append did: all its events are durable. Where none was there before, they are `first` and those that follow. */
export interface Appended {
  readonly ledger: string
  /** Index of the first event of the body. */
  readonly first: number
  /** Events that were stored, and events that were there already. */
  readonly count: number
  readonly duplicates: number
  /**
   * Index of each event, where some were there already. A repeated answer to an idempotency key may leave them out, if
   * the two kinds take turns often.
   */
  readonly indexes?: readonly number[]
  /** Of the ledger, with these events in it. */
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** The signed note; absent where it was not asked for. */
  readonly checkpoint?: string
  /**
   * One tlog-proof an event; present where they were asked for. Empty for an event that another token had appended
   * before, where this one may not read the ledger.
   */
  readonly receipts?: readonly string[]
}

export interface RecordedEvent {
  readonly index: number
  /** Ledger time, RFC 3339. */
  readonly at: string
  /** Time of the event itself, RFC 3339; ledger time where it has none. */
  readonly time: string
  readonly source: string
  /** The exact bytes; they are what the entry commits to. */
  readonly event: Uint8Array
  /** The same as text; absent where they are not UTF-8. */
  readonly text?: string
  /** The entry's line, and the same taken apart. */
  readonly entryLine: string
  readonly entry: Entry
  /** 16 bytes. */
  readonly salt: Uint8Array
  /** The event as the server understands it: only the bytes are evidence. */
  readonly ocsf: OcsfForm
}

/** An event in the form of OCSF. Its texts are the event's, and may hold anything. */
export interface OcsfForm {
  readonly class_uid: number
  /** Unix milliseconds. */
  readonly time: number
  /** One sentence for people. */
  readonly message?: string
  readonly [name: string]: unknown
}

export interface LedgerInfo {
  readonly name: string
  readonly origin: string
  /** Verifier keys, Ed25519 first. As told by the server: pin one that came another way. */
  readonly vkeys: readonly string[]
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  readonly public: boolean
  readonly createdAt: string
}

/** Runs checks of `@stele/proof`; what they throw is the server's fault. */
export async function held<T>(what: string, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof ProofError) throw untrustworthy(`${what}: ${error.message}`, error)
    throw error
  }
}

/** Keys that came from elsewhere than the server. */
export interface Pins {
  /** Throws where there are some, and none of them stands behind this checkpoint. */
  demand(note: Uint8Array, origin: string, ledger: string): Promise<void>
  /** Throws where there are some of this origin, and none of them, nor one that follows it, is among these. */
  demandAmong(vkeys: readonly string[], origin: string, ledger: string): Promise<void>
}

/** Reads a ledger's checkpoint. Where keys are pinned, one of them, or one that follows it, must have signed. */
export async function readCheckpoint(note: string, ledger: string, pins: Pick<Pins, 'demand'>): Promise<LedgerHead> {
  return await held('the checkpoint', async () => {
    const bytes = utf8(note)
    const { text, signatures } = parseNote(bytes)
    const { origin, size, root } = parseCheckpoint(text)
    if (!isOriginOf(origin, ledger)) throw untrustworthy(`the checkpoint is of ${origin}, not of a ledger ${ledger}`)
    // A log signs its own checkpoints: this much can be asked of them without knowing its key.
    if (!signatures.some(({ name }) => name === origin)) throw untrustworthy(`${origin} has not signed its checkpoint`)
    await pins.demand(bytes, origin, ledger)
    return { origin, size, root, checkpoint: note }
  })
}

export interface AppendExpectation {
  readonly ledger: string
  readonly checkpoint: boolean
  readonly receipts: boolean
  /** The events that were sent, where the caller knows how the server must cut them. */
  readonly events: readonly Uint8Array[] | undefined
  /** Entries that the ledger had for sure before, and whether the request may be one that was made then. */
  readonly floor: number
  readonly isKeyed: boolean
  readonly pins: Pins
}

/** Reads the answer to an append; `origin` is that of its checkpoint. */
export async function readAppended(
  value: unknown,
  expected: AppendExpectation,
): Promise<Appended & { readonly origin?: string }> {
  const fields = new Fields('the answer to the append', value)
  const answer = {
    ledger: fields.ledger('ledger'),
    first: fields.whole('first'),
    count: fields.whole('count'),
    duplicates: fields.has('duplicates') ? fields.whole('duplicates') : 0,
    ...(fields.has('indexes') ? { indexes: fields.wholes('indexes') } : {}),
    size: fields.whole('size'),
    root: fields.root('root'),
  }
  const { ledger, count, duplicates, size, root } = answer
  const eventCount = count + duplicates
  if (ledger !== expected.ledger)
    throw untrustworthy(`the answer is about the ledger ${ledger}, not ${expected.ledger}`)
  checkIndexes(answer, expected)
  if (expected.events !== undefined && expected.events.length !== eventCount) {
    throw untrustworthy(`${expected.events.length} events were sent, and the answer counts ${eventCount}`)
  }
  const checkpoint = expected.checkpoint ? fields.text('checkpoint') : undefined
  const head = checkpoint === undefined ? undefined : await readCheckpoint(checkpoint, ledger, expected.pins)
  if (head !== undefined && (head.size !== size || !equalBytes(head.root, root))) {
    throw untrustworthy('the checkpoint is not of the size and root that the answer names')
  }
  const receipts = expected.receipts ? fields.texts('receipts') : undefined
  if (receipts !== undefined) await checkReceipts(receipts, answer, expected)
  return {
    ...answer,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(receipts === undefined ? {} : { receipts }),
    ...(head === undefined ? {} : { origin: head.origin }),
  }
}

/** The events are in the ledger, each new one behind what was seen of it before, and at a place of its own. */
function checkIndexes(answer: Appended, { floor, isKeyed }: AppendExpectation): void {
  const { ledger, first, count, duplicates, indexes, size } = answer
  if (duplicates === 0) {
    if (indexes !== undefined) throw untrustworthy('there are indexes of events that follow each other')
    if (first + count > size) throw untrustworthy(`${count} events from ${first} on are not in a ledger of ${size}`)
    if (first < floor && !isKeyed)
      throw untrustworthy(`event ${first} of ${ledger} was there before, and is said to be new`)
    return
  }
  if (indexes === undefined) {
    if (isKeyed) return
    throw untrustworthy('it is not said which events were there already')
  }
  if (indexes.length !== count + duplicates || indexes[0] !== first)
    throw untrustworthy(`there are ${indexes.length} indexes of ${count + duplicates} events, from ${first} on`)
  if (indexes.some((index) => index >= size)) throw untrustworthy(`an index is not in a ledger of ${size}`)
  const places = new Set(indexes)
  const newPlaces = isKeyed ? places.size : [...places].filter((index) => index >= floor).length
  if (newPlaces < count) throw untrustworthy(`${count} events are said to be new, and ${newPlaces} are`)
}

async function checkReceipts(
  receipts: readonly string[],
  appended: Appended,
  expected: AppendExpectation,
): Promise<void> {
  const { first, count, duplicates, indexes, ledger } = appended
  const eventCount = count + duplicates
  if (receipts.length !== eventCount)
    throw untrustworthy(`there are ${receipts.length} receipts for ${eventCount} events`)
  // The receipts of one answer share a checkpoint, whose signature need not be checked a thousand times.
  const heads = new Map<string, LedgerHead>()
  // What was stored now has the largest indexes.
  const stored = new Set([...new Set(indexes)].toSorted((one, other) => other - one).slice(0, count))
  for (const [position, text] of receipts.entries()) {
    const index = indexes?.[position] ?? first + position
    if (text === '' && duplicates > 0 && !stored.has(index)) continue
    await held(`the receipt of event ${index}`, async () => {
      const receipt = parseReceipt(text)
      const note = fromUtf8(receipt.checkpoint)
      const head = heads.get(note) ?? (await readCheckpoint(note, ledger, expected.pins))
      heads.set(note, head)
      if (receipt.index !== index) throw untrustworthy(`a receipt is of event ${receipt.index}`)
      verifyInclusion(hashLeaf(receipt.entry), receipt.index, head.size, receipt.hashes, head.root)
      const event = expected.events?.[position]
      const entry = parseEntry(receipt.entry)
      if (event !== undefined) checkContent(entry, receipt.salt, event)
    })
  }
}

/** Reads one hit; its parts must be of one event, which is number `index` where that is given. */
export async function readEvent(value: unknown, index: number | undefined): Promise<RecordedEvent> {
  const fields = new Fields('the event', value)
  const found = fields.whole('index')
  if (index !== undefined && found !== index) throw untrustworthy(`event ${index} was asked for, and ${found} came`)
  const at = fields.time('at')
  const time = fields.time('time')
  const source = fields.text('source')
  const text = fields.optionalText('event')
  if ((text === undefined) !== fields.has('eventBase64')) throw untrustworthy('the event is there twice, or not at all')
  const event = text === undefined ? fields.base64('eventBase64') : utf8(text)
  const entryLine = fields.text('entry')
  const salt = fields.base64('salt')
  const entry = await held(`event ${found}`, () => {
    const parsed = parseEntry(utf8(entryLine))
    checkContent(parsed, salt, event)
    return parsed
  })
  if (entry.at !== at || entry.source !== source) throw untrustworthy(`event ${found} is not what its entry says`)
  return {
    index: found,
    at,
    time,
    source,
    event,
    ...(text === undefined ? {} : { text }),
    entryLine,
    entry,
    salt,
    ocsf: readOcsf(fields.object('ocsf'), time, at),
  }
}

/** Beyond it a time is not searched by, and ledger time stands for it. */
const END_OF_TIMES_MS: number = timeMs('2299-01-01T00:00:00.000Z')

function readOcsf(value: unknown, time: string, at: string): OcsfForm {
  const fields = new Fields("the event's OCSF form", value)
  const message = fields.has('message') ? { message: fields.anyText('message') } : {}
  const known = { class_uid: fields.whole('class_uid'), time: fields.whole('time'), ...message }
  const isTold = known.time < END_OF_TIMES_MS ? known.time === timeMs(time) : time === at
  if (!isTold) throw untrustworthy("the event's OCSF form is of another time")
  return { ...(value as object), ...known }
}

function checkContent(entry: Entry, salt: Uint8Array, event: Uint8Array): void {
  if (salt.length !== SALT_BYTES) throw untrustworthy(`the salt has ${salt.length} bytes`)
  if (entry.size !== event.length || toBase64Url(contentHash(salt, event)) !== entry.sha256) {
    throw untrustworthy('the event is not what its entry commits to')
  }
}

/** Where keys of that origin are pinned, one of them, or one that follows it, must be the ledger's. */
export async function readLedger(value: unknown, pins?: Pins): Promise<LedgerInfo> {
  const fields = new Fields('the ledger', value)
  const info = {
    name: fields.ledger('name'),
    origin: fields.text('origin'),
    vkeys: fields.texts('vkeys'),
    size: fields.whole('size'),
    root: fields.root('root'),
    public: fields.flag('public'),
    createdAt: fields.time('createdAt'),
  }
  const { name, origin, vkeys, size, root } = info
  if (!isOriginOf(origin, name)) throw untrustworthy(`the ledger ${name} has the origin ${origin}`)
  await held(`the ledger ${name}`, async () => {
    parseCheckpoint(`${origin}\n${size}\n${toBase64(root)}\n`)
    if (vkeys.length === 0) throw untrustworthy(`the ledger ${name} has no key`)
    if (new Set(vkeys).size < vkeys.length) throw untrustworthy(`a key of the ledger ${name} is listed twice`)
    for (const [position, vkey] of vkeys.entries()) {
      const { name: of, alg } = parseVkey(vkey)
      if ((alg === ALG_ED25519) !== (position === 0)) throw untrustworthy(`the first key of ${name} alone is Ed25519`)
      if (of !== origin) throw untrustworthy(`the ledger ${name} has a key of another origin`)
    }
    await pins?.demandAmong(vkeys, origin, name)
  })
  return info
}

function isOriginOf(origin: string, ledger: string): boolean {
  return /^[!-~]+\/[!-~]+$/.test(origin) && origin.endsWith(`/${ledger}`)
}
