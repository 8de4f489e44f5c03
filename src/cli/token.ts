// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { type RateLimits, type Scope, SCOPES, type TokenInfo, type TokenRequest } from '@stele/sdk'

import { timeMs, timeText } from '../platform/clock.ts'
import { administering } from './administering.ts'
import { type CommandGroup, defineCommand } from './command.ts'
import { connect, DEFAULT_LEDGER, jsonOption, serverOptions } from './connect.ts'
import { bytesText, count, jsonLine, printable } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'

const NO_TOKEN = 'No token was made'
const UNIT_BYTES: Readonly<Record<string, number>> = {
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
}
const SIZE = /^(\d{1,12}(?:\.\d{1,3})?)(?:B|(kB|MB|GB|KiB|MiB|GiB))?(?:\/s)?$/
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

const create = defineCommand({
  name: 'create',
  summary: 'Creates a token, and prints it this once',
  description:
    'The token alone goes to standard output, what it may do to standard error. The server keeps only its hash.\nWith --data it works on the directory of a stopped server and needs no token: for when the admin token is lost. That is recorded.',
  operands: '',
  options: {
    scope: {
      type: 'string',
      value: 'SCOPE,…',
      help: 'what it may do: append; read (search and content); verify (checkpoints, tiles, entries, proofs; no content); admin',
    },
    ledger: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      help: `a ledger that this is about, may be repeated; '*' is all; else ${DEFAULT_LEDGER}. An admin token is always for all`,
    },
    source: {
      type: 'string',
      value: 'TYPE',
      multiple: true,
      help: 'a source type, or TYPE/INSTANCE, that it may append, may be repeated; else any',
    },
    rate: {
      type: 'string',
      value: 'N/s',
      help: 'with append: how many events a second, as 1000/s; what comes faster is refused with the time to wait',
    },
    'rate-bytes': {
      type: 'string',
      value: 'SIZE/s',
      help: 'with append: how many bytes a second, as 500kB/s or 5MB/s',
    },
    burst: {
      type: 'string',
      value: 'SECONDS',
      help: 'how many seconds of its rates may come at once, as 60s; else 10s',
    },
    expires: {
      type: 'string',
      value: 'TIME',
      help: 'when it ends: 90d, 12h, 30m, 4w, or a date as 2027-01-31; else never',
    },
    label: { type: 'string', value: 'TEXT', help: 'a name for people' },
    data: { type: 'string', value: 'DIR', help: "works on a stopped server's directory instead of a server" },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele token create --scope append --source entra.audit --expires 90d', does: 'a token for one sender' },
    {
      command: 'stele token create --scope append --rate 1000/s --rate-bytes 5MB/s',
      does: 'one that cannot crowd out the others',
    },
    { command: "stele token create --scope read,verify --ledger '*' --label auditor", does: 'a token for an auditor' },
    { command: 'stele token create --scope admin --data ./stele-data', does: 'a new admin token, after all were lost' },
  ],
  run: async ({ options }, environment) => {
    const request = requestOf(options, environment)
    const { data } = options
    const minted =
      data === undefined ? await overHttp(options, request, environment) : await onDisk(data, request, environment)
    if (options.json === true) {
      await environment.stdout.write(jsonLine(minted))
      return 0
    }
    await environment.stdout.write(`${minted.token}\n`)
    await environment.stderr.write(`${describe(minted)}\nThis is the only time that the token is shown.\n`)
    return 0
  },
})

const list = defineCommand({
  name: 'list',
  summary: 'Lists the tokens and what they may do',
  operands: '',
  options: { ...serverOptions, ...jsonOption },
  examples: [{ command: 'stele token list', does: 'prints id, rights and end of each token, never the token itself' }],
  run: async ({ options }, environment) => {
    const connection = await connect(options, environment)
    const tokens = await connection.call({ safe: '' }, (client) => client.tokens())
    const text = options.json === true ? jsonLine(tokens) : tokens.map((info) => `${describe(info)}\n`).join('')
    await environment.stdout.write(text)
    return 0
  },
})

