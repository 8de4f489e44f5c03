// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: exports

export const used = 1
export const unusedExport = 2
export interface UnusedType {
  readonly size: number
}
