// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Folders that somebody made to keep their verifier busy, or to pass off a fork: by `stele verify` and by `stele-verify`.

import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { Frontier, hashLeaf, hashNode, parsePolicy, type TreeHead, utf8 } from '@stele/proof'

import { logSigner, signCheckpoint, type TestSigner } from '../packages/proof/test/signers.ts'
import { ExportFolder, type ExportedEntry } from '../src/evidence/export-folder.ts'
import { KnownLogs, retiredKeys } from '../src/evidence/known-logs.ts'
import { verifyFolder } from '../src/evidence/verify-folder.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { stele } from './cli-fixture.ts'
import { exported, origin, signer, writeFolder } from './export-ground.ts'
import { scratch } from './scratch.ts'

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts')
const BIN = join(import.meta.dirname, '..', 'packages', 'proof', 'bin', 'stele-verify.ts')
const retired = logSigner(origin, 'a key of before')
const LARGEST = Number.MAX_SAFE_INTEGER

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The package's own program; -1 where it had to be ended. */
async function steleVerify(...args: readonly string[]): Promise<Ran> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { timeout: 15_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err })
    })
  })
}

async function bothVerify(folder: string, ...args: readonly string[]): Promise<Ran[]> {
  const variables = { XDG_STATE_HOME: `${folder}-state` }
  return [await stele({ cwd: folder, variables }, 'verify', folder, ...args), await steleVerify(folder, ...args)]
}

function putHead(folder: string, { size, root }: Omit<TreeHead, 'origin'>, by: TestSigner = signer): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'checkpoint'), signCheckpoint({ origin, size, root }, by))
  writeFileSync(join(folder, 'log.vkey'), `${by.vkey}\n`)
}

/** A folder that fits its head, of more entries than anybody can read: all are the same, and links lead back to them. */
function endlessFolder(context: TestContext): string {
  const folder = join(scratch(context), 'endless')
  const entry = utf8('the same again')
  const bundle = Buffer.concat(Array.from({ length: 256 }, () => Buffer.concat([Buffer.of(0, entry.length), entry])))
  let hash = hashLeaf(entry)
  const rows: [name: string, bytes: Buffer][] = [['entries', bundle]]
  for (let level = 0; level < 6; level++) {
    rows.push([String(level), Buffer.concat(Array.from({ length: 256 }, () => hash))])
    for (let height = 0; height < 8; height++) hash = hashNode(hash, hash)
  }
  for (const [name, bytes] of rows.slice(0, 3)) {
    const row = join(folder, 'tile', name)
    mkdirSync(row, { recursive: true })
    writeFileSync(join(row, 'same'), bytes)
    for (let at = 0; at < 1000; at++) {
      const number = String(at).padStart(3, '0')
      symlinkSync('same', join(row, number))
      symlinkSync('.', join(row, `x${number}`))
    }
  }
  putHead(folder, { size: 256 ** 6, root: hash })
  return folder
}

test('a head of more entries than its folder holds is one finding, and nobody waits for it', async (context) => {
  const folder = join(scratch(context), 'log')
  for (const size of [1_000_000_000, LARGEST]) {
    putHead(folder, { size, root: new Uint8Array(32) })
    for (const args of [[], ['--key', signer.vkey]]) {
      for (const { code, out } of await bothVerify(folder, ...args, '--json')) {
        const { findings, findingCount, firstBad } = JSON.parse(out)
        assert.deepEqual([code, findingCount, firstBad], [1, 1, { index: 0, count: size }])
        assert.equal(findings[0].what, `the folder holds none of the ${size} entries that the checkpoint counts`)
      }
    }
  }
  // Whole so far, and then nothing.
  rmSync(folder, { recursive: true })
  await writeFolder(new NodeDisk(), folder, exported(600))
  for (const name of ['001', '002.p/88']) rmSync(join(folder, 'tile', '0', name))
  putHead(folder, { size: LARGEST, root: new Uint8Array(32) })
  for (const { code, out } of await bothVerify(folder, '--key', signer.vkey)) {
    assert.equal(code, 1)
    assert.match(out.replaceAll(/\s+/g, ' '), /before entry 65,?536 that it and those behind it were not looked at/)
    assert.doesNotMatch(out, /Checked 9,/)
  }
})

