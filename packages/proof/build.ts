// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Writes the package as it is published into a folder (dist/ by default): JavaScript and declarations by `tsc`, the
// manifest, README and licence. `node build.ts [FOLDER]`

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const here = import.meta.dirname
const out = resolve(process.argv[2] ?? join(here, 'dist'))

rmSync(out, { recursive: true, force: true })
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
execFileSync(process.execPath, [tsc, '-p', join(here, 'tsconfig.publish.json'), '--outDir', out], { stdio: 'inherit' })

// `tsc` rewrites imports in the JavaScript only.
for (const folder of ['src', 'folder']) {
  const names = readdirSync(join(out, folder), { recursive: true, encoding: 'utf8' })
  for (const name of names.filter((name) => name.endsWith('.d.ts'))) {
    const file = join(out, folder, name)
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/(from '\.{1,2}\/[a-z0-9/-]+)\.ts'/g, "$1.js'"))
  }
}

const { name, version, description, license, type, sideEffects } = JSON.parse(
  readFileSync(join(here, 'package.json'), 'utf8'),
) as Record<string, unknown>
const manifest = {
  name,
  version,
  description,
  license,
  type,
  sideEffects,
  engines: { node: '>=20' },
  exports: { '.': { types: './src/index.d.ts', default: './src/index.js' } },
  bin: { 'stele-verify': 'bin/stele-verify.js' },
  files: ['src', 'folder', 'bin', 'verify.html'],
}
writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
copyFileSync(join(here, 'README.md'), join(out, 'README.md'))
copyFileSync(join(here, 'page', 'verify.html'), join(out, 'verify.html'))
const licence = join(here, '..', '..', 'LICENSE')
if (existsSync(licence)) copyFileSync(licence, join(out, 'LICENSE'))
