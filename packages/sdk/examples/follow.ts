// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Prints the events of a ledger from the first on, and those to come, until so many were seen.
// node follow.ts URL TOKEN COUNT

import { SteleClient } from '@stele/sdk'

const [url = '', token = '', count = '1'] = process.argv.slice(2)
const client = new SteleClient({ url, token })

for await (const { index, at, text } of client.tail('main', { from: 0 })) {
  console.log(index, at, text)
  if (index + 1 === Number(count)) break
}
