// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an address leads to: one log (any that speaks C2SP tlog-tiles), or a Stele server with its ledgers.

import { LogClient, SteleClient } from '@stele/sdk'

import { SourceSilent } from '../../evidence/monitor/log-source.ts'
import { givenKey, givenOrigins, type GivenTrust, HeadFault, headOf } from '../../evidence/monitor/log-trust.ts'
import type { Target } from '../../evidence/monitor/monitor.ts'
import type { MonitorState } from '../../evidence/monitor/state.ts'
import { ServedFault } from '../../evidence/served-ledger.ts'
import { printable } from '../display.ts'
import { type Environment, variable } from '../environment.ts'
import { Failure, usageFailure } from '../failure.ts'
import { bounded, type CallBounds, LedgerBySdk, LogBySdk } from './log-by-sdk.ts'

/** Tries of a call, and the longest silence in one: a monitor comes again anyway. */
const ATTEMPTS = 2
const SILENCE_MS = 20_000

export interface TargetOptions {
  readonly url: string
  readonly token: string | undefined
  readonly ledgers: readonly string[]
  readonly given: GivenTrust
}

export class Targets {
  readonly #options: TargetOptions
  readonly #environment: Environment
  readonly #state: MonitorState
  readonly #bounds: CallBounds
  #fixed: readonly Target[] | undefined

  constructor(options: TargetOptions, state: MonitorState, environment: Environment) {
    const { clock, interrupted } = environment
    this.#options = options
    this.#state = state
    this.#environment = environment
    this.#bounds = { clock, interrupted }
  }

  /** Whether all that is watched is one log. */
  get isOne(): boolean {
    return this.#fixed?.length === 1
  }

  /** What there is to watch now. Throws a SourceSilent, and a Failure for what the user must mend. */
  async discover(): Promise<readonly Target[]> {
    if (this.#fixed !== undefined) return this.#fixed
    const { url, ledgers } = this.#options
    const named = /^(.*)\/v1\/ledgers\/([a-z0-9][a-z0-9-]{0,62})$/.exec(url)
    if (named !== null) return (this.#fixed = await this.#ledgers(named[1]!, [named[2]!]))
    if (ledgers.length > 0) return (this.#fixed = await this.#ledgers(url, ledgers))
    const kind = (await this.#state.target(url)) ?? (await this.#detect())
    if (kind === 'server') return await this.#ledgers(url, undefined)
    return (this.#fixed = [{ source: new LogBySdk(this.#log(url), url, this.#bounds) }])
  }

  async #detect(): Promise<'log' | 'server'> {
    const { url, given } = this.#options
    const client = this.#log(url)
    let head: Uint8Array
    try {
      head = await bounded(this.#bounds, async (signal) => await client.checkpoint({ signal }))
    } catch (error) {
      if (error instanceof ServedFault) throw new SourceSilent(error.message)
      if (!(error instanceof SourceSilent) || ![401, 403, 404].includes(error.status ?? 0)) throw error
      await this.#ledgers(url, undefined)
      await this.#state.keepTarget(url, 'server')
      return 'server'
    }
    demandKey(originOf(head), given, url)
    await this.#state.keepTarget(url, 'log')
    return 'log'
  }

  /** Ledgers of a Stele server; all that it lists where none are named. */
  async #ledgers(base: string, names: readonly string[] | undefined): Promise<readonly Target[]> {
    // Made anew each time: what it would say of heads that it saw before is for the monitor to find, and to keep.
    const client = this.#client(base)
    const infos = await bounded(this.#bounds, async (signal) => {
      if (names === undefined) return await client.ledgers({ signal })
      return await Promise.all(names.map(async (name) => await client.ledger(name, { signal })))
    }).catch((error: unknown) => {
      throw error instanceof ServedFault ? new SourceSilent(`its ledgers were not told: ${error.message}`) : error
    })
    const origins = givenOrigins(this.#options.given)
    if (origins.length > 0 && !infos.some(({ origin }) => origins.includes(origin)) && this.#state.logs.length === 0) {
      throw wrongKey(origins, infos.map(({ origin }) => origin).join(', '), base)
    }
    const targets = infos.map(({ name, origin, vkeys }) => ({
      source: this.#ledger(base, name, origin, client),
      ...(vkeys[0] === undefined ? {} : { toldVkey: vkeys[0] }),
    }))
    if (names !== undefined) return targets
    // One that was listed once is asked for by its name: it does not go away by being left out.
    const listed = new Set(infos.map(({ name }) => name))
    const left = this.#state.logs.filter(({ ledger }) => ledger !== undefined && !listed.has(ledger))
    return [
      ...targets,
      ...left.map(({ ledger = '', origin }) => ({ source: this.#ledger(base, ledger, origin, client) })),
    ]
  }

  #ledger(base: string, ledger: string, origin: string, client: SteleClient): LedgerBySdk {
    const { policy } = this.#options.given
    const url = `${base}/v1/ledgers/${ledger}`
    const isListed = policy !== undefined && policy.logs.some(({ key }) => key.name === origin)
    const isWitnessed = ledger === 'heads' && isListed && policy.quorum !== 'none'
    const clients = { log: this.#log(url), keys: this.#log(`${url}/keys`), stele: client, isWitnessed }
    return new LedgerBySdk(clients, { url, ledger }, this.#bounds)
  }

  #log(url: string): LogClient {
    return this.#made(() => LogClient.at(this.#connection(url)))
  }

  #client(url: string): SteleClient {
    return this.#made(() => new SteleClient(this.#connection(url)))
  }

  #connection(url: string): ConstructorParameters<typeof SteleClient>[0] {
    const { fetch, clock } = this.#environment
    const token = this.#options.token ?? variable(this.#environment, 'STELE_TOKEN')
    return {
      url,
      ...(token === undefined ? {} : { token }),
      fetch,
      sleep: async (ms, signal) => await clock.sleep(ms, signal),
      attempts: ATTEMPTS,
      timeoutMs: SILENCE_MS,
    }
  }

  #made<T>(make: () => T): T {
    try {
      return make()
    } catch (error) {
      if (error instanceof TypeError) throw usageFailure(printable(error.message), 'Correct the URL or --token')
      throw error
    }
  }
}

function originOf(head: Uint8Array): string {
  try {
    return headOf(head).origin
  } catch (error) {
    if (error instanceof HeadFault) throw new SourceSilent(`what it serves as its checkpoint is none: ${error.message}`)
    throw error
  }
}

/** A log that nobody gave a key of can show nothing. */
function demandKey(origin: string, given: GivenTrust, url: string): void {
  if (givenKey(given, origin) !== undefined) return
  const origins = givenOrigins(given)
  if (origins.length > 0) throw wrongKey(origins, origin, url)
  const mend = 'Get it from somebody else than the log, and give it with --key or in a --policy'
  throw new Failure(2, printable(`what ${url} serves is the log ${origin}, and its key is not known`), NOTHING, mend)
}

function wrongKey(origins: readonly string[], there: string, url: string): Failure {
  const what = printable(`the key that you gave is of ${origins.join(', ')}, and what ${url} serves is ${there}`)
  return new Failure(2, what, NOTHING, 'Give the key of a log that is served there, or another URL')
}

const NOTHING = 'Nothing is monitored'
