// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whoever verifies should have little to read and little to load. Each gate has a canary that must fail.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { rolldown } from 'rolldown'

/** What a page loads to verify a receipt, minified, by gzip. */
const MAX_BUNDLE_BYTES = 12_000

const SOURCES = new URL('../src/', import.meta.url)
const INDEX = JSON.stringify(fileURLToPath(new URL('index.ts', SOURCES)))

/** Bytes by gzip of a module with this text, bundled and minified. */
async function bundledBytes(text: string): Promise<number> {
  const virtual = {
    name: 'virtual',
    resolveId: (id: string) => (id === 'entry' ? id : null),
    load: (id: string) => (id === 'entry' ? text : null),
  }
  const bundle = await rolldown({ input: 'entry', plugins: [virtual] })
  const { output } = await bundle.generate({ format: 'esm', minify: true })
  await bundle.close()
  return gzipSync(output[0].code, { level: 9 }).length
}

async function checkBundle(text: string): Promise<void> {
  const bytes = await bundledBytes(text)
  assert.ok(bytes <= MAX_BUNDLE_BYTES, `the bundle has ${bytes} bytes, more than ${MAX_BUNDLE_BYTES}`)
}

test('verifying receipts, by a key or by a policy, takes no more than 12 kB to load', async () => {
  await checkBundle(`export { verifyReceipt, parsePolicy } from ${INDEX}`)
  const padding = JSON.stringify(randomBytes(MAX_BUNDLE_BYTES).toString('hex'))
  const canary = `export { verifyReceipt } from ${INDEX}\nexport const padding = ${padding}`
  await assert.rejects(checkBundle(canary), /more than 12000/)
})

test('whoever imports one function loads no other, and nothing runs by being imported', async () => {
  assert.ok((await bundledBytes(`import ${INDEX}`)) < 100)
  assert.ok((await bundledBytes(`export { hashLeaf } from ${INDEX}`)) < 2_000)
  assert.ok((await bundledBytes(`export * from ${INDEX}`)) > MAX_BUNDLE_BYTES, 'the check sees what is there')
})
