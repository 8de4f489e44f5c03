// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// scripts/setup.mjs in a folder of its own, with an npm that only writes down what it was asked.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import { installationFailure } from '../src/cli/failure.ts'
import { scratch } from './scratch.ts'

const PACKAGES = {
  '': { name: 'stele' },
  'node_modules/@stele/proof': { link: true },
  'node_modules/fastify': { version: '5.0.0', integrity: 'sha512-a' },
  'node_modules/typescript': { version: '7.0.0', integrity: 'sha512-b', dev: true },
  'node_modules/of-other-machines': { version: '1.0.0', integrity: 'sha512-c', optional: true },
}

/** Runs the set-up where npm says that it has installed `installed`; resolves to how npm was called to install. */
function setUp(context: TestContext, installed: object | undefined): (...args: string[]) => Promise<string[]> {
  const folder = scratch(context)
  const asked = join(folder, 'asked')
  const modules = join(folder, 'node_modules')
  for (const name of ['scripts', 'bin', 'node_modules/.bin']) mkdirSync(join(folder, name), { recursive: true })
  copyFileSync(join(import.meta.dirname, '..', 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: PACKAGES }))
  if (installed !== undefined) {
    writeFileSync(join(modules, '.package-lock.json'), JSON.stringify({ packages: installed }))
  }
  const npm = `#!/bin/sh\n[ "$1" = --version ] && echo 11.0.0 && exit\necho "$*" >>'${asked}'\n`
  writeFileSync(join(folder, 'bin', 'npm'), npm, { mode: 0o755 })
  symlinkSync(process.execPath, join(modules, '.bin', 'node'))
  return async (...args) => {
    const env = { ...process.env, PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` }
    const argv = [join(folder, 'scripts', 'setup.mjs'), ...args]
    await promisify(execFile)(process.execPath, argv, { env, timeout: 30_000 })
    return existsSync(asked) ? readFileSync(asked, 'utf8').trimEnd().split('\n') : []
  }
}

test('what npm ci installed is taken as it is, development dependencies included', async (context) => {
  const { 'node_modules/of-other-machines': _, ...here } = PACKAGES
  const run = setUp(context, here)
  assert.deepEqual(await run('--production'), [])
  assert.deepEqual(await run(), [])
})

test('npm ci --omit=dev is enough to start, and is added to for the tests', async (context) => {
  const { 'node_modules/typescript': _, ...here } = PACKAGES
  const run = setUp(context, here)
  assert.deepEqual(await run('--production'), [])
  assert.deepEqual(await run(), ['install --no-save --include=dev --loglevel=error'])
})

test('an installation of another lockfile is replaced by one of the same kind, and none by what was asked for', async (context) => {
  const old = { ...PACKAGES, 'node_modules/fastify': { version: '4.0.0', integrity: 'sha512-d' } }
  assert.deepEqual(await setUp(context, old)('--production'), ['ci --include=dev --loglevel=error'])
  assert.deepEqual(await setUp(context, undefined)('--production'), ['ci --omit=dev --loglevel=error'])
  assert.deepEqual(await setUp(context, undefined)(), ['ci --include=dev --loglevel=error'])
})

test('a module that is missing is told as an installation that is not whole, on one line', () => {
  const error = Object.assign(new Error("Cannot find module 'abstract-logging'\nRequire stack:\n- /a"), {
    code: 'MODULE_NOT_FOUND',
  })
  const { message = '', exitCode } = installationFailure(error) ?? {}
  assert.match(
    message,
    /^Stele is not installed whole: Cannot find module 'abstract-logging'\. Nothing was done\. If a /,
  )
  assert.equal(exitCode, 3)
  assert.equal(installationFailure(new Error('another')), undefined)
})