test('what neither key nor policy vouches for is not walked over, however well the folder fits it', async (context) => {
  const folder = endlessFolder(context)
  const other = logSigner(origin, 'other')
  const policy = join(folder, 'trust.policy')
  writeFileSync(policy, `log ${other.vkey}\nquorum none\n`)
  for (const args of [
    ['--key', other.vkey],
    ['--policy', policy],
  ]) {
    for (const { code, out } of await bothVerify(folder, ...args, '--json')) {
      const { findings } = JSON.parse(out)
      assert.deepEqual([code, findings.length, findings[0].file], [1, 1, 'checkpoint'])
    }
  }
})

test('a signal ends the verification of a folder without an end', async (context) => {
  const folder = endlessFolder(context)
  for (const [script, words, ended] of [
    [MAIN, ['verify'], [3, null]],
    [BIN, [], [null, 'SIGTERM']],
  ] as const) {
    const env = { ...process.env, XDG_STATE_HOME: `${folder}-state` }
    const child = spawn(process.execPath, [script, ...words, folder, '--key', signer.vkey], { env, stdio: 'ignore' })
    const exit = once(child, 'exit')
    const early = await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, 2_000, 'it runs'))])
    assert.equal(early, 'it runs')
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
    assert.deepEqual(await exit, ended)
    clearTimeout(late)
  }
})

test('P4: a fork by a key that is known to be retired is refused though that key, or a policy that names it, is given', async (context) => {
  const folder = scratch(context)
  const logs = new KnownLogs(new NodeDisk(), new SystemClock(), tryLock, join(folder, 'state'))
  const entries = exported(20)
  const end = { size: 10, root: rootOf(entries.slice(0, 10)) }
  await logs.remember({
    origin,
    vkey: signer.vkey,
    retired: retiredKeys([{ vkey: retired.vkey, from: 0, until: end }]),
    pinned: true,
  })
  const trusts = [{ vkey: retired.vkey }, { policy: parsePolicy(`log ${retired.vkey}\nquorum none\n`) }, {}]
  const forks = [
    { of: entries.slice(0, 11), verdict: 'changed', what: /its key was retired at 10 entries, and it has 11/ },
    { of: exported(10), verdict: 'changed', what: /retired at these 10 entries with another root/ },
    // That it is the beginning of the log is not shown, nor is it kept as what was seen.
    { of: exported(5), verdict: 'self-consistent', what: /^$/ },
    { of: entries.slice(0, 10), verdict: 'signed', later: 'unchanged', what: /^$/ },
  ]
  for (const [at, { of, verdict, later = verdict, what }] of forks.entries()) {
    const path = join(folder, String(at))
    const made = await ExportFolder.open(new NodeDisk(), path)
    await made.append(of)
    const checkpoint = signCheckpoint({ origin, size: of.length, root: rootOf(of) }, retired)
    await made.finish({ checkpoint, vkey: retired.vkey })
    await made.close()
    for (const [times, trust] of trusts.entries()) {
      // A thief need not say whose key it is.
      if ('policy' in trust) rmSync(join(path, 'log.vkey'))
      const verified = await verifyFolder({ folder: path, knownLogs: logs, threadCount: 1, ...trust })
      assert.equal(verified.verdict, times === 0 ? verdict : later, `${at} by ${Object.keys(trust).join()}`)
      assert.match(verified.findings[0]?.what ?? '', what)
    }
    if (verdict !== 'signed') assert.equal((await logs.find(origin))?.head, undefined)
  }
})

function rootOf(entries: readonly ExportedEntry[]): Uint8Array {
  const tree = new Frontier()
  for (const { entry } of entries) tree.append(hashLeaf(entry))
  return tree.root()
}

test('stele-verify waits for no pipe and loads no file that is larger than what it can be', async (context) => {
  const folder = scratch(context)
  const [pipe, huge, event] = ['pipe', 'huge', 'event'].map((name) => join(folder, name)) as [string, string, string]
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
  writeFileSync(huge, '')
  truncateSync(huge, 2 ** 40)
  writeFileSync(event, '{}')
  for (const bad of [pipe, huge]) {
    for (const args of [
      [bad, event],
      [event, bad],
      ['--checkpoint', bad],
      ['--checkpoint', event, '--key', bad],
      ['--checkpoint', event, '--policy', bad],
    ]) {
      const { code, out, err } = await steleVerify(...args)
      assert.deepEqual([code, out], [3, ''], args.join(' '))
      assert.match(
        err,
        bad === pipe ? /could not be read: it is not a regular file/ : /it has more than 16777216 bytes/,
      )
      assert.ok(err.includes(bad))
    }
  }
})
