// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { EVERY_LEDGER, SteleError, type Timeline, type TimelineHit } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, serverOptions } from './connect.ts'
import { counted, hitJson, jsonLine, printable, wrapped } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'
import { demandQueryLength, limitOf, searchFailure } from './search/asking.ts'
import { changeLines } from './search/change-lines.ts'
import { footJson, footText, leftOutText } from './search/foot.ts'
import { wordsOf } from './search/hit-words.ts'
import { ledgerHint, partOfNameHint } from './search/nothing-found.ts'

const DEFAULT_LIMIT = 50
const MAX_PAGE = 1_000
const MIN_COLUMNS = 60
/** Of a change: the values have nearly the whole width. */
const INDENT = 10
const MIN_WRAPPED_CHARS = 30
const MAX_ALIASES_TOLD = 8

export const timeline = defineCommand({
  name: 'timeline',
  summary: 'Shows what somebody did and what was done to them',
  description:
    'Everything whose actor or target is the NAME, a whole one: a sign-in name, an id, a display name, of a user, a group or an application. Below an event stands what it changed: the old value → the new one; + came, - went; of an attempt that failed it is what was to change. What Entra adds to every change is left out, but of --json. Several NAMEs are names of one. What else the events call it is told at the end and not searched for: an event says what its sender likes. Each event is read from the ledger and checked against it; that it was read is recorded in the ledger access. Times are UTC.',
  operands: 'NAME…',
  options: {
    ledger: {
      type: 'string',
      value: 'NAME',
      help: `the ledger, or * for all that the token may read but access and system; else ${DEFAULT_LEDGER}`,
    },
    query: { type: 'string', value: 'QUERY', help: 'only events that this finds, too: as stele search takes it' },
    since: { type: 'string', value: 'TIME', help: 'only events at or after it: as stele search takes it' },
    until: { type: 'string', value: 'TIME', help: 'only events before it' },
    limit: { type: 'string', value: 'N', help: `shows N events at most; else ${DEFAULT_LIMIT}` },
    oldest: { type: 'boolean', help: 'begins with the oldest, else with the newest' },
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints a line of JSON an event, as stele search, with direction and changes; then on standard error one of totals and aliases',
    },
  },
  examples: [
    { command: 'stele timeline alice@contoso.com --since 7d', does: 'shows the week of a user' },
    {
      command: "stele timeline alice@contoso.com 5b3f0d9e-7d3e-4cb6-8e5b-4c0f33b0a1d2 '--query=-class:authentication'",
      does: 'the same under her id, too, without sign-ins',
    },
    {
      command: "stele timeline 'Global Administrators' --oldest",
      does: 'shows what became of a group, from the start',
    },
  ],
  exitCodes: { 0: 'something was found', 1: 'nothing was found' },
  run: async ({ options, operands }, environment) => {
    if (operands.length === 0) throw usageFailure('timeline needs a NAME', 'As in: stele timeline alice@contoso.com')
    const { ledger = DEFAULT_LEDGER, since, until, query = '' } = options
    demandQueryLength(query)
    const limit = limitOf(options.limit, DEFAULT_LIMIT)
    const { client, url, hasToken } = await connect(options, environment)
    const shown = new Shown(environment, limit, options.json === true, ledger === EVERY_LEDGER)
    const pages = client.timelinePages(ledger, operands, {
      q: query,
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      order: options.oldest === true ? 'oldest' : 'newest',
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
    if (shown.count === 0) {
      const hints = `${partOfNameHint(options.ledger, operands)}${ledgerHint(options.ledger)}`
      await environment.stderr.write(hints)
    }
    return shown.count > 0 ? 0 : 1
  },
})

class Shown {
  readonly #environment: Environment
  readonly #limit: number
  readonly #isJson: boolean
  readonly #withLedger: boolean
  readonly #aliases = new Map<string, { attribute: string; count: number }>()
  #last: Timeline | undefined
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
  async add(page: Timeline): Promise<boolean> {
    const hits = page.hits.slice(0, this.#limit - this.count)
    this.count += hits.length
    this.#disagreements += page.disagreements
    this.#last = page
    this.#isMore = page.next !== undefined || hits.length < page.hits.length
    for (const { value, attribute, count } of page.aliases) {
      this.#aliases.set(value, { attribute, count: count + (this.#aliases.get(value)?.count ?? 0) })
    }
    const { stdout } = this.#environment
    const columns = stdout.isTerminal ? Math.max(MIN_COLUMNS, stdout.columns) : Infinity
    for (const hit of hits) {
      const ledger = this.#withLedger ? hit.ledger : undefined
      await stdout.write(this.#isJson ? jsonLine(timelineJson(hit, ledger)) : hitText(hit, ledger, columns))
    }
    return this.count >= this.#limit
  }

  async end(): Promise<void> {
    const { stderr } = this.#environment
    if (this.#last !== undefined) await stderr.write(this.#foot(this.#last, stderr.columns))
    if (this.#disagreements > 0) await stderr.write(leftOutText(this.#disagreements))
  }

  #foot(page: Timeline, columns: number): string {
    const aliases = [...this.#aliases]
      .map(([value, { attribute, count }]) => ({ value, attribute, count }))
      .toSorted((one, other) => other.count - one.count)
    if (this.#isJson) return footJson(this.count, page, { more: this.#isMore, aliases })
    return `${footText(this.count, page, this.#isMore)}\n${aliasText(aliases, columns)}`
  }
}

function aliasText(all: Timeline['aliases'], columns: number): string {
  if (all.length === 0) return ''
  const told = all.slice(0, MAX_ALIASES_TOLD).map(({ value, attribute, count }) => {
    return `${printable(value)} (${printable(attribute)} in ${counted(count, 'event')})`
  })
  const more = all.length > told.length ? ` and ${all.length - told.length} more` : ''
  const text = `stele: these events also call it ${told.join(', ')}${more}. What happened under such a name alone is not shown: add the name to the command line if it is the same one.`
  return wrapped(text, Math.max(MIN_COLUMNS, columns))
    .map((line) => `${line}\n`)
    .join('')
}

function timelineJson(hit: TimelineHit, ledger: string | undefined): object {
  const { direction, changes, moreChanges } = hit
  return { ...hitJson(hit, ledger), direction, changes, ...(moreChanges === 0 ? {} : { moreChanges }) }
}

const ways = { did: 'did', 'done-to': 'done to', both: 'both' } as const

/** The event, and what it changed below it. */
function hitText(hit: TimelineHit, ledger: string | undefined, columns: number): string {
  const { index, time, direction } = hit
  const { sentence, outcome, address } = wordsOf(hit)
  const where = ledger === undefined ? '' : `${printable(ledger)}  `
  const lead = `${where}${String(index).padStart(6)}  ${time.slice(0, 10)} ${time.slice(11, 19)}  ${ways[direction].padEnd(7)}  `
  const words = [sentence, outcome, address].filter((part) => part !== '').map(printable)
  const [first = '', ...rest] = wrapped(words.join(' · '), Math.max(MIN_WRAPPED_CHARS, columns - lead.length))
  const changes = changeLines(hit, columns - INDENT).map((line) => ' '.repeat(INDENT) + line)
  return [lead + first, ...rest.map((line) => ' '.repeat(lead.length) + line), ...changes]
    .map((line) => `${line}\n`)
    .join('')
}
