// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How the key that signed came from the one that is trusted.

import { count, counted } from '../display.ts'

/** `ends`: at which sizes keys ended on the way from the trusted key, `trusted` in words, to the one that signed. */
export function keyWords(trusted: string, signer: string, ends: readonly number[]): string {
  if (ends.length === 0) return trusted
  const places = ends.map((size) => `at ${count(size)}`).join(' and ')
  const each = ends.length === 1 ? 'which that key has signed' : 'each signed by the key before it'
  return `${signer}, to which ${counted(ends.length, 'rotation')} ${ends.length === 1 ? 'leads' : 'lead'} from ${trusted}: ${places} entries, ${each}`
}
