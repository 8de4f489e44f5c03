// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Receipts, witnessed or not, held against what is remembered of the two logs: the ledger's, and the one of heads.

import assert from 'node:assert/strict'
import { before, test, type TestContext } from 'node:test'

import {
  contentHash,
  formatEntry,
  formatNote,
  formatReceipt,
  formatRotation,
  formatSignatureLine,
  formatWitnessedReceipt,
  hashLeaf,
  hashNode,
  parseNote,
  parsePolicy,
  parseVkey,
  toBase64,
  toBase64Url,
} from '@stele/proof'

import { keyChain } from '../src/evidence/key-chain.ts'
import { KnownLogs, type RetiredKey } from '../src/evidence/known-logs.ts'
import { verifyEvent } from '../src/evidence/verify-receipt.ts'
import { KeyStore } from '../src/ledger/keys.ts'
import type { Signer } from '../src/ledger/signing.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { MemoryDisk } from './memory-disk.ts'
import { scratch, SeededRandom } from './scratch.ts'
import { TestWitness } from './witness-ground.ts'

const family = 'stele.test/abcdefghijklm'
const salt = Buffer.alloc(16, 5)
const event = Buffer.from('{"number":1}')
const otherRoot = Buffer.alloc(32, 9)

let ledger: Signer
let heads: Signer
/** What followed `heads`. */
let newHeads: Signer
before(async () => {
  const keys = new KeyStore(new MemoryDisk(), new SeededRandom(3), '/')
  ledger = await keys.prepare('main', `${family}/main`)
  heads = await keys.prepare('heads', `${family}/heads`, 'with ML-DSA-44')
  newHeads = await keys.prepare('heads', `${family}/heads`, 'with ML-DSA-44')
})

function memory(context: TestContext): KnownLogs {
  return new KnownLogs(new NodeDisk(), new SystemClock(), tryLock, scratch(context))
}

type Sign = (size: number, root: Uint8Array) => string

const by =
  (signer: Signer): Sign =>
  (size, root) =>
    signer.checkpoint(size, Buffer.from(root))

/** The first line is right and the signature is not: what anybody can write. */
const forgedBy =
  (signer: Signer): Sign =>
  (size, root) =>
    formatNote(parseNote(Buffer.from(by(signer)(size, root))).text, [junkOf(signer)])

function junkOf({ vkey }: Signer): string {
  const { name, keyId } = parseVkey(vkey)
  return formatSignatureLine(name, keyId, Buffer.alloc(64, 5))
}

/** Of `content` as the first entry of a log of two, four or eight. */
function receiptOf(
  content: Uint8Array,
  size: 2 | 4 | 8,
  sign: Sign,
): { readonly receipt: string; readonly head: string } {
  const entry = Buffer.from(
    formatEntry({
      at: '2026-01-02T03:04:05.678Z',
      source: 'test',
      by: 'tok-1',
      media: 'application/json',
      size: content.length,
      sha256: toBase64Url(contentHash(salt, content)),
    }),
  )
  const hashes = Array.from({ length: Math.log2(size) }, (_, level) => Buffer.alloc(32, level + 1))
  const head = sign(
    size,
    hashes.reduce((root: Uint8Array, sibling) => hashNode(root, sibling), hashLeaf(entry)),
  )
  return { receipt: formatReceipt({ salt, entry, index: 0, hashes, checkpoint: head }), head }
}

function witnessed(size: 2 | 4 | 8, sign: Sign, signLedger = by(ledger)) {
  const { receipt, head } = receiptOf(event, 2, signLedger)
  const { receipt: headsReceipt, head: headsHead } = receiptOf(Buffer.from(head), size, sign)
  return { proof: Buffer.from(formatWitnessedReceipt({ receipt, headsReceipt })), head, headsHead }
}

/** Remembers that the key of heads was followed by another at four entries. */
async function rotated(knownLogs: KnownLogs, root: Uint8Array = otherRoot): Promise<void> {
  const retired: RetiredKey[] = [{ vkey: heads.vkey, size: 4, root: toBase64(root) }]
  await knownLogs.remember({ origin: `${family}/heads`, vkey: newHeads.vkey, retired, pinned: true })
}

