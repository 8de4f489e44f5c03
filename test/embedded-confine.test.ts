// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { embeddedSkip } from './embedded-ground.ts'
import { scratch } from './scratch.ts'

const confineUrl = new URL('../src/platform/confine.ts', import.meta.url).href

/** Runs in a process of its own, for there is no way back; prints what came of each deed. */
const script = `
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { confineThisThread } from '${confineUrl}'
const [folder, port, otherPort] = process.argv.slice(1)
const done = {}
const tell = (name, work) => { try { work(); done[name] = 'done' } catch (error) { done[name] = error.code } }
const outcome = async (emitter, event) => await once(emitter, event).then(() => 'done', (error) => error.code)
const bind = async (name, port) => {
  const server = createServer().listen(Number(port), '127.0.0.1')
  done[name] = await outcome(server, 'listening')
}
const outside = createServer(() => {}).listen(0, '127.0.0.1')
await once(outside, 'listening')
done.confined = confineThisThread({
  readable: [folder + '/readable', folder + '/one', folder + '/not-there'],
  writable: [folder + '/writable'],
  listenPort: Number(port),
}) ?? 'confined'
tell('readFolder', () => readFileSync(folder + '/readable/file'))
tell('readFile', () => readFileSync(folder + '/one'))
tell('readSecret', () => readFileSync(folder + '/secret'))
tell('readUpwards', () => readFileSync(folder + '/readable/../secret'))
tell('readProcess', () => readFileSync('/proc/self/environ'))
tell('writeReadable', () => writeFileSync(folder + '/readable/file', 'x'))
tell('writeOutside', () => writeFileSync(folder + '/new', 'x'))
tell('write', () => writeFileSync(folder + '/writable/a/file', 'x'))
tell('rename', () => renameSync(folder + '/writable/a/file', folder + '/writable/b/file'))
await bind('listen', port)
await bind('listenElsewhere', otherPort)
const socket = connect(outside.address().port, '127.0.0.1')
done.connect = await outcome(socket, 'connect')
process.stdout.write(JSON.stringify(done))
process.exit(0)
`

test(
  'a confined thread has the files and the port that it was given, and nothing else',
  { skip: embeddedSkip },
  (t) => {
    const folder = scratch(t)
    for (const name of ['readable', 'writable/a', 'writable/b']) mkdirSync(join(folder, name), { recursive: true })
    for (const name of ['readable/file', 'one', 'secret']) writeFileSync(join(folder, name), 'x')
    const port = 20_000 + (process.pid % 10_000)
    const args = ['--input-type=module', '-e', script, folder, String(port), String(port + 1)]
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { A: 'secret' } })
    const done = JSON.parse(stdout || `{"confined": ${JSON.stringify(stderr)}}`)
    if (/Landlock/.test(done.confined) && process.env['CI'] === undefined) return t.skip(done.confined)
    const { listenElsewhere, connect, ...files } = done
    assert.deepEqual(files, {
      confined: 'confined',
      readFolder: 'done',
      readFile: 'done',
      readSecret: 'EACCES',
      readUpwards: 'EACCES',
      readProcess: 'EACCES',
      writeReadable: 'EACCES',
      writeOutside: 'EACCES',
      write: 'done',
      rename: 'done',
      listen: 'done',
    })
    // Kernels before 6.7 know of files alone.
    if (listenElsewhere === 'done') return t.diagnostic('this kernel confines no network')
    assert.deepEqual([listenElsewhere, connect], ['EACCES', 'EACCES'])
  },
)
