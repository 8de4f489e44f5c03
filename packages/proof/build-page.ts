// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Writes the verifier page as one file (page/verify.html by default) and prints its SHA-256: `node build-page.ts [FILE]`.
// The same sources give the same bytes, wherever they lie, so that whoever doubts a page can make it and compare. The
// script is bundled and not minified: it can be read in the page.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { rolldown } from 'rolldown'

const here = import.meta.dirname
const out = resolve(process.argv[2] ?? join(here, 'page', 'verify.html'))

async function bundle(): Promise<string> {
  const built = await rolldown({ cwd: here, input: 'page/main.ts', platform: 'browser', tsconfig: false })
  const { output } = await built.generate({ format: 'iife' })
  await built.close()
  if (output.length !== 1) throw new Error('the page is one script')
  return output[0].code
}

/** What stands between two tags must not end there, nor begin a comment that hides the end. */
function inline(name: string, text: string): string {
  if (/<\/(?:script|style)|<!--/i.test(text)) throw new Error(`${name} holds what ends its element`)
  return `\n${text.trim()}\n`
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

const script = inline('the script', await bundle())
const style = inline('the style', readFileSync(join(here, 'page', 'page.css'), 'utf8'))
const { version } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as { version: string }
const policy = [
  "default-src 'none'",
  `script-src ${hashSource(script)}`,
  `style-src ${hashSource(style)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')
const parts: Readonly<Record<string, string>> = { policy, style, script, version }
const template = readFileSync(join(here, 'page', 'page.html'), 'utf8')
const page = template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => parts[name]!)
writeFileSync(out, page)
process.stdout.write(`${createHash('sha256').update(page).digest('hex')}  ${out}\n`)