test('P4: a receipt whose head of heads nobody signed convicts no log, and nothing of it is remembered', async (context) => {
  const knownLogs = memory(context)
  const origin = `${family}/heads`
  const kept = heads.checkpoint(4, otherRoot)
  await knownLogs.remember({ origin, vkey: heads.vkey, pinned: true, head: kept })
  const { proof } = witnessed(4, forgedBy(heads))
  const { verdict, contradiction, evidence } = await verifyEvent({ event, proof, vkey: ledger.vkey, knownLogs })
  assert.deepEqual([verdict, contradiction, evidence], ['valid', undefined, undefined])
  await verifyEvent({ event, proof: witnessed(8, forgedBy(heads)).proof, vkey: ledger.vkey, knownLogs })
  assert.equal((await knownLogs.find(origin))?.head, kept)
  // One that its key has signed is the log's word, whoever else vouches for the receipt.
  const signed = witnessed(4, by(heads))
  const fork = await verifyEvent({ event, proof: signed.proof, vkey: ledger.vkey, knownLogs })
  assert.equal(fork.verdict, 'invalid')
  assert.match(fork.contradiction ?? '', /two roots for 4 entries/)
  assert.ok(fork.evidence !== undefined)
})

test('P4: a head of the ledger that only its remembered key shows to be signed is held against the remembered one', async (context) => {
  const knownLogs = memory(context)
  const head = ledger.checkpoint(2, otherRoot)
  await knownLogs.remember({ origin: `${family}/main`, vkey: ledger.vkey, pinned: true, head })
  const policy = parsePolicy(`log ${heads.vkey}\nquorum none\n`)
  const { proof } = witnessed(4, by(heads))
  assert.match((await verifyEvent({ event, proof, policy, knownLogs })).contradiction ?? '', /two roots for 2 entries/)
})

test('P4: a retired key of heads vouches for nothing beyond its end, by a policy or by itself', async (context) => {
  const witness = new TestWitness('one')
  const cosigned: Sign = (size, root) => {
    const note = by(heads)(size, root)
    return note + witness.signer.cosign(parseNote(Buffer.from(note)).text, 1_700_000_000)
  }
  const quorum = `witness one ${witness.signer.vkey}\nquorum one\n`
  const policies = [`log ${heads.vkey}\nquorum none\n`, `log ${heads.vkey}\nlog ${newHeads.vkey}\n${quorum}`]
  for (const trust of [{ vkey: heads.vkey }, ...policies.map((text) => ({ policy: parsePolicy(text) }))]) {
    // A line that anybody can write in the name of the new key doesn't make it its word.
    const disguised: Sign = (size, root) => cosigned(size, root) + junkOf(newHeads)
    const signs = 'policy' in trust && trust.policy.logs.length > 1 ? [cosigned] : [cosigned, disguised]
    for (const sign of signs) {
      const knownLogs = memory(context)
      const beyond = witnessed(8, sign).proof
      assert.equal((await verifyEvent({ event, proof: beyond, ...trust, knownLogs: memory(context) })).verdict, 'valid')
      await rotated(knownLogs)
      const { verdict, contradiction } = await verifyEvent({ event, proof: beyond, ...trust, knownLogs })
      assert.equal(verdict, 'invalid')
      assert.match(contradiction ?? '', /heads counts 8 entries.*retired at 4 entries/)
      const other = await verifyEvent({ event, proof: witnessed(4, sign).proof, ...trust, knownLogs })
      assert.match(other.contradiction ?? '', /their root was another/)
      // Below its end nobody but witnesses shows that it is the beginning of the log.
      const below = await verifyEvent({ event, proof: witnessed(2, sign).proof, ...trust, knownLogs })
      const isWitnessed = 'policy' in trust && trust.policy.quorum !== 'none'
      assert.equal(below.verdict, isWitnessed ? 'valid' : 'self-consistent')
    }
  }
})

test('P4: below its end a retired key of heads counts for what fits, and at its end for what it ended with', async (context) => {
  const knownLogs = memory(context)
  let end: Uint8Array = otherRoot
  const { proof } = witnessed(4, (size, root) => by(heads)(size, (end = root)))
  await rotated(knownLogs, end)
  assert.equal((await verifyEvent({ event, proof, vkey: heads.vkey, knownLogs })).verdict, 'valid')
  const below = await verifyEvent({ event, proof: witnessed(2, by(heads)).proof, vkey: heads.vkey, knownLogs })
  assert.deepEqual([below.verdict, below.retired?.vkey], ['self-consistent', heads.vkey])
  assert.equal((await knownLogs.find(`${family}/heads`))?.vkey, newHeads.vkey)
})

