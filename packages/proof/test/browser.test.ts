// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The package in a real browser: the sources that Node runs, with their types stripped, over 127.0.0.1. The page gets the
// same inputs as Node and must come to the same verdicts.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'

import type { Page } from 'playwright-core'

import * as proof from '../src/index.ts'
import { browserMissing, openBrowser, type Browser } from './chromium.ts'
import { fixture, unhex } from './signers.ts'
import {
  readMldsa44Vectors,
  readVectors,
  readVerdicts,
  vectorsMissing,
  verdictsOf,
  type Ed25519Vector,
  type Mldsa44Vector,
} from './vectors.ts'

const SOURCES = new URL('../src/', import.meta.url)

declare global {
  /** The package, in the page. */
  var stele: typeof proof
}

const server = createServer((request, response) => {
  void answer(request.url ?? '/').then(
    ([type, body]) => response.writeHead(200, { 'content-type': type }).end(body),
    () => response.writeHead(404).end(),
  )
})

async function answer(path: string): Promise<[type: string, body: string]> {
  const [, file] = /^\/src\/((?:(?:log|export)\/)?[a-z0-9-]+\.ts)$/.exec(path) ?? []
  if (file !== undefined)
    return ['text/javascript', stripTypeScriptTypes(await readFile(new URL(file, SOURCES), 'utf8'))]
  if (path !== '/') throw new Error('not here')
  const script = "import * as stele from '/src/index.ts'; globalThis.stele = stele"
  return ['text/html; charset=utf-8', `<!doctype html><title>proof</title><script type="module">${script}</script>`]
}

