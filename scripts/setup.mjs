// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Installs the locked dependencies, Node 24 among them, when the lockfile is not the one that was installed last.
// `npm start` and `npm test` run it first, so it is plain JavaScript for Node 20 and costs nothing once it has run.
//
//   node scripts/setup.mjs [--production]
//
// `--production` leaves development dependencies out, unless they are installed already: by this script, or by npm.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const lockfile = join(root, 'package-lock.json')
const stamp = join(root, 'node_modules', '.stele-setup')
/** npm's own list of what it has installed; it writes it last. */
const npmsList = join(root, 'node_modules', '.package-lock.json')

/** npm's error codes, and what helps. */
const remedies = /** @type {const} */ ([
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/,
    'no package registry was reached: the first set-up needs a network, or an npm cache that has everything; behind a proxy set `npm config set proxy URL`',
  ],
  [
    /EACCES|EROFS|EPERM/,
    `no permission to write node_modules or npm's cache: make ${root} writable for this user, or set it up as its owner`,
  ],
  [/ENOSPC/, 'the disk is full: set-up needs about 400 MB'],
  [/EUSAGE/, 'package.json and package-lock.json disagree: run `npm install`, and commit both'],
  [
    /EINTEGRITY/,
    'a downloaded package is not the one in package-lock.json: run `npm cache verify` and try again; if it stays, the registry or a proxy changed it',
  ],
])

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`\nSet-up failed: ${message}\n`)
  process.exit(1)
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The stamp says which lockfile is installed, and whether with development dependencies. Where it is of none, or of
 * another lockfile, whoever typed `npm ci` may have installed this one: npm's list tells.
 */
function readState() {
  const lock = createHash('sha256').update(readFileSync(lockfile)).digest('hex')
  const [installed, scope] = (readIfThere(stamp) ?? '').trim().split(' ')
  if (installed === lock) return { lock, current: true, everything: scope === 'everything' }
  return { lock, ...readNpmsList() }
}

/** @typedef {{ version?: string, integrity?: string, link?: boolean, dev?: boolean, optional?: boolean }} Package */

/** What of the lockfile npm says that it has installed; packages for other machines may be missing. */
function readNpmsList() {
  const installed = packagesOf(readIfThere(npmsList) ?? '{}')
  const wanted = Object.entries(packagesOf(readFileSync(lockfile, 'utf8'))).filter(
    ([path, { link, optional }]) => path.startsWith('node_modules/') && link !== true && optional !== true,
  )
  const isThere = (/** @type {[string, Package]} */ [path, { version, integrity }]) =>
    installed[path]?.version === version && installed[path]?.integrity === integrity
  const current = wanted.filter(([, { dev }]) => dev !== true).every(isThere)
  // What is of an older lockfile is replaced as it was: with development dependencies if it had any.
  const everything = current ? wanted.every(isThere) : Object.values(installed).some(({ dev }) => dev === true)
  return { current, everything }
}

/** @param {string} text @returns {Record<string, Package>} */
function packagesOf(text) {
  const { packages } = /** @type {{ packages?: Record<string, Package> }} */ (JSON.parse(text))
  return packages ?? {}
}

/** One set-up at a time: the kernel frees an abstract socket's name whatever ends its owner. */
async function lockFolder() {
  if (process.platform !== 'linux') return
  const name = `\0stele-setup-${createHash('sha256').update(root).digest('hex')}`
  for (let waits = 0; ; waits++) {
    const server = createServer()
    server.listen(name).unref()
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (free) return
    if (waits === 0) process.stderr.write('Another set-up of this folder is running; waiting for it …\n')
    await sleep(200)
  }
}

/** The machine's own npm and Node: those under node_modules may be about to go. @param {string[]} args */
function npm(...args) {
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.endsWith(join('node_modules', '.bin')))
  const env = { ...process.env, PATH: path.join(delimiter) }
  return spawnSync('npm', args, { cwd: root, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
}

/** @param {string} lock @param {{ everything: boolean, extend: boolean }} how */
function install(lock, { everything, extend }) {
  const version = npm('--version').stdout?.trim()
  if (!version) fail('npm was not found: install Node 20 or newer together with its npm')
  if (Number.parseInt(version, 10) < 10) fail(`npm ${version} is too old: run \`npm install --global npm@11\``)

  // `npm ci` empties node_modules first; what only has to be added to is left standing under a running server.
  const args = [
    ...(extend ? ['install', '--no-save'] : ['ci']),
    everything ? '--include=dev' : '--omit=dev',
    '--loglevel=error',
  ]
  process.stderr.write(
    `Setting up: npm ${args.slice(0, -1).join(' ')} (once, and whenever package-lock.json changes) … `,
  )
  const startedMs = Date.now()
  const { status, stdout, stderr } = npm(...args)
  if (status !== 0) {
    const remedy = remedies.find(([pattern]) => pattern.test(stderr))?.[1]
    const said = remedy ? stderr.split('\n').slice(0, 3).join('\n') : `${stdout}${stderr}`
    process.stderr.write(`\n${said.trimEnd()}\n`)
    fail(remedy ?? 'npm said why above; mend that and run the same command again')
  }
  writeFileSync(stamp, `${lock} ${everything ? 'everything' : 'production'}\n`)
  process.stderr.write(`done in ${Math.round((Date.now() - startedMs) / 1000)} s\n`)
}

/** @param {string} version */
const major = (version) => Number.parseInt(version.replace(/^v/, ''), 10)

if (major(process.version) < 20) fail(`Node ${process.version} is too old: install Node 20 or newer`)
const production = process.argv.includes('--production')
const before = readState()
if (!before.current || !(production || before.everything)) {
  await lockFolder()
  const now = readState()
  if (!now.current || !(production || now.everything)) {
    install(now.lock, { everything: !production || now.everything, extend: now.current })
  }
}
if (
  major(process.version) < 24 &&
  !(major(spawnSync(join(bin, 'node'), ['-v'], { encoding: 'utf8' }).stdout ?? '') >= 24)
) {
  fail(
    `there is no Node 24 for ${process.platform} ${process.arch} among the dependencies: remove node_modules and run this again, or install Node 24 or newer and put it first on PATH`,
  )
}
