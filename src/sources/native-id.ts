// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The id that its source gave an event, found again in an event that is stored, by the tables by which it was found when
// the event came. The ledger is handed these functions: it knows no source.

import { Marks } from './marks.ts'
import { connectors, idTables } from './registry.ts'
import { Scanner } from './scan.ts'

function tableOf(type: string): (typeof idTables)[number] {
  return idTables[connectors.findIndex((connector) => connector.type === type)]
}

/** Whether events of a source type may have an id. */
export function hasNativeId(type: string): boolean {
  return tableOf(type) !== undefined
}

/** Where in a JSON event of a type its id stands; undefined where it has none. */
export function nativeIdOf(type: string, event: Buffer): { readonly start: number; readonly end: number } | undefined {
  const table = tableOf(type)
  if (table === undefined) return undefined
  const marks = new Marks(table)
  new Scanner(event, false).value(0, marks, null)
  marks.findId(0)
  return marks.idEnd === 0 ? undefined : { start: marks.idStart, end: marks.idEnd }
}
