// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Stores two events and keeps their receipts, which prove them without the server: see verifyReceipt of @stele/proof.
// node append-with-receipts.ts URL TOKEN

import { utf8 } from '@stele/proof'
import { SteleClient } from '@stele/sdk'

const [url = '', token = ''] = process.argv.slice(2)
const client = new SteleClient({ url, token })

const events = [
  { user: 'alice', action: 'sign-in' },
  { user: 'bob', action: 'sign-out' },
].map((event) => JSON.stringify(event))
const { first, receipts = [] } = await client.append('main', events.join('\n'), {
  media: 'application/x-ndjson',
  receipts: true,
  // The client then holds each receipt against the event that it is for.
  events: events.map(utf8),
})

for (const [position, receipt] of receipts.entries()) console.log(`event ${first + position}\n${receipt}`)
