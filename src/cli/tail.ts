// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { RecordedEvent } from '@stele/sdk'

import { defineCommand } from './command.ts'
import { connect, type Connection, DEFAULT_LEDGER, ledgerOption, serverOptions } from './connect.ts'
import { clipped, hitJson, jsonLine, printable } from './display.ts'
import type { Environment, Output } from './environment.ts'
import { usageFailure } from './failure.ts'
import { sentenceOf } from './search/hit-words.ts'

/** What is shown of the past where nobody says from where on. */
const SHOWN_BEFORE = 10
const MIN_WIDTH = 40

export const tail = defineCommand({
  name: 'tail',
  summary: 'Shows events as they are stored',
  description:
    'Begins with the last ten, and goes on until Ctrl-C, also when the server was away. That events were read is recorded in the ledger access. Times are ledger times, UTC.',
  operands: '',
  options: {
    ...ledgerOption,
    from: { type: 'string', value: 'INDEX', help: 'the first event to show, counted from 0; else the last ten' },
    'no-follow': { type: 'boolean', help: 'ends at the last event that is there now' },
    ...serverOptions,
    json: {
      type: 'boolean',
      help: 'prints a line of JSON an event: index, at, time, source, event (or eventBase64), entry, salt, ocsf',
    },
  },
  examples: [
    { command: 'stele tail', does: 'shows the last events of the ledger main, and those that come' },
    {
      command: 'stele tail --ledger demo --from 0 --no-follow --json > demo.ndjson',
      does: 'writes all events of a ledger, and ends',
    },
  ],
  run: async ({ options }, environment) => {
    const { ledger = DEFAULT_LEDGER, from: fromText } = options
    if (fromText !== undefined && !/^\d{1,15}$/.test(fromText)) {
      throw usageFailure(`--from ${printable(fromText)} is not an index`, 'Give a number: the first event is 0')
    }
    const connection = await connect(options, environment)
    const words = { safe: '' }
    const { size } = await connection.call(words, (client) => client.ledger(ledger))
    const from = fromText === undefined ? Math.max(0, size - SHOWN_BEFORE) : Number(fromText)
    const isEnding = options['no-follow'] === true
    if (isEnding && from >= size) return 0
    await connection.call(words, async () => {
      for await (const event of follow(connection, ledger, from, environment)) {
        await environment.stdout.write(options.json === true ? jsonLine(hitJson(event)) : lineOf(event, environment))
        if (isEnding && event.index === size - 1) return
      }
    })
    return 0
  },
})

function follow({ client, url }: Connection, ledger: string, from: number, environment: Environment) {
  const { stderr, interrupted } = environment
  let isAway = false
  const events = client.tail(ledger, {
    from,
    signal: interrupted,
    onInterruption: (error) => {
      if (isAway) return
      isAway = true
      const text = `stele: ${url} does not answer (${printable(error.message)}). Nothing is lost. Waiting for it …\n`
      void tell(stderr, text)
    },
  })
  return (async function* () {
    for await (const event of events) {
      isAway = false
      yield event
    }
  })()
}

/** A terminal that is gone is noticed by what is written to it next. */
async function tell(output: Output, text: string): Promise<void> {
  try {
    await output.write(text)
  } catch {
    return
  }
}

function lineOf(event: RecordedEvent, { stdout }: Environment): string {
  const { index, at, source } = event
  const time = `${at.slice(0, 10)} ${at.slice(11, 19)}`
  const head = `${String(index).padStart(6)}  ${time}  ${printable(source).padEnd(14)}  `
  const words = printable(sentenceOf(event))
  if (!stdout.isTerminal) return `${head}${words}\n`
  return `${head}${clipped(words, Math.max(MIN_WIDTH, stdout.columns - head.length))}\n`
}
