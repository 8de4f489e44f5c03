// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(no-misused-promises)

export function durable(append: () => Promise<boolean>): string {
  return append() ? 'durable' : 'lost'
}
