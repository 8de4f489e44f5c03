// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { defineCommand } from './command.ts'
import { DEFAULT_DATA } from './connect.ts'
import { pathOf, stateDirectory, variable } from './environment.ts'
import { printable } from './display.ts'
import { usageFailure } from './failure.ts'
import { listening, listenOptions } from './listening.ts'

const DEFAULT_LISTEN = '127.0.0.1:7835'
const DEFAULT_NAME = 'stele.local'
const DEFAULT_ALARM_MINUTES = 5
const MINUTE_MS = 60_000

export const serve = defineCommand({
  name: 'serve',
  summary: 'Runs a server on a data directory',
  description:
    'An empty directory is begun: its keys are made, the ledger main is created, and an administrator’s token is written to DIR/admin.token. The server prints its address once it is ready, and stops on SIGTERM or Ctrl-C having finished what it accepted.',
  operands: '',
  options: {
    data: { type: 'string', value: 'DIR', help: `the data directory; else ${DEFAULT_DATA}` },
    ...listenOptions(DEFAULT_LISTEN, 'tokens and events'),
    name: {
      type: 'string',
      value: 'NAME',
      help: `begins the origins of new ledgers, as a domain name; else ${DEFAULT_NAME}. Matters at the first start only`,
    },
    head: {
      type: 'string',
      value: 'FILE|URL',
      help: 'where the newest head is kept outside the data directory, so that a rollback is noticed; else in the state directory of the user',
    },
    keys: {
      type: 'string',
      value: 'DIR',
      help: 'the folder that holds the signing keys, outside of the data directory; remembered there, so that it need be said once. Else keys/ in the data directory',
    },
    'index-url': {
      type: 'string',
      value: 'URL',
      help: 'a ClickHouse server for the index, as https://USER:PASSWORD@HOST:8443/DATABASE, or with ?cluster=NAME behind it the shards of a cluster; else STELE_INDEX_URL (other users of this machine can see a command line), else one of its own in the data directory',
    },
    'no-index': { type: 'boolean', help: 'keeps no index: nothing can be searched, all else works' },
    'allow-private-witnesses': {
      type: 'boolean',
      help: 'lets witnesses be at loopback and private addresses; an administrator cannot say so over HTTP',
    },
    'witness-alarm': {
      type: 'string',
      value: 'MINUTES',
      help: `how long a published head may wait for its quorum of witnesses before that is recorded; else ${DEFAULT_ALARM_MINUTES}`,
    },
    'search-budget': {
      type: 'string',
      value: 'SECONDS',
      help: "how much of the index's time the searches of one token may take a minute; else 120",
    },
    demo: { type: 'boolean', help: 'plays a story of about 1,000 Entra events into the ledger demo, once' },
  },
  examples: [
    { command: 'stele serve', does: 'serves ./stele-data on http://127.0.0.1:7835' },
    {
      command: 'stele serve --data /srv/stele --name audit.example.com',
      does: 'begins, or goes on with, that directory',
    },
    {
      command: 'stele serve --listen 0.0.0.0:7835 --tls-cert cert.pem --tls-key key.pem',
      does: 'serves other machines',
    },
    { command: 'stele serve --data /srv/stele --keys /etc/stele/keys', does: 'keeps the signing keys elsewhere' },
    { command: 'stele serve --index-url https://clickhouse.example:8443/audit', does: 'keeps the index there' },
    {
      command: "stele serve --index-url 'https://clickhouse.example:8443/audit?cluster=two_shards'",
      does: 'spreads it over the shards of that cluster',
    },
  ],
  exitCodes: { 3: 'the data directory is damaged or in use, the address is taken, or the head was rolled back' },
  run: async ({ options }, environment) => {
    const { data = DEFAULT_DATA, head, keys } = options
    const indexUrl = options['index-url'] ?? variable(environment, 'STELE_INDEX_URL')
    const noIndex = options['no-index'] === true
    if (noIndex && options['index-url'] !== undefined) {
      throw usageFailure('--no-index and --index-url contradict each other', 'Give one of them')
    }
    return await environment.serve({
      ...listening(options, DEFAULT_LISTEN, environment),
      dataDirectory: pathOf(environment, data),
      name: options.name ?? DEFAULT_NAME,
      ...(head === undefined ? {} : { head: /^https?:\/\//.test(head) ? head : pathOf(environment, head) }),
      ...(keys === undefined ? {} : { keys: pathOf(environment, keys) }),
      stateDirectory: stateDirectory(environment),
      demo: options.demo === true,
      privateWitnesses: options['allow-private-witnesses'] === true,
      witnessAlarmMs: minutesOf(options['witness-alarm']) * MINUTE_MS,
      ...(options['search-budget'] === undefined ? {} : { searchBudgetMs: budgetOf(options['search-budget']) }),
      ...(noIndex ? { noIndex } : indexUrl === undefined ? {} : { indexUrl }),
    })
  },
})

function budgetOf(text: string): number {
  const seconds = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (seconds > 0) return seconds * 1_000
  throw usageFailure(`--search-budget ${printable(text)} is not a number of seconds`, 'Write it as 120')
}

function minutesOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_ALARM_MINUTES
  const minutes = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (minutes > 0) return minutes
  throw usageFailure(`--witness-alarm ${printable(text)} is not a number of minutes`, 'Write it as 5')
}
