// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Replays what is sealed. Segments know no commits, so every byte of each is checked by itself first, in threads; then
 * the trees of all ledgers are grown side by side from the leaf hashes, led by what `heads` says, a window at a time:
 * so each root that was published is met at its size, and memory does not grow with the number of heads.
 */
import type { SegmentFlaw } from '../ledger/segment/check-segment.ts'
import type { Segment } from '../ledger/segment/segment.ts'
import { ObjectMissing } from '../ledger/store/object-store.ts'
import { LEDGER_NAME } from '../schema/limits.ts'
import type { Findings } from './finding.ts'
import { checkRoots, checkSealFacts } from './seal-check.ts'
import type { SealedPart } from './open-log.ts'
import type { HeadsEntry } from './published.ts'
import type { Replay } from './replay.ts'
import { fileOf, type SealedSource } from './sealed-source.ts'
import { SealedTrees } from './sealed-trees.ts'
import { type CheckedSegment, checkWhole, type OnEntry, type SegmentChecker, type Used } from './segment-check.ts'

/** Entries of `heads` that are held in memory at a time. */
const WINDOW_COUNT = 16_384

export interface SealedReplayParts {
  readonly sealed: SealedPart
  readonly source: SealedSource
  readonly checker: SegmentChecker
  readonly replay: Replay
  readonly findings: Findings
  readonly pace: (bytes: number) => Promise<void>
}

interface Checked {
  readonly segment: Segment
  readonly checked: CheckedSegment
}

export class SealedReplay {
  readonly #parts: SealedReplayParts
  readonly #trees: SealedTrees
  readonly #sizes: ReadonlyMap<string, number>
  readonly #done = new Set<string>()
  readonly #lastTimes = new Map<string, { readonly end: number; readonly time: string }>()
  #window: HeadsEntry[] = []
  #segmentCount = 0
  #segmentBytes = 0

  constructor(parts: SealedReplayParts) {
    const { sealed, source, replay, findings } = parts
    this.#parts = parts
    const named = sealed.seal.ledgers.filter(({ name }) => LEDGER_NAME.test(name))
    this.#sizes = new Map(named.map(({ name, size }) => [name, size]))
    this.#trees = new SealedTrees(source, replay, this.#sizes, findings)
  }

  /** Segments that were checked, and their bytes. */
  get counts(): { readonly segmentCount: number; readonly segmentBytes: number } {
    return { segmentCount: this.#segmentCount, segmentBytes: this.#segmentBytes }
  }

  async run(): Promise<void> {
    const { sealed, source, replay, findings } = this.#parts
    const { seal } = sealed
    replay.beginAt(seal.originPrefix, seal.commit, seal.hash)
    for (const [name, size] of this.#sizes) replay.ledger(name).beginSealed(size, source.hashesOf(name))
    await this.#checkSystem()
    await this.#checkRest()
    await this.#checkHeads()
    for (const [name, size] of this.#sizes) await this.#trees.growTo(name, size)
    if (sealed.isReal) checkRoots(seal, replay, findings)
    if (sealed.isReal) checkSealFacts(seal, replay, findings)
  }

  async #checkSystem(): Promise<void> {
    const { replay } = this.#parts
    let next = 0
    await this.#inOrder('system', ({ index, at, event }, segment) => {
      if (index > next) replay.loseSystem()
      if (index < next) return
      next = index + 1
      replay.fold({ index, event: Buffer.from(event), at, file: fileOf(segment.log.key) })
    })
    if (next < (this.#sizes.get('system') ?? 0)) replay.loseSystem()
  }

  async #checkHeads(): Promise<void> {
    let next = 0
    await this.#inOrder('heads', async ({ index, event }, segment) => {
      if (index < next) return
      next = index + 1
      this.#window.push({ index, note: Buffer.from(event), file: fileOf(segment.log.key) })
      if (this.#window.length >= WINDOW_COUNT) await this.#closeWindow()
    })
    await this.#closeWindow()
  }

