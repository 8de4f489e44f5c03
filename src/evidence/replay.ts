// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Replays a log in order for a verification: the chain of frames, the tree of every ledger, the fold of `system`, and
 * what `heads` says of the others. What is sealed comes first, from sealed-replay.ts; the chain goes on from the seal.
 * Unlike recovery it does not stop at what is wrong but names it and goes on.
 */
import { parseEntry, type RotationEnd } from '@stele/proof'
import { LEDGER_NAME } from '../schema/limits.ts'
import type { FileCache } from '../ledger/file-cache.ts'
import { eventBounds } from '../ledger/wal/frame-reader.ts'
import { parseSystemEvent } from '../state/administration.ts'
import { SystemState } from '../state/system-state.ts'
import type { Findings } from './finding.ts'
import type { CheckedFrame, CheckedSection } from './frame-check.ts'
import { LedgerReplay } from './ledger-replay.ts'
import { type HeadsEntry, Published } from './published.ts'
import type { Signatures } from './signatures.ts'
import type { Gap, WalkedFile } from './wal-walk.ts'

/** Bytes of expected derived data kept before they are compared. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024
const NO_FRAME = '0'.repeat(64)

/** A last frame that is not whole, as a crash leaves one; `findings` tell what is wrong with it. */
export interface Unfinished {
  readonly file: string
  readonly position: number
  readonly bytes: number
  readonly why: string
}

/** An event of `system`; `offset` where it is not in a segment. */
export interface SystemEntry {
  readonly index: number
  readonly event: Buffer
  readonly at: string
  readonly file: string
  readonly offset?: number
}

/** A rotation of a ledger's keys, and where `system` tells of it. */
interface RotationEntry {
  readonly name: string
  readonly end: RotationEnd
  readonly root?: string
  readonly index: number
  readonly file: string
  readonly offset?: number
}

export interface ReplayOptions {
  readonly directory: string
  readonly files: FileCache
  readonly findings: Findings
  readonly signatures: Signatures
  /** Sizes of ledgers, rising, whose roots are to be kept. */
  readonly wanted: ReadonlyMap<string, readonly number[]>
  /** Called when this commit has been replayed. */
  readonly mark: { readonly commit: number; readonly reached: (replay: Replay) => void } | undefined
}

