// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a monitor makes of a log that contradicts itself: it is found, kept, and proven to a third party, and what was
// made up proves nothing.

import assert from 'node:assert/strict'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { rootAt } from '@stele/proof'

import { logSigner, signCheckpoint } from '../packages/proof/test/signers.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { stele } from './cli-fixture.ts'
import { evidenceOf, ToyTree, watched } from './monitor-ground.ts'
import { scratch } from './scratch.ts'
import type { Json } from './server-fixture.ts'

test('a fork at the same size is found, kept, and proven to a third party by the two notes alone', async (context) => {
  const ground = await watched(context, 300)
  await ground.look()
  ground.log.tree = new ToyTree().grow(299).grow(1, 'another')
  const { code, events } = await ground.look()
  assert.equal(code, 1)
  assert.equal(events[0].kind, 'fork')
  const { code: shown, out, path } = await evidenceOf(ground)
  assert.equal(shown, 0, out)
  assert.match(out, /has contradicted itself: it signed two roots for 300 entries/)
  assert.match(await readFile(join(path, 'README.txt'), 'utf8'), /stele monitor --explain/)
})

test('a fork that went on is proven by the larger head: its tree begins otherwise than the head that was seen', async (context) => {
  // Sizes that are powers of two, too: there a consistency proof does not hold the old root.
  for (const [seen, common, size] of [
    [300, 200, 1_000],
    [256, 255, 300],
    [1, 0, 2],
    [512, 300, 70_000],
  ] as const) {
    const ground = await watched(context, seen)
    await ground.look()
    ground.log.tree = new ToyTree().grow(common).grow(size - common, 'another')
    const { code, events } = await ground.look()
    assert.deepEqual([code, events[0].kind], [1, 'fork'])
    const { code: shown, out } = await evidenceOf(ground)
    assert.equal(shown, 0, out)
    assert.ok(out.replaceAll(/\s+/g, ' ').includes(`the first ${seen} entries of its head of ${size}`), out)
  }
})

test('evidence that was made up proves nothing: honest heads, another key, a proof that was changed, notes swapped', async (context) => {
  const ground = await watched(context, 300)
  await ground.look()
  const honest = await ground.log.head()
  ground.log.tree = new ToyTree().grow(200).grow(800, 'another')
  await ground.look()
  const { path, code } = await evidenceOf(ground)
  assert.equal(code, 0)
  const explained = async (key: string, change: (folder: string) => Promise<void>): Promise<number> => {
    const copy = join(scratch(context), 'copy')
    await cp(path, copy, { recursive: true })
    await change(copy)
    return (await stele({ cwd: copy }, 'monitor', '--explain', copy, '--key', key)).code
  }
  const { vkey } = ground.log
  const put = (name: string, text: string) => async (folder: string) => await writeFile(join(folder, name), text)
  assert.equal(await explained(vkey, async () => {}), 0)
  // The order of the two is the monitor's word; that both are signed is not.
  const [older, newer] = [
    await readFile(join(path, 'older.checkpoint'), 'utf8'),
    await readFile(join(path, 'newer.checkpoint'), 'utf8'),
  ]
  assert.equal(
    await explained(vkey, async (folder) => {
      await put('older.checkpoint', newer)(folder)
      await put('newer.checkpoint', older)(folder)
    }),
    0,
  )
  assert.equal(await explained(vkey, put('newer.checkpoint', honest)), 1)
  assert.equal(await explained(logSigner('toy.test/log', 'a seed').vkey, async () => {}), 1)
  const proof = await readFile(join(path, 'proof'), 'utf8')
  const lines = proof.split('\n')
  for (const line of [3, 4, 5]) {
    const changed = lines.with(line, Buffer.alloc(32, 7).toString('base64')).join('\n')
    assert.equal(await explained(vkey, put('proof', changed)), 1, `line ${line}`)
  }
  assert.equal(await explained(vkey, async (folder) => await rm(join(folder, 'proof'))), 1)
  assert.equal(await explained(vkey, put('proof', `${proof}AAAA\n`)), 3)
  assert.equal(await explained(vkey, put('about.json', '{}')), 3)
  // A head that the log did sign, and that the larger one begins with: the true old root proves no fork.
  const grown = signCheckpoint(
    { origin: 'toy.test/log', size: 300, root: await rootAt(300, ground.log.tree.read) },
    ground.log.signer,
  )
  assert.equal(await explained(vkey, put('older.checkpoint', grown)), 1)
  assert.equal((await stele({ cwd: path }, 'monitor', '--explain', path)).code, 2)
})

