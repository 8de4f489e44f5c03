// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Why the embedded ClickHouse does not start, in words for whoever runs Stele. What it says itself may hold anything. */
import { printable } from '@stele/proof/printable'
import type { Death } from '../platform/children.ts'

const MAX_QUOTED_CHARS = 300

export function startFailure({ lines, reason }: Death, directory: string): string {
  const all = lines.join('\n')
  // An exception may quote what it could not read, over several lines: its beginning and its name say most.
  const line = lines.find((line) => /^Code: \d|Error/.test(line)) ?? lines.at(-1) ?? reason
  const said = printable(line.slice(0, MAX_QUOTED_CHARS))
  if (/ENOSPC|No space left|NOT_ENOUGH_SPACE/.test(all + reason)) return `the disk of ${directory} is full`
  if (/Another server instance/.test(all)) return `another process still uses ${directory}`
  if (/EACCES|EPERM|EROFS|Permission denied/.test(all + reason)) return `${directory} cannot be used: ${said}`
  // What fails before ClickHouse runs is thrown by what loads it.
  if (lines.length > 0 && !/^Code: \d/m.test(all) && /^\w*Error\b/m.test(all)) {
    return `ClickHouse cannot be loaded on this machine, so search needs --index-url: ${said}`
  }
  return `the index in ${directory} cannot be opened, and 'stele rebuild-index' makes it anew from the ledgers: ${said}`
}
