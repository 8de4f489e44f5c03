// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'

import { Monitor, type MonitorEvent, type Outcome } from '../evidence/monitor/monitor.ts'
import { MonitorState, StateFault } from '../evidence/monitor/state.ts'
import { pathDigest } from '../ledger/keys.ts'
import { tryLock } from '../platform/lock.ts'
import { defineCommand, type ExitCode } from './command.ts'
import { jsonOption } from './connect.ts'
import { printable } from './display.ts'
import { durationMs } from './duration.ts'
import { type Environment, pathOf, stateDirectory } from './environment.ts'
import { Failure, fileFailure, usageFailure } from './failure.ts'
import { explain } from './monitor/explain.ts'
import { foreignHeads } from './monitor/foreign-heads.ts'
import { MonitorReport } from './monitor/report.ts'
import { Targets } from './monitor/targets.ts'
import { Webhook } from './monitor/webhook.ts'
import { policyOf, vkeyOf } from './verify/options.ts'

export const monitor = defineCommand({
  name: 'monitor',
  summary: 'Follows a ledger, or another log, from outside, and keeps evidence of what contradicts',
  description:
    'Give it the public key or a policy, and it believes nothing else. Without either, the key that a Stele server tells first counts from then on, which shows changes and no more; another log cannot be followed so. Every head must be signed, have the tree that its tiles show, and begin with every head that was seen before, also by an earlier run or by somebody else (--compare). Of a Stele server all ledgers are followed that the token may see, and what it publishes of them in the ledger heads is held against what it shows. Any log with the C2SP tlog-tiles interface can be followed, as Tessera’s.\nAt the first contradiction it keeps both signed heads, and the proof that they cannot both be, in a folder that a third party verifies with --explain; then it ends with exit code 1, or with --webhook tells and goes on. What was found stays found: it goes on saying so until the folder is moved away.',
  operands: '[URL]',
  options: {
    key: {
      type: 'string',
      value: 'VKEY',
      multiple: true,
      help: "a log's key, from somewhere else than the log; may be repeated",
    },
    policy: { type: 'string', value: 'FILE', help: 'logs and witnesses to trust (C2SP tlog-policy)' },
    ledger: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      help: 'only this ledger of a Stele server; may be repeated',
    },
    token: {
      type: 'string',
      value: 'TOKEN',
      help: 'else STELE_TOKEN, else none; the scope verify is enough, read on heads lets heads be compared',
    },
    every: { type: 'string', value: 'TIME', help: 'how often it looks, as 30s or 5m; else 60s' },
    once: { type: 'boolean', help: 'looks once, says what it saw, and ends' },
    stale: { type: 'string', value: 'TIME', help: 'alarms when a log has not answered, or not grown, for so long' },
    mirror: {
      type: 'string',
      value: 'FOLDER',
      help: 'keeps a verified copy there, which stele verify and others read; of a server a folder a ledger',
    },
    content: {
      type: 'boolean',
      help: 'with --mirror: the events, too, of a Stele server’s ledgers that the token may read (but access); the server records it',
    },
    compare: {
      type: 'string',
      value: 'FILE|URL',
      multiple: true,
      help: 'signed heads that somebody else saw: a note, or the heads.ndjson of another monitor; may be repeated',
    },
    webhook: {
      type: 'string',
      value: 'URL',
      help: 'is told of contradictions and alarms by POST; the monitor then goes on',
    },
    state: {
      type: 'string',
      value: 'DIR',
      help: 'what is remembered; else a folder of this URL in your state directory',
    },
    explain: { type: 'string', value: 'FOLDER', help: 'verifies evidence, offline, with --key or --policy' },
    ...jsonOption,
  },
  examples: [
    {
      command: "stele monitor https://audit.example.com --key 'VKEY'",
      does: 'follows all ledgers that STELE_TOKEN may see',
    },
    {
      command: "stele monitor https://log.example.org --key 'VKEY' --mirror ./copy --once",
      does: 'verifies and copies any tlog-tiles log',
    },
    { command: "stele monitor --explain ./evidence --key 'VKEY'", does: 'shows what evidence proves' },
  ],
  exitCodes: {
    0: 'nothing speaks against what was seen; with --explain: the log has contradicted itself, proven',
    1: 'something contradicts, now or before, or an alarm of --stale; with --explain: nothing is proven against the log; that a retired key signed two successors is said, and shows not by whom',
    2: 'the command line is wrong, or the key is of another log',
    3: 'with --once: something could not be reached or mirrored; else: what is remembered could not be read or written',
  },
  run: async ({ options, operands }, environment) => {
    const isJson = options.json === true
    const given = {
      vkeys: (options.key ?? []).map(vkeyOf),
      policy: options.policy === undefined ? undefined : await policyOf(options.policy, environment),
    }
    const [url, ...more] = operands
    if (options.explain !== undefined) {
      if (url !== undefined) throw usageFailure('--explain takes no URL', 'It works offline: leave the URL out')
      return await explain(options.explain, given, isJson, environment)
    }
    if (url === undefined || more.length > 0) {
      throw usageFailure('monitor needs one URL', 'Give that of a Stele server, of a ledger, or of another log')
    }
    if (!/^https?:\/\//.test(url))
      throw usageFailure(`${printable(url)} is no URL`, 'It begins with http:// or https://')
    const base = url.replace(/\/+$/, '')
    const folder =
      options.state === undefined
        ? join(stateDirectory(environment), 'monitors', pathDigest(base))
        : pathOf(environment, options.state)
    if (options.content === true && options.mirror === undefined) {
      throw usageFailure('--content goes with --mirror', 'Name the folder that the events are copied to')
    }
    const run = new Run(
      {
        url: base,
        token: options.token,
        ledgers: options.ledger ?? [],
        given,
        everyMs: durationMs('--every', options.every ?? '60s'),
        isOnce: options.once === true,
        staleMs: options.stale === undefined ? undefined : durationMs('--stale', options.stale),
        mirror: options.mirror === undefined ? undefined : pathOf(environment, options.mirror),
        withContent: options.content === true,
        compare: options.compare ?? [],
        webhook: options.webhook === undefined ? undefined : new Webhook(webhookUrl(options.webhook)),
        isJson,
      },
      environment,
    )
    try {
      return await run.run(folder)
    } catch (error) {
      if (error instanceof StateFault) throw new Failure(3, printable(error.message), 'Nothing is monitored')
      if (!(error instanceof Error && 'syscall' in error) || ('code' in error && error.code === 'EPIPE')) throw error
      throw fileFailure(
        error,
        'path' in error ? String(error.path) : folder,
        'written',
        'What was remembered before is as it was',
      )
    }
  },
})

