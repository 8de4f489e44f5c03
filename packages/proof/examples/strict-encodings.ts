// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One way to write each thing, and an error with a code for any other.

import { fromBase64, fromUtf8, parseDecimal, ProofError, sha256, toBase64, utf8 } from '@stele/proof'

console.log(toBase64(sha256(utf8('abc'))).slice(0, 12), fromBase64('AQI=').length, parseDecimal('9007199254740991'))

for (const read of [
  () => fromBase64('AB=='),
  () => fromBase64('AA'),
  () => fromUtf8(Uint8Array.of(0xff)),
  () => parseDecimal('007'),
  () => parseDecimal('9007199254740992'),
]) {
  try {
    read()
  } catch (error) {
    if (error instanceof ProofError) console.log(error.code)
  }
}

// Prints:
// ungWv48Bz+pB 2 9007199254740991
// base64-malformed
// base64-malformed
// text-malformed
// decimal-malformed
// decimal-malformed