  async #closeWindow(): Promise<void> {
    const entries = this.#window
    this.#window = []
    await this.#trees.meet(entries)
    for (const entry of entries) await this.#parts.replay.takeNote(entry)
  }

  /** Checks a ledger's segments one after the other, in this thread, for what its entries say is needed. */
  async #inOrder(ledger: string, onEntry: (...args: [...Parameters<OnEntry>, Segment]) => Promise<void> | void) {
    const { source, pace } = this.#parts
    for (let todo = this.#todo([ledger]); todo.length > 0; todo = this.#todo([ledger])) {
      for (const { segment, used } of todo) {
        const each: OnEntry = async (entry) => await onEntry(entry, segment)
        await this.#take({ segment, checked: await checkWhole(source.store, segment, used, { pace, onEntry: each }) })
      }
    }
  }

  /** Checks the segments of all other ledgers. */
  async #checkRest(): Promise<void> {
    const { checker } = this.#parts
    const names = [...this.#sizes.keys()].filter((name) => name !== 'system' && name !== 'heads')
    for (let todo = this.#todo(names); todo.length > 0; todo = this.#todo(names)) {
      const ahead: Promise<Checked>[] = []
      for (const { segment, used } of todo) {
        const check = checker.check(segment, used).then((checked) => ({ segment, checked }))
        check.catch(() => {})
        ahead.push(check)
        if (ahead.length >= checker.depth) await this.#take(await ahead.shift()!)
      }
      for (const check of ahead) await this.#take(await check)
    }
  }

  /** Segments to be checked. */
  #todo(ledgers: readonly string[]): { readonly segment: Segment; readonly used: Used }[] {
    const { source } = this.#parts
    return ledgers.flatMap((name) => {
      const size = this.#sizes.get(name) ?? 0
      let from = 0
      return source.cover(name).cover.flatMap((segment) => {
        const used = { from: Math.max(from, segment.first), end: Math.min(size, endOf(segment)) }
        from = endOf(segment)
        return segment.first >= size || this.#done.has(segment.log.key) ? [] : [{ segment, used }]
      })
    })
  }

  async #take({ segment, checked }: Checked): Promise<void> {
    const { source, replay, findings } = this.#parts
    const { ledger, log, content } = segment
    this.#done.add(log.key)
    // A server that runs may have replaced it while it was read.
    const isGone = checked.flaws.length > 0 && (await source.refresh()) && !source.has(segment)
    if (isGone) return
    this.#segmentCount++
    this.#segmentBytes += log.sizeBytes + content.sizeBytes
    for (const flaw of checked.flaws) findings.add(findingOf(flaw, segment, checked))
    findings.addUnshown(checked.flawCount - checked.flaws.length)
    if (checked.flaws.length > 0) {
      if (ledger === 'system') replay.loseSystem()
      await source.settleFlawed(segment)
    } else await this.#checkOrigin(segment)
    if (checked.parents !== undefined) source.prove(segment, checked.parents)
    this.#checkTimes(segment, checked)
    replay.ledger(ledger).noteSealed(checked.lastTime, checked.contentBytes)
  }

  async #checkOrigin(segment: Segment): Promise<void> {
    const { sealed, findings } = this.#parts
    const expected = `${sealed.seal.originPrefix}/${segment.ledger}`
    const found = await this.#originOf(segment)
    if (found === undefined || found === expected) return
    const place = { file: fileOf(segment.log.key), offset: 16, ledger: segment.ledger }
    const what = 'the segment is of another directory'
    findings.add({ kind: 'segment', ...place, index: segment.first, count: segment.count, what, expected, found })
  }

  /** Undefined where it is gone: then the one that took its place is checked, too. */
  async #originOf(segment: Segment): Promise<string | undefined> {
    const { source } = this.#parts
    try {
      return (await source.reader(segment)).origin
    } catch (error) {
      if (error instanceof ObjectMissing && (await source.refresh())) return undefined
      throw error
    }
  }

  #checkTimes(segment: Segment, { firstTime, lastTime }: CheckedSegment): void {
    const { ledger, log, first } = segment
    const { end, time: before } = this.#lastTimes.get(ledger) ?? { end: 0, time: '' }
    if (lastTime !== '' && endOf(segment) > end) this.#lastTimes.set(ledger, { end: endOf(segment), time: lastTime })
    // One that begins within the one before repeats its last times; so does one that took the place of several.
    if (firstTime === '' || before === '' || first < end || firstTime >= before) return
    const what = 'the ledger time goes back'
    const place = { file: fileOf(log.key), ledger, index: first }
    this.#parts.findings.add({ kind: 'time', ...place, what, expected: `${before} or later`, found: firstTime })
  }
}

function endOf({ first, count }: Segment): number {
  return first + count
}

/** A flaw in the words of a finding, with the entries that cannot be read for it. */
function findingOf({ key, ...flaw }: SegmentFlaw, { ledger, first, count }: Segment, { unread }: CheckedSegment) {
  const lost = unread.find((some) => flaw.index === some.first)
  const isAllLost = unread[0]?.first === first && unread[0].count === count
  const range = lost !== undefined ? { index: lost.first, count: lost.count } : isAllLost ? { index: first, count } : {}
  return { kind: 'segment' as const, file: fileOf(key), ledger, ...flaw, ...range }
}
