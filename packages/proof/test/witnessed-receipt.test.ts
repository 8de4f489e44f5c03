// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  contentHash,
  formatCheckpoint,
  formatEntry,
  formatNote,
  formatReceipt,
  formatRotation,
  formatWitnessedReceipt,
  Frontier,
  hashLeaf,
  hashNode,
  parseCheckpoint,
  parseNote,
  parsePolicy,
  parseProof,
  splitWitnessedReceipt,
  toBase64Url,
  utf8,
  verifyCheckpoint,
  verifyReceipt,
  type Policy,
  type Report,
  type TreeHead,
} from '../src/index.ts'
import { logSigner, mldsaSigner, signCheckpoint, withoutMldsa44, witnessSigner } from './signers.ts'

const family = 'stele.local/abcdefghijklm'
const ledger = logSigner(`${family}/main`)
const heads = logSigner(`${family}/heads`)
const headsMldsa = mldsaSigner(heads.name)
const witnesses = [witnessSigner('w1.example.com'), mldsaSigner('w2.example.com')] as const
const salt = new Uint8Array(16).fill(5)
const event = utf8('{"activityDisplayName":"Add member to role"}')

/** The receipt of `content`, which is the second of the two entries of a log, and the text of that log's head. */
function receiptOf(content: Uint8Array, origin: string, sign: (text: string) => string): string {
  const entry = utf8(
    formatEntry({
      at: '2026-01-02T03:04:05.678Z',
      source: 'entra.audit',
      by: 'tok-1',
      media: 'application/json',
      size: content.length,
      sha256: toBase64Url(contentHash(salt, content)),
    }),
  )
  const [before, leaf] = [hashLeaf(utf8('before')), hashLeaf(entry)]
  const checkpoint = sign(formatCheckpoint({ origin, size: 2, root: hashNode(before, leaf) }))
  return formatReceipt({ salt, entry, index: 1, hashes: [before], checkpoint })
}

const ledgerHead = (text: string) => formatNote(text, [ledger.sign(text)])

function witnessedHead(text: string): string {
  return formatNote(text, [
    heads.sign(text),
    headsMldsa.cosign(text, 1_700_000_000),
    ...witnesses.map((witness, i) => witness.cosign(text, 1_700_000_001 + i)),
  ])
}

const receipt = receiptOf(event, ledger.name, ledgerHead)
const checkpoint = utf8(receipt.slice(receipt.indexOf('\n\n') + 2))
const headsReceipt = receiptOf(checkpoint, heads.name, witnessedHead)
const file = formatWitnessedReceipt({ receipt, headsReceipt })

const witnessLines = witnesses.map(({ vkey }, i) => `witness W${i + 1} ${vkey}\n`).join('')
const quorum = `${witnessLines}group all-of-them all W1 W2\nquorum all-of-them\n`
const policy = parsePolicy(`log ${heads.vkey}\nlog ${headsMldsa.vkey}\n${quorum}`)

function headOf(file: string): TreeHead {
  const { checkpoint } = parseProof(file)
  return parseCheckpoint(parseNote(checkpoint).text)
}

function outcome({ checks }: Report, what: string): unknown {
  return checks.find((check) => check.what === what)?.ok
}

test('a witnessed receipt is two receipts in one file, and comes apart where it was joined', () => {
  assert.equal(file, receipt + headsReceipt)
  assert.deepEqual(splitWitnessedReceipt(utf8(file)), { receipt: utf8(receipt), headsReceipt: utf8(headsReceipt) })
  assert.deepEqual(splitWitnessedReceipt(utf8(receipt)), { receipt: utf8(receipt) })
  for (const second of ['', '\n', `\n${receipt}`, receipt.slice(1), receipt.replace('extra ', 'extra  ')]) {
    assert.throws(() => formatWitnessedReceipt({ receipt, headsReceipt: second }), { name: 'ProofError' })
  }
  assert.throws(() => formatWitnessedReceipt({ receipt: file, headsReceipt }), { name: 'ProofError' })
})

