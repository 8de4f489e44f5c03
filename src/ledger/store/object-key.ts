// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The keys that every store takes: one folder and one name, of characters that mean nothing to a file system or a URL. */
import assert from 'node:assert/strict'

const KEY = /^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9.-]{0,199}$/
const PREFIX = /^(?:[a-z0-9][a-z0-9-]{0,62}(?:\/(?:[a-z0-9][a-z0-9.-]{0,199})?)?)?$/

/** Keys are made by code; one that is none is a bug, and must not reach a path. */
export function checkKey(key: string): void {
  assert(KEY.test(key), `${JSON.stringify(key)} is no key of an object`)
}

export function checkPrefix(prefix: string): void {
  assert(PREFIX.test(prefix), `${JSON.stringify(prefix)} is no beginning of a key`)
}

export function isKey(key: string): boolean {
  return KEY.test(key)
}
