// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One run of `stele append`: file after file to the sender, and at its end, however that comes, what is stored.

import type { ExitCode } from '../command.ts'
import { connect } from '../connect.ts'
import { bytesText, count, counted, jsonLine, printable } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure } from '../failure.ts'
import { ahead } from './ahead.ts'
import { type Bookmark, Bookmarks } from './bookmark.ts'
import { ByteWindow } from './byte-window.ts'
import { completionText } from './completion.ts'
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
/** Bytes of a file come when they are read: a pause says nothing, and where it is cut must not depend on one. */
const NO_FLUSH_MS = 2 ** 31 - 1
const RUN_BYTES = 16

/** What the command line asks for. */
export interface Plan {
  readonly ledger: string
  readonly source: string | undefined
  readonly skip: number
  /** Whether what earlier runs have noted is forgotten. */
  readonly again: boolean
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
  readonly #bookmarks: Bookmarks | undefined
  /** Files that an earlier run has sent to their end. */
  readonly #wholeBefore = { files: 0, events: 0 }
  #readBytes = 0
  #sentBytes = 0
  /** Whether the same command would go on where this one stops. */
  #isNoted = true
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
    const { ledger, source, form, isFollowing } = plan
    if (!isFollowing) this.#bookmarks = new Bookmarks(environment, { url, ledger, source, form })
    this.progress = new Progress(environment.stderr, environment.clock, () => ({
      events: this.#sender.stored.events + this.#sender.stored.duplicates,
      readBytes: this.#readBytes,
      sentBytes: this.#sentBytes,
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
    try {
      await this.#guarded(async () => {
        for (const input of inputs) {
          if (interrupted.aborted) break
          await this.#sendInput(input)
        }
      })
    } finally {
      await this.#bookmarks?.close()
    }
    const { skipLeft } = this.#sender
    if (skipLeft > 0 && !interrupted.aborted) {
      const had = this.#plan.skip - skipLeft
      throw new Failure(
        2,
        `--skip ${this.#plan.skip} leaves out more than there is: the files have ${counted(had, 'event')}`,
        'Nothing was stored',
      )
    }
    await this.#sayWholeBefore()
    if (!interrupted.aborted || !this.#isNoted) await this.#bookmarks?.drop()
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
    const bookmark = await this.#bookmarkOf(input)
    const found = bookmark?.found
    if (bookmark === undefined || found === undefined || path === undefined) {
      const raw = path === undefined ? this.#environment.stdin.read() : this.#environment.files.stream(path)
      return await this.#sendBytes(decompressed(this.#counted(raw)), input, this.#plan.form, 'any form', bookmark)
    }
    const { events } = found.stored
    const file = this.#begun(input)
    if (found.completion !== undefined)
      await this.progress.say(
        `${input.name} ${completionText(found.completion, events, this.#plan.receipts !== undefined)}.`,
      )
    const isAtEnd = found.isSeekable && found.stored.offset === input.sizeBytes
    if (found.isWhole || isAtEnd) {
      this.#sender.resume(file, events, 'passed')
      if (found.completion === undefined) {
        this.#wholeBefore.files++
        this.#wholeBefore.events += events
      }
      this.#readBytes += input.sizeBytes ?? 0
      this.#sentBytes += input.sizeBytes ?? 0
      return await bookmark.close()
    }
    await this.#sayWholeBefore()
    await this.progress.say(`${input.name}: ${goesOnText(found, input)}`)
    await this.#keepNoting(bookmark, found.form, file)
    if (!found.isSeekable) {
      this.#sender.resume(file, events, 'left out')
      const chunks = decompressed(this.#counted(this.#environment.files.stream(path)))
      const window = new ByteWindow(chunks, this.#environment.clock)
      await formOf(window, NO_FLUSH_MS)
      return await this.#sendPieces(window, found.form, file, bookmark)
    }
    this.#sender.resume(file, events, 'passed')
    this.#readBytes += found.stored.offset
    this.#sentBytes += found.stored.offset
    // The request that may have been carried out is cut as it was, though the file may have grown since.
    for (const end of found.sendingTo === undefined ? [undefined] : [found.sendingTo, undefined]) {
      const { offset, line } = bookmark.found!.stored
      const chunks = this.#counted(this.#environment.files.stream(path, offset, end))
      const window = new ByteWindow(chunks, this.#environment.clock, { offset, line })
      await this.#sendPieces(window, found.form, file, bookmark, end === undefined)
    }
  }

  /** What was noted of a file, unless the command line knows better; undefined for what cannot be noted. */
  async #bookmarkOf(input: Input): Promise<Bookmark | undefined> {
    const { skip, again } = this.#plan
    const bookmark = await this.#bookmarks?.of(input, skip === 0 && !again, this.#sender.ledgerState)
    if (bookmark === undefined) return undefined
    if (skip > 0) {
      await bookmark.drop()
      return undefined
    }
    if (bookmark.isChanged) {
      await this.progress.say(`${input.name} was stored in part before, and has changed since: it is begun anew.`)
    }
    return bookmark
  }

  async #sayWholeBefore(): Promise<void> {
    const { files, events } = this.#wholeBefore
    if (files === 0) return
    this.#wholeBefore.files = 0
    this.#wholeBefore.events = 0
    await this.progress.say(
      `${counted(files, 'file')} with ${counted(events, 'event')} ${files === 1 ? 'was' : 'were'} stored before.`,
    )
  }

  #begun({ name }: Input): SendingFile {
    const run = Buffer.alloc(RUN_BYTES)
    this.#environment.random.fill(run, 0, RUN_BYTES)
    const refused = async () => {}
    const file = {
      name,
      run: run.toString('hex'),
      isNoted: false,
      refused,
      events: 0,
      skipped: 0,
      first: undefined,
      last: undefined,
    }
    this.#files.push(file)
    this.#current = file
    return file
  }

  async #keepNoting(
    bookmark: Bookmark | undefined,
    form: Form,
    file: SendingFile,
    start = { offset: 0, line: 1 },
  ): Promise<void> {
    if (bookmark !== undefined && (await bookmark.begin(form, start))) {
      file.isNoted = true
      file.run = bookmark.run
      file.refused = async () => await bookmark.refused()
    } else this.#isNoted = false
  }

