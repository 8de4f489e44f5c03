// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Has every published head of `heads` cosigned by the witnesses that `system` names, and keeps the newest one that the
 * quorum has cosigned. Nobody waits for it but who asks to: appends and publishing go on whatever the witnesses do, and
 * no witness waits for another.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { ed25519Verifier, mldsa44Verifier, openCheckpoint, ProofError, rootAt, type Verifier } from '@stele/proof'
import type { Ledgers } from '../ledger/ledgers.ts'
import { WITNESSED, WITNESSED_HEAD } from '../ledger/witnessed-head.ts'
import type { Clock } from '../platform/clock.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import { Problem } from '../schema/problem.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import { cosignedNote, type HeadCosignature, readCosigned } from '../state/cosigned-head.ts'
import type { WitnessList, WitnessRecord } from '../state/witness-list.ts'
import { Contradictions } from './contradictions.ts'
import { Courier, type CourierStatus } from './courier.ts'
import { HeadChoice, type PendingHead } from './head-choice.ts'
import { QuorumAlarm } from './quorum-alarm.ts'
import { Statements } from './statements.ts'
import { WitnessClient, type WitnessClientOptions } from './witness-client.ts'

const HEADS = 'heads'
const READ_BYTES = 1024 * 1024
const MAX_WAITING = 500

export interface CosigningOptions extends WitnessClientOptions {
  readonly ledgers: Ledgers
  readonly witnesses: WitnessList
  readonly disk: Disk
  readonly directory: string
  readonly clock: Clock
  /** A head may wait so long for its quorum before that goes on record. */
  readonly alarmAfterMs: number
  /** Appends to `system`; rejects where there is no room for it. */
  readonly record: (event: SystemEvent) => Promise<void>
  readonly log: (line: object) => void
}

/** A head with the quorum's cosignatures. */
export interface WitnessedHead {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** The note, all good cosignatures on it. */
  readonly note: Buffer
  readonly cosignatures: readonly { readonly witness: string; readonly time: number }[]
}

interface Waiting {
  readonly minSize: number
  readonly resolve: (head: WitnessedHead) => void
  readonly reject: (error: Error) => void
}

export class CosigningService {
  readonly statements: Statements
  readonly alarm: QuorumAlarm
  readonly #options: CosigningOptions
  readonly #client: WitnessClient
  readonly #contradictions: Contradictions
  readonly #choice = new HeadChoice()
  readonly #couriers = new Map<string, Courier>()
  readonly #ending = new Set<Courier>()
  readonly #waiting = new Set<Waiting>()
  readonly #stopListening: () => void
  #changed = Promise.withResolvers<void>()
  #newest: WitnessedHead | undefined
  #saved: Buffer | undefined
  #saving: Promise<void> | undefined
  /** Why it could not be kept the last time. */
  #unsaved: string | undefined
  #publishedSize = 0
  #isClosing = false

