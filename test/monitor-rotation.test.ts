// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A monitor follows a key that is rotated by the statements that lead from the one it knows, and by nothing else; and a
// policy's witnesses are demanded.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import {
  consistencyProof,
  formatCheckpoint,
  formatNote,
  formatRotation,
  formatSignatureLine,
  parseNote,
  parsePolicy,
  parseVkey,
  rootAt,
} from '@stele/proof'

import { logSigner, signCheckpoint, type TestSigner, witnessSigner } from '../packages/proof/test/signers.ts'
import { type Explanation, explainEvidence, readEvidence } from '../src/evidence/monitor/evidence-folder.ts'
import { LogContradiction } from '../src/evidence/monitor/contradiction.ts'
import type { LogSource } from '../src/evidence/monitor/log-source.ts'
import { type GivenTrust, HeadFault } from '../src/evidence/monitor/log-trust.ts'
import { LogWatch } from '../src/evidence/monitor/log-watch.ts'
import { MonitorState } from '../src/evidence/monitor/state.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { HurriedClock, ToyTree } from './monitor-ground.ts'
import { scratch } from './scratch.ts'

const ORIGIN = 'toy.test/log'
const [first, second, third] = ['first', 'second', 'third'].map((seed) => logSigner(ORIGIN, seed)) as [
  TestSigner,
  TestSigner,
  TestSigner,
]

/** A log whose key changes, and what looks at it. */
class RotatingLog {
  tree = new ToyTree()
  signer = first
  rotations: string[] = []
  witnesses: TestSigner[] = []
  /** Statements that are told from the second call on, as if the key were rotated in between. */
  late: string[] | undefined
  readonly #state: MonitorState
  readonly #clock = new HurriedClock()

  private constructor(state: MonitorState) {
    this.#state = state
  }

  static async start(context: TestContext): Promise<RotatingLog> {
    const state = await MonitorState.open(new NodeDisk(), new HurriedClock(), tryLock, join(scratch(context), 'state'))
    context.after(() => state.close())
    return new RotatingLog(state)
  }

  async statement(next: TestSigner, size = this.tree.size, root?: Uint8Array): Promise<string> {
    const end = { size, root: root ?? (await rootAt(size, this.tree.read)) }
    const text = formatRotation({ origin: ORIGIN, end, vkey: next.vkey })
    return formatNote(text, [this.signer.sign(text), next.sign(text)])
  }

  async rotate(next: TestSigner): Promise<void> {
    this.rotations.push(await this.statement(next))
    this.signer = next
  }

  async look(given: GivenTrust = { vkeys: [first.vkey] }): Promise<LogWatch> {
    const source: LogSource = {
      url: 'toy',
      checkpoint: async () => {
        const { size } = this.tree
        const head = { origin: ORIGIN, size, root: await rootAt(size, this.tree.read) }
        return Buffer.from(signCheckpoint(head, this.signer, this.witnesses))
      },
      tile: async (level, index, width) => await Promise.resolve(this.tree.tile(level, index, width)),
      entries: async () => await Promise.resolve([]),
      rotations: async () => {
        const told = this.rotations
        if (this.late !== undefined) this.rotations = this.late
        return await Promise.resolve([...told])
      },
    }
    const watch = new LogWatch({ source, given, state: this.#state, clock: this.#clock })
    await watch.look()
    return watch
  }

  /** What a look finds, and what a third party makes of it who has the key. */
  async found(
    vkey = first.vkey,
  ): Promise<{ kind: string; what: string; isProven: boolean; finding: string | undefined }> {
    const error = await this.look().then(
      () => assert.fail('nothing was found'),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof LogContradiction, String(error))
    const { path } = await this.#state.keepEvidence(error.contradiction)
    const evidence = await readEvidence(new NodeDisk(), path)
    const { rotations } = evidence
    const { isProven, finding } = await explainEvidence(evidence, { origin: ORIGIN, vkey, isPinned: true, rotations })
    return { kind: error.contradiction.kind, what: error.message, isProven, finding }
  }
}

test('keys that follow one another by statements are followed, from whichever of them is pinned', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(300)
  await log.look()
  await log.rotate(second)
  await log.look()
  log.tree.grow(50)
  await log.rotate(third)
  log.tree.grow(50)
  const watch = await log.look()
  assert.equal(await watch.currentKey(), third.vkey)
  assert.equal(watch.known?.rotations.length, 2)
  for (const pinned of [second, third]) {
    const other = await RotatingLog.start(context)
    Object.assign(other, { tree: log.tree, rotations: log.rotations, signer: log.signer })
    await other.look({ vkeys: [pinned.vkey] })
  }
})

test('of what was recorded before the pinned key the tree decides, and only as far as that key vouches for its end', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(300)
  await log.rotate(second)
  log.tree.grow(50)
  await log.rotate(third)
  log.tree.grow(50)
  const watch = await log.look({ vkeys: [third.vkey] })
  const held = async (size: number, signer: TestSigner, root?: Uint8Array): Promise<string> => {
    const head = { origin: ORIGIN, size, root: root ?? (await rootAt(size, log.tree.read)) }
    return await watch.holdRecorded(watch.verified!, signCheckpoint(head, signer, []), 'heads')
  }
  assert.equal(await held(200, first), 'earlier')
  assert.equal(await held(350, second), 'earlier')
  assert.equal(await held(360, third), 'signed')
  await assert.rejects(held(200, first, new Uint8Array(32).fill(7)), /the log had another root at 200 entries/)
  await assert.rejects(held(351, second), HeadFault)
  // A log's first key has none before it.
  const never = await RotatingLog.start(context)
  never.tree.grow(300)
  const plain = await never.look()
  const foreign = signCheckpoint({ origin: ORIGIN, size: 200, root: await rootAt(200, never.tree.read) }, second, [])
  await assert.rejects(plain.holdRecorded(plain.verified!, foreign, 'heads'), HeadFault)
})

