// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { ALG_ED25519, parseVkey } from '@stele/proof'

import { KnownLogFault, KnownLogs } from '../evidence/known-logs.ts'
import { tryLock } from '../platform/lock.ts'
import { defineCommand } from './command.ts'
import { DEFAULT_DATA, jsonOption } from './connect.ts'
import { printable } from './display.ts'
import { stateDirectory } from './environment.ts'
import { Failure, usageFailure } from './failure.ts'
import { verifyDirectoryCommand } from './verify/directory.ts'
import { isExport, verifyExportCommand } from './verify/export.ts'
import { NOTHING_SHOWN, policyOf, type VerifyOptions, vkeyOf } from './verify/options.ts'
import { verifyFolderCommand } from './verify/folder.ts'
import { verifyReceiptCommand } from './verify/receipt.ts'
import { verifyServerCommand } from './verify/server.ts'

export const verify = defineCommand({
  name: 'verify',
  summary: 'Verifies a server, a data directory, an export, or an event with its proof',
  description:
    'It recomputes everything and believes nothing. What it says depends on what you hold beside the data: a head kept outside shows that nothing has changed since; a key shows that only its holder can have changed anything; without either, all that can be shown is that everything fits together.\nA directory is verified offline, with all events, and not changed; a server may be writing to it. A FOLDER is an export, a mirror, or the folder of any log that keeps to C2SP tlog-tiles. A FILE is what stele search --export wrote, with its SUMMARY. Of every log that it sees, the command remembers origin, key and largest head in your state directory, and holds the log against them the next time.',
  operands: '[EVENT PROOF | FOLDER]',
  options: {
    data: { type: 'string', value: 'DIR', help: 'verifies a data directory, offline' },
    url: { type: 'string', value: 'URL', help: 'verifies what a server serves: every entry and tile' },
    token: { type: 'string', value: 'TOKEN', help: 'for --url; else STELE_TOKEN, else none or that of ./stele-data' },
    key: { type: 'string', value: 'VKEY', help: "the log's key, from somewhere else than the log" },
    policy: { type: 'string', value: 'FILE', help: 'logs and witnesses to trust (C2SP tlog-policy)' },
    rotations: {
      type: 'string',
      value: 'FILE',
      help: "with --key, or a key that is remembered: the log's signed statements by which later keys followed it, from anybody ('stele key list --rotations')",
    },
    head: {
      type: 'string',
      value: 'FILE|URL',
      multiple: true,
      help: 'with --data: a signed head kept outside, may be repeated; else the one in your state directory',
    },
    ledger: { type: 'string', value: 'NAME', help: 'with --url: only this ledger' },
    'no-content': {
      type: 'boolean',
      help: 'with --data: entries and trees alone, in half the time; not the events in segments',
    },
    content: { type: 'boolean', help: 'with --url: the events, too. The server records that they were read' },
    ...jsonOption,
  },
  examples: [
    { command: `stele verify --data ${DEFAULT_DATA}`, does: 'verifies every byte of a data directory' },
    { command: "stele verify grant.json grant.tlog-proof --key 'VKEY'", does: 'verifies one event, without a server' },
    {
      command: "stele verify q3.ndjson q3.ndjson.summary --key 'VKEY'",
      does: 'verifies what a search found and the ledger signed, without a server',
    },
    { command: "stele verify ./main-2026-09 --key 'VKEY'", does: 'verifies an export: entries, tree and events' },
    {
      command: "stele verify grant.json grant.tlog-proof --key 'OLD' --rotations rotations.txt",
      does: 'the same by a key that later ones have followed',
    },
    {
      command: 'stele verify --url https://audit.example.com --ledger payments',
      does: 'verifies what a server serves',
    },
  ],
  exitCodes: {
    0: 'nothing speaks against it: the verdict is unchanged, signed or valid; or only self-consistent, where no key is pinned: read the verdict',
    1: 'something was changed, or the proof does not hold',
    2: 'the command line is wrong, the server refused, no key is known, or the key or the policy is of another ledger',
  },
  run: async ({ options, operands }, environment) => {
    const { data, url } = options
    const targets = [data !== undefined, url !== undefined, operands.length > 0].filter(Boolean).length
    if (targets !== 1) {
      const what = targets === 0 ? 'verify needs to know what to verify' : 'verify takes one thing to verify'
      throw usageFailure(
        what,
        'Give --data DIR, or --url URL, or a FOLDER, or an EVENT and its PROOF, or a FILE and its SUMMARY',
      )
    }
    const trust: VerifyOptions = {
      vkey: options.key === undefined ? undefined : vkeyOf(options.key),
      policy: options.policy === undefined ? undefined : await policyOf(options.policy, environment),
      rotations: options.rotations,
      heads: options.head ?? [],
      ledger: options.ledger,
      token: options.token,
      withContent: data === undefined ? options.content === true : options['no-content'] !== true,
      isJson: options.json === true,
      knownLogs: new KnownLogs(environment.disk, environment.clock, tryLock, stateDirectory(environment)),
    }
    if (trust.vkey !== undefined && trust.policy !== undefined) {
      throw usageFailure('--key and --policy were both given', 'A policy names its keys; give one of the two')
    }
    demandRotationsFit(trust, operands)
    if (data === undefined && trust.heads.length > 0) throw usageFailure('--head goes with --data', 'Leave it out')
    if (data === undefined && options['no-content'] === true) {
      throw usageFailure('--no-content goes with --data', 'Leave it out')
    }
    if (url === undefined && (options.content === true || trust.ledger !== undefined)) {
      throw usageFailure('--content and --ledger go with --url', 'Leave them out')
    }
    try {
      if (data !== undefined) return await verifyDirectoryCommand(data, trust, environment)
      if (url !== undefined) return await verifyServerCommand(url, trust, environment)
      const [folder, ...more] = operands
      if (folder !== undefined && more.length === 0) return await verifyFolderCommand(folder, trust, environment)
      if (await isExport(operands, environment)) return await verifyExportCommand(operands, trust, environment)
      return await verifyReceiptCommand(operands, trust, environment)
    } catch (error) {
      if (error instanceof KnownLogFault) throw new Failure(3, printable(error.message), NOTHING_SHOWN)
      throw error
    }
  },
})

function demandRotationsFit({ vkey, policy, rotations }: VerifyOptions, operands: readonly string[]): void {
  if (rotations === undefined) return
  if (operands.length === 0) {
    throw usageFailure(
      '--rotations goes with a FOLDER, an EVENT and its PROOF, or a FILE and its SUMMARY',
      'A server and a directory have their own',
    )
  }
  if (policy !== undefined) {
    const mend = "Leave it out; where a key in the policy was rotated, get the new policy ('stele witness policy')"
    throw usageFailure('--rotations goes with a key, and a policy names its keys', mend)
  }
  if (vkey === undefined || parseVkey(vkey).alg === ALG_ED25519) return
  throw usageFailure(
    '--rotations goes with an Ed25519 key, and --key is of another kind',
    'Give the key of the kind Ed25519',
  )
}