  private constructor(options: CosigningOptions) {
    this.#options = options
    const { ledgers, witnesses } = options
    this.#client = new WitnessClient(options)
    this.#contradictions = new Contradictions(options, this.#client)
    this.statements = new Statements(async (start, end) => await ledgers.events(HEADS, start, end, READ_BYTES))
    this.alarm = new QuorumAlarm({
      ...options,
      afterMs: options.alarmAfterMs,
      state: () => ({
        published: this.#publishedSize,
        witnessed: this.#newest?.size ?? 0,
        missing: witnesses.asked.map(({ name }) => name).filter((name) => !this.#hasCosigned(name)),
      }),
    })
    this.#stopListening = ledgers.publishedHeads.on((head) => this.#published(head))
  }

  static async start(options: CosigningOptions): Promise<CosigningService> {
    const service = new CosigningService(options)
    await service.#restore()
    const { last } = options.ledgers.publishedHeads
    // Whatever is witnessed from now on counts at least so much.
    service.statements.forgetBefore(service.newest?.size ?? (last === undefined ? 0 : ownHead(last).size))
    if (last !== undefined) service.#published(last)
    service.refresh()
    return service
  }

  /** The newest head that has the quorum. */
  get newest(): WitnessedHead | undefined {
    return this.#newest
  }

  /** Size of the head that was published last; 0 before the first. */
  get publishedSize(): number {
    return this.#publishedSize
  }

  get privateAllowed(): boolean {
    return this.#options.privateAllowed
  }

  statusOf(witness: string): CourierStatus | undefined {
    return this.#couriers.get(witness)?.status
  }

  /** Takes in that the list of witnesses, or the quorum, is another now. */
  refresh(): void {
    const { witnesses } = this.#options
    const asked = new Map(witnesses.asked.map((witness) => [witness.name, witness]))
    for (const [name, courier] of this.#couriers) {
      const witness = asked.get(name)
      if (witness !== undefined && isSame(witness, courier.witness)) continue
      this.#couriers.delete(name)
      this.#choice.forget(name)
      this.#dismiss(courier)
    }
    for (const witness of asked.values()) {
      if (this.#couriers.has(witness.name)) continue
      this.#couriers.set(witness.name, this.#courierTo(witness))
    }
    // What had the quorum of before need not have that of now.
    const given = this.#newest?.cosignatures.filter(({ witness }) => this.#couriers.has(witness)) ?? []
    if (asked.size === 0 || given.length < witnesses.neededCount) this.#newest = undefined
    for (const head of this.#choice.all) this.#judge(head)
    this.#wake()
    this.alarm.look()
  }

  /** A head of at least `minSize` entries that has the quorum, as soon as there is one. */
  async witnessed(minSize: number, signal: AbortSignal): Promise<WitnessedHead> {
    const newest = this.#newest
    if (newest !== undefined && newest.size >= minSize) return newest
    if (this.#isClosing) throw stopping()
    if (this.#waiting.size >= MAX_WAITING) {
      throw new Problem('overloaded', `${MAX_WAITING} requests are waiting for witnesses already.`, { retryAfter: 5 })
    }
    const { promise, resolve, reject } = Promise.withResolvers<WitnessedHead>()
    const give = () => reject(new Error('nobody waits for that head any more'))
    const waiting: Waiting = { minSize, resolve, reject }
    this.#waiting.add(waiting)
    signal.addEventListener('abort', give, { once: true })
    if (signal.aborted) give()
    try {
      return await promise
    } finally {
      this.#waiting.delete(waiting)
      signal.removeEventListener('abort', give)
    }
  }

  /** Whoever waits hears that the server is being stopped. */
  endWaiting(): void {
    this.#isClosing = true
    for (const { reject } of this.#waiting) reject(stopping())
  }

  async close(): Promise<void> {
    this.endWaiting()
    this.#stopListening()
    for (const courier of this.#couriers.values()) courier.end()
    this.#wake()
    await Promise.all([...this.#couriers.values(), ...this.#ending].map(async (courier) => await courier.ended()))
    await this.alarm.close()
    await this.#saving
  }

  /** The head that was kept, if it still is one: it is checked like one that was never seen. */
  async #restore(): Promise<void> {
    const { disk, directory, ledgers, witnesses, log } = this.#options
    const path = join(directory, WITNESSED_HEAD)
    try {
      const bytes = await disk.readFile(path)
      if (bytes === undefined) return
      await openCheckpoint(bytes, ownVerifiers(ledgers), ledgers.origin(HEADS))
      const { size, root, text, ownLines, cosignatures } = await readCosigned(
        bytes,
        ledgers.origin(HEADS),
        witnesses.asked,
      )
      const { hashes, size: durableSize } = ledgers.log(HEADS)
      if (size > durableSize || Buffer.from(await rootAt(size, hashes)).toString('hex') !== root) return
      this.#saved = bytes
      const head = this.#choice.add({ size, root, note: cosignedNote({ text, ownLines }, []), text, ownLines })
      for (const [name, cosignature] of cosignatures) head.cosignatures.set(name, cosignature)
      this.#judge(head)
    } catch (error) {
      // The witnesses have what it says; a start does not fail for a copy.
      const reason = error instanceof Error ? error.message : String(error)
      log({ level: 'warn', message: 'the witnessed head cannot be used; the witnesses are asked again', path, reason })
      if (!(error instanceof ProofError) && !(error instanceof Error && 'code' in error)) throw error
    }
  }

  #courierTo(witness: WitnessRecord): Courier {
    const { ledgers, clock, log } = this.#options
    const seen = this.#choice.all.findLast(({ cosignatures }) => cosignatures.has(witness.name))?.size ?? 0
    return new Courier(witness, seen, {
      client: this.#client,
      clock,
      hashes: ledgers.log(HEADS).hashes,
      durableSize: () => ledgers.log(HEADS).size,
      nowMs: () => ledgers.time.nowMs(),
      next: (name, from) => (this.#isClosing ? undefined : this.#choice.next(name, from)),
      changed: async () => await this.#changed.promise,
      cosigned: (name, head, cosignature) => this.#cosigned(name, head, cosignature),
      contradicted: async (name, contradiction, signal) => {
        // As it is on record by now.
        const record = this.#options.witnesses.get(name)
        if (record !== undefined) await this.#contradictions.take(record, contradiction, signal)
      },
      log,
    })
  }

  #dismiss(courier: Courier): void {
    courier.end()
    this.#ending.add(courier)
    void courier.ended().then(() => this.#ending.delete(courier))
  }

  #published(bytes: Buffer): void {
    const head = ownHead(bytes)
    this.#publishedSize = Math.max(this.#publishedSize, head.size)
    this.#choice.add(head)
    this.#wake()
    this.alarm.look()
  }

  #cosigned(name: string, { size, root }: PendingHead, cosignature: HeadCosignature): void {
    // It was removed while it was being asked.
    if (!this.#couriers.has(name)) return
    const head = this.#choice.all.find((pending) => pending.size === size && pending.root === root)
    if (head === undefined) return
    head.cosignatures.set(name, cosignature)
    this.#judge(head)
    this.#wake()
  }

  /** Takes a head as witnessed where enough have cosigned it and it is not older than the one that is known. */
  #judge(head: PendingHead): void {
    const { witnesses } = this.#options
    const given = witnesses.asked.flatMap(({ name }) => {
      const cosignature = head.cosignatures.get(name)
      return cosignature === undefined ? [] : [{ witness: name, ...cosignature }]
    })
    const { neededCount } = witnesses
    if (neededCount === 0 || given.length < neededCount || head.size < (this.#newest?.size ?? 0)) return
    const { size, root } = head
    const cosignatures = given.map(({ witness, time }) => ({ witness, time }))
    this.#newest = { size, root, note: cosignedNote(head, given), cosignatures }
    this.#choice.dropBefore(size)
    this.statements.forgetBefore(size)
    for (const waiting of this.#waiting) if (waiting.minSize <= size) waiting.resolve(this.#newest)
    this.#saving ??= this.#save().finally(() => (this.#saving = undefined))
    this.alarm.look()
  }

  /** Keeps the newest head; what comes while it is being written is written next. */
  async #save(): Promise<void> {
    const { disk, directory, log } = this.#options
    // What else is ready in this turn goes into the same file.
    await Promise.resolve()
    for (let tries = 0; tries < 2 && this.#newest !== undefined; tries++) {
      const { note } = this.#newest
      if (this.#saved?.equals(note) === true) return
      try {
        await disk.makeDirectory(join(directory, WITNESSED))
        await replaceFile(disk, join(directory, WITNESSED_HEAD), note)
        this.#saved = note
        this.#unsaved = undefined
      } catch (error) {
        const reason = String(error)
        // A full disk would say so every second.
        if (this.#unsaved !== reason) log({ level: 'error', message: 'the witnessed head could not be kept', reason })
        this.#unsaved = reason
        return
      }
    }
  }

  #hasCosigned(name: string): boolean {
    return this.#choice.newest?.cosignatures.has(name) === true
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers<void>()
    resolve()
  }
}

/** A head as it was published, taken apart. */
function ownHead(bytes: Buffer): Omit<PendingHead, 'cosignatures' | 'asked'> {
  const text = bytes.toString('utf8')
  const end = text.lastIndexOf('\n\n') + 1
  const [, size = '', root = ''] = text.split('\n')
  const ownLines = text.slice(end + 1).split(/(?<=\n)/)
  assert(end > 0 && Number.isSafeInteger(Number(size)), 'what was published is a head')
  return {
    size: Number(size),
    root: Buffer.from(root, 'base64').toString('hex'),
    note: bytes,
    text: text.slice(0, end),
    ownLines,
  }
}

/** Of the keys in force: what was signed by others is asked for again. */
function ownVerifiers(ledgers: Ledgers): Verifier[] {
  const { vkey, mldsaVkey } = ledgers.signer(HEADS)
  return [ed25519Verifier(vkey), ...(mldsaVkey === undefined ? [] : [mldsa44Verifier(mldsaVkey)])]
}

function isSame(a: WitnessRecord, b: WitnessRecord): boolean {
  return a.vkey === b.vkey && a.url === b.url && a.addedAt === b.addedAt
}

function stopping(): Problem {
  return new Problem('stopping', 'The server is being stopped. Nothing was done; try again once it is back.', {
    retryAfter: 5,
  })
}
