// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { AppendRun, type Plan } from './append/append-run.ts'
import { FollowedFile } from './append/follow.ts'
import { type Input, inputsOf } from './append/inputs.ts'
import { defineCommand, type ExitCode } from './command.ts'
import { DEFAULT_LEDGER, ledgerOption, serverOptions } from './connect.ts'
import { printable } from './display.ts'
import type { Environment } from './environment.ts'
import { usageFailure } from './failure.ts'

const FORMS = ['lines', 'documents', 'text', 'bytes'] as const

export const append = defineCommand({
  name: 'append',
  summary: 'Stores the events of files, folders or standard input',
  description:
    'JSON is known by its content: one event, an array, a container of a known source ({"value":[…]} of Microsoft Graph, {"records":[…]} of diagnostic settings), documents one behind another, or one a line. Other text is one event a line, anything else one event. gzip and Zstandard are undone. A line of text takes a request of its own, sent when the one before is stored, so that lines keep their order: some hundred lines a second, where JSON lines go a thousand a request. The bytes of each event are stored as they are in the file.\nFolders are read in the order of names, without names that begin with a dot, links, and files that are neither JSON nor text. A file is sent in several requests; each is stored whole or not at all, and where one is refused, what came before it is stored. Where a run was interrupted, even by a kill or a power cut, the same command goes on: it keeps a note of each file (device, inode, beginning, the bytes before the place) in the state directory until all is stored. Standard input cannot be read twice: there it is --skip.\nWhat is sent again: an event whose source gave it an id, as Entra does, is stored once as long as it is among the last million entries of the ledger, or fewer where many ledgers are filled; events without an id are stored as often as they are sent. So of a file of 1 MiB or more the note stays when all is stored, and while nobody has touched the file and the ledger still has it, nothing of it is sent again. --again sends it.',
  operands: '[FILE|DIR|-]…',
  options: {
    ...ledgerOption,
    source: {
      type: 'string',
      value: 'TYPE',
      help: 'what the events are, as TYPE[/INSTANCE[/STREAM]], such as entra.audit/contoso; else each is recognised by its content',
    },
    follow: { type: 'boolean', help: 'goes on with a FILE that grows, and after it was rotated, until Ctrl-C' },
    skip: { type: 'string', value: 'N', help: 'leaves out the first N events: those that an earlier run has stored' },
    again: {
      type: 'boolean',
      help: 'begins anew: where an earlier run was interrupted, and with a large file that was stored before',
    },
    as: {
      type: 'string',
      value: 'FORM',
      help: 'reads the files as lines (JSON, one a line), documents (JSON), text (an event a line) or bytes (one event), whatever they begin with',
    },
    receipts: {
      type: 'string',
      value: 'DIR',
      help: 'keeps the receipt of every event there, which proves it without the server',
    },
    ...serverOptions,
    json: { type: 'boolean', help: 'prints the summary as JSON' },
  },
  examples: [
    { command: 'stele append export.json', does: 'stores the events of an export in the ledger main' },
    {
      command: 'stele append --source entra.signin logs/ more.ndjson.gz',
      does: 'stores those of a folder and a file, as sign-ins',
    },
    {
      command: 'stele append --follow /var/log/app/audit.ndjson',
      does: 'stores events as they are written, until Ctrl-C',
    },
    { command: 'journalctl -o json | stele append --ledger host -', does: 'stores what another program prints' },
  ],
  exitCodes: {
    2: 'the command line is wrong, or the server refused events: what came before them is stored, and how to go on is said',
    3: 'the server or a file could not be reached, the server is overloaded, or the command was interrupted',
  },
  run: async ({ options, operands }, environment) => {
    const plan = planOf(options)
    const { inputs, passedOver, emptyFolders } = await inputsOf(operands, environment)
    if (plan.isFollowing) return await follow(plan, inputs, environment)
    const run = await AppendRun.begin(plan, inputs, environment)
    for (const { name, why } of passedOver) await run.progress.say(`left out ${name}: ${why}.`)
    return await run.all(inputs, emptyFolders)
  },
})

async function follow(plan: Plan, inputs: readonly Input[], environment: Environment): Promise<ExitCode> {
  const [input, surplus] = inputs
  if (input?.path === undefined || surplus !== undefined || !input.isNamed) {
    throw usageFailure('--follow takes one FILE', 'Run one command a file; standard input is followed by itself')
  }
  const { files, clock, interrupted } = environment
  const file = new FollowedFile(input.path, input.name, { files, clock, signal: interrupted })
  // Before the server is waited for: meanwhile the file may be rotated away.
  await file.begin()
  try {
    return await (await AppendRun.begin(plan, [input], environment)).follow(file, input)
  } finally {
    await file.close()
  }
}

function planOf(options: {
  readonly ledger?: string
  readonly source?: string
  readonly skip?: string
  readonly again?: boolean
  readonly as?: string
  readonly receipts?: string
  readonly follow?: boolean
  readonly json?: boolean
  readonly url?: string
  readonly token?: string
}): Plan {
  const { ledger = DEFAULT_LEDGER, source, skip = '0', as, follow, receipts, url, token } = options
  if (!/^\d{1,15}$/.test(skip))
    throw usageFailure(`--skip ${printable(skip)} is not a number`, 'Give the number of events to leave out')
  const form = FORMS.find((known) => known === as)
  if (as !== undefined && (form === undefined || (follow === true && (form === 'documents' || form === 'bytes')))) {
    throw usageFailure(
      `--as ${printable(as)} is not a form`,
      follow === true ? 'A followed file has lines or text' : `The forms are ${FORMS.join(', ')}`,
    )
  }
  const server = { ...(url === undefined ? {} : { url }), ...(token === undefined ? {} : { token }) }
  if (options.again === true && (options.skip !== undefined || follow === true)) {
    throw usageFailure('--again goes with neither --skip nor --follow', 'Give one of them')
  }
  const again = options.again === true
  const flags = { isFollowing: follow === true, isJson: options.json === true }
  return { ledger, source, skip: Number(skip), again, form, receipts, server, ...flags }
}
