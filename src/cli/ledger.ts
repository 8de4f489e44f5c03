// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { LedgerInfo } from '@stele/sdk'

import { type CommandGroup, defineCommand, type ExitCode } from './command.ts'
import { connect, jsonOption, ledgerJson, serverOptions } from './connect.ts'
import { count, entries, jsonLine, printable, shellWord } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'
import { keyKind, keyWords } from './key-words.ts'

const create = defineCommand({
  name: 'create',
  summary: 'Creates a ledger',
  description:
    'The name is never reused. A ledger gets a key of its own, and its origin names this installation, so no other ledger can be taken for it.',
  operands: 'NAME',
  options: {
    public: {
      type: 'boolean',
      help: 'opens checkpoint, tiles, entries and proofs (never the content of events) to everybody without a token',
    },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [
    { command: 'stele ledger create payments', does: 'creates the ledger payments' },
    { command: 'stele ledger create transparency --public', does: 'creates one that anybody may verify' },
  ],
  run: async ({ options, operands }, environment) => {
    const name = onlyName(operands, 'ledger create')
    const connection = await connect(options, environment)
    const words = { safe: 'No ledger was created', unsure: "Look with 'stele ledger list' whether it was created" }
    const info = await connection.call(words, (client) =>
      client.createLedger({ name, public: options.public === true }),
    )
    return await show(info, options.json === true, environment)
  },
})

const list = defineCommand({
  name: 'list',
  summary: 'Lists the ledgers',
  operands: '',
  options: { ...serverOptions, ...jsonOption },
  examples: [{ command: 'stele ledger list', does: 'prints name, number of entries and origin of each ledger' }],
  run: async ({ options }, environment) => {
    const connection = await connect(options, environment)
    const ledgers = await connection.call({ safe: '' }, (client) => client.ledgers())
    if (options.json === true) {
      await environment.stdout.write(jsonLine(ledgers.map(ledgerJson)))
      return 0
    }
    const width = Math.max(...ledgers.map(({ name }) => name.length))
    const sizes = ledgers.map(({ size }) => entries(size))
    const sizeWidth = Math.max(...sizes.map((size) => size.length))
    const lines = ledgers.map(({ name, origin, public: isPublic }, row) => {
      const marks = isPublic ? '  public' : ''
      return `${name.padEnd(width)}  ${sizes[row]!.padStart(sizeWidth)}  ${printable(origin)}${marks}\n`
    })
    await environment.stdout.write(lines.join(''))
    return 0
  },
})

const showLedger = defineCommand({
  name: 'show',
  summary: 'Shows a ledger: its origin, key, size and root',
  description:
    'The key that a server shows is worth as much as the server. For proofs, get it from somebody else, or keep the one that you saw first.',
  operands: 'NAME',
  options: { ...serverOptions, ...jsonOption },
  examples: [
    { command: 'stele ledger show main', does: 'prints what the ledger main is called elsewhere, and how far it is' },
    {
      command: 'stele ledger show main --json',
      does: 'prints the same as JSON: name, origin, vkeys, size, root, public, createdAt',
    },
  ],
  run: async ({ options, operands }, environment) => {
    const name = onlyName(operands, 'ledger show')
    const connection = await connect(options, environment)
    return await show(
      await connection.call({ safe: '' }, (client) => client.ledger(name)),
      options.json === true,
      environment,
    )
  },
})

export const ledger: CommandGroup = {
  name: 'ledger',
  summary: 'Creates, lists and shows ledgers',
  description:
    'A ledger is one append-only log with a tree and a key of its own. The ledger main is there from the start.',
  actions: [create, list, showLedger],
  examples: [
    { command: 'stele ledger list', does: 'lists the ledgers' },
    { command: 'stele ledger create payments', does: 'creates one' },
    { command: 'stele ledger show payments', does: 'shows its origin, key, size and root' },
  ],
}

function onlyName(operands: readonly string[], path: string): string {
  const [name, surplus] = operands
  if (name === undefined) throw usageFailure(`${path} needs the NAME of a ledger`, `As in: stele ${path} payments`)
  if (surplus !== undefined) throw usageFailure(`${path} takes one NAME`, `Leave out ${printable(surplus)}`)
  return name
}

async function show(info: LedgerInfo, isJson: boolean, environment: Environment): Promise<ExitCode> {
  if (isJson) {
    await environment.stdout.write(jsonLine(ledgerJson(info)))
    return 0
  }
  const rows = [
    ['name', info.name],
    ['origin', info.origin],
    ...info.vkeys.map((vkey) => ['key', keyKind(vkey) === 'Ed25519' ? shellWord(vkey) : keyWords(vkey)]),
    ['size', count(info.size)],
    ['root', Buffer.from(info.root).toString('base64')],
    ['public', info.public ? 'yes: checkpoint, tiles, entries and proofs, without a token' : 'no'],
    ['created', info.createdAt],
  ]
  await environment.stdout.write(rows.map(([name = '', text = '']) => `${name.padEnd(9)}${printable(text)}\n`).join(''))
  return 0
}
