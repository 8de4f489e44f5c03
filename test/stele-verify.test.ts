// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The package's own bin, as it is published, run by each Node that is there: receipts, checkpoints, exports.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { formatNote, formatProof, formatRotation, parseCheckpoint, parseReceipt } from '@stele/proof'

import { logSigner, mldsaSigner, signCheckpoint, witnessSigner } from '../packages/proof/test/signers.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { checkpointOf, exported, origin, signer, writeFolder } from './export-ground.ts'

const PACKAGE = join(import.meta.dirname, '..', 'packages', 'proof')
const FIXTURES = join(PACKAGE, 'examples', 'fixtures')

/** This Node, and another one that the machine has, of another version that the package supports. */
function nodes(): Map<string, string> {
  const found = new Map([[process.version.split('.')[0]!, process.execPath]])
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter((path) => !path.includes('node_modules'))) {
    const path = join(folder, 'node')
    if (!existsSync(path)) continue
    const major = execFileSync(path, ['--version'], { encoding: 'utf8' }).split('.')[0]!
    if (Number(major.slice(1)) >= 20 && !found.has(major)) found.set(major, path)
  }
  return found
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

describe('stele-verify as published', () => {
  let folder: string
  let log: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stele-verify-'))
    execFileSync(process.execPath, ['build.ts', join(folder, 'dist')], { cwd: PACKAGE })
    log = join(folder, 'log')
    await writeFolder(new NodeDisk(), log, exported(600))
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  for (const [version, node] of nodes()) {
    const runNode = async (options: readonly string[], args: readonly string[]): Promise<Ran> =>
      await new Promise((resolve) => {
        const bin = join(folder, 'dist', 'bin', 'stele-verify.js')
        // No folder of modules is near: it must need nothing.
        execFile(node, [...options, bin, ...args], { cwd: folder, timeout: 60_000 }, (error, out, err) => {
          resolve({ code: error === null ? 0 : Number(error.code), out, err })
        })
      })
    const run = async (...args: readonly string[]): Promise<Ran> => await runNode([], args)
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return name
    }

    test(`P9: by Node ${version} an export is valid by its key, and self-consistent without one`, async () => {
      const valid = await run('log', '--key', signer.vkey)
      assert.deepEqual([valid.code, valid.err], [0, ''])
      assert.match(valid.out, /ok {3}events: those of the entries 0 to 599 .*\nvalid \(600 entries of .*\/main\)\n$/)
      const bare = await run('log')
      assert.equal(bare.code, 1)
      assert.match(bare.out, /\nself-consistent /)
      const policy = file('policy', `log ${signer.vkey}\nquorum none\n`)
      assert.equal((await run('log', '--policy', policy)).code, 0)
      const demanding = file('demanding', `log ${signer.vkey}\nwitness w ${witnessSigner('w.test').vkey}\nquorum w\n`)
      assert.equal((await run('log', '--policy', demanding)).code, 1)
      const { verdict, size, findings } = JSON.parse((await run('log', '--key', signer.vkey, '--json')).out)
      assert.deepEqual([verdict, size, findings], ['valid', 600, []])
    })

    test(`P4: by Node ${version} a changed export is invalid, and file, place and first bad entry are named`, async () => {
      const bundle = join(log, 'tile', 'entries', '001')
      const bytes = readFileSync(bundle)
      writeFileSync(bundle, bytes.toString('latin1').replace('"by":"x5', '"by":"y5'), 'latin1')
      const { code, out } = await run('log', '--key', signer.vkey)
      writeFileSync(bundle, bytes)
      assert.equal(code, 1)
      assert.match(out, /^BAD {2}tile\/entries\/001 at byte 2, entry 256: .*expected [0-9a-f]{64}, found /m)
      assert.match(out, /\ninvalid, first bad entry 256\n$/)
    })

    test(`by Node ${version} checkpoints and receipts are verified by key and by policy`, async () => {
      const head = file('head', checkpointOf(exported(3)))
      assert.match((await run('--checkpoint', head, '--key', signer.vkey)).out, /\nvalid \(3 entries of /)
      const other = file('other', checkpointOf(exported(3)).replace('\n3\n', '\n4\n'))
      assert.equal((await run('--checkpoint', other, '--key', signer.vkey)).code, 1)
      assert.equal((await run('--checkpoint', head)).code, 1)
      const receipt = [join(FIXTURES, 'event.json'), join(FIXTURES, 'event.tlog-proof')]
      assert.equal((await run(...receipt, '--key', join(FIXTURES, 'log.vkey'))).code, 0)
      const witnessed = await run(...receipt, '--policy', join(FIXTURES, 'trust.policy'))
      assert.equal(witnessed.code, 0)
      assert.match(witnessed.out, /\nSeen by these witnesses: W1 on 2023-11-14 22:13:20 UTC, W2 on 2023-/)
    })

    test(`P9: by Node ${version} an old key verifies what a later one signed, by the rotations, and what is missing is said`, async () => {
      const head = file('head', checkpointOf(exported(3)))
      const [older, oldest] = [logSigner(origin, 'older'), logSigner(origin, 'oldest')]
      const statement = (old: typeof older, now: typeof older, size: number): string => {
        const text = formatRotation({ origin, end: { size, root: new Uint8Array(32).fill(2) }, vkey: now.vkey })
        return formatNote(text, [old.sign(text), now.sign(text)])
      }
      const rotations = [statement(oldest, older, 1), statement(older, signer, 2)]
      const key = ['--checkpoint', head, '--key', oldest.vkey]
      const without = await run(...key)
      assert.equal(without.code, 1)
      assert.match(without.out, /\n- {4}the given key may have handed over to .* with --rotations FILE/)
      mkdirSync(join(folder, 'out', 'rotations'), { recursive: true })
      for (const [position, text] of rotations.entries()) file(join('out', 'rotations', `00${position}`), text)
      const given = [
        file('lines', rotations.join('')),
        file('keys.json', JSON.stringify({ origin, keys: [], rotations })),
        'out',
      ]
      for (const name of given) {
        const { code, out } = await run(...key, '--rotations', name)
        assert.equal(code, 0, out)
        assert.match(out, /the signature: signed by the key 2 rotations behind the given one\n/)
        assert.match(out, /\nSigned by the Ed25519 key of \S+ \(2 rotations behind the given one\), up to 3 entries/)
      }
      const led = await run('log', '--key', oldest.vkey, '--rotations', 'lines')
      // Whoever gives rotations is told where their ends are not of the tree.
      assert.equal(led.code, 1)
      assert.match(led.out, /a key was retired with another root at size 1/)
      assert.match((await run('log', '--key', oldest.vkey)).out, /give its signed statements of that with --rotations/)
      const late = await run(...key, '--rotations', file('late', rotations[0]!))
      assert.deepEqual([late.code, /may be older than this/.test(late.out)], [1, true])
      for (const [text, words] of [
        [rotations.join('').slice(0, -9), /cut: rotation 2 of 2 is not whole/],
        ['stele/key-rotation/v1\nx.test/y\n', /the rotations are of x\.test\/y, and none of them of /],
      ] as const) {
        const { code, err } = await run(...key, '--rotations', file('cut', text))
        assert.equal(code, 2)
        assert.match(err, words)
      }
      for (const argv of [
        ['--checkpoint', head, '--rotations', 'lines'],
        ['--checkpoint', head, '--key', mldsaSigner(origin).vkey, '--rotations', 'lines'],
      ]) {
        assert.equal((await run(...argv)).code, 2)
      }
      assert.equal((await run(...key, '--rotations', 'none')).code, 3)
    })

    test(`by Node ${version} an ML-DSA-44 key is taken where this Node can check it, and nothing is said of its age`, async () => {
      const text = checkpointOf(exported(3))
      const key = mldsaSigner(origin)
      const head = file('mldsa-head', signCheckpoint(parseCheckpoint(text.split('\n\n')[0]! + '\n'), key))
      const { code, out, err } = await run('--checkpoint', head, '--key', file('mldsa.vkey', `${key.vkey}\n`))
      const knows = Number(version.slice(1)) >= 24
      assert.deepEqual([code, err], [knows ? 0 : 1, ''])
      assert.match(out, knows ? /\nvalid \(3 entries of / : /signature kind not checked here.*\nself-consistent /)
    })

    test(`by Node ${version} a bare proof is verified with its entry, and with no other`, async () => {
      const { entry, index, hashes, checkpoint } = parseReceipt(readFileSync(join(FIXTURES, 'event.tlog-proof')))
      const proof = ['--proof', file('bare', formatProof({ index, hashes, checkpoint }))]
      const key = ['--key', join(FIXTURES, 'log.vkey')]
      writeFileSync(join(folder, 'entry'), entry)
      const { code, out } = await run('entry', ...proof, ...key)
      assert.equal(code, 0, out)
      assert.match(out, /\nvalid \(number 41 of audit\.example\.com\//)
      assert.equal((await run('head', ...proof, ...key)).code, 1)
      assert.equal((await run(...proof, ...key)).code, 2)
      assert.equal((await run('entry', 'entry', ...proof, ...key)).code, 2)
      assert.equal((await run('entry', ...proof, '--checkpoint', 'head', ...key)).code, 2)
    })

    test(`by Node ${version} every warning but that one is printed`, async () => {
      const preload = file(
        'warn.cjs',
        "setTimeout(() => process.emitWarning('the disk is old', 'ExperimentalWarning'))\n",
      )
      const { err } = await runNode(['--require', join(folder, preload)], ['--help'])
      assert.match(err, /ExperimentalWarning: the disk is old/)
    })

    test(`by Node ${version} words that cannot be followed are 2, what cannot be read is 3, and nothing drives the terminal`, async () => {
      for (const argv of [
        [],
        ['log', '--key', 'no+key'],
        ['--none'],
        ['a', 'b', 'c'],
        ['head', '--key', 'k', '--policy', 'p'],
      ]) {
        assert.equal((await run(...argv)).code, 2, argv.join(' '))
      }
      const foreign = file('foreign', `log ${logSigner('other.test/log').vkey}\nquorum none\n`)
      const unlisted = await run('log', '--policy', foreign)
      assert.deepEqual([unlisted.code, unlisted.out], [2, ''])
      assert.match(unlisted.err, /the policy says nothing of \S+\/main, the log in log: it lists other\.test\/log\./)
      mkdirSync(join(folder, 'empty'), { recursive: true })
      assert.equal((await run('none')).err, 'stele-verify: none could not be read: there is no such file\n')
      for (const argv of [['none'], ['empty'], ['--checkpoint', 'none'], ['log', '--key', 'none.vkey']]) {
        assert.equal((await run(...argv)).code, 3, argv.join(' '))
      }
      const hostile = file('hostile', checkpointOf(exported(3)).replace(origin, 'a\u202e\u009b31m'))
      const { code, out } = await run('--checkpoint', hostile)
      assert.equal(code, 1)
      assert.doesNotMatch(out, /[\u0080-\u009f\u202e]/)
    })
  }
})
