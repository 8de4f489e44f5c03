// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier page in a real browser, opened as its reader opens it: from the disk, and from a server. Nothing in it
// is replaced.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import axe from 'axe-core'
import type { Page } from 'playwright-core'

import { EMPTY_ROOT, formatNote, formatRotation, MAX_EVENT_BYTES, MAX_PROOF_BYTES, utf8 } from '../src/index.ts'
import { browserMissing, FOREIGN_HOST, openBrowser, type Browser } from './chromium.ts'
import { drop, example, examples, PAGE, readPage, settled } from './page-reader.ts'
import { policyOf, receiptOf, witness } from './page-receipts.ts'
import { logSigner, type TestSigner, witnessSigner } from './signers.ts'

const requested: string[] = []
const server = createServer((request, response) => {
  requested.push(request.url ?? '')
  void readFile(PAGE).then((page) => response.writeHead(200, { 'content-type': 'text/html' }).end(page))
})

describe('the verifier page', { skip: browserMissing }, () => {
  let folder: string
  let browser: Browser
  let page: Page
  const faults: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stele-page-'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    browser = await openBrowser()
    page = await browser.context.newPage()
    page.on('console', (message) => faults.push(message.text()))
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('dialog', (dialog) => {
      faults.push('a dialog')
      void dialog.dismiss()
    })
  })

  after(async () => {
    await browser?.close()
    server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const served = (host: string) => `http://${host}:${(server.address() as AddressInfo).port}/verify.html`

  test('P9: opened from the disk, it says of a receipt and a key that the event is what was recorded, and what no witness has said', async () => {
    const text = await readPage(page, await examples())
    assert.match(text, /^verified\nThis event is what was recorded\./)
    assert.match(text, /event\.json is, byte for byte, what the log audit\.example\.com\/k3v7q2m5x8r4t\/main recorded/)
    assert.match(
      text,
      /on 2 January 2026, 03:04:05 UTC, by the log’s clock: event number 41, counted from 0, of the 300/,
    )
    assert.match(text, /No witness was asked\./)
  })

  test('by a policy it names the witnesses and when each saw the head, and a clock that contradicts them', async () => {
    const policy = await example('trust.policy')
    const text = await readPage(page, { ...(await examples()), trust: Buffer.from(policy.bytes).toString() })
    assert.match(text, /^verified\n/)
    assert.match(text, /2 witnesses of your policy .*: W1 on 14 November 2023, 22:13:20 UTC; W2 on 14 November 2023/)
    assert.match(text, /The log’s clock says that this was later: it was wrong, or the witnesses’ clocks were\./)
    const bytes = utf8('{}')
    const sights = [
      [witness(0), 1_800_000_000],
      [witness(1), 9_000_000_000_000_000],
    ] as const
    const receipt = receiptOf(bytes, 'example.com/log', sights)
    const said = await readPage(page, {
      event: { name: 'event', bytes },
      receipt: { name: 'receipt', bytes: utf8(receipt) },
      trust: policyOf('example.com/log', [witness(0), witness(1)]),
    })
    assert.match(said, /<i>0<\/i> on 15 January 2027, 08:00:00 UTC; <i>1<\/i> on a time that no calendar has/)
    assert.doesNotMatch(said, /was later/)
  })

  test('without a key it says that anybody can have made this, and never that it is verified', async () => {
    const { event, receipt } = await examples()
    const text = await readPage(page, { event, receipt })
    assert.match(text, /^not checked\nIt all fits together, and nobody whom you trust vouches for it\./)
    assert.match(text, /Anybody can have made these files: no key was given/)
    assert.doesNotMatch(text, /verified|is what was recorded/)
  })

  test('an event with a changed byte, a receipt with a changed byte and a key of another log are said to be broken, and why', async () => {
    const { event, receipt, trust } = await examples()
    const changed = {
      name: 'event.json',
      bytes: Uint8Array.from(event.bytes, (byte, i) => (i === 9 ? byte ^ 1 : byte)),
    }
    assert.match(
      await readPage(page, { event: changed, receipt, trust }),
      /^broken\nThis is not shown to be what was recorded\. Do not rely on it\.[^]*its salted hash differs\.[^]*an editor that changes/,
    )
    const proof = Buffer.from(receipt.bytes).toString()
    const otherIndex = { name: 'r', bytes: utf8(proof.replace('index 41', 'index 40')) }
    assert.match(
      await readPage(page, { event, receipt: otherIndex, trust }),
      /^broken\n[^]*does not hold is the place in the tree/,
    )
    assert.match(
      await readPage(page, { event, receipt, trust: logSigner('example.com/log').vkey }),
      /^broken\n[^]*the signature/,
    )
    assert.match(
      await readPage(page, { event, receipt: event, trust }),
      /^broken\n[^]*is not one, or it was changed or cut off/,
    )
  })

  test('the steps say each check in words, with its outcome', async () => {
    const { event, receipt } = await examples()
    await readPage(page, { event, receipt })
    await page.locator('summary').first().click()
    const steps = await page.locator('.steps li').allInnerTexts()
    assert.ok(steps.length >= 6)
    assert.ok(
      steps.every((step) => /·\s+(?:holds|not checked)/.test(step)),
      steps.join('\n'),
    )
    assert.match(steps.at(-1)!, /^the signature\s+·\s+not checked/)
  })

  test('it asks no network for anything, and could not: its policy blocks what a script in it would try', async () => {
    requested.length = 0
    assert.match(await readPage(page, await examples(), served('127.0.0.1')), /^verified\n/)
    assert.deepEqual(requested, ['/verify.html'])
    faults.length = 0
    const outcome = await page.evaluate(`(async () => {
      const asked = []
      for (const way of [() => fetch('/asked'), () => new Promise((resolve, reject) => {
        const image = new Image(); image.onload = resolve; image.onerror = reject; image.src = '/asked'
      }), () => { document.body.innerHTML = '<b>x</b>' }, () => { eval('1') }]) {
        await Promise.resolve().then(way).then(() => asked.push('done'), () => asked.push('refused'))
      }
      return asked
    })()`)
    assert.deepEqual(outcome, ['refused', 'refused', 'refused', 'refused'])
    assert.deepEqual(requested, ['/verify.html'])
    assert.ok(faults.length >= 3, 'the browser says so on its console')
    faults.length = 0
  })

  test('files dropped together find their places by their bytes, and one dropped on a place is for that place', async () => {
    const { event, receipt, trust } = await examples()
    await page.goto(PAGE.href)
    const target = page.locator('#drop')
    assert.match(await target.innerText(), /^Drop all files here/)
    assert.equal(await page.evaluate("getComputedStyle(document.querySelector('#drop')).borderStyle"), 'dashed')
    assert.ok((await target.boundingBox())!.height > 60)
    await drop(page, '#drop', [receipt, { name: 'k', bytes: utf8(trust) }, event])
    assert.match(await settled(page), /^verified\n/)
    await drop(page, '[data-slot=event]', [receipt])
    assert.match(await settled(page), /^broken\n/)
    await drop(page, 'main', [event, { name: 'second.json', bytes: utf8('[]') }])
    assert.match(await settled(page), /^verified\n/)
    assert.match(
      await page.locator('#notice').innerText(),
      /second\.json was not taken: event\.json is the event already/,
    )
    assert.equal(page.url(), PAGE.href, 'a drop does not leave the page')
  })

  test('P9: an old key of the log and its rotations verify what a later key signed, and without them it says what to ask for', async () => {
    const origin = 'rotated.test/log'
    const [first, second, third] = [logSigner(origin, '1'), logSigner(origin, '2'), logSigner(origin)]
    const statement = (old: TestSigner, now: TestSigner): string => {
      const text = formatRotation({ origin, end: { size: 0, root: EMPTY_ROOT }, vkey: now.vkey })
      return formatNote(text, [old.sign(text), now.sign(text)])
    }
    const rotations = [statement(first, second), statement(second, third)]
    const event = { name: 'event.json', bytes: utf8('{}') }
    const receipt = { name: 'r', bytes: utf8(receiptOf(event.bytes, origin)) }
    assert.match(
      await readPage(page, { event, receipt, trust: first.vkey }),
      /^broken\n[^]*then its rotations, [^]*Ask whoever gave you the receipt/,
    )
    await drop(page, 'main', [{ name: 'log.rotations', bytes: utf8(rotations.join('')) }])
    const text = await settled(page)
    assert.match(text, /^verified\nThis event is what was recorded\./)
    assert.match(text, /A later key, to which from the one that you gave 2 rotations of the log, each signed by/)
    const bytes = utf8(JSON.stringify({ origin, keys: [], rotations: rotations.slice(0, 1) }))
    await drop(page, 'main', [{ name: 'keys.json', bytes }])
    assert.match(await settled(page), /^broken\n/)
    await drop(page, '[data-slot=rotations]', [{ name: 'cut', bytes: utf8(rotations[0]!.slice(0, -9)) }])
    assert.match(await settled(page), /^Still missing: rotations that can be used, or none\./)
    assert.match(await page.locator('#rotations-notice').innerText(), /rotation 1 of 1 is not whole/)
  })

  test('what is given last is what counts, however long the first takes', async () => {
    const { event, receipt, trust } = await examples()
    const large = join(folder, 'large-event')
    await writeFile(large, '')
    await truncate(large, MAX_EVENT_BYTES)
    await readPage(page, { receipt, trust })
    for (const last of [event, receipt]) {
      await page.setInputFiles('#event-file', large)
      await page.setInputFiles('#event-file', { name: last.name, mimeType: '', buffer: Buffer.from(last.bytes) })
      assert.match(await settled(page), last === event ? /^verified\n/ : /^broken\n/)
      assert.ok(await page.evaluate(`document.getElementById('event-file').files[0].name === '${last.name}'`))
    }
    await page.setInputFiles('#event-file', large)
    assert.match(await settled(page), /^broken\n/)
  })

  test('hostile names, events and origins are shown as the text that they are', async () => {
    const hostile = '<img/src=x/onerror=alert(1)>\u202egnp'
    const event = utf8(`{"x":"</pre><script>alert(1)</script>\u2066\u0000"}`)
    const text = receiptOf(event, hostile, [[witness(0), 1_800_000_000]])
    faults.length = 0
    const verdict = await readPage(page, {
      event: { name: `${hostile}.json`.replaceAll('/', ':'), bytes: event },
      receipt: { name: '<b>r</b>', bytes: utf8(text) },
      trust: policyOf(hostile, [witness(0)]),
    })
    assert.match(verdict, /^verified\n/)
    assert.match(verdict, /the log <img\/src=x\/onerror=alert\(1\)>\\u\{202e\}gnp recorded/)
    for (const summary of await page.locator('summary').all()) await summary.click()
    assert.equal(await page.locator('img, b, i, pre script').count(), 0)
    assert.match(await page.locator('pre').innerText(), /<\/pre><script>alert\(1\)<\/script>\\u\{2066\}\\u\{0\}/)
    assert.doesNotMatch(await page.locator('body').innerText(), /[\u202e\u2066\0]/)
    assert.deepEqual(faults, [])
  })

  test('where the browser checks no signatures on the page, it says so and how to mend it, and never that it is verified', async () => {
    const { event, receipt, trust } = await examples()
    const text = await readPage(page, { event, receipt, trust }, served(FOREIGN_HOST))
    assert.match(text, /^not checked\nIt all fits together, and the signature could not be checked here\./)
    assert.match(text, /Save the page and open the file, or open it by https:\/\/ or from localhost\./)
    const changed = { name: 'e', bytes: utf8('{}') }
    assert.match(await readPage(page, { event: changed, receipt, trust }, served(FOREIGN_HOST)), /^broken\n/)
  })

  test('a browser without Ed25519 says which have it, and never that it is verified', async () => {
    const old = await browser.context.newPage()
    try {
      await old.addInitScript(() => {
        SubtleCrypto.prototype.importKey = async () => {
          throw new DOMException('Unrecognized name.', 'NotSupportedError')
        }
      })
      assert.match(await readPage(old, await examples()), /^not checked\n[^]*does not know the signature Ed25519/)
    } finally {
      await old.close()
    }
  })

  test('a key or policy that cannot be used is named at its field, with the line, and gives no verdict', async () => {
    const { event, receipt } = await examples()
    for (const [trust, words] of [
      ['no', /neither a key .* nor a policy/],
      ['example.com/log+00000000+AdsN+fyBF5NfHhoEA2SAv9Q2WnY24vYowc0fKC69qAC2', /the key id of example\.com\/log/],
      ['quorum none\nquorum none\n', /line 2: the policy has two quorum lines/],
      [witnessSigner('w').vkey, /the key of w is /],
    ] as const) {
      assert.match(
        await readPage(page, { event, receipt, trust }),
        /^Still missing: a key or a policy that can be read\.$/,
      )
      assert.match(await page.locator('#trust-notice').innerText(), words)
    }
    assert.match(await readPage(page, { event }), /^Still missing: its receipt\.$/)
  })

  test('a file that is larger than any event or receipt is not read, and one that is no text is no key', async () => {
    const { event, receipt } = await examples()
    await readPage(page, { event, receipt })
    const large = join(folder, 'large')
    await writeFile(large, '')
    for (const [slot, limitBytes] of [
      ['event', MAX_EVENT_BYTES],
      ['receipt', 2 * MAX_PROOF_BYTES],
    ] as const) {
      await truncate(large, limitBytes + 1)
      await page.setInputFiles(`#${slot}-file`, large)
      const words = `large was not read: it has more than ${limitBytes.toLocaleString('en-US')} bytes.`
      await page.locator('#notice', { hasText: words }).waitFor()
    }
    await page.setInputFiles('#trust-file', { name: 'b', mimeType: '', buffer: Buffer.from([255, 254]) })
    await page.locator('#notice', { hasText: 'b holds no text' }).waitFor()
  })

  test('it can be used by keyboard alone, on 360 px, on paper, and a reader who hears it misses nothing', async () => {
    const { event, receipt, trust } = await examples()
    await page.setViewportSize({ width: 360, height: 740 })
    for (const [colorScheme, inputs] of [
      ['light', { event, receipt, trust }],
      ['dark', { event, receipt }],
      ['light', { event: receipt, receipt, trust }],
      ['dark', { event: receipt, receipt, trust: 'no' }],
      ['light', {}],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await readPage(page, inputs)
      for (const summary of await page.locator('summary').all()) await summary.press('Enter')
      assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= 360)
      await page.evaluate(axe.source)
      const { violations, passes } = await page.evaluate<Record<'violations' | 'passes', { id: string }[]>>('axe.run()')
      assert.deepEqual(violations, [])
      assert.ok(passes.some(({ id }) => id === 'color-contrast') && passes.some(({ id }) => id === 'label'))
    }
    await readPage(page, { event, receipt, trust })
    await page.locator('body').click({ position: { x: 1, y: 1 } })
    const visited: string[] = []
    const fields = ['event-file', 'receipt-file', 'trust', 'trust-file', 'rotations-file']
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('Tab')
      visited.push(String(await page.evaluate('document.activeElement.id || document.activeElement.tagName')))
    }
    assert.deepEqual(visited, [...fields, 'SUMMARY', 'SUMMARY', 'SUMMARY'])
    await page.emulateMedia({ media: 'print' })
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert.equal(await page.locator('#inputs').isVisible(), false)
    assert.equal(await page.locator('.steps').isVisible(), true)
    assert.ok((await page.locator('dl').innerText()).includes(trust.trim()), 'the paper says by which key')
    await page.emulateMedia({ media: null })
  })
})
