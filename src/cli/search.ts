// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { EVERY_LEDGER, type Hit, type SearchPage, SteleError } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, serverOptions } from './connect.ts'
import { hitJson, jsonLine } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'
import { demandQueryLength, limitOf, searchFailure, wholeOf } from './search/asking.ts'
import { exportToFile } from './search/export-file.ts'
import { footJson, footText, leftOutText } from './search/foot.ts'
import { hintText } from './search/hints.ts'
import { ledgerHint } from './search/nothing-found.ts'
import { headText, type Layout, layoutOf, rowOf, rowText } from './search/table.ts'

const DEFAULT_LIMIT = 50
const MAX_PAGE = 1_000
const MIN_COLUMNS = 60

const options = {
  ledger: {
    type: 'string',
    value: 'NAME',
    help: `the ledger, or * for all that the token may read but access and system; else ${DEFAULT_LEDGER}`,
  },
  since: {
    type: 'string',
    value: 'TIME',
    help: 'only events at or after it: a date, a month, an RFC 3339 time, today, yesterday, or as 24h, 7d: so long ago',
  },
  until: { type: 'string', value: 'TIME', help: 'only events before it' },
  limit: { type: 'string', value: 'N', help: `shows N events at most; else ${DEFAULT_LIMIT}` },
  export: {
    type: 'string',
    value: 'FILE',
    help: 'writes all that is found to a new file, of any size, and beside it FILE.summary, which the ledger has signed: what was asked, how many were found, at which size of the ledger, and the SHA-256 of the file',
  },
  format: { type: 'string', value: 'FORMAT', help: 'of the file: ndjson or csv; else as its name ends, else ndjson' },
  receipts: { type: 'boolean', help: 'NDJSON alone: each line has what proves its entry to be in the ledger' },
  wait: { type: 'string', value: 'INDEX', help: 'waits, 10 s at most, until the event of that index can be found' },
  ...serverOptions,
  json: {
    type: 'boolean',
    help: 'prints a line of JSON an event: ledger (of all), index, at, time, source, event (or eventBase64), entry, salt, ocsf; then on standard error one of shown, total, indexed, size, more',
  },
} as const

export const search = defineCommand({
  name: 'search',
  summary: 'Finds events, newest first',
  description:
    "Words are looked for anywhere in an event, field:value in one place of it: actor, target, action, outcome, ip, source, app, session, correlation, class, severity, privilege, country, ledger, any path of OCSF as actor.user.name, the source's own as raw.name.name ('stele fields' lists all of them with examples), and time, after, before and exists. Ranges are severity:>=high, raw.took:5..10 and time:2026-01-01..2026-01-08, networks ip:10.0.0.0/8; docs/search.md has the whole language. Words side by side must all be there; OR, NOT (or a dash) and parentheses combine them, * stands for any characters, quotes keep words together (for the shell, put the whole query into single quotes then). Each event is read from the ledger and checked against it. That events were read is recorded in the ledger access, with the query; access and system are searched by --ledger access, or with * where the query names them: ledger:access. Times are UTC.\n'stele prove INDEX' writes the proof of one that was found.",
  operands: '[QUERY]…',
  dashOperands: true,
  options,
  examples: [
    { command: 'stele search alice@contoso.com', does: 'shows the newest 50 events in which that address stands' },
    {
      command: 'stele search \'actor:alice@contoso.com action:"Add member to role"\' --since 7d',
      does: 'shows what she did, as a whole value of each field',
    },
    { command: 'stele search outcome:failure -source:okta ip:10.0.0.0/8', does: 'leaves out what a dash is before' },
    {
      command: 'stele search outcome:failure --since 2026-07-01 --until 2026-10-01 --export q3.csv',
      does: 'writes a table for an auditor, and its signed summary',
    },
    {
      command: "stele search --ledger '*' --limit 100000 --json > all.ndjson",
      does: 'writes all that the token may read',
    },
  ],
  exitCodes: { 0: 'something was found', 1: 'nothing was found' },
  run: async ({ options, operands }, environment) => {
    const { ledger = DEFAULT_LEDGER, since, until } = options
    const query = operands.join(' ')
    demandQueryLength(query)
    await environment.stderr.write(dashText(operands))
    if (options.export !== undefined) {
      for (const other of ['limit', 'wait', 'json'] as const) {
        if (options[other] !== undefined) throw usageFailure(`--${other} does not go with --export`, 'Leave it out')
      }
      const asked = { ledger, q: query, since, until, format: options.format, receipts: options.receipts === true }
      return await exportToFile(options.export, asked, await connect(options, environment), environment)
    }
    if (options.format !== undefined || options.receipts === true) {
      throw usageFailure('--format and --receipts go with --export', 'Leave them out, or name a file')
    }
    const limit = limitOf(options.limit, DEFAULT_LIMIT)
    const wait = wholeOf('wait', options.wait, 'INDEX')
    const connection = await connect(options, environment)
    const { client, url, hasToken } = connection
    const shown = new Shown(environment, limit, options.json === true, ledger === EVERY_LEDGER)
    const pages = client.searchPages(ledger, {
      q: query,
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      ...(wait === undefined ? {} : { wait }),
      limit: Math.min(limit, MAX_PAGE),
      signal: environment.interrupted,
    })
    try {
      for await (const page of pages) if (await shown.add(page)) break
    } catch (error) {
      if (environment.interrupted.aborted) return 0
      if (!(error instanceof SteleError)) throw error
      throw searchFailure(error, query, { url, hasToken, safe: '' })
    }
    await shown.end()
    if (shown.count > 0) return 0
    const asked = options.json === true ? undefined : client
    const nowMs = environment.clock.wallMs()
    const empty = { ledger, query, since, nowMs, client: asked, signal: environment.interrupted }
    await environment.stderr.write(`${await hintText(empty)}${ledgerHint(options.ledger)}`)
    return 1
  },
})

