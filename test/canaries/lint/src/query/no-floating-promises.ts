// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(no-floating-promises)

export function forget(append: () => Promise<void>): void {
  append()
}
