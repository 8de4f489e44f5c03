// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is said where nothing was found, besides what the query itself suggests: which ledger that is true of, and that a
// timeline is of whole names.

import { EVERY_LEDGER } from '@stele/sdk'

import { foldedName } from '../../query/aliases.ts'
import { formatQuery } from '../../query/format.ts'
import type { Query } from '../../query/tree.ts'
import { DEFAULT_LEDGER } from '../connect.ts'
import { printable, shellQuoted, shellWord } from '../display.ts'

/** Of several ledgers nothing is left to try. */
export function ledgerHint(ledger: string | undefined): string {
  if (ledger === EVERY_LEDGER) return ''
  const which =
    ledger === undefined
      ? `the ledger ${DEFAULT_LEDGER} was searched, as none was named: --ledger NAME searches another`
      : `the ledger ${printable(ledger)} alone was searched`
  const all = `--ledger '${EVERY_LEDGER}' ${ledger === undefined ? '' : 'searches '}all that the token may read`
  return `stele: ${which}, ${all}\n`
}

/** The search that finds the names of which these are the begin. */
export function partOfNameHint(ledger: string | undefined, names: readonly string[]): string {
  const of = names.flatMap((name): Query[] => {
    const pattern = [foldedName(name), '']
    return (['actor', 'target'] as const).map((field) => ({ kind: 'field', field, pattern }))
  })
  const where = ledger === undefined ? '' : `--ledger ${shellWord(ledger)} `
  const command = `stele search ${where}${shellQuoted(formatQuery({ kind: 'or', of }))}`
  return `stele: a NAME is compared as a whole; where it is a part of one: ${printable(command)}\n`
}
