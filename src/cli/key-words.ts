// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Public keys as people read them: a short one whole, for it is copied from there, a long one by what it is known by.

import { ALG_MLDSA44, parseVkey } from '@stele/proof'

import { bytesText, printable } from './display.ts'

/** What a key is called among the others of its log. */
export function keyKind(vkey: string): string {
  return parseVkey(vkey).alg === ALG_MLDSA44 ? 'ML-DSA-44' : 'Ed25519'
}

/** On one line: a key of 1.8 kB would fill the terminal, and is taken from --json. */
export function keyWords(vkey: string): string {
  const { name, keyId, alg } = parseVkey(vkey)
  if (alg !== ALG_MLDSA44) return printable(vkey)
  const id = keyId.toString(16).padStart(8, '0')
  return `${printable(name)}+${id}+… (ML-DSA-44, ${bytesText(vkey.length)}: --json has it whole)`
}