test('a policy that knows heads and its witnesses alone vouches for an event of another ledger', async () => {
  const report = await verifyReceipt(event, file, policy)
  assert.equal(report.verdict, 'valid')
  assert.equal(report.origin, ledger.name)
  assert.deepEqual([report.heads?.origin, report.heads?.index, report.heads?.size], [heads.name, 1, 2])
  assert.deepEqual(report.cosignatures, [
    { witness: 'W1', time: 1_700_000_001 },
    { witness: 'W2', time: 1_700_000_002 },
  ])
  assert.equal(outcome(report, 'the signature'), 'not checked', 'nobody gave the key of the ledger itself')
  assert.deepEqual(report.summary, [
    `This event is, byte for byte, what the log ${ledger.name} recorded as number 1, counted from 0, of its first 2 ` +
      'entries, on 2026-01-02T03:04:05.678Z by its own clock.',
    `The head of 2 entries of ${ledger.name} is number 1 of ${heads.name}.`,
    `Signed by the Ed25519 key of ${heads.name}, up to 2 entries.`,
    'Seen by these witnesses: W1 on 2023-11-14 22:13:21 UTC, W2 on 2023-11-14 22:13:22 UTC. So it was there on ' +
      '2023-11-14 22:13:22 UTC at the latest, as all of them say.',
    `Not checked: the signature: not needed beside the other log's, and no key of ${ledger.name} was given.`,
  ])
})

test('where the policy lists the key of the ledger, too, its own signature is checked', async () => {
  const both = parsePolicy(`log ${ledger.vkey}\nlog ${heads.vkey}\n${quorum}`)
  const report = await verifyReceipt(event, file, both)
  assert.equal(report.verdict, 'valid')
  assert.equal(outcome(report, 'the signature'), true)
  assert.deepEqual(
    report.keys?.map(({ name }) => name),
    [ledger.name, heads.name],
  )
  const stranger = parsePolicy(`log ${logSigner(ledger.name, 'stranger').vkey}\nlog ${heads.vkey}\n${quorum}`)
  assert.equal((await verifyReceipt(event, file, stranger)).verdict, 'invalid')
})

test('with the key of the ledger alone, its receipt is valid and heads is said to be not checked', async () => {
  const report = await verifyReceipt(event, file, { vkey: ledger.vkey })
  assert.equal(report.verdict, 'valid')
  assert.equal(outcome(report, 'the signature'), true)
  assert.equal(outcome(report, 'heads: the signature'), 'not checked')
  assert.equal(outcome(report, 'heads: the place in the tree'), true)
  assert.equal((await verifyReceipt(event, file, { vkey: heads.vkey })).verdict, 'valid')
  assert.equal((await verifyReceipt(event, file)).verdict, 'self-consistent')
  assert.equal((await verifyReceipt(event, file, { vkey: logSigner(`${family}/other`).vkey })).verdict, 'invalid')
})

test('heads that are not witnessed as the policy demands, or are of another server, vouch for nothing', async () => {
  const cosigned = (count: number) => (text: string) =>
    formatNote(text, [heads.sign(text), ...witnesses.slice(0, count).map((witness) => witness.cosign(text, 1))])
  const foreign = logSigner('stele.local/nopqrstuvwxyz/heads')
  const bad: readonly (readonly [string, string, Policy])[] = [
    ['one witness of two', receiptOf(checkpoint, heads.name, cosigned(1)), policy],
    ['none', receiptOf(checkpoint, heads.name, cosigned(0)), policy],
    ['another checkpoint', receiptOf(utf8('another'), heads.name, witnessedHead), policy],
    [
      'another server',
      receiptOf(checkpoint, foreign.name, (text) => formatNote(text, [foreign.sign(text)])),
      parsePolicy(`log ${foreign.vkey}\nquorum none\n`),
    ],
    [
      'a ledger that is not heads',
      receiptOf(checkpoint, `${family}/other`, (text) => formatNote(text, [logSigner(`${family}/other`).sign(text)])),
      parsePolicy(`log ${logSigner(`${family}/other`).vkey}\nquorum none\n`),
    ],
  ]
  for (const [what, second, trust] of bad) {
    const report = await verifyReceipt(event, receipt + second, trust)
    assert.equal(report.verdict, 'invalid', what)
    assert.match(report.summary[0]!, /^Do not rely on this\./)
  }
  const outside = headsReceipt.replace('index 1', 'index 7')
  assert.equal((await verifyReceipt(event, receipt + outside, policy)).verdict, 'invalid')
})

