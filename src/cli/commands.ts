// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every command. A new one is a line here and a file beside this one, which is loaded when it is called.

import type { Command, CommandGroup } from './command.ts'

export interface CommandEntry {
  readonly name: string
  readonly group: 'Run' | 'Record' | 'Read' | 'Prove' | 'Administer'
  /** As the command's own: here, so that the overview loads no command. */
  readonly summary: string
  readonly load: () => Promise<Command | CommandGroup>
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'serve',
    group: 'Run',
    summary: 'Runs a server on a data directory',
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'append',
    group: 'Record',
    summary: 'Stores the events of files, folders or standard input',
    load: async () => (await import('./append.ts')).append,
  },
  {
    name: 'search',
    group: 'Read',
    summary: 'Finds events, newest first',
    load: async () => (await import('./search.ts')).search,
  },
  {
    name: 'timeline',
    group: 'Read',
    summary: 'Shows what somebody did and what was done to them',
    load: async () => (await import('./timeline.ts')).timeline,
  },
  {
    name: 'related',
    group: 'Read',
    summary: 'Shows what belongs to the same request or session as an event',
    load: async () => (await import('./related.ts')).related,
  },
  {
    name: 'fields',
    group: 'Read',
    summary: 'Lists what can be searched by, with examples',
    load: async () => (await import('./fields.ts')).fieldsCommand,
  },
  {
    name: 'tail',
    group: 'Read',
    summary: 'Shows events as they are stored',
    load: async () => (await import('./tail.ts')).tail,
  },
  {
    name: 'prove',
    group: 'Prove',
    summary: 'Writes the proof that an event is in a ledger',
    load: async () => (await import('./prove.ts')).prove,
  },
  {
    name: 'verify',
    group: 'Prove',
    summary: 'Verifies a server, a data directory, an export, or an event with its proof',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'monitor',
    group: 'Prove',
    summary: 'Follows a ledger, or another log, from outside, and keeps evidence of what contradicts',
    load: async () => (await import('./monitor.ts')).monitor,
  },
  {
    name: 'export',
    group: 'Prove',
    summary: 'Writes a ledger as a folder that anybody can verify',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'drill',
    group: 'Prove',
    summary: 'Tampers with a copy of a ledger and shows what finds it',
    load: async () => (await import('./drill.ts')).drill,
  },
  {
    name: 'backup',
    group: 'Administer',
    summary: 'Copies a data directory while its server runs',
    load: async () => (await import('./backup.ts')).backup,
  },
  {
    name: 'restore',
    group: 'Administer',
    summary: 'Makes a data directory out of a backup, and verifies every byte',
    load: async () => (await import('./restore.ts')).restore,
  },
  {
    name: 'doctor',
    group: 'Administer',
    summary: 'Explains what is wrong with a data directory, and what can be done',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'check',
    group: 'Administer',
    summary: 'Says whether the stored data, and the index, are as they must be',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'rebuild-index',
    group: 'Administer',
    summary: 'Makes the index anew from the ledgers',
    load: async () => (await import('./rebuild-index.ts')).rebuildIndex,
  },
  {
    name: 'ledger',
    group: 'Administer',
    summary: 'Creates, lists and shows ledgers',
    load: async () => (await import('./ledger.ts')).ledger,
  },
  {
    name: 'key',
    group: 'Administer',
    summary: 'Rotates and lists the keys of ledgers',
    load: async () => (await import('./key.ts')).key,
  },
  {
    name: 'token',
    group: 'Administer',
    summary: 'Creates, lists and revokes access tokens',
    load: async () => (await import('./token.ts')).token,
  },
  {
    name: 'witness',
    group: 'Administer',
    summary: 'Has published heads cosigned by witnesses, and is a witness for others',
    load: async () => (await import('./witness.ts')).witness,
  },
  {
    name: 'clock',
    group: 'Administer',
    summary: "Confirms a jump of the server's clock",
    load: async () => (await import('./clock.ts')).clock,
  },
]
