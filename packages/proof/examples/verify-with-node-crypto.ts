// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Many receipts in Node, checked by its own crypto: WebCrypto takes another thread's turn for each signature and is
// handed the key anew. The verdict is the same, since what platforms differ over is refused before any is asked.

import { createPublicKey, verify } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { type Ed25519Check, parseVkey, toBase64Url, verifyReceipt } from '@stele/proof'

const fixtures = new URL('fixtures/', import.meta.url)
const event = await readFile(new URL('event.json', fixtures))
const receipt = await readFile(new URL('event.tlog-proof', fixtures))
const vkey = (await readFile(new URL('log.vkey', fixtures), 'utf8')).trimEnd()

const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(parseVkey(vkey).publicKey) }
const key = createPublicKey({ key: jwk, format: 'jwk' })
const check: Ed25519Check = (_, message, signature) => verify(null, message, key, signature)

const report = await verifyReceipt(event, receipt, { vkey, check })
console.log(report.verdict, report.origin, report.index)
const other = await verifyReceipt(Buffer.from('another event'), receipt, { vkey, check })
console.log(other.verdict)

// Prints:
// valid audit.example.com/k3v7q2m5x8r4t/main 41
// invalid
