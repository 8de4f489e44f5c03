// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A folder in the layout of tlog-tiles is not what it must be to go on with it, or to make it whole. */
export class FolderFault extends Error {
  override readonly name = 'FolderFault'
  /** Path below the folder. */
  readonly file: string
  readonly what: string

  constructor(file: string, what: string) {
    super(`${file}: ${what}`)
    this.file = file
    this.what = what
  }
}
