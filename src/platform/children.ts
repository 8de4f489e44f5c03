// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Node processes that work beside this one, at a lower priority: started again after a death, never two at once, ended
 * with their parent. A child's standard input is its lifeline: the system closes it when the parent goes, kill -9
 * included, and its end is also how a child is asked to stop. A child says that it is ready by a line on its standard
 * output. It inherits no environment, so no secrets either, and hears nothing of a Ctrl-C that is meant for the parent.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Clock } from './clock.ts'

export const READY_LINE = 'ready'
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000
/** So many deaths in `CROWD_MS` and the next start waits the longest pause, whatever the child did in between. */
const CROWD_DEATHS = 40
const CROWD_MS = 10 * 60_000
const KEPT_LINES = 20
const MAX_LINE_CHARS = 2_000
const AUTOGROUP_TRIES = 10
const AUTOGROUP_PAUSE_MS = 150

export interface ChildOptions {
  /** What log lines call it. */
  readonly name: string
  readonly script: URL
  /** Makes ready for a start and gives its arguments; a failure counts as a death. */
  readonly prepare: () => Promise<readonly string[]>
  /** Its whole environment. */
  readonly variables?: Readonly<Record<string, string>>
  /** With a channel, `send` and `onMessage` work. */
  readonly channel: boolean
  /** One that is not ready by then is killed and started again. */
  readonly startTimeoutMs: number
  /** One that has not ended by then, having been asked to, is killed. */
  readonly stopTimeoutMs: number
  readonly clock: Clock
  readonly log: (line: object) => void
  readonly onReady: () => void
  readonly onDeath: (death: Death) => void
  /** What the child says is to be checked: it may have a fault. */
  readonly onMessage?: (message: unknown) => void
}

export interface Death {
  readonly wasReady: boolean
  /** How it ended, for people, and the last lines that it wrote to standard error. */
  readonly reason: string
  readonly lines: readonly string[]
  /** Deaths in a row without having been ready, this one included. */
  readonly failedStarts: number
}

export class SupervisedChild {
  readonly #options: ChildOptions
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #pause = new AbortController()
  #process: ChildProcess | undefined
  #askToEnd: () => void = () => {}
  #ready = false
  /** The next start is wanted: the death before it is no failure. */
  #restarting = false
  #startCount = 0

  private constructor(options: ChildOptions) {
    this.#options = options
    this.#ended = this.#supervise()
  }

  static start(options: ChildOptions): SupervisedChild {
    return new SupervisedChild(options)
  }

