// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

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
