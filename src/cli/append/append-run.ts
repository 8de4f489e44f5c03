// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One run of `stele append`: file after file to the sender, and at its end, however that comes, what is stored.

import type { ExitCode } from '../command.ts'
import { connect } from '../connect.ts'
import { count, counted, jsonLine, printable } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure } from '../failure.ts'
import { ahead } from './ahead.ts'
import { ByteWindow } from './byte-window.ts'
import { decompressed } from './decompress.ts'
import { FileFault } from './file-fault.ts'
import type { FollowedFile } from './follow.ts'
import type { Input } from './inputs.ts'
import { type Form, formOf, LIMITS, type Limits, pieces } from './pieces.ts'
import { Progress } from './progress.ts'
import { receiptWriter } from './receipts.ts'
import { Interrupted, Sender, type SendingFile } from './sender.ts'
import { type AppendOutcome, summaryJson, summaryText } from './summary.ts'

/** How long a server that has answered once may be away before it is given up. */
const PATIENCE_MS = 60_000
/** With receipts the server takes fewer events a body. */
const MAX_RECEIPTS = 1_000

/** What the command line asks for. */
export interface Plan {
  readonly ledger: string
  readonly source: string | undefined
  readonly skip: number
  readonly form: Form | undefined
  readonly receipts: string | undefined
  readonly isFollowing: boolean
  readonly isJson: boolean
  readonly server: { readonly url?: string; readonly token?: string }
}

export class AppendRun {
  readonly progress: Progress
  readonly #plan: Plan
  readonly #environment: Environment
  readonly #sender: Sender
  readonly #limits: Limits
  readonly #url: string
  readonly #files: SendingFile[] = []
  readonly #empty: string[] = []
  #readBytes = 0
  #current: SendingFile | undefined

  private constructor(
    plan: Plan,
    environment: Environment,
    url: string,
    limits: Limits,
    make: (say: (text: string) => Promise<void>) => Sender,
    totalBytes: number | undefined,
  ) {
    this.#plan = plan
    this.#environment = environment
    this.#url = url
    this.#limits = limits
    this.progress = new Progress(environment.stderr, environment.clock, () => ({
      events: this.#sender.stored.events,
      readBytes: this.#readBytes,
      totalBytes,
    }))
    this.#sender = make(async (text) => await this.progress.say(text))
  }

