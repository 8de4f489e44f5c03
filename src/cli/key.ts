// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { LedgerKey, LedgerKeys } from '@stele/sdk'

import { administering } from './administering.ts'
import { type CommandGroup, defineCommand } from './command.ts'
import { connect, jsonOption, serverOptions } from './connect.ts'
import { count, entries, jsonLine, printable, wrapped } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'
import { keyKind, keyWords } from './key-words.ts'

/** Whom the new keys of `heads` concern: nothing leads them on. */
const OF_HEADS =
  "Give the new key of heads to the owner of each witness: until it is listed there that witness cosigns nothing, and 'stele prove --witnessed' waits for it. Give the new 'stele witness policy' to auditors."

const rotate = defineCommand({
  name: 'rotate',
  summary: 'Lets new keys follow those of the ledgers',
  description:
    'The old key signs, together with the new one, how many entries the ledger has and their root: no larger head of the old key counts from then on. That statement stands in the ledger system, and leads whoever pinned the old key to the new one. The old private key is then destroyed on the disk; copies in backups and snapshots stay, and are worth nothing beyond that size.\nWith --data it works on the directory of a stopped server and needs no token.',
  operands: '',
  options: {
    ledger: { type: 'string', value: 'NAME', multiple: true, help: 'the ledger, may be repeated; else every ledger' },
    data: { type: 'string', value: 'DIR', help: "works on a stopped server's directory instead of a server" },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele key rotate', does: 'gives every ledger new keys, as after a theft or once a year' },
    { command: 'stele key rotate --ledger payments', does: 'gives one ledger a new key' },
    { command: 'stele key rotate --data ./stele-data', does: 'the same while the server is stopped' },
  ],
  run: async ({ options }, environment) => {
    const { ledger = [], data } = options
    const rotated =
      data === undefined ? await overHttp(options, ledger, environment) : await onDisk(data, ledger, environment)
    if (options.json === true) {
      await environment.stdout.write(jsonLine(rotated))
      return 0
    }
    const words =
      'Each line is a new key: pin it where the old one was pinned by hand. Whoever pinned the old one with stele verify is led on by the signed statement. The old private keys were destroyed; treat copies of them in backups as secrets still.'
    await environment.stdout.write(rotated.flatMap(({ keys }) => inForce(keys)).join(''))
    const paragraphs = rotated.some(({ origin }) => origin.endsWith('/heads')) ? [words, OF_HEADS] : [words]
    const lines = paragraphs.flatMap((paragraph) => wrapped(paragraph, environment.stderr.columns))
    await environment.stderr.write(`${lines.join('\n')}\n`)
    return 0
  },
})

const list = defineCommand({
  name: 'list',
  summary: 'Lists the keys that ledgers have and had',
  description:
    'The keys that a server shows are worth as much as the server; the statements between them are held against each other.',
  operands: '',
  options: {
    ledger: { type: 'string', value: 'NAME', multiple: true, help: 'the ledger, may be repeated; else every ledger' },
    rotations: {
      type: 'boolean',
      help: "prints the signed statements alone, as 'stele verify --rotations FILE' takes them from whoever has an old key",
    },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele key list', does: 'prints each key, and from and up to how many entries it signs' },
    {
      command: 'stele key list --ledger main --json',
      does: 'prints origin, whole keys and the signed statements between them',
    },
    {
      command: 'stele key list --ledger main --rotations > rotations.txt',
      does: 'hands on what leads from old keys to today’s',
    },
  ],
  run: async ({ options }, environment) => {
    if (options.rotations === true && options.json === true) {
      throw usageFailure('--rotations and --json were both given', 'Give one: --json has the statements, too')
    }
    const connection = await connect(options, environment)
    const names = options.ledger ?? (await connection.call({ safe: '' }, (client) => client.ledgers())).map(nameOf)
    const all: LedgerKeys[] = []
    for (const name of names) all.push(await connection.call({ safe: '' }, (client) => client.keys(name)))
    const asText = options.rotations === true ? (keys: LedgerKeys) => keys.rotations.join('') : describe
    const text = options.json === true ? jsonLine(all) : all.map(asText).join('')
    await environment.stdout.write(text)
    return 0
  },
})

export const key: CommandGroup = {
  name: 'key',
  summary: 'Rotates and lists the keys of ledgers',
  description:
    'Every ledger has an Ed25519 key, and heads an ML-DSA-44 key beside it. A key can be followed by another, never exchanged unseen.',
  actions: [rotate, list],
  examples: [
    { command: 'stele key list', does: 'lists the keys' },
    { command: 'stele key rotate', does: 'gives every ledger new keys' },
  ],
}

function nameOf({ name }: { readonly name: string }): string {
  return name
}

/** `heads` last: its head then speaks of all the others. */
function inOrder(names: readonly string[]): string[] {
  return [...names].toSorted((a, b) => Number(a === 'heads') - Number(b === 'heads'))
}

async function overHttp(
  options: { readonly url?: string; readonly token?: string },
  ledgers: readonly string[],
  environment: Environment,
): Promise<LedgerKeys[]> {
  const connection = await connect(options, environment)
  const unsure = "Look with 'stele key list' whose keys were rotated"
  const rotated: LedgerKeys[] = []
  const words = () => ({ safe: doneWords(rotated), unsure })
  const names =
    ledgers.length > 0 ? ledgers : (await connection.call(words(), (client) => client.ledgers())).map(nameOf)
  for (const name of inOrder(names)) rotated.push(await connection.call(words(), (client) => client.rotateKey(name)))
  return rotated
}

async function onDisk(data: string, ledgers: readonly string[], environment: Environment): Promise<LedgerKeys[]> {
  const { LOCAL } = await import('../state/administration.ts')
  const { listedKeys } = await import('../ledger/key-periods.ts')
  const rotated: LedgerKeys[] = []
  const safe = () => doneWords(rotated)
  return await administering(environment, data, safe, async (administration) => {
    const names = ledgers.length > 0 ? ledgers : [...administration.state.ledgers.keys()]
    for (const name of inOrder(names)) {
      const { origin, keys } = await administration.rotateKey(name, LOCAL)
      rotated.push({ origin, keys: listedKeys(keys), rotations: keys.rotations })
    }
    return rotated
  })
}

/** What was done where the rest was not. */
function doneWords(rotated: readonly LedgerKeys[]): string {
  if (rotated.length === 0) return 'No key was rotated'
  const origins = rotated.map(({ origin }) => printable(origin)).join(', ')
  return `Rotated were the keys of ${origins}; those of the other ledgers are as they were`
}

function inForce(keys: readonly LedgerKey[]): string[] {
  return keys.filter(({ until }) => until === undefined).map(({ vkey }) => `${keyWords(vkey)}\n`)
}

function describe({ origin, keys }: LedgerKeys): string {
  const lines = keys.map(({ vkey, since, until }) => {
    const period = until === undefined ? `from ${entries(since)} on` : `from ${count(since)} to ${entries(until)}`
    return `  ${keyKind(vkey)}, ${period}\n    ${keyWords(vkey)}\n`
  })
  return `${printable(origin)}\n${lines.join('')}`
}