test('every byte of a witnessed receipt counts, but those of signatures whose key nobody gave', async () => {
  const bytes = utf8(file)
  const trust = parsePolicy(`log ${headsMldsa.vkey}\n${quorum}`)
  assert.equal((await verifyReceipt(event, bytes, trust)).verdict, 'valid')
  const idle = [ledger.sign(formatCheckpoint(headOf(receipt))), heads.sign(formatCheckpoint(headOf(headsReceipt)))].map(
    (line) => ({ start: Buffer.from(bytes).lastIndexOf(line), bytes: Buffer.byteLength(line) }),
  )
  // Not every one: the ML-DSA signatures have most of them.
  for (let at = 0; at < bytes.length; at += 11) {
    if (idle.some(({ start, bytes }) => at >= start && at < start + bytes)) continue
    const changed = bytes.slice()
    changed[at]! ^= 1
    assert.notEqual((await verifyReceipt(event, changed, trust)).verdict, 'valid', `byte ${at}`)
  }
})

test('where ML-DSA-44 is not checked, a witnessed receipt whose quorum needs it is not valid', async (context) => {
  withoutMldsa44(context)
  assert.equal((await verifyReceipt(event, file, policy)).verdict, 'self-consistent')
  const first = parsePolicy(`log ${heads.vkey}\n${witnessLines}quorum W1\n`)
  const report = await verifyReceipt(event, file, first)
  assert.equal(report.verdict, 'valid')
  assert.equal(outcome(report, 'heads: other keys'), 'not checked')
})

test('a receipt of a key that a pinned one led to is valid; one of a retired key says what is left to show', async () => {
  const [old, now] = [logSigner(`${family}/main`, 'old'), ledger]
  const rotate = (size: number, root: Uint8Array) => {
    const text = formatRotation({ origin: ledger.name, end: { size, root }, vkey: now.vkey })
    return [formatNote(text, [old.sign(text), now.sign(text)])]
  }
  const frontier = new Frontier()
  frontier.append(hashLeaf(utf8('one')))
  const early = { vkey: old.vkey, rotations: rotate(1, frontier.root()) }
  const report = await verifyReceipt(event, receipt, early)
  assert.equal(report.verdict, 'valid')
  const byOld = receiptOf(event, ledger.name, (text) => formatNote(text, [old.sign(text)]))
  assert.equal((await verifyReceipt(event, byOld, early)).verdict, 'invalid', 'it signs above its end')
  const late = await verifyReceipt(event, byOld, { vkey: old.vkey, rotations: rotate(3, frontier.root()) })
  assert.equal(late.verdict, 'self-consistent')
  assert.equal(outcome(late, 'the retired key'), 'not checked')
  const { root } = report
  const end = { vkey: old.vkey, rotations: rotate(2, root!) }
  assert.equal((await verifyReceipt(event, byOld, end)).verdict, 'valid', 'the very head that the key ended with')
  const fork = { vkey: old.vkey, rotations: rotate(2, frontier.root()) }
  assert.equal((await verifyReceipt(event, byOld, fork)).verdict, 'invalid')
  const broken = await verifyReceipt(event, receipt, { vkey: old.vkey, rotations: ['nonsense'] })
  assert.equal(broken.verdict, 'invalid')
  assert.equal(outcome(broken, 'the rotations'), false)
})

test('a checkpoint alone is verified by a key or a policy, and says for how many entries it stands', async () => {
  const note = signCheckpoint({ origin: heads.name, size: 2 ** 33, root: new Uint8Array(32) }, heads)
  const report = await verifyCheckpoint(note, { vkey: heads.vkey })
  assert.equal(report.verdict, 'valid')
  assert.equal(report.size, 2 ** 33)
  assert.equal(report.summary[0], `This is a head of the log ${heads.name}, of 8,589,934,592 entries.`)
  assert.equal((await verifyCheckpoint(note, policy)).verdict, 'invalid')
  assert.equal((await verifyCheckpoint(note)).verdict, 'self-consistent')
  assert.equal((await verifyCheckpoint('nonsense', { vkey: heads.vkey })).verdict, 'invalid')
})