test('a log that shrinks is an alarm after it was asked again; where it still shows the larger tree, a fork is proven', async (context) => {
  const ground = await watched(context, 700)
  await ground.look()
  ground.log.shownSize = 500
  const { code, events } = await ground.look()
  assert.deepEqual([code, events[0].kind], [1, 'shrink'])
  assert.match(events[0].what, /had 700 entries, and now shows 500/)
  const shrunk = await evidenceOf(ground)
  assert.equal(shrunk.code, 1, 'a smaller head alone convicts nobody')
  assert.match(shrunk.out.replaceAll(/\s+/g, ' '), /is the monitor’s word/)

  const forked = await watched(context, 700)
  await forked.look()
  const small = new ToyTree().grow(400, 'another')
  const root = await rootAt(400, small.read)
  const note = signCheckpoint({ origin: 'toy.test/log', size: 400, root }, forked.log.signer)
  forked.log.lie = ({ path, response }) => path === 'checkpoint' && (response.end(note), true)
  // Its tiles are still those of the larger tree.
  const second = await forked.look()
  assert.equal(second.code, 1)
  assert.ok(['fork', 'tree'].includes(second.events[0].kind))
})

test('a contradiction stays one: the log that tells the truth again is not believed until the evidence is moved away', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  const honest = log.tree
  await look()
  log.tree = new ToyTree().grow(300, 'another')
  assert.equal((await look()).code, 1)
  log.tree = honest
  const healed = await look()
  assert.equal(healed.code, 1)
  assert.match(healed.err, /evidence of 1 contradictions of before is kept/)
  await rm(join(folder, 'seen', 'evidence'), { recursive: true })
  assert.equal((await look()).code, 0)
})

test('heads that somebody else saw are held against what is shown here: a split view is found by either side', async (context) => {
  const mine = await watched(context, 300)
  const theirs = await watched(context, 0)
  theirs.log.tree = new ToyTree().grow(200).grow(150, 'another')
  await theirs.look()
  const seen = join(theirs.folder, 'seen', 'heads.ndjson')
  const { code, events } = await mine.look('--compare', seen)
  assert.equal(code, 1, JSON.stringify(events))
  assert.ok(['fork', 'shrink'].includes(events[0].kind))
  const other = await theirs.look('--compare', join(mine.folder, 'seen', 'heads.ndjson'))
  assert.equal(other.code, 1, JSON.stringify(other.events))
  assert.equal(other.events[0].kind, 'fork')
  const { code: shown, out } = await evidenceOf(theirs)
  assert.equal(shown, 0, out)
})

test('an honest head of another monitor agrees, smaller or larger, a note or lines, from a file or an address', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  await writeFile(join(folder, 'note'), await log.head(120))
  assert.equal((await look('--compare', 'note')).code, 0)
  assert.equal((await look('--compare', join(folder, 'seen', 'heads.ndjson'))).code, 0)
  await writeFile(join(folder, 'garbage'), 'not a note')
  assert.equal((await look('--compare', 'garbage')).code, 3)
  assert.equal((await look('--compare', 'absent')).code, 3)
  assert.equal((await look('--compare', `${log.url}/checkpoint`)).code, 0)
  const forged = signCheckpoint(
    { origin: 'toy.test/log', size: 9, root: new Uint8Array(32) },
    logSigner('toy.test/log', 'x'),
  )
  await writeFile(join(folder, 'forged'), forged)
  const { code, events } = await look('--compare', 'forged')
  assert.equal(code, 0, 'what somebody else made up is no contradiction of the log')
  assert.ok(events.some(({ type }: Json) => type === 'not-compared'))
})

test('a contradiction is told, with both heads, also where the disk does not take the evidence', async (context) => {
  const ground = await watched(context, 300)
  await ground.look()
  const seen = await ground.log.head()
  ground.log.tree = new ToyTree().grow(300, 'another')
  class FullDisk extends NodeDisk {
    override async makeDirectory(...[path, mode]: Parameters<NodeDisk['makeDirectory']>): Promise<void> {
      if (!path.includes('/evidence/')) return await super.makeDirectory(path, mode)
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'mkdir', path })
    }
  }
  ground.environment = { disk: new FullDisk() }
  const { code, events } = await ground.look()
  assert.equal(code, 1)
  assert.deepEqual([events[0].type, events[0].kind, events[0].older], ['evidence-lost', 'fork', seen])
  assert.equal(events[0].newer, await ground.log.head())
})
