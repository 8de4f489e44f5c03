// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Entries come from a log in bundles of up to 256. A bundle is right when its entries hash to the tile of the same number.

import {
  entriesPath,
  equalBytes,
  formatBundle,
  hashLeaf,
  parseBundle,
  parseTilePath,
  tilePath,
  tileWidthAt,
  utf8,
} from '@stele/proof'

const size = 70_000
const index = 273
const width = tileWidthAt(size, 0, index)
console.log('GET', entriesPath(index, width))
console.log('GET', tilePath(0, index, width))
console.log(parseTilePath(entriesPath(index, width)))

// What the two requests would bring:
const entries = Array.from({ length: width }, (_, i) => utf8(`entry ${index * 256 + i}`))
const bundle = formatBundle(entries)
const tile = entries.flatMap((entry) => [...hashLeaf(entry)])

const hashes = parseBundle(bundle, width).flatMap((entry) => [...hashLeaf(entry)])
console.log(equalBytes(Uint8Array.from(hashes), Uint8Array.from(tile)))

// Prints:
// GET tile/entries/273.p/112
// GET tile/0/273.p/112
// { kind: 'entries', level: 0, index: 273, width: 112 }
// true
