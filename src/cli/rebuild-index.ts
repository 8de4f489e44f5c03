// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { IndexStatus } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, serverOptions } from './connect.ts'
import { count, entries, jsonLine, printable } from './display.ts'
import { Failure } from './failure.ts'
import { watched } from './watch.ts'

const words = {
  safe: 'The ledgers are untouched',
  unsure: 'The ledgers are untouched, and the index may be being made: run the command again',
}

export const rebuildIndex = defineCommand({
  name: 'rebuild-index',
  summary: 'Makes the index anew from the ledgers',
  description:
    'The ledgers alone are read, so whatever was wrong with the index is gone afterwards. The new index is made beside the one that is searched meanwhile, and then takes its place. The server does it by itself: Ctrl-C ends this command and not the work, and the command run again shows how far it is.',
  operands: '',
  options: {
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints the status of the index as JSON once it is done: state, ledgers, generation',
    },
  },
  examples: [{ command: 'stele rebuild-index', does: 'makes the index anew, and shows how far it is' }],
  run: async ({ options }, environment) => {
    const { stdout, stderr, interrupted } = environment
    const connection = await connect(options, environment)
    const before = await connection.call(words, (client) => client.indexStatus({ signal: interrupted }))
    if (before.rebuild === undefined) {
      await connection.call(words, (client) => client.rebuildIndex({ signal: interrupted }))
    } else await stderr.write('stele: it is being made anew already.\n')
    const done = await watched(
      environment,
      async () => await connection.call(words, (client) => client.indexStatus({ signal: interrupted })),
      (now) => {
        if (now.state === 'unavailable' || now.state === 'off') throw notDone(now.reason)
        return isDone(now, before)
      },
      progressText,
    )
    if (done === undefined) {
      await stderr.write('stele: the server goes on by itself; stele rebuild-index shows how far it is.\n')
      return 0
    }
    await stdout.write(options.json === true ? jsonLine(done) : `${doneText(done)}\n`)
    return 0
  },
})

/** It is another one, and holds what the ledgers held when it was asked for. One that is new has no older one beside it. */
function isDone(now: IndexStatus, before: IndexStatus): boolean {
  const isAnother = before.rebuild !== undefined || now.generation > before.generation
  const holdsAll = Object.entries(before.ledgers).every(([name, { size }]) => (now.ledgers[name]?.indexed ?? 0) >= size)
  return isAnother && now.rebuild === undefined && holdsAll
}

function notDone(reason: string | undefined): Failure {
  const why = reason === undefined ? '' : `: ${printable(reason)}`
  return new Failure(3, `the index is not available now${why}`, words.safe, 'It goes on once that is mended')
}

function progressText({ rebuild }: IndexStatus): string {
  if (rebuild === undefined) return 'stele: the index is about to be made anew'
  const { indexed, size } = rebuild
  const share = size === 0 ? '' : ` · ${Math.floor((indexed / size) * 100)} %`
  return `stele: ${count(indexed)} of ${entries(size)}${share}`
}

function doneText({ ledgers }: IndexStatus): string {
  const each = Object.values(ledgers)
  const indexed = each.reduce((sum, one) => sum + one.indexed, 0)
  return `The index was made anew: ${entries(indexed)} of ${each.length === 1 ? '1 ledger' : `${count(each.length)} ledgers`}.`
}