  async #sendBytes(
    chunks: AsyncIterable<Uint8Array>,
    input: Input,
    form: Form | undefined,
    forms: 'any form' | 'may not be documents',
    bookmark?: Bookmark,
  ): Promise<void> {
    const flushMs = bookmark === undefined ? this.#limits.flushMs : NO_FLUSH_MS
    const window = new ByteWindow(chunks, this.#environment.clock)
    // Named before it is looked into: what is wrong with it is said with its name.
    const file = this.#begun(input)
    const found = await formOf(window, flushMs)
    const taken = form ?? (found === 'documents' && forms !== 'any form' ? 'lines' : found)
    const isLeftOut = taken === 'bytes' && forms === 'any form' && !input.isNamed && form === undefined
    if (found === 'empty' || isLeftOut) {
      this.#files.pop()
      await bookmark?.close()
      if (found === 'empty') this.#empty.push(input.name)
      else
        await this.progress.say(
          `left out ${input.name}: neither JSON nor text. Name it itself to store it as one event.`,
        )
      return
    }
    if (taken === 'bytes' && forms !== 'any form') throw new FileFault('only lines of JSON or text can be followed')
    await this.#keepNoting(bookmark, taken, file, window)
    await this.#sendPieces(window, taken, file, bookmark)
  }

  async #sendPieces(
    window: ByteWindow,
    form: Form,
    file: SendingFile,
    bookmark: Bookmark | undefined,
    isToEnd = true,
  ): Promise<void> {
    const { interrupted } = this.#environment
    const limits = bookmark === undefined ? this.#limits : { ...this.#limits, flushMs: NO_FLUSH_MS }
    for await (const piece of ahead(pieces(window, form, this.#plan.source, limits), interrupted)) {
      await bookmark?.sending(piece.end.offset)
      await this.#sender.send(piece, file)
      await bookmark?.stored(piece.end, file.events)
      if (interrupted.aborted) break
    }
    void window.close()
    if (interrupted.aborted || !isToEnd) return
    if (bookmark?.found !== undefined && this.#sender.skipLeft > 0) {
      const mend = 'Look at the ledger, then give --again or --skip N'
      throw new Failure(2, `${file.name} has fewer events than were stored of it before`, '', mend)
    }
    const isTogether = file.skipped === 0 && file.last === (file.first ?? 0) + file.events - 1
    await bookmark?.whole(this.#sender.ledgerState, isTogether ? file.first : undefined)
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
      if (!this.#isNoted) await this.#bookmarks?.drop()
      await this.progress.end()
      const isOfFile = error instanceof FileFault || (error instanceof Failure && error.exitCode === 2)
      const { events, duplicates } = this.#sender.stored
      if (events + duplicates > 0) await this.#summarise(true, isOfFile)
      throw this.#failureOf(error)
    }
  }

  #failureOf(error: unknown): unknown {
    const { total } = this.#sender
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

  /** A file that is mended is mostly another one, so that its place has to be told. */
  async #summarise(isPartial: boolean, isToMend = false): Promise<void> {
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
      isNoted: !isToMend && this.#isNoted && !this.#plan.isFollowing && this.#plan.skip === 0,
    }
    const { stdout } = this.#environment
    await stdout.write(this.#plan.isJson ? jsonLine(summaryJson(outcome)) : summaryText(outcome))
  }

  /** What to leave out next time: of a followed file, the events of the file as it is now. */
  #skipNext(): number {
    if (this.#plan.isFollowing) return this.#current?.events ?? 0
    return this.#sender.total
  }
}

function goesOnText({ stored, isSeekable }: NonNullable<Bookmark['found']>, { sizeBytes = 0 }: Input): string {
  const events = counted(stored.events, 'event')
  const were = stored.events === 1 ? 'was' : 'were'
  if (!isSeekable) return `goes on behind ${events} that ${were} stored before.`
  return `goes on at ${bytesText(stored.offset)} of ${bytesText(sizeBytes)} (${events} ${were} stored before).`
}