/** One dash leaves out what follows it, whatever option is named so. */
function dashText(operands: readonly string[]): string {
  return operands
    .filter((word) => /^-[a-z]/.test(word) && Object.hasOwn(options, word.slice(1)))
    .map((word) => `stele: ${word} leaves out events with that word; the option is -${word}\n`)
    .join('')
}

/** What was shown so far. */
class Shown {
  readonly #environment: Environment
  readonly #limit: number
  readonly #isJson: boolean
  readonly #withLedger: boolean
  #layout: Layout | undefined
  #last: SearchPage | undefined
  #disagreements = 0
  #isMore = false
  count = 0

  constructor(environment: Environment, limit: number, isJson: boolean, withLedger: boolean) {
    this.#environment = environment
    this.#limit = limit
    this.#isJson = isJson
    this.#withLedger = withLedger
  }

  /** True once there is enough. */
  async add(page: SearchPage): Promise<boolean> {
    const hits = page.hits.slice(0, this.#limit - this.count)
    this.count += hits.length
    this.#disagreements += page.disagreements
    this.#last = page
    this.#isMore = page.next !== undefined || hits.length < page.hits.length
    const { stdout } = this.#environment
    if (this.#isJson) {
      for (const hit of hits) await stdout.write(jsonLine(hitJson(hit, this.#withLedger ? hit.ledger : undefined)))
    } else await stdout.write(this.#table(hits))
    return this.count >= this.#limit
  }

  /** What people have to know besides; in a file there is only data. */
  async end(): Promise<void> {
    const { stderr } = this.#environment
    if (this.#last !== undefined) await stderr.write(this.#foot(this.#last))
    if (this.#disagreements > 0) await stderr.write(leftOutText(this.#disagreements))
  }

  #foot(page: SearchPage): string {
    return this.#isJson
      ? footJson(this.count, page, { more: this.#isMore })
      : `${footText(this.count, page, this.#isMore)}\n`
  }

  #table(hits: readonly Hit[]): string {
    if (hits.length === 0) return ''
    const { stdout } = this.#environment
    const rows = hits.map(rowOf)
    const columns = stdout.isTerminal ? Math.max(MIN_COLUMNS, stdout.columns) : undefined
    const head = this.#layout === undefined
    const layout = (this.#layout ??= layoutOf(rows, columns, this.#withLedger))
    return `${head ? headText(layout) : ''}${rows.map((row) => rowText(layout, row)).join('')}`
  }
}
