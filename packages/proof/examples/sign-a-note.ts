// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A signed note: a text, and lines in which keys sign it. What a key signs is up to a verifier to know beforehand.

import { generateKeyPairSync, sign } from 'node:crypto'

import {
  ALG_ED25519,
  ed25519Verifier,
  formatNote,
  formatSignatureLine,
  formatVkey,
  isEd25519Signature,
  keyIdOf,
  keyOfKind,
  kindOf,
  noteMessage,
  openNote,
  parseNote,
  parseVkey,
  utf8,
} from '@stele/proof'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)

const name = 'example.com/notary'
const vkey = formatVkey(name, ALG_ED25519, raw)
const key = parseVkey(vkey)
console.log(key.name, kindOf(key.alg), key.keyId === keyIdOf(name, ALG_ED25519, raw))
console.log(keyOfKind(vkey, ALG_ED25519).publicKey.length, 'bytes')

const text = 'If you think cryptography is the answer to your problem,\n'
const signature = sign(null, noteMessage(text), privateKey)
const note = formatNote(text, [formatSignatureLine(name, key.keyId, signature)])
console.log(parseNote(utf8(note)).signatures.length, 'signature, not yet verified')

const opened = await openNote(utf8(note), [ed25519Verifier(vkey)])
console.log(opened.verified.map(({ verifier }) => verifier.name).join(), 'signed:', opened.text.trimEnd())
console.log(await isEd25519Signature(raw, utf8('another text\n'), signature))

// Prints:
// example.com/notary Ed25519 true
// 32 bytes
// 1 signature, not yet verified
// example.com/notary signed: If you think cryptography is the answer to your problem,
// false