export class Replay {
  readonly ledgers = new Map<string, LedgerReplay>()
  readonly state = new SystemState()
  readonly published: Published
  /** What `system` says of keys that followed others, with the root that the data had there, hex, where it is known. */
  readonly rotations: RotationEntry[] = []
  originPrefix = ''
  commit = 0
  hash = NO_FRAME
  frameCount = 0
  lastTime = ''
  /** Where the last frame ends. */
  end: { readonly firstCommit: number; readonly position: number } | undefined
  readonly #options: ReplayOptions
  readonly #findings: Findings
  #afterGap = false
  #systemFits = true
  #systemKnown = true
  #pendingChecked = 0

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#findings = options.findings
    const rootBefore = async (name: string, size: number) => await this.ledgers.get(name)?.sealedRootAt(size)
    const watched = options.wanted.get('heads') ?? []
    this.published = new Published(options.findings, options.signatures, watched, rootBefore)
  }

  get entryCount(): number {
    return [...this.ledgers.values()].reduce((sum, ledger) => sum + ledger.size, 0)
  }

  /** Whether all that `system` says was read: else what does not fit it may follow from what is missing there. */
  get systemKnown(): boolean {
    return this.#systemKnown && this.ledgers.get('system')?.isWhole !== false
  }

  /** Says that the log begins behind this commit: all before it is sealed. */
  beginAt(originPrefix: string, commit: number, hash: string): void {
    this.originPrefix = originPrefix
    this.commit = commit
    this.hash = hash
  }

  /** Says that some of what `system` has is not known. */
  loseSystem(): void {
    this.#systemKnown = false
  }

  /** The ledger and the size that an entry of `heads` speaks of, where it is one and `system` names that ledger. */
  headOf(note: Buffer): { readonly ledger: string; readonly size: number } | undefined {
    const checkpoint = this.#options.signatures.read(note)
    const ledger = typeof checkpoint === 'string' ? undefined : this.#ledgerOf(checkpoint.origin)
    return typeof checkpoint === 'string' || ledger === undefined
      ? undefined
      : { ledger: ledger.name, size: checkpoint.size }
  }

  /** Takes the header of the next file. */
  enter(walked: WalkedFile): void {
    const { header, name: file, finding } = walked
    if (finding !== undefined) this.#findings.add(finding)
    this.end = { firstCommit: firstCommitOf(walked), position: 0 }
    if (header === undefined) return
    const isFirst = this.originPrefix === ''
    if (isFirst) this.originPrefix = header.originPrefix
    else if (header.originPrefix !== this.originPrefix) {
      const [expected, found] = [this.originPrefix, header.originPrefix]
      this.#findings.add({ kind: 'file', file, offset: 72, what: 'a file of another directory', expected, found })
    }
    const expected = `commit ${this.commit + 1} after ${this.hash}`
    const found = `commit ${header.firstCommit} after ${header.previousHash.toString('hex')}`
    if (expected === found || this.#afterGap) return
    this.#findings.add({
      kind: 'file',
      file,
      offset: 32,
      what: 'the file does not follow the one before',
      expected,
      found,
    })
    this.#afterGap = true
  }

  /** Takes bytes in which no frame can be found, other than an unfinished end. */
  takeGap(gap: Gap, { name: file }: WalkedFile): void {
    const { position: offset, end, why, expected, found } = gap
    const what = `${why}: ${end - offset} bytes cannot be read`
    this.#findings.add({ kind: 'frame', file, offset, what, expected, found })
    this.#afterGap = true
  }

  /** Takes a frame after its own checks. `bytes` begins with it. */
  async take(bytes: Buffer, frame: CheckedFrame, walked: WalkedFile, position: number): Promise<void> {
    const place = { file: walked.name, firstCommit: firstCommitOf(walked), position }
    this.#follow(frame, place.file, position)
    for (const { at, ...fault } of frame.faults) {
      this.#findings.add({ ...fault, file: place.file, offset: position + at })
    }
    for (const { ledger: name } of frame.rows) {
      if (!LEDGER_NAME.test(name)) continue
      const ledger = this.ledger(name)
      const sections = frame.sections.filter((section) => section.ledger === name)
      await ledger.take(bytes, frame, sections, place)
      if (ledger.root === undefined) this.published.giveUp(name)
      else this.published.noteRoot(name, ledger.size, ledger.root)
      if (ledger.lastTime > this.lastTime) this.lastTime = ledger.lastTime
    }
    for (const section of frame.sections) await this.#interpret(bytes, frame, section, place.file, position)
    this.commit = frame.commit
    this.hash = frame.hash
    this.frameCount++
    this.end = { firstCommit: place.firstCommit, position: position + frame.frameBytes }
    if (this.#options.mark?.commit === frame.commit) this.#options.mark.reached(this)
  }

  /** Holds derived files against what was expected of them so far, once that is enough to be worth it. */
  async compareDerived(): Promise<void> {
    // Summing over thousands of ledgers after each block would cost more than the comparison.
    if (++this.#pendingChecked % 8 !== 0) return
    let pendingBytes = 0
    for (const ledger of this.ledgers.values()) pendingBytes += ledger.pendingBytes
    if (pendingBytes < MAX_PENDING_BYTES) return
    for (const ledger of this.ledgers.values()) await ledger.compareDerived()
  }

  #follow(frame: CheckedFrame, file: string, position: number): void {
    const follows = frame.commit === this.commit + 1 && frame.previousHash === this.hash
    const isExcused = this.#afterGap && frame.commit > this.commit
    this.#afterGap = false
    if (follows || isExcused) return
    const expected = `commit ${this.commit + 1} after ${this.hash}`
    const found = `commit ${frame.commit} after ${frame.previousHash}`
    this.#findings.add({
      kind: 'chain',
      file,
      offset: position + 24,
      what: 'the chain of frames is broken',
      expected,
      found,
    })
  }

  ledger(name: string): LedgerReplay {
    let ledger = this.ledgers.get(name)
    if (ledger === undefined) {
      const { files, directory, wanted } = this.#options
      ledger = new LedgerReplay(files, directory, name, wanted.get(name) ?? [], this.#findings)
      this.ledgers.set(name, ledger)
    }
    return ledger
  }

  /** Reads what `system` and `heads` say; entries that were found to be bad say nothing. */
  async #interpret(
    bytes: Buffer,
    frame: CheckedFrame,
    section: CheckedSection,
    file: string,
    position: number,
  ): Promise<void> {
    const { ledger, first, count } = section
    if (ledger !== 'system' && ledger !== 'heads') return
    const isBad = (index: number) => frame.faults.some((fault) => fault.ledger === ledger && fault.index === index)
    for (let at = 0; at < count; at++) {
      const index = first + at
      if (isBad(index)) {
        this.#systemKnown &&= ledger !== 'system'
        continue
      }
      const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds({ ...section, bytes }, at)
      // The block's memory is used again.
      const event = Buffer.from(bytes.subarray(contentStart + 16, contentEnd))
      const offset = position + contentStart
      if (ledger === 'heads') await this.takeNote({ index, note: event, file, offset })
      else this.fold({ index, event, at: parseEntry(bytes.subarray(entryStart, entryEnd)).at, file, offset })
    }
  }

  /** Takes an entry of `heads`. */
  async takeNote(entry: HeadsEntry): Promise<void> {
    await this.published.take(entry, this.#ledgerOf, this.systemKnown)
  }

  /** Takes the next event of `system`. */
  fold({ index, event, at, file, offset }: SystemEntry): void {
    if (!this.#systemFits) return
    try {
      const parsed = parseSystemEvent(index, event)
      this.state.apply(parsed, at)
      if (parsed.type === 'key.rotated') this.#noteRotation(parsed.ledger, index, file, offset)
      // Where the header that says so can't be read.
      if (parsed.type === 'install' && this.originPrefix === '')
        this.originPrefix = `${parsed.name}/${parsed.installId}`
    } catch (error) {
      this.#systemFits = false
      this.#systemKnown = false
      const what = `the state cannot be followed from here: ${error instanceof Error ? error.message : String(error)}`
      const place = { file, ...(offset === undefined ? {} : { offset }) }
      this.#findings.add({ kind: 'system', ...place, ledger: 'system', index, what })
    }
  }

  #noteRotation(name: string, index: number, file: string, offset: number | undefined): void {
    const end = this.state.ledgers.get(name)?.keys.periods.at(-2)?.until
    if (end === undefined) return
    const ledger = this.ledgers.get(name)
    const root = ledger?.size === end.size ? ledger.root : this.published.notedRoot(name, end.size)
    const place = { file, ...(offset === undefined ? {} : { offset }), index }
    this.rotations.push({ ...place, name, end, ...(root === undefined ? {} : { root }) })
  }

  readonly #ledgerOf = (origin: string) => {
    const ledger = this.state.ledgers.get(origin.slice(origin.lastIndexOf('/') + 1))
    return ledger?.origin === origin ? ledger : undefined
  }
}

/** The commit that a WAL file is named by. */
export function firstCommitOf(walked: WalkedFile): number {
  return Number(walked.name.slice(-16))
}
