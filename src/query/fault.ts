// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A query that cannot be read: what is wrong, where, and what to write instead. */
export class QueryFault extends Error {
  override readonly name = 'QueryFault'
  /** Where the fault begins, in UTF-16 units from 1. */
  readonly column: number
  /** How much of the text is meant, at least 1. */
  readonly length: number
  /** What to write in place of that much of the text. */
  readonly suggestion: string | undefined
  /** The same, with another suggestion, for where the query still could not be read with this one. */
  readonly otherwise: QueryFault | undefined

  /** `start` counts from 0; `end` is behind the last unit that is meant. */
  constructor(message: string, start: number, end: number, suggestion?: string, otherwise?: QueryFault) {
    super(message)
    this.column = start + 1
    this.length = Math.max(1, end - start)
    this.suggestion = suggestion
    this.otherwise = otherwise
  }
}
