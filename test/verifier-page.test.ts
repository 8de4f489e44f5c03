// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier page as a server hands it out, with the headers that it sends, over a receipt of that server.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { browserMissing, openBrowser } from '../packages/proof/test/chromium.ts'
import { eventsOf, startTestServer } from './server-fixture.ts'

test(
  'P9: the page that the server hands out verifies what that server proves, and asks it for nothing more',
  { skip: browserMissing },
  async (context) => {
    const server = await startTestServer(context)
    await server.askJson('/v1/ledgers/main/events', { body: '{"who":"alice"}' })
    const receipt = await (await server.ask('/v1/ledgers/main/events/0/proof')).text()
    const reads = (await eventsOf(server, 'access')).length
    const browser = await openBrowser()
    try {
      const page = await browser.context.newPage()
      const requested: string[] = []
      const faults: string[] = []
      page.on('request', (request) => requested.push(new URL(request.url()).pathname))
      page.on('console', (message) => faults.push(message.text()))
      await page.goto(`${server.url}/verify.html`)
      const event = { name: 'event.json', mimeType: '', buffer: Buffer.from('{"who":"alice"}') }
      await page.setInputFiles('#event-file', event)
      await page.setInputFiles('#receipt-file', { name: 'r', mimeType: '', buffer: Buffer.from(receipt) })
      await page.fill('#trust', server.ledgers.vkey('main'))
      await page.locator('#verdict[data-mark=verified]').waitFor()
      await page.fill('#trust', server.ledgers.vkey('system'))
      await page.locator('#verdict[data-mark=broken]').waitFor()
      assert.deepEqual(requested, ['/verify.html'])
      assert.deepEqual(faults, [])
      assert.equal((await eventsOf(server, 'access')).length, reads)
    } finally {
      await browser.close()
    }
  },
)
