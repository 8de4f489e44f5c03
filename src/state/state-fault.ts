// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** An event of `system` that does not follow from what came before. */
export class StateFault extends Error {
  override readonly name = 'StateFault'
}