describe('in a browser', { skip: browserMissing }, () => {
  let browser: Browser
  let page: Page

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    browser = await openBrowser()
    page = await browser.context.newPage()
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction(() => globalThis.stele !== undefined)
  })

  after(async () => {
    await browser?.close()
    server.close()
  })

  test('it exports what it exports in Node', async () => {
    const names = await page.evaluate(() => Object.keys(globalThis.stele))
    assert.deepEqual(names.toSorted(), Object.keys(proof).toSorted())
  })

  test('SHA-256 and the tree give the same hashes', async () => {
    const lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1_000, 70_000]
    const here = lengths.map((length) => proof.toBase64(proof.sha256(new Uint8Array(length).fill(length & 255))))
    const there = await page.evaluate((lengths) => {
      return lengths.map((length) =>
        globalThis.stele.toBase64(globalThis.stele.sha256(new Uint8Array(length).fill(length & 255))),
      )
    }, lengths)
    assert.deepEqual(there, here)
  })

  test('every Ed25519 vector gets the verdict that it gets in Node', { skip: vectorsMissing }, async () => {
    const vectors = readVectors()
    const there = await page.evaluate(async (vectors: Ed25519Vector[]) => {
      const bytes = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
      return await Promise.all(
        vectors.map(async ({ key, message, signature }) => {
          return await globalThis.stele.isEd25519Signature(bytes(key), bytes(message), bytes(signature))
        }),
      )
    }, vectors)
    const here = await Promise.all(
      vectors.map(async ({ key, message, signature }) => {
        return await proof.isEd25519Signature(unhex(key), unhex(message), unhex(signature))
      }),
    )
    assert.equal(there.length, 914 + 151)
    assert.deepEqual(there, here)
    const written = readVerdicts()
    assert.deepEqual(verdictsOf(there.slice(0, 914)), written['cctv-ed25519'])
    assert.deepEqual(verdictsOf(there.slice(914)), written['wycheproof-ed25519'])
  })

  test(
    'every ML-DSA-44 vector gets the verdict that it gets in Node, or none where the browser lacks it',
    { skip: vectorsMissing },
    async (context) => {
      const { canVerify, verdicts } = await page.evaluate(async (vectors: Mldsa44Vector[]) => {
        const { canVerifyMldsa44, isMldsa44Signature, ProofError } = globalThis.stele
        const bytes = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
        const verdicts = vectors.map(async ({ key, message, signature }) => {
          try {
            return await isMldsa44Signature(bytes(key), bytes(message), bytes(signature))
          } catch (error) {
            if (error instanceof ProofError) return error.code
            throw error
          }
        })
        return { canVerify: await canVerifyMldsa44(), verdicts: await Promise.all(verdicts) }
      }, readMldsa44Vectors())
      if (!canVerify) {
        context.diagnostic('this browser has no ML-DSA-44: its signatures are reported as not checked')
        assert.deepEqual(new Set(verdicts), new Set([false, 'algorithm-unsupported']))
        return
      }
      assert.deepEqual(verdictsOf(verdicts.map((verdict) => verdict === true)), readVerdicts()['wycheproof-mldsa-44'])
      assert.ok(!verdicts.includes('algorithm-unsupported'))
    },
  )

  test('a browser without ML-DSA-44 never says of such a signature that it is good or bad', async () => {
    const codes = await page.evaluate(async () => {
      const { canVerifyMldsa44, isMldsa44Signature } = globalThis.stele
      const { subtle } = crypto
      subtle.importKey = async () => {
        throw new DOMException('Unrecognized name.', 'NotSupportedError')
      }
      const verdict = isMldsa44Signature(new Uint8Array(1_312), new Uint8Array(1), new Uint8Array(2_420))
      const code = await verdict.catch((error: { code: string }) => error.code)
      const can = await canVerifyMldsa44()
      Reflect.deleteProperty(subtle, 'importKey')
      return [can, code]
    })
    assert.deepEqual(codes, [false, 'algorithm-unsupported'])
  })

  test('a receipt with any byte changed gets the report that it gets in Node', async () => {
    const example = (name: string) => readFileSync(new URL(`../examples/fixtures/${name}`, import.meta.url))
    const [event, receipt] = [example('event.json'), example('event.tlog-proof')]
    const policy = example('trust.policy').toString('latin1')
    const changed = Array.from({ length: Math.ceil(receipt.length / 5) }, (_, i) => {
      const bytes = Buffer.from(receipt)
      bytes[i * 5]! ^= 1
      return bytes.toString('latin1')
    })
    const inputs = [event.toString('latin1'), [receipt.toString('latin1'), ...changed], policy] as const
    const verify = async ({ parsePolicy, verifyReceipt }: typeof proof, [event, receipts, policy]: typeof inputs) => {
      const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
      const reports = receipts.map(
        async (receipt) => await verifyReceipt(bytes(event), bytes(receipt), parsePolicy(bytes(policy))),
      )
      return (await Promise.all(reports)).map((report) => JSON.stringify(report))
    }
    const there = await page.evaluate(`(${verify.toString()})(globalThis.stele, ${JSON.stringify(inputs)})`)
    const here = await verify(proof, inputs)
    assert.deepEqual(there, here)
    assert.match(here[0]!, /^\{"verdict":"valid"/)
    assert.ok(here.slice(1).every((report) => /^\{"verdict":"(?:valid|invalid)"/.test(report)))
    assert.ok(here.filter((report) => report.startsWith('{"verdict":"invalid"')).length > changed.length / 2)
  })

  test('a checkpoint of a public log opens by a policy, and one with a changed bit does not', async () => {
    const inputs = [
      fixture('witnessed-checkpoint.txt').toString(),
      fixture('witnessed-checkpoint.policy').toString(),
    ] as const
    const [sizes, code] = await page.evaluate(async ([note, policy]) => {
      const { openByPolicy, parsePolicy, utf8 } = globalThis.stele
      const opened = await openByPolicy(utf8(note), parsePolicy(policy))
      const changed = note.replace('1432088532', '1432088533')
      const code = await openByPolicy(utf8(changed), parsePolicy(policy)).then(
        () => 'opened',
        (error: { code: string }) => error.code,
      )
      return [[opened.checkpoint.size, opened.cosignatures.length], code]
    }, inputs)
    assert.deepEqual(sizes, [1_432_088_532, 4])
    assert.equal(code, 'signature-invalid')
  })
})
