// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Foreign programs that some tests need. Outside CI a test that lacks one is skipped and says so; CI lacks nothing.

import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** These come from the cache of scripts/ci-tools.sh alone: `fsck` on PATH is another program. */
const goPrograms = [
  'fsck',
  'hammer',
  'litewitness',
  'posix',
  'posix-oneshot',
  'spicy',
  'stele-interop',
  'witnessctl',
] as const
const systemPrograms = ['chromium', 'go', 'openssl', 'ssh-add', 'ssh-agent', 'ssh-keygen', 'strace', 'wrk'] as const

export type ToolName = (typeof goPrograms)[number] | (typeof systemPrograms)[number]

/** `skip` is what node:test takes: false where the program is there, else the reason. */
export interface Tool {
  readonly path: string
  readonly skip: string | false
}

/** Throws under CI where the program is missing. */
export function findTool(name: ToolName): Tool {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'stele-tools', 'bin')
  const folders = goPrograms.some((program) => program === name)
    ? [cache]
    : (process.env['PATH'] ?? '').split(delimiter)
  const path = folders.map((folder) => join(folder, name)).find(isExecutable)
  if (path !== undefined) return { path, skip: false }
  const reason = `${name} is not installed: scripts/ci-tools.sh installs it`
  if (process.env['CI']) throw new Error(reason)
  return { path: name, skip: reason }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
