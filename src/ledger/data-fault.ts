// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What is wrong with a file, and where: the log, a segment, or what says how far they go; recovery and `verify` name it to a person. */
export class DataFault extends Error {
  override readonly name = 'DataFault'
  readonly file: string
  readonly offset: number
  readonly what: string
  readonly expected: string
  readonly found: string

  constructor(file: string, offset: number, what: string, expected: string, found: string) {
    super(`${file} at byte ${offset}: ${what}; expected ${expected}, found ${found}`)
    this.file = file
    this.offset = offset
    this.what = what
    this.expected = expected
    this.found = found
  }
}
