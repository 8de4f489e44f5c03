// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Simulated time stands still while the code under test computes. What it hands to another thread would come back at a
// moment that no seed decides, so it is done at once instead. For processes that do nothing but simulate.

import { createPublicKey, KeyObject, verify, webcrypto } from 'node:crypto'

const { subtle } = webcrypto

type Bytes = Parameters<typeof subtle.verify>[2]

function bytesOf(source: Bytes): Uint8Array {
  if (!ArrayBuffer.isView(source)) return new Uint8Array(source)
  return new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
}

/** By the formats in which a ledger imports them: what stands before the key in its SPKI, and the algorithm. */
const KEYS: Readonly<Record<string, { readonly prefix: string; readonly name: 'Ed25519' | 'ML-DSA-44' }>> = {
  raw: { prefix: '302a300506032b6570032100', name: 'Ed25519' },
  'raw-public': { prefix: '30820532300b06096086480165030403110382052100', name: 'ML-DSA-44' },
}

/** The signatures of WebCrypto, which are all of it that a ledger uses. */
export function computeOnOneThread(): void {
  const importKey = async (format: string, raw: Bytes): Promise<webcrypto.CryptoKey> => {
    const known = KEYS[format]
    if (known === undefined) throw new Error(`a key as ${format} is not imported by anything that is simulated`)
    const spki = Buffer.concat([Buffer.from(known.prefix, 'hex'), bytesOf(raw)])
    return createPublicKey({ key: spki, format: 'der', type: 'spki' }).toCryptoKey(known.name, true, ['verify'])
  }
  subtle.importKey = importKey as typeof subtle.importKey
  subtle.verify = async (_, key, signature, data) =>
    verify(null, bytesOf(data), KeyObject.from(key), bytesOf(signature))
}
