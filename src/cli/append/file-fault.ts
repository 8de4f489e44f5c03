// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Place } from './piece.ts'

/** A file that cannot be cut into events, for a reason that lies in the file. */
export class FileFault extends Error {
  override readonly name = 'FileFault'
  readonly place: Place | undefined

  constructor(what: string, place?: Place) {
    super(what)
    this.place = place
  }
}
