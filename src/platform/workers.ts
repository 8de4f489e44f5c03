// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Threads that answer jobs: memory that is handed over is moved, not copied, and comes back with the answer. */
import { availableParallelism } from 'node:os'
import { parentPort, Worker } from 'node:worker_threads'

/** How many threads the machine runs at the same time. */
export function cpuCount(): number {
  return availableParallelism()
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** Jobs that a thread has before it, so that it goes on while this one is busy with one of its own. */
const SHARED_AHEAD = 2

/** A fixed number of threads that all run the same script; each answers its jobs in order. One that ends, ends all. */
export class WorkerPool<Job, Answer> {
  readonly #workers: { readonly worker: Worker; readonly waiting: Waiting<Answer>[] }[]
  #failure: Error | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(script: URL, count: number) {
    this.#workers = Array.from({ length: count }, () => {
      const worker = new Worker(script)
      const waiting: Waiting<Answer>[] = []
      worker.on('message', (answer: Answer) => waiting.shift()?.resolve(answer))
      worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
      worker.on('exit', () => this.#fail(new Error('a worker thread has ended')))
      return { worker, waiting }
    })
  }

  /** Hands a job to the thread that has the fewest; `moved` is the memory that goes with it. */
  async run(job: Job, moved: readonly ArrayBuffer[]): Promise<Answer> {
    return await new Promise((resolve, reject) => {
      const [chosen] = this.#workers.toSorted((a, b) => a.waiting.length - b.waiting.length)
      if (chosen === undefined || this.#failure !== undefined)
        return reject(this.#failure ?? new Error('there is no thread'))
      chosen.waiting.push({ resolve, reject })
      chosen.worker.postMessage(job, [...moved])
    })
  }

  /**
   * Hands a job to a thread that has little before it, else answers it by `here` in this one, which waits for nobody: not
   * for threads that have yet to begin either. Jobs begin in order; for so long as `here` runs, nothing else does.
   */
  async share(job: Job, here: () => Answer): Promise<Answer> {
    const before = this.#turn
    let done: (() => void) | undefined
    this.#turn = new Promise((resolve) => (done = resolve))
    await before
    // Answers that have come are counted first.
    await new Promise((resolve) => setImmediate(resolve))
    const hasRoom = this.#workers.some(({ waiting }) => waiting.length < SHARED_AHEAD)
    try {
      if (!hasRoom && this.#failure === undefined) return here()
    } finally {
      done?.()
    }
    return await this.run(job, [])
  }

  /** What waits for its turn still is not begun. */
  async close(): Promise<void> {
    this.#failure ??= new Error('the threads are closed')
    for (const { worker } of this.#workers) await worker.terminate()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { waiting } of this.#workers) for (const { reject } of waiting.splice(0)) reject(this.#failure)
  }
}

interface Answered {
  readonly answer: unknown
  readonly moved: readonly ArrayBuffer[]
}

/**
 * Answers jobs in a worker thread, one after the other, for as long as it lives; a job that fails ends the thread. What
 * comes is what the pool's `run` was given.
 */
export function answerJobs(work: (job: unknown) => Answered | Promise<Answered>): void {
  if (parentPort === null) throw new Error('this script is for a worker thread')
  const port = parentPort
  let turn: Promise<void> = Promise.resolve()
  const take = async (job: unknown) => {
    const { answer, moved } = await work(job)
    port.postMessage(answer, [...moved])
  }
  port.on('message', (job: unknown) => {
    turn = turn.then(async () => await take(job))
  })
}