test('the key of heads vouches for a witnessed receipt, and is remembered as no other log’s key', async (context) => {
  const knownLogs = memory(context)
  const { proof, headsHead } = witnessed(4, by(heads))
  assert.equal((await verifyEvent({ event, proof, vkey: heads.vkey, knownLogs })).verdict, 'valid')
  assert.equal(await knownLogs.find(`${family}/main`), undefined)
  const known = await knownLogs.find(`${family}/heads`)
  assert.deepEqual([known?.vkey, known?.head, known?.pinned], [heads.vkey, headsHead, true])
  // Neither is in the way of the other, in either order.
  for (const { vkey } of [ledger, heads, ledger]) {
    assert.equal((await verifyEvent({ event, proof, vkey, knownLogs })).verdict, 'valid')
  }
  assert.equal((await knownLogs.find(`${family}/main`))?.vkey, ledger.vkey)
  const impostor = await verifyEvent({ event, proof: witnessed(4, by(newHeads)).proof, vkey: newHeads.vkey, knownLogs })
  assert.match(impostor.contradiction ?? '', /the key of .*\/heads is not the one that was pinned/)
})

/** A head with the signature of the ML-DSA-44 key alone. */
const byMldsa =
  (signer: Signer): Sign =>
  (size, root) => {
    const [text = '', lines = ''] = signer.head(size, Buffer.from(root), 1_700_000_000).split('\n\n')
    return `${text}\n\n${lines.split('\n').slice(1).join('\n')}`
  }

test('P4: a retired ML-DSA-44 key of heads vouches for nothing beyond its end, whoever lists it', async (context) => {
  const policy = parsePolicy(`log ${heads.mldsaVkey}\nquorum none\n`)
  const beyond = witnessed(8, byMldsa(heads)).proof
  const below = witnessed(2, byMldsa(heads)).proof
  const origin = `${family}/heads`
  // Known by a head that both keys signed and a policy that lists both, or by the statement that brought it.
  const both = parsePolicy(`log ${heads.vkey}\nlog ${heads.mldsaVkey}\nquorum none\n`)
  const text = formatRotation({
    origin,
    end: { size: 4, root: otherRoot },
    vkey: newHeads.vkey,
    mldsaVkey: newHeads.mldsaVkey!,
  })
  const statement = formatNote(text, [heads.signatureLine(text), newHeads.signatureLine(text)])
  const seen = memory(context)
  await seen.remember({ origin, vkey: heads.vkey, pinned: true })
  const head: Sign = (size, root) => heads.head(size, Buffer.from(root), 1_700_000_000)
  assert.equal(
    (await verifyEvent({ event, proof: witnessed(4, head).proof, policy: both, knownLogs: seen })).verdict,
    'valid',
  )
  assert.equal((await seen.find(origin))?.mldsaVkey, heads.mldsaVkey)
  const { objection, ...keys } = await keyChain(seen, await seen.find(origin), newHeads.vkey, [statement])
  assert.equal(objection, undefined)
  await seen.remember({ origin, ...keys, pinned: true })
  assert.equal((await seen.find(origin))?.mldsaVkey, newHeads.mldsaVkey)
  const told = memory(context)
  const retired = [{ vkey: heads.vkey, mldsaVkey: heads.mldsaVkey!, size: 4, root: toBase64(otherRoot) }]
  await told.remember({ origin, vkey: newHeads.vkey, retired, pinned: true })
  for (const knownLogs of [seen, told]) {
    const { verdict, contradiction } = await verifyEvent({ event, proof: beyond, policy, knownLogs })
    assert.equal(verdict, 'invalid')
    assert.match(contradiction ?? '', /heads counts 8 entries.*retired at 4 entries/)
    assert.equal((await verifyEvent({ event, proof: below, policy, knownLogs })).verdict, 'self-consistent')
  }
  // Who has seen nothing of the rotation cannot know.
  assert.equal((await verifyEvent({ event, proof: beyond, policy, knownLogs: memory(context) })).verdict, 'valid')
  assert.equal((await told.find(origin))?.vkey, newHeads.vkey)
})