const revoke = defineCommand({
  name: 'revoke',
  summary: 'Revokes a token, at once and for good',
  operands: 'ID',
  options: { ...serverOptions, ...jsonOption },
  examples: [
    {
      command: 'stele token revoke k3v7q2mzp4aa',
      does: "the id is the token's own middle part, and in 'stele token list'",
    },
  ],
  run: async ({ options, operands }, environment) => {
    const [id, surplus] = operands
    if (id === undefined || surplus !== undefined) {
      throw usageFailure('token revoke needs one ID', "'stele token list' shows the ids")
    }
    if (id.startsWith('stele_')) {
      throw usageFailure('that is the token itself', 'Give its id: the part between the two underscores')
    }
    const connection = await connect(options, environment)
    const words = { safe: 'The token was not revoked', unsure: "Look with 'stele token list' whether it was revoked" }
    const info = await connection.call(words, (client) => client.revokeToken(id))
    await environment.stdout.write(options.json === true ? jsonLine(info) : `${describe(info)}\n`)
    return 0
  },
})

export const token: CommandGroup = {
  name: 'token',
  summary: 'Creates, lists and revokes access tokens',
  description: 'A token says what its holder may do, to which ledgers, from which sources, and until when.',
  actions: [create, list, revoke],
  examples: [
    {
      command: 'stele token create --scope append --expires 90d',
      does: 'creates a token that may only append to main',
    },
    { command: 'stele token list', does: 'lists the tokens' },
    { command: 'stele token revoke k3v7q2mzp4aa', does: 'revokes one' },
  ],
}

type Minted = TokenInfo & { readonly token: string }

interface TokenOptions {
  readonly scope?: string
  readonly ledger?: readonly string[]
  readonly source?: readonly string[]
  readonly rate?: string
  readonly 'rate-bytes'?: string
  readonly burst?: string
  readonly expires?: string
  readonly label?: string
}

function requestOf(options: TokenOptions, environment: Environment): TokenRequest {
  const { scope, ledger, source, expires, label } = options
  const limits = limitsOf(options)
  if (scope === undefined) {
    throw usageFailure(
      'token create needs --scope',
      `Name one or more of ${SCOPES.join(', ')}, as in --scope append,read`,
    )
  }
  const scopes = scope.split(',').map(scopeOf)
  if (limits !== undefined && !scopes.includes('append')) {
    throw usageFailure('--rate and --rate-bytes limit appending', 'Leave them out, or add append to --scope')
  }
  const fallback = scopes.includes('admin') ? '*' : DEFAULT_LEDGER
  return {
    scopes: [...new Set(scopes)],
    ledgers: [...new Set(ledger ?? [fallback])],
    ...(source === undefined ? {} : { sources: source }),
    ...(limits === undefined ? {} : { limits }),
    ...(expires === undefined ? {} : { expiresAt: timeText(endOf(expires, environment.clock.wallMs())) }),
    ...(label === undefined ? {} : { label }),
  }
}

