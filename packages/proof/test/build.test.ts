// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The package as it is published: it resolves, its types do, it runs from JavaScript, and it needs nothing of Node.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PACKAGE = fileURLToPath(new URL('../', import.meta.url))
const FIXTURES = join(PACKAGE, 'examples', 'fixtures')

/** Runs Node on a script; a failure is an error that holds the output. */
async function node(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: PACKAGE })
  return stdout
}

/** The script of a tool that is installed. */
function tool(name: string): string {
  return join(PACKAGE, '..', '..', 'node_modules', '.bin', name)
}

async function exitCode(run: Promise<unknown>): Promise<unknown> {
  return await run.then(
    () => 0,
    (error: { code: unknown }) => error.code,
  )
}

test('the sources import nothing but each other', async () => {
  for (const [folder, allowed] of [
    ['src', /^\.{1,2}\/(?:log\/)?[a-z0-9-]+\.ts$/],
    ['folder', /^(?:\.\/[a-z0-9-]+|\.\.\/src\/index)\.ts$/],
  ] as const) {
    for (const name of await readdir(join(PACKAGE, folder), { recursive: true })) {
      if (!name.endsWith('.ts')) continue
      const text = await readFile(join(PACKAGE, folder, name), 'utf8')
      assert.doesNotMatch(text, /(?:import|require)\(/, name)
      for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) assert.match(from, allowed, name)
    }
  }
})

test('the sources name nothing that only Node has, and the check that says so would see it', async () => {
  await node(tool('tsc'), '-p', PACKAGE)
  const folder = await mkdtemp(join(tmpdir(), 'stele-proof-canary-'))
  try {
    await writeFile(join(folder, 'canary.ts'), "export const bytes: Uint8Array = Buffer.from('x')\n")
    const config = { extends: join(PACKAGE, 'tsconfig.json'), include: ['canary.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    await assert.rejects(node(tool('tsc'), '-p', folder), { stdout: /Cannot find name 'Buffer'/ })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

describe('as published', () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stele-proof-build-'))
    await node('build.ts', folder)
  })

  after(async () => await rm(folder, { recursive: true, force: true }))

  test('publint finds nothing', async () => {
    assert.match(await node(tool('publint'), 'run', folder, '--strict'), /All good!/)
  })

  test('the types resolve for every importer of ES modules', async () => {
    await node(tool('attw'), '--profile', 'esm-only', '--pack', folder)
  })

  test('it has no dependencies and verifies a receipt from the command line', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual(
      Object.keys(manifest).filter((key) => /dependencies|scripts|private/i.test(key)),
      [],
    )
    const bin = join(folder, 'bin', 'stele-verify.js')
    const files = [join(FIXTURES, 'event.json'), join(FIXTURES, 'event.tlog-proof')]
    assert.match(
      await node(bin, ...files, '--key', join(FIXTURES, 'log.vkey')),
      /\nvalid \(number 41 of audit\.example\.com\//,
    )
    assert.match(
      await node(bin, ...files, '--policy', join(FIXTURES, 'trust.policy'), '--json'),
      /^\{"verdict":"valid"/,
    )
    assert.equal(await exitCode(node(bin, ...files)), 1, 'without a key it is not shown to be valid')
    assert.equal(await exitCode(node(bin, ...files.toReversed(), '--key', join(FIXTURES, 'log.vkey'))), 1)
    assert.equal(await exitCode(node(bin, ...files, '--key', 'no+key')), 2)
    assert.equal(await exitCode(node(bin)), 2)
    assert.equal(await exitCode(node(bin, files[0]!)), 2, 'a receipt takes its event')
    assert.equal(await exitCode(node(bin, 'one')), 3)
    assert.equal(await exitCode(node(bin, join(FIXTURES, 'none'), files[1]!)), 3)
  })
})
