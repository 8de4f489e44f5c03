// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier page over two receipts in one file: the event in its log, and that log's head in the witnessed heads.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type { Page } from 'playwright-core'

import { utf8 } from '../src/index.ts'
import { browserMissing, openBrowser, type Browser } from './chromium.ts'
import { readPage } from './page-reader.ts'
import { headsOf, policyOf, witness, witnessedReceiptOf } from './page-receipts.ts'
import { logSigner, mldsaSigner } from './signers.ts'

describe('the verifier page over a witnessed receipt', { skip: browserMissing }, () => {
  let browser: Browser
  let page: Page

  before(async () => {
    browser = await openBrowser()
    page = await browser.context.newPage()
  })

  after(async () => await browser?.close())

  const origin = 'example.com/k3v7q2m5x8r4t/main'
  const bytes = utf8('{}')
  const event = { name: 'event.json', bytes }
  const mldsa = mldsaSigner('witness.example/m')
  const sights = [
    [witness(0), 1_800_000_000],
    [mldsa, 1_800_000_060],
  ] as const
  const receipt = { name: 'w.tlog-proof', bytes: utf8(witnessedReceiptOf(bytes, origin, sights)) }
  const joints = async () => {
    const shown = await page.locator('.ribbon li').allInnerTexts()
    return shown.map((text) => text.replaceAll(/\s+/g, ' ').replace(' :', ':'))
  }

  test('by a policy of the heads it says who saw it and when, through which log, and whose signature it had no key for', async () => {
    const text = await readPage(page, { event, receipt, trust: policyOf(headsOf(origin), [witness(0), mldsa]) })
    assert.match(text, /^verified\n/)
    assert.match(text, /event\.json is, byte for byte, what the log example\.com\/k3v7q2m5x8r4t\/main recorded/)
    assert.match(
      text,
      /2 witnesses .*<i>0<\/i> on 15 January 2027, 08:00:00 UTC; <i>1<\/i> on 15 January 2027, 08:01:00 UTC/,
    )
    assert.match(text, /is itself entry number 0 of example\.com\/k3v7q2m5x8r4t\/heads/)
    const shown = await joints()
    assert.deepEqual(shown.slice(-3), ['the signature: not checked', 'heads: holds', 'the witnesses: 2 saw it'])
  })

  test('by the key of the log alone it is verified, and what the heads say is not checked', async () => {
    const text = await readPage(page, { event, receipt, trust: logSigner(origin).vkey })
    assert.match(text, /^verified\n[^]*No witness was asked\./)
    const shown = await joints()
    assert.deepEqual(shown.slice(-3), ['the signature: holds', 'heads: not checked', 'the witnesses: not witnessed'])
  })

  test('heads that hold another checkpoint, and heads of another server, are broken', async () => {
    const other = Buffer.from(receipt.bytes).toString().split('c2sp.org/tlog-proof@v1\n')
    const mixed = Buffer.from(witnessedReceiptOf(utf8('[]'), origin, sights))
      .toString()
      .split('c2sp.org/tlog-proof@v1\n')
    const joined = ['', other[1], mixed[2]].join('c2sp.org/tlog-proof@v1\n')
    const trust = policyOf(headsOf(origin), [witness(0)])
    assert.match(await readPage(page, { event, receipt: { name: 'j', bytes: utf8(joined) }, trust }), /^broken\n/)
    assert.equal((await joints()).at(-1), 'heads: does not hold')
    assert.match(
      await readPage(page, { event, receipt, trust: policyOf('example.com/other/heads', [witness(0)]) }),
      /^broken\n/,
    )
  })

  test('in a browser without ML-DSA-44 a quorum that needs it is not reached, and it says why and never that it is verified', async () => {
    const old = await browser.context.newPage()
    try {
      await old.addInitScript(() => {
        const importKey = crypto.subtle.importKey.bind(crypto.subtle)
        crypto.subtle.importKey = async (...args: [string, never, never, boolean, never]) => {
          if (args[0] === 'raw-public') throw new DOMException('Unrecognized name.', 'NotSupportedError')
          return await importKey(...(args as ['raw', never, never, boolean, never]))
        }
      })
      const text = await readPage(old, { event, receipt, trust: policyOf(headsOf(origin), [witness(0), mldsa]) })
      assert.match(
        text,
        /^not checked\n[^]*could not be checked here\.[^]*does not know a kind of signature that it would take/,
      )
      const enough = await readPage(old, { event, receipt, trust: policyOf(headsOf(origin), [witness(0)]) })
      assert.match(enough, /^verified\n/)
    } finally {
      await old.close()
    }
  })
})