  get startCount(): number {
    return this.#startCount
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get ready(): boolean {
    return this.#ready
  }

  /** Whether there was a ready child to send it to; that it arrives is not promised. */
  send(message: object): boolean {
    if (!this.#ready || this.#process?.connected !== true) return false
    // A child that dies meanwhile is told of by `onDeath`.
    this.#process.send(message, () => {})
    return true
  }

  /** Has it start again now: ends the one that runs, or the wait for the next. */
  restart(): void {
    this.#restarting = true
    this.#askToEnd()
    this.#pause.abort()
  }

  /** Asks it to end, waits, then makes it; none is started any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#askToEnd()
    await this.#ended
  }

  async #supervise(): Promise<void> {
    const { clock, onDeath, log, name } = this.#options
    const { signal } = this.#stopping
    const deathsMs: number[] = []
    let failedStarts = 0
    while (!signal.aborted) {
      const lines: string[] = []
      let wasReady = false
      let reason: string
      try {
        const args = await this.#options.prepare()
        if (signal.aborted) return
        reason = await this.#run(args, lines, () => (wasReady = true))
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error)
      }
      this.#ready = false
      if (signal.aborted) return
      failedStarts = wasReady || this.#restarting ? 0 : failedStarts + 1
      deathsMs.push(clock.monotonicMs())
      const since = clock.monotonicMs() - CROWD_MS
      while (deathsMs[0] !== undefined && deathsMs[0] < since) deathsMs.shift()
      const crowded = deathsMs.length > CROWD_DEATHS
      const pauseMs = crowded ? LONGEST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failedStarts)
      log({ level: 'warn', message: 'a child process has ended', child: name, reason, wasReady, restartInMs: pauseMs })
      onDeath({ wasReady, reason, lines, failedStarts })
      this.#pause = new AbortController()
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#pause.signal])).catch(() => {})
      if (this.#restarting) failedStarts = 0
      this.#restarting = false
    }
  }

  /** One life; resolves with how it ended. */
  async #run(args: readonly string[], lines: string[], onReady: () => void): Promise<string> {
    const { name, script, variables, channel, startTimeoutMs, stopTimeoutMs, clock, log } = this.#options
    const { signal } = this.#stopping
    this.#startCount++
    // What Node says of its own progress is no warning of the child's, and would stand in the log as one.
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(script), ...args], {
      // Its own group: a terminal's signals are for the parent, who then asks in order.
      detached: true,
      env: { ...variables },
      serialization: 'advanced',
      stdio: channel ? ['pipe', 'pipe', 'pipe', 'ipc'] : ['pipe', 'pipe', 'pipe'],
    })
    const failed = new Promise<string>((resolve) => child.once('error', ({ message }) => resolve(message)))
    // Where the system has no more files or processes to give, nothing was started that could end.
    if (child.pid === undefined) return await failed
    this.#process = child
    const over = new AbortController()
    const killAfter = async (ms: number, spared: () => boolean, message: string): Promise<void> => {
      await clock.sleep(ms, over.signal)
      if (spared()) return
      log({ level: 'warn', message, child: name })
      child.kill('SIGKILL')
    }
    this.#askToEnd = () => {
      child.stdin?.end()
      // Rejects when the child has ended before.
      killAfter(stopTimeoutMs, () => false, 'a child process did not stop').catch(() => {})
    }
    killAfter(startTimeoutMs, () => this.#ready, 'a child process was not ready in time').catch(() => {})
    lowerPriority(child.pid, clock, over.signal).catch(() => {})
    // What is written to a child that has just died is lost with it.
    child.stdin?.on('error', () => {})
    eachLine(child.stdout, (line) => {
      if (line !== READY_LINE || this.#ready || signal.aborted) return
      this.#ready = true
      onReady()
      this.#options.onReady()
    })
    eachLine(child.stderr, (line) => {
      log({ level: 'warn', message: line, child: name })
      lines.push(line)
      if (lines.length > KEPT_LINES) lines.shift()
    })
    child.on('message', (message) => this.#options.onMessage?.(message))
    child.on('error', ({ message }) => lines.push(message))
    child.once('exit', () => (this.#ready = false))
    return await new Promise<string>((resolve) => {
      child.once('close', (code: number | null, killedBy: string | null) => {
        over.abort()
        this.#process = undefined
        this.#askToEnd = () => {}
        resolve(killedBy === null ? `it ended with exit code ${code}` : `it was ended by ${killedBy}`)
      })
    })
  }
}

function eachLine(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  if (stream === null) return
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => take(line.slice(0, MAX_LINE_CHARS)))
}

/** Where the system does not let it, the work is done all the same. */
async function lowerPriority(pid: number, clock: Clock, over: AbortSignal): Promise<void> {
  setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  // Linux may weigh sessions against each other, and only then their processes; the child has a session of its own.
  for (let tries = 0; tries < AUTOGROUP_TRIES; tries++) {
    try {
      writeFileSync(`/proc/${pid}/autogroup`, String(constants.priority.PRIORITY_BELOW_NORMAL))
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
    // The kernel takes one such wish in a tenth of a second, whoever has it.
    await clock.sleep(AUTOGROUP_PAUSE_MS, over)
  }
}

/** What a process that `SupervisedChild` started sees of its parent. */
export interface Parent {
  /** What `prepare` gave. */
  readonly arguments: readonly string[]
  /** Says that this process can do its work. */
  ready(): void
  /** Says something for the parent's log. */
  warn(message: string): void
  /** False where there is no channel, or no parent any more. */
  send(message: object): boolean
  onMessage(listener: (message: unknown) => void): void
  /** The parent asks this process to end, or is gone. Takes standard input from whoever else would read it. */
  onEnd(listener: () => void): void
}

const GRACE_MS = 10_000
const LOOK_FOR_PARENT_EVERY_MS = 1_000

/** To be called once, by the script of a child. Files that it makes are for its user alone; it outlives its parent by seconds. */
export function parentOfThisProcess(): Parent {
  process.umask(0o077)
  endAfterParent(process.ppid).unref()
  return {
    arguments: process.argv.slice(2),
    ready: () => void process.stdout.write(`${READY_LINE}\n`),
    warn: (message) => void process.stderr.write(`${message}\n`),
    send: (message) => process.connected && (process.send?.(message, undefined, {}, () => {}) ?? false),
    onMessage: (listener) => void process.on('message', listener),
    onEnd(listener) {
      process.stdin.on('error', listener)
      process.stdin.once('close', listener)
      process.stdin.resume()
    },
  }
}

/** Kills this process once it has outlived its parent for so long that its own way of ending has failed. */
export function endAfterParent(parentPid: number): NodeJS.Timeout {
  const looking = setInterval(() => {
    if (process.ppid === parentPid) return
    const killing = setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS)
    // A process that could end is not to wait for being killed.
    if (!looking.hasRef()) killing.unref()
    clearInterval(looking)
  }, LOOK_FOR_PARENT_EVERY_MS)
  return looking
}

/** What child-thread.ts is to do. */
export interface ThreadWork {
  readonly readyPath: string
  readonly parentPid: number
}

/**
 * For a child whose main thread is about to be blocked by a foreign library that reads standard input itself: a thread
 * says ready once the file is there, and ends the process where it has outlived its parent.
 */
export async function watchFromThread(readyPath: string): Promise<void> {
  const work: ThreadWork = { readyPath, parentPid: process.ppid }
  const thread = new Worker(new URL('child-thread.ts', import.meta.url), { workerData: work })
  thread.unref()
  // From its first word on it needs nothing of the main thread.
  await once(thread, 'message')
}