  static async begin(plan: Plan, inputs: readonly Input[], environment: Environment): Promise<AppendRun> {
    const { ledger, source, skip, receipts, isFollowing, server } = plan
    const connection = await connect(server, environment)
    const maxEvents = receipts === undefined ? LIMITS.maxEvents : MAX_RECEIPTS
    const keepReceipts =
      receipts === undefined ? undefined : await receiptWriter(pathOf(environment, receipts), ledger, environment)
    const patienceMs = isFollowing ? Infinity : PATIENCE_MS
    const sizes = inputs.map(({ sizeBytes }) => sizeBytes)
    const totalBytes =
      isFollowing || sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + size!, 0)
    const run = new AppendRun(
      plan,
      environment,
      connection.url,
      { ...LIMITS, maxEvents, ...(isFollowing ? { flushMs: 50 } : {}) },
      (say) =>
        new Sender({
          connection,
          environment,
          ledger,
          source,
          skip,
          keepReceipts,
          maxEvents,
          patienceMs,
          isFollowing,
          say,
        }),
      totalBytes,
    )
    await run.#guarded(async () => await run.#sender.begin())
    return run
  }

  /** Sends one file after another. */
  async all(inputs: readonly Input[], emptyFolders: readonly string[]): Promise<ExitCode> {
    this.#empty.push(...emptyFolders)
    const { interrupted } = this.#environment
    await this.#guarded(async () => {
      for (const input of inputs) {
        if (interrupted.aborted) break
        await this.#sendInput(input)
      }
    })
    const { skipLeft } = this.#sender
    if (skipLeft > 0 && !interrupted.aborted) {
      const had = this.#plan.skip - skipLeft
      throw new Failure(
        2,
        `--skip ${this.#plan.skip} leaves out more than there is: the files have ${counted(had, 'event')}`,
        'Nothing was stored',
      )
    }
    if (interrupted.aborted) await this.progress.say('interrupted, after the request in flight was answered.')
    await this.#summarise(interrupted.aborted)
    return interrupted.aborted ? 3 : 0
  }

  /** Sends a growing file until the user has had enough: that is how it ends. */
  async follow(file: FollowedFile, input: Input): Promise<ExitCode> {
    await this.#guarded(async () => {
      for await (const generation of file.generations(async (text) => await this.progress.say(text))) {
        const chunks = this.#counted(generation)
        await this.#sendBytes(chunks, input, this.#plan.form, 'may not be documents')
      }
    })
    await this.#summarise(true)
    return 0
  }

  async #sendInput(input: Input): Promise<void> {
    const { path } = input
    const raw = path === undefined ? this.#environment.stdin.read() : this.#environment.files.stream(path)
    await this.#sendBytes(decompressed(this.#counted(raw)), input, this.#plan.form, 'any form')
  }

  async #sendBytes(
    chunks: AsyncIterable<Uint8Array>,
    input: Input,
    form: Form | undefined,
    forms: 'any form' | 'may not be documents',
  ): Promise<void> {
    const { clock, interrupted } = this.#environment
    const { flushMs } = this.#limits
    const file: SendingFile = { name: input.name, events: 0, skipped: 0, first: undefined, last: undefined }
    this.#current = file
    const window = new ByteWindow(chunks, clock)
    const found = await formOf(window, flushMs)
    const taken = form ?? (found === 'documents' && forms !== 'any form' ? 'lines' : found)
    if (found === 'empty') {
      this.#empty.push(input.name)
      return
    }
    if (taken === 'bytes' && forms !== 'any form') throw new FileFault('only lines of JSON or text can be followed')
    if (taken === 'bytes' && !input.isNamed && form === undefined) {
      await this.progress.say(`left out ${input.name}: neither JSON nor text. Name it itself to store it as one event.`)
      return
    }
    this.#files.push(file)
    const bodies = pieces(window, taken, this.#plan.source, this.#limits)
    for await (const piece of ahead(bodies, interrupted)) {
      await this.#sender.send(piece, file)
      if (interrupted.aborted) break
    }
    void window.close()
  }

  async *#counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) {
      this.#readBytes += chunk.length
      yield chunk
    }
  }

  /** Says what is stored also where something goes wrong. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Interrupted) return
      await this.progress.end()
      if (this.#sender.stored.events > 0) await this.#summarise(true)
      throw this.#failureOf(error)
    }
  }

  #failureOf(error: unknown): unknown {
    const { stored } = this.#sender
    const total = this.#plan.skip - this.#sender.skipLeft + stored.events
    const safe =
      total === 0 ? 'Nothing was stored' : `${counted(total, 'event')} before that ${total === 1 ? 'is' : 'are'} stored`
    if (error instanceof FileFault) {
      const { place, message } = error
      const where = place === undefined ? '' : `, line ${count(place.line)}, byte ${count(place.offset)}`
      const mend =
        total === 0
          ? 'Mend the file and run the command again'
          : `Mend the file, and go on with the same command and --skip ${this.#skipNext()}`
      return new Failure(2, `${this.#current?.name ?? ''}${where}: ${printable(message)}`, safe, mend)
    }
    const isOfSystem = error instanceof Error && 'syscall' in error
    return isOfSystem ? fileFailure(error, this.#current?.name ?? '', 'read', safe) : error
  }

  async #summarise(isPartial: boolean): Promise<void> {
    await this.progress.end()
    const { stored } = this.#sender
    const { ledger } = this.#plan
    const outcome: AppendOutcome = {
      ledger,
      url: this.#url,
      stored,
      files: this.#files,
      empty: this.#empty,
      elapsedMs: this.progress.elapsedMs,
      goOnWith: isPartial ? this.#skipNext() : undefined,
    }
    const { stdout } = this.#environment
    await stdout.write(this.#plan.isJson ? jsonLine(summaryJson(outcome)) : summaryText(outcome))
  }

  /** What to leave out next time: of a followed file, the events of the file as it is now. */
  #skipNext(): number {
    if (this.#plan.isFollowing) return this.#current?.events ?? 0
    return this.#plan.skip - this.#sender.skipLeft + this.#sender.stored.events
  }
}