function limitsOf(options: TokenOptions): RateLimits | undefined {
  const { rate, 'rate-bytes': rateBytes, burst } = options
  const eventsPerSecond = figureOf('--rate', rate, /^(\d{1,12})(?:\/s)?$/, 'Write it as 1000/s')
  const bytesPerSecond = figureOf('--rate-bytes', rateBytes, SIZE, 'Write it as 500kB/s or 5MB/s')
  const burstSeconds = figureOf('--burst', burst, /^(\d{1,5})s?$/, 'Write it as 60s')
  if (eventsPerSecond === undefined && bytesPerSecond === undefined) {
    if (burst === undefined) return undefined
    throw usageFailure('--burst says how much of a rate may come at once', 'Give --rate or --rate-bytes with it')
  }
  return {
    ...(eventsPerSecond === undefined ? {} : { eventsPerSecond }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(burstSeconds === undefined ? {} : { burstSeconds }),
  }
}

/** A number above 0, with a unit where the form has one. */
function figureOf(option: string, text: string | undefined, form: RegExp, mend: string): number | undefined {
  if (text === undefined) return undefined
  const [, amount, unit = ''] = form.exec(text) ?? []
  const figure = Math.round(Number(amount) * (UNIT_BYTES[unit] ?? 1))
  if (!(figure > 0)) throw usageFailure(`${option} ${printable(text)} is not a rate`, mend)
  return figure
}

function scopeOf(text: string): Scope {
  const scope = SCOPES.find((known) => known === text.trim())
  if (scope === undefined)
    throw usageFailure(`there is no scope ${printable(text)}`, `The scopes are ${SCOPES.join(', ')}`)
  return scope
}

function endOf(text: string, nowMs: number): number {
  const [, amount, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  // Only what names its day: Date.parse takes much else, and each engine its own.
  const isDate = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)
  const endMs = amount === undefined ? (isDate ? timeMs(text) : Number.NaN) : nowMs + Number(amount) * UNIT_MS[unit]!
  if (Number.isNaN(endMs) || Number(amount) === 0) {
    throw usageFailure(`--expires ${printable(text)} is not a time`, 'Write it as 90d, 12h, 30m, 4w, or 2027-01-31')
  }
  if (endMs <= nowMs) throw usageFailure(`--expires ${printable(text)} has passed`, 'Give a time to come')
  return endMs
}

async function overHttp(
  options: { readonly url?: string; readonly token?: string },
  request: TokenRequest,
  environment: Environment,
): Promise<Minted> {
  const connection = await connect(options, environment)
  const unsure = "Look with 'stele token list' whether a token was made, and revoke it: nobody has it"
  return await connection.call({ safe: NO_TOKEN, unsure }, (client) => client.createToken(request))
}

async function onDisk(data: string, request: TokenRequest, environment: Environment): Promise<Minted> {
  const { LOCAL } = await import('../state/administration.ts')
  const created = await administering(environment, data, NO_TOKEN, async (administration) => {
    const { scopes, ledgers, sources, ...rest } = request
    const lists = {
      scopes: [...scopes],
      ledgers: [...ledgers],
      ...(sources === undefined ? {} : { sources: [...sources] }),
    }
    return await administration.createToken({ ...rest, ...lists }, LOCAL)
  })
  const { hash: _, ...record } = created.record
  return { ...record, token: created.token }
}

/** One line about a token. */
function describe({ id, scopes, ledgers, sources, limits, expiresAt, label, revokedAt }: TokenInfo): string {
  const parts = [
    scopes.join(','),
    ledgers.includes('*') ? 'on all ledgers' : `on ${ledgers.join(', ')}`,
    ...(sources === undefined ? [] : [`from ${sources.join(', ')}`]),
    ...(limits === undefined ? [] : [limitsText(limits)]),
    expiresAt === undefined ? 'does not expire' : `until ${expiresAt}`,
    ...(label === undefined ? [] : [`“${label}”`]),
    ...(revokedAt === undefined ? [] : [`revoked ${revokedAt}`]),
  ]
  return printable(`${id}  ${parts.join('; ')}`)
}

function limitsText({ eventsPerSecond, bytesPerSecond, burstSeconds }: RateLimits): string {
  const rates = [
    ...(eventsPerSecond === undefined ? [] : [`${count(eventsPerSecond)} events/s`]),
    ...(bytesPerSecond === undefined ? [] : [`${bytesText(bytesPerSecond)}/s`]),
  ]
  const burst = burstSeconds === undefined ? '' : `, ${count(burstSeconds)} s of it at once`
  return `at most ${rates.join(' and ')}${burst}`
}
