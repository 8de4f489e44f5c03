// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { EVERY_LEDGER, type Hit, type SearchPage, SteleError } from '@stele/sdk'

import { QueryFault } from '../query/fault.ts'
import { hintsOf } from '../query/hints.ts'
import { parseQuery } from '../query/parse.ts'
import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, serverOptions } from './connect.ts'
import { count, counted, hitJson, jsonLine, printable } from './display.ts'
import type { Environment } from './environment.ts'
import { callFailure, type Circumstances, Failure, usageFailure } from './failure.ts'
import { markedQuery } from './search/query-fault.ts'
import { headText, type Layout, layoutOf, rowOf, rowText } from './search/table.ts'

const DEFAULT_LIMIT = 50
const MAX_PAGE = 1_000
const MIN_COLUMNS = 60

export const search = defineCommand({
  name: 'search',
  summary: 'Finds events, newest first',
  description:
    "Words are looked for anywhere in an event, field:value in one place of it: actor, target, action, outcome, ip, source, app, session, correlation, class, severity, privilege, country, and after, before and exists. Words side by side must all be there; OR, NOT (or a dash) and parentheses combine them, * stands for any characters, quotes keep words together (for the shell, put the whole query into single quotes then). Each event is read from the ledger and checked against it. That events were read is recorded in the ledger access, with the query; access and system are searched by --ledger access, or with * where the query names them: ledger:access. Times are UTC.\n'stele prove INDEX' writes the proof of one that was found.",
  operands: '[QUERY]…',
  dashOperands: true,
  options: {
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
    wait: { type: 'string', value: 'INDEX', help: 'waits, 10 s at most, until the event of that index can be found' },
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints a line of JSON an event: ledger (of all), index, at, time, source, event (or eventBase64), entry, salt, ocsf',
    },
  },
  examples: [
    { command: 'stele search alice@contoso.com', does: 'shows the newest 50 events in which that address stands' },
    {
      command: 'stele search \'actor:alice@contoso.com action:"Add member to role"\' --since 7d',
      does: 'shows what she did, as a whole value of each field',
    },
    { command: 'stele search outcome:failure -source:okta ip:10.0.0.0/8', does: 'leaves out what a dash is before' },
    {
      command: "stele search --ledger '*' --limit 100000 --json > all.ndjson",
      does: 'writes all that the token may read',
    },
  ],
  exitCodes: { 0: 'something was found', 1: 'nothing was found' },
  run: async ({ options, operands }, environment) => {
    const { ledger = DEFAULT_LEDGER, since, until } = options
    const query = operands.join(' ')
    const limit = wholeOf('limit', options.limit, 'N') ?? DEFAULT_LIMIT
    if (limit === 0) throw usageFailure('--limit 0 shows nothing', 'Give a number from 1 on')
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
    if (shown.count === 0) await environment.stderr.write(hintText(query, environment.clock.wallMs(), since))
    return shown.count > 0 ? 0 : 1
  },
})

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
    if (!this.#isJson && this.#last !== undefined)
      await stderr.write(`${footText(this.count, this.#last, this.#isMore)}\n`)
    if (this.#disagreements === 0) return
    const left = `${counted(this.#disagreements, 'hit')} of the index ${this.#disagreements === 1 ? 'was' : 'were'} left out: the ledger has no such event`
    await stderr.write(`stele: ${left}. 'stele check index' says what is wrong with the index.\n`)
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

/** `12 of 12 events · indexed up to 1,064 of 1,064`. */
export function footText(
  shownCount: number,
  { total, indexed, size, heldUp }: Pick<SearchPage, 'total' | 'indexed' | 'size' | 'heldUp'>,
  isMore: boolean,
): string {
  const found = total.exact ? count(total.count) : `at least ${count(total.count)}`
  const more = isMore ? ' · --limit shows more' : ''
  const rest = heldUp === undefined ? 'the rest is on its way' : `the rest is held up: ${printable(heldUp)}`
  const lag = indexed < size ? `, ${rest}` : ''
  return `${count(shownCount)} of ${found} events · indexed up to ${count(indexed)} of ${count(size)}${lag}${more}`
}

/** What may have been meant. The server has read the query: a version that reads more than this one is not hindered. */
function hintText(query: string, nowMs: number, since: string | undefined): string {
  try {
    const hints = hintsOf(parseQuery(query, nowMs), nowMs, since)
    return hints.map((hint) => `stele: ${printable(hint)}\n`).join('')
  } catch (error) {
    if (error instanceof QueryFault) return ''
    throw error
  }
}

/** A query that cannot be read is shown, with the place. */
function searchFailure(error: SteleError, query: string, circumstances: Circumstances): Failure {
  const { column, length, suggestion } = error.problem
  if (error.code !== 'query-malformed' || column === undefined || length === undefined)
    return callFailure(error, circumstances)
  const below = markedQuery(query, { column, length, suggestion })
  return new Failure(2, `the query cannot be read: ${lowered(printable(error.message))}`).withBelow(below)
}

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function wholeOf(name: string, text: string | undefined, value: string): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usageFailure(`--${name} ${printable(text)} is not a number`, `Write it as --${name} ${value}`)
}