test('a key that is rotated between the two requests of a look is no alarm', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(9)
  await log.look()
  log.late = [await log.statement(second)]
  log.signer = second
  await log.look()
})

test('another key without a statement, or with one that the old key has not signed, is an alarm', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(9)
  await log.look()
  log.signer = second
  assert.equal((await log.found()).kind, 'key')
  // Signed by the thief's key alone, in both places.
  log.rotations = [await log.statement(third)]
  log.signer = third
  assert.equal((await log.found()).kind, 'key')
})

test('a fork signed by an old key is refused: above the end of its period, and below it', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(300)
  await log.rotate(second)
  log.tree.grow(10)
  await log.look()
  // The old key leaks, and signs on.
  log.signer = first
  log.tree = new ToyTree().grow(290).grow(100, 'another')
  const above = await log.found()
  assert.equal(above.kind, 'key')
  assert.match(above.what, /retired at 300/)
  // Below its end it may have signed: then the tree decides.
  log.tree = new ToyTree().grow(200).grow(80, 'another')
  const below = await log.found()
  assert.ok(['fork', 'shrink'].includes(below.kind), below.kind)
  // Somebody new, who has seen nothing, is told of the rotation, and so of where that key ended.
  const stranger = await RotatingLog.start(context)
  Object.assign(stranger, { tree: log.tree, rotations: log.rotations, signer: first })
  assert.ok(['fork', 'shrink'].includes((await stranger.found()).kind))
})

test('P4: two successors of one key are told as what they are, a fork or a theft, and an end that is not of the tree is proven', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(300)
  await log.look()
  const other = await log.statement(third)
  await log.rotate(second)
  await log.look()
  log.rotations = [other]
  log.signer = third
  const found = await log.found()
  assert.deepEqual(pick(found), { kind: 'successors', isProven: false })
  assert.equal(found.finding, 'two successors')
  assert.match(found.what, /two different successors.*either its operator forked it, or somebody else holds that key/)

  const untrue = await RotatingLog.start(context)
  untrue.tree.grow(300)
  untrue.rotations = [await untrue.statement(second, 200, new Uint8Array(32).fill(7))]
  untrue.signer = second
  assert.deepEqual(pick(await untrue.found()), { kind: 'fork', isProven: true })

  const hidden = await RotatingLog.start(context)
  hidden.tree.grow(300)
  await hidden.rotate(second)
  await hidden.look()
  hidden.rotations = []
  hidden.signer = first
  assert.deepEqual(pick(await hidden.found()), { kind: 'rotation', isProven: false })
})

function pick({ kind, isProven }: { kind: string; isProven: boolean }): { kind: string; isProven: boolean } {
  return { kind, isProven }
}

test('a policy’s quorum is demanded of each head, and its log’s key may be rotated', async (context) => {
  const witness = witnessSigner('witness.test/w')
  const policy = parsePolicy(`log ${first.vkey}\nwitness w ${witness.vkey}\nquorum w\n`)
  const log = await RotatingLog.start(context)
  log.tree.grow(5)
  await assert.rejects(log.look({ vkeys: [], policy }), /its head is not witnessed/)
  log.witnesses = [witness]
  await log.look({ vkeys: [], policy })
  log.tree.grow(5)
  await log.rotate(second)
  await log.look({ vkeys: [], policy })
  log.witnesses = [witnessSigner('witness.test/other')]
  await assert.rejects(log.look({ vkeys: [], policy }), /its head is not witnessed/)
})

/** A statement whose first signature is bytes that nobody signed, under the id of a key that is known. */
function withJunk(statement: string, { vkey }: TestSigner): string {
  const { text, signatures } = parseNote(Buffer.from(statement))
  const { name, keyId } = parseVkey(vkey)
  const { name: renewed, keyId: renewedId, signature } = signatures[1]!
  const junk = formatSignatureLine(name, keyId, Buffer.alloc(64, 1))
  return formatNote(text, [junk, formatSignatureLine(renewed, renewedId, signature)])
}

