// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier page as a file: whoever doubts one can make it from the sources and compare.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PACKAGE = fileURLToPath(new URL('../', import.meta.url))
const PAGE = join(PACKAGE, 'page', 'verify.html')

/** Makes the page in a copy of the package; answers what the command printed. */
async function make(folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['build-page.ts'], { cwd: folder })
  return stdout
}

describe('the verifier page, made elsewhere', () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stele-page-'))
    for (const name of ['src', 'folder', 'page', 'build-page.ts', 'package.json']) {
      await cp(join(PACKAGE, name), join(folder, name), { recursive: true })
    }
    await rm(join(folder, 'page', 'verify.html'))
    await symlink(join(PACKAGE, '..', '..', 'node_modules'), join(folder, 'node_modules'))
  })

  after(async () => await rm(folder, { recursive: true, force: true }))

  test('it is the page in the tree, byte for byte, and its SHA-256 is printed (else: npm run page)', async () => {
    const printed = await make(folder)
    const made = await readFile(join(folder, 'page', 'verify.html'))
    assert.equal(printed.split(' ', 1)[0], createHash('sha256').update(made).digest('hex'))
    assert.ok(made.equals(await readFile(PAGE)), 'packages/proof/page/verify.html is of other sources: npm run page')
  })

  test('another source makes another page', async () => {
    await appendFile(join(folder, 'page', 'page.css'), 'h1 { color: red }\n')
    await make(folder)
    assert.ok(!(await readFile(join(folder, 'page', 'verify.html'))).equals(await readFile(PAGE)))
  })
})

test('the page holds one script and one style, admits those by their hashes, and admits no request', async () => {
  const html = await readFile(PAGE, 'utf8')
  const [, policy = ''] = /<meta http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html) ?? []
  const hash = (tag: string) => {
    const [, text = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html) ?? []
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  assert.equal(html.match(/<script\b/g)?.length, 1)
  assert.equal(html.match(/<style\b/g)?.length, 1)
  assert.deepEqual(policy.split('; ').toSorted(), [
    "base-uri 'none'",
    "default-src 'none'",
    "form-action 'none'",
    'img-src data:',
    "require-trusted-types-for 'script'",
    `script-src ${hash('script')}`,
    `style-src ${hash('style')}`,
    "trusted-types 'none'",
  ])
  assert.ok(html.indexOf('http-equiv="Content-Security-Policy"') < html.search(/<(?:style|script|link)\b/))
  assert.doesNotMatch(
    html,
    /\b(?:fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|innerHTML|eval)\b/,
  )
  assert.doesNotMatch(html, / (?:on\w+|style)="/)
  const addresses = [...html.matchAll(/\b(?:src|href|action)=["']?([^"'\s>]+)/g)].map(([, address]) => address)
  assert.ok(
    addresses.every((address = '') => address.startsWith('data:')),
    addresses.join(' '),
  )
})
