// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The id that its source gave an event, found again in an event that is stored, by the tables by which it was found when
// the event came. The ledger is handed this: it knows no source.

import { Marks } from './marks.ts'
import { connectors, idTables } from './registry.ts'
import { Scanner } from './scan.ts'

export class NativeIdFinder {
  readonly #marks = new Map<string, Marks>()

  constructor() {
    for (const [kind, { type }] of connectors.entries()) {
      const table = idTables[kind]
      if (table !== undefined) this.#marks.set(type, new Marks(table, 'as soon as it is found'))
    }
  }

  /** Whether events of a source type may have an id. */
  has(type: string): boolean {
    return this.#marks.has(type)
  }

  /**
   * Where in a JSON event of a type its id stands; undefined where it has none. Where a key is repeated, which no source
   * does, it may be another than the intake's.
   */
  of(type: string, event: Buffer): { readonly start: number; readonly end: number } | undefined {
    const marks = this.#marks.get(type)
    if (marks === undefined) return undefined
    new Scanner(event, false).value(0, marks, null)
    marks.findId(0)
    return marks.idEnd === 0 ? undefined : { start: marks.idStart, end: marks.idEnd }
  }
}
