// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A checkpoint is worth something once its log's signature is verified; then a remembered one can be compared with it.

import { readFile } from 'node:fs/promises'

import { ed25519Verifier, openCheckpoint, parseReceipt, ProofError, toBase64, utf8 } from '@stele/proof'

const fixtures = new URL('fixtures/', import.meta.url)
const verifier = ed25519Verifier((await readFile(new URL('log.vkey', fixtures), 'utf8')).trimEnd())
const { checkpoint: note } = parseReceipt(await readFile(new URL('event.tlog-proof', fixtures)))

const { checkpoint } = await openCheckpoint(note, verifier, 'audit.example.com/k3v7q2m5x8r4t/main')
console.log(checkpoint.size, toBase64(checkpoint.root))

const forged = utf8(new TextDecoder().decode(note).replace('\n300\n', '\n301\n'))
try {
  await openCheckpoint(forged, verifier, 'audit.example.com/k3v7q2m5x8r4t/main')
} catch (error) {
  if (error instanceof ProofError) console.log(error.code, '-', error.message)
}

// Prints:
// 300 pDVZDBczJdvulmhjt+YL3NYBhmInfV6EXHxL3OmAP30=
// signature-invalid - the signature of audit.example.com/k3v7q2m5x8r4t/main does not belong to this text
