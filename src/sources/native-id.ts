// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The id that its source gave an event, found again in an event that is stored, by the tables by which it was found when
// the event came. The ledger is handed this: it knows no source.

import type { NativeIdOf, NativeIds } from '../ledger/recent.ts'
import { Marks } from './marks.ts'
import { connectors, idTables } from './registry.ts'
import { Scanner } from './scan.ts'

export class NativeIdFinder implements NativeIds {
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
   * For JSON events that lie in `bytes`: where the id of the one from `start` to `end`, of a type, stands; undefined where
   * it has none. Where a key is repeated, which no source does, it may be another than the intake's.
   */
  in(bytes: Buffer): NativeIdOf {
    const scanner = new Scanner(bytes, false)
    return (type, start, end) => {
      const marks = this.#marks.get(type)
      if (marks === undefined) return undefined
      marks.eventEnd = end
      const stop = scanner.value(start, marks, null)
      marks.findId(0)
      return marks.idEnd === 0 || stop > end ? undefined : { start: marks.idStart, end: marks.idEnd }
    }
  }
}
