// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whoever verifies should have little to read and little to load. Each gate has a canary that must fail.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
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

/** Lines of JavaScript, without comments, of what decides over a receipt; src/log/ makes what is decided over. */
const MAX_LINES = 1_200

/** Lines with code in a folder of JavaScript, but those of the list of exports. */
function codeLines(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'index.js')
  const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
  return lines.filter((line) => !/^\s*(?:\/\/|\/\*|\*|$)/.test(line)).length
}

test('the verifier has fewer than 1,200 lines to read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stele-proof-lines-'))
  try {
    await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../build.ts', import.meta.url)), folder])
    const count = codeLines(join(folder, 'src'))
    assert.ok(count < MAX_LINES, `${count} lines`)
    await writeFile(join(folder, 'src', 'canary.js'), 'code()\n// no code\n'.repeat(MAX_LINES - count))
    assert.equal(codeLines(join(folder, 'src')), MAX_LINES, 'a line more is seen, a comment is none')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
