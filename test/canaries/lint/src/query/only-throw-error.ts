// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(only-throw-error)

export function refuse(): never {
  throw 'refused'
}
