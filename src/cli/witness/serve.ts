// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { defineCommand } from '../command.ts'
import { printable } from '../display.ts'
import { pathOf, stateDirectory } from '../environment.ts'
import { usageFailure } from '../failure.ts'
import { listening, listenOptions } from '../listening.ts'

const DEFAULT_WITNESS_DATA = './stele-witness'
const DEFAULT_LISTEN = '127.0.0.1:7836'
const DEFAULT_RATE = 10

export const witnessDataOption = {
  data: { type: 'string', value: 'DIR', help: `the folder of the witness; else ${DEFAULT_WITNESS_DATA}` },
} as const

export function witnessDirectory(data: string | undefined, environment: Parameters<typeof pathOf>[0]): string {
  return pathOf(environment, data ?? DEFAULT_WITNESS_DATA)
}

export const serve = defineCommand({
  name: 'serve',
  summary: "Runs a witness that cosigns the checkpoints of others' logs",
  description:
    'A log sends its checkpoints with proofs that it only added to the one before; the witness cosigns them (C2SP tlog-witness) and remembers, so no two that contradict each other. The first start makes the keys, which are printed below the address: give a log, or whoever is to trust this witness, one of them. The list of logs is read again when it changes.',
  operands: '',
  options: {
    ...witnessDataOption,
    name: {
      type: 'string',
      value: 'NAME',
      help: 'of the witness, as a URL without https://, in each of its cosignatures. Wanted at the first start only',
    },
    log: {
      type: 'string',
      value: 'VKEY',
      multiple: true,
      help: 'a log that is cosigned, by its key, whose name is its origin. May be repeated',
    },
    logs: {
      type: 'string',
      value: 'FILE',
      multiple: true,
      help: 'logs that are cosigned: a C2SP tlog-policy, of which the log lines count, or a C2SP tlog-list. May be repeated',
    },
    rate: {
      type: 'string',
      value: 'N/s',
      help: `how often one log may ask, where its list does not say; else ${DEFAULT_RATE}/s`,
    },
    ...listenOptions(DEFAULT_LISTEN, 'checkpoints and cosignatures'),
    head: {
      type: 'string',
      value: 'FILE|URL',
      help: 'where is kept, outside the folder, how far it must go, so that a rollback is noticed; else in the state directory of the user',
    },
    'trust-state': {
      type: 'boolean',
      help: 'starts although no head vouches for the folder, as after moving it to another machine; a rollback would go unnoticed this once',
    },
  },
  examples: [
    {
      command: "stele witness serve --name witness.example.com/1 --log 'log.example.com+…'",
      does: 'begins a witness of one log on http://127.0.0.1:7836',
    },
    { command: 'stele witness serve --logs logs.txt', does: 'goes on with the logs of a list' },
    {
      command: 'stele witness serve --logs logs.txt --listen 0.0.0.0:7836 --tls-cert cert.pem --tls-key key.pem',
      does: 'serves other machines',
    },
  ],
  exitCodes: {
    3: 'the folder is damaged, in use or rolled back, the address is taken, or a failure stopped the witness',
  },
  run: async ({ options }, environment) => {
    const { name, head } = options
    const logVkeys = options.log ?? []
    const logFiles = (options.logs ?? []).map((path) => pathOf(environment, path))
    if (logVkeys.length === 0 && logFiles.length === 0) {
      throw usageFailure('a witness needs to know whose checkpoints it cosigns', 'Give --log VKEY or --logs FILE')
    }
    return await environment.serveWitness({
      ...listening(options, DEFAULT_LISTEN, environment),
      directory: witnessDirectory(options.data, environment),
      ...(name === undefined ? {} : { name }),
      logVkeys,
      logFiles,
      perSecond: rateOf(options.rate),
      ...(head === undefined ? {} : { head: /^https?:\/\//.test(head) ? head : pathOf(environment, head) }),
      stateDirectory: stateDirectory(environment),
      trustState: options['trust-state'] === true,
    })
  },
})

function rateOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_RATE
  const rate = Number(/^(\d{1,6}(?:\.\d{1,6})?)(?:\/s)?$/.exec(text)?.[1])
  if (!(rate > 0)) throw usageFailure(`--rate ${printable(text)} is not a rate`, 'Write it as 10/s')
  return rate
}
