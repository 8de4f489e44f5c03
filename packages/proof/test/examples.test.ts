// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import * as proof from '../src/index.ts'

const FOLDER = new URL('../examples/', import.meta.url)

for (const name of readdirSync(FOLDER).filter((name) => name.endsWith('.ts'))) {
  test(`the example ${name} prints what it says that it prints`, async () => {
    const file = new URL(name, FOLDER)
    const [, expected] = readFileSync(file, 'utf8').split('\n// Prints:\n')
    assert.ok(expected, 'it says what it prints')
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(file)])
    assert.equal(stdout, expected.replaceAll(/^\/\/ /gm, ''))
  })
}

const SOURCES = new URL('../src/', import.meta.url)

/** What is said right before each exported function or class of a text: its docstring, empty where there is none. */
function docstrings(text: string): ReadonlyMap<string, string> {
  const declarations = text.matchAll(/^export (?:async )?(?:function|class) (\w+)|^export const (\w+): NodeHasher/gm)
  return new Map(
    [...declarations].map((match) => {
      const before = text.slice(0, match.index).trimEnd()
      return [match[1] ?? match[2] ?? '', before.endsWith('*/') ? before.slice(before.lastIndexOf('/**')) : '']
    }),
  )
}

/** Names of functions without a docstring that says something, and of those that no example imports. */
function lacking(sources: string, examples: string): readonly string[] {
  const imported = new Set(
    [...examples.matchAll(/import \{([^}]*)\}/g)].flatMap(([, names = '']) => names.split(/[\s,]+/)),
  )
  return [...docstrings(sources)]
    .filter(([name]) => name in proof)
    .filter(([name, text]) => text.length < 30 || !imported.has(name))
    .map(([name]) => name)
}

test('the README names every function that returns a verdict, and every command', () => {
  const readme = readFileSync(new URL('../README.md', FOLDER), 'utf8')
  const report = readFileSync(new URL('report.ts', SOURCES), 'utf8')
  const verifiers = [...report.matchAll(/^export async function (\w+)\(.*Promise<Report>/gm)].map(
    ([, name]) => `\`${name}\``,
  )
  assert.equal(verifiers.length, 3)
  const command = readFileSync(new URL('../bin/stele-verify.ts', FOLDER), 'utf8')
  const lines = [...command.matchAll(/(stele-verify [A-Z -]+[a-z]* ?[A-Z]*) TRUST \[/g)].map(([, line = '']) => line)
  assert.equal(lines.length, 4)
  assert.deepEqual(
    [...verifiers, ...lines].filter((text) => !readme.includes(text)),
    [],
  )
})

test('every public function has a docstring and an example that runs', () => {
  const read = (folder: URL): string =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(new URL(name, folder), 'utf8'))
      .join('\n')
  const [sources, examples] = [read(SOURCES), read(FOLDER)]
  const functions = Object.entries(proof).filter(([, value]) => typeof value === 'function')
  const documented = docstrings(sources)
  assert.deepEqual(
    functions.map(([name]) => name).filter((name) => !documented.has(name)),
    [],
  )
  assert.deepEqual(lacking(sources, examples), [])
  assert.deepEqual(lacking(sources.replace('/** Bytes of `text` in UTF-8. */', ''), examples), ['utf8'], 'a canary')
  assert.deepEqual(lacking(sources, examples.replaceAll('canVerifyMldsa44', '')), ['canVerifyMldsa44'], 'a canary')
})