function webhookUrl(text: string): string {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol)) return text
  throw usageFailure(`--webhook ${printable(text)} is no URL`, 'It begins with http:// or https://')
}

interface RunOptions {
  readonly url: string
  readonly token: string | undefined
  readonly ledgers: readonly string[]
  readonly given: ConstructorParameters<typeof Monitor>[0]['given']
  readonly everyMs: number
  readonly isOnce: boolean
  readonly staleMs: number | undefined
  readonly mirror: string | undefined
  readonly withContent: boolean
  readonly compare: readonly string[]
  readonly webhook: Webhook | undefined
  readonly isJson: boolean
}

class Run {
  readonly #options: RunOptions
  readonly #environment: Environment
  readonly #report: MonitorReport
  /** Alarms that the webhook has not taken. */
  #undelivered: MonitorEvent[] = []
  #isWebhookSilent = false

  constructor(options: RunOptions, environment: Environment) {
    this.#options = options
    this.#environment = environment
    this.#report = new MonitorReport(environment, { isJson: options.isJson, isEach: options.isOnce })
  }

  async run(folder: string): Promise<ExitCode> {
    const { disk, clock, interrupted } = this.#environment
    const state = await MonitorState.open(disk, clock, tryLock, folder)
    try {
      return await this.#rounds(state)
    } catch (error) {
      if (interrupted.aborted) return 0
      throw error
    } finally {
      await this.#report.end()
      state.close()
    }
  }

  async #rounds(state: MonitorState): Promise<ExitCode> {
    const { disk, clock, interrupted } = this.#environment
    const { url, token, ledgers, given, staleMs, isOnce, everyMs, webhook, compare } = this.#options
    const targets = new Targets({ url, token, ledgers, given }, state, this.#environment)
    const keptBefore = (await state.evidence()).length
    const monitor = new Monitor({
      url,
      disk,
      clock,
      state,
      given,
      staleMs,
      tryLock,
      withContent: this.#options.withContent,
      discover: async () => await targets.discover(),
      foreign: async () => await foreignHeads(compare, this.#environment),
      mirrorOf: ({ ledger }) => this.#mirrorOf(ledger, targets.isOne),
      report: async (event) => await this.#tell(event),
      onProgress: (source, done, total) => this.#report.progress(source.ledger ?? source.url, done, total),
    })
    if (keptBefore > 0) {
      await this.#report.say(
        `evidence of ${keptBefore} contradictions of before is kept in ${join(state.folder, 'evidence')}: move it away once it is dealt with`,
      )
    }
    for (;;) {
      const outcome = await monitor.round()
      const failure = await this.#deliver(state)
      if (failure !== undefined) await this.#sayUndelivered(failure)
      const isBad = outcome.contradictionCount > 0 || keptBefore > 0
      if (isOnce) return exitCodeOf(outcome, isBad)
      if (isBad && webhook === undefined) return 1
      await clock.sleep(everyMs, interrupted)
    }
  }

  #mirrorOf(ledger: string | undefined, isOne: boolean): string | undefined {
    const { mirror } = this.#options
    return mirror === undefined || ledger === undefined || isOne ? mirror : join(mirror, ledger)
  }

  async #tell(event: MonitorEvent): Promise<void> {
    await this.#report.event(event)
    if (this.#options.webhook === undefined) return
    if (event.type === 'silent' || event.type === 'still') this.#undelivered.push(event)
  }

  /** Tells the webhook; why it did not take it, if it did not. */
  async #deliver(state: MonitorState): Promise<string | undefined> {
    const { webhook } = this.#options
    if (webhook === undefined) return undefined
    while (this.#undelivered[0] !== undefined) {
      const failure = await webhook.post(this.#undelivered[0])
      if (failure !== undefined) return failure
      this.#undelivered.shift()
    }
    const failure = await webhook.tellOf(state, this.#environment.disk)
    if (failure === undefined) this.#isWebhookSilent = false
    return failure
  }

  async #sayUndelivered(failure: string): Promise<void> {
    if (!this.#isWebhookSilent) await this.#report.say(`the webhook was not told, and is tried again: ${failure}`)
    this.#isWebhookSilent = true
  }
}

function exitCodeOf(outcome: Outcome, isBad: boolean): ExitCode {
  if (isBad || outcome.staleCount > 0) return 1
  return outcome.unreachableCount > 0 || outcome.mirrorFailedCount > 0 ? 3 : 0
}