/** What a reader who pinned a key makes of a folder that anybody may have put together; the tree is the newer head's. */
async function explained(
  pinned: TestSigner,
  [older, newer]: readonly [string, string],
  rotations: readonly string[],
  fork?: { readonly tree: ToyTree; readonly oldSize: number; readonly size: number },
): Promise<Explanation> {
  const { vkey } = pinned
  const at = '2026-11-21T00:00:00Z'
  const about = { v: 1, kind: 'fork', at, url: 'toy', origin: ORIGIN, vkey, isPinned: true, what: 'made up' } as const
  const notes = { older: Buffer.from(older), newer: Buffer.from(newer) }
  const trust = { origin: ORIGIN, vkey, isPinned: true, rotations }
  if (fork === undefined) return await explainEvidence({ about, ...notes, rotations }, trust)
  const { tree, oldSize, size } = fork
  const oldRoot = await rootAt(oldSize, tree.read)
  const proof = { oldSize, size, oldRoot, hashes: await consistencyProof(oldSize, size, tree.read) }
  return await explainEvidence({ about, ...notes, rotations, proof }, trust)
}

test('evidence that takes no key to make convicts nobody: signatures that were not verified do not count', async (context) => {
  const log = await RotatingLog.start(context)
  const fourth = logSigner(ORIGIN, 'fourth')
  for (const next of [second, third, fourth]) {
    log.tree.grow(100)
    await log.rotate(next)
  }
  log.tree.grow(100)
  const [s1, s2, s3] = log.rotations as [string, string, string]
  // The reader has the second key, so of what brought it the first signature may be anything, and the id of the third's.
  for (const rotations of [
    [s2, s3],
    [withJunk(s1, third), s2, s3],
  ]) {
    const { isProven } = await explained(second, [withJunk(s1, third), s3], rotations)
    assert.equal(isProven, false)
  }
  // To a reader of the third key the first statement is as good as free text: here it names another root.
  const head = { origin: ORIGIN, size: 400, root: await rootAt(400, log.tree.read) }
  const newer = signCheckpoint(head, fourth)
  const text = formatRotation({
    origin: ORIGIN,
    end: { size: 100, root: new Uint8Array(32).fill(7) },
    vkey: second.vkey,
  })
  const lines = parseNote(Buffer.from(s1)).signatures.map(({ name, keyId }) => {
    return formatSignatureLine(name, keyId, Buffer.alloc(64, 1))
  })
  const free = formatNote(text, lines)
  const fork = { tree: log.tree, oldSize: 100, size: 400 }
  assert.equal((await explained(third, [free, newer], [free, s2, s3], fork)).isProven, false)
  // What follows the third key twice, by its own signature, is shown to whoever has an earlier one; by whom is not.
  log.signer = third
  const other = await log.statement(first, 300)
  const { isProven, finding } = await explained(second, [s3, other], [s2, s3])
  assert.deepEqual([isProven, finding], [false, 'two successors'])
})

test('what a thief signs below the end of a retired key convicts nobody: a head, a statement, or both ends of one', async (context) => {
  const log = await RotatingLog.start(context)
  log.tree.grow(300)
  await log.rotate(second)
  log.tree.grow(50)
  await log.rotate(third)
  log.tree.grow(50)
  const watch = await log.look()
  const { rotations, tree } = log
  const forged = { origin: ORIGIN, size: 200, root: new Uint8Array(32).fill(7) }
  const stolen = signCheckpoint(forged, first)
  await assert.rejects(
    watch.hold(watch.verified!, stolen, 'somebody'),
    (error) =>
      error instanceof HeadFault && /retired at 300, is not of this log: somebody else has/.test(error.message),
  )
  const honest = signCheckpoint({ origin: ORIGIN, size: 200, root: await rootAt(200, tree.read) }, first)
  await watch.hold(watch.verified!, honest, 'somebody')

  const newest = watch.verified!.note
  const fork = { tree, oldSize: 200, size: 400 }
  const { isProven, sentences } = await explained(first, [stolen, newest], rotations, fork)
  assert.equal(isProven, false)
  const said = sentences.join(' ')
  assert.ok(said.includes(`of 200 entries is signed by ${first.vkey}, that of 400 entries by ${third.vkey}`), said)
  assert.match(said, /a key that was retired at 300: either somebody else has that key, or the log forked before/)
  assert.equal((await explained(first, [stolen, honest], rotations)).isProven, false)
  // A statement of his own about an earlier end; with the keys on both sides of it, one that takes the place of the true one.
  log.signer = first
  const own = await log.statement(logSigner(ORIGIN, 'thief'), 200, forged.root)
  assert.equal((await explained(first, [own, newest], rotations, fork)).isProven, false)
  const replaced = await log.statement(second, 200, forged.root)
  const end = signCheckpoint(forged, first)
  for (const older of [replaced, end]) {
    const { isProven } = await explained(first, [older, newest], [replaced, rotations[1]!], fork)
    assert.equal(isProven, false)
  }
  // The key of today convicts, from whichever key it is reached, and an older signature beside its own changes nothing.
  const body = formatCheckpoint(forged)
  for (const older of [signCheckpoint(forged, third), formatNote(body, [first.sign(body), third.sign(body)])]) {
    assert.equal((await explained(first, [older, newest], rotations, fork)).isProven, true)
  }
})
