// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS6133

export function size(): number {
  const unused = 1
  return 2
}
