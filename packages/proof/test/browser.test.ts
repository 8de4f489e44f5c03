// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The package in a real browser: the sources that Node runs, with their types stripped, over 127.0.0.1. The page gets the
// same inputs as Node and must come to the same verdicts.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'

import type { Page } from 'playwright-core'

import * as proof from '../src/index.ts'
import { browserMissing, openBrowser, type Browser } from './chromium.ts'
import { fixture, unhex } from './signers.ts'
import { readVectors, vectorsMissing, type Ed25519Vector } from './vectors.ts'

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
  const [, file] = /^\/src\/([a-z0-9-]+\.ts)$/.exec(path) ?? []
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
    assert.ok(here.includes(true) && here.includes(false))
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
