// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mock, test } from 'node:test'

import {
  contentHash,
  formatEntry,
  formatProof,
  formatReceipt,
  Frontier,
  hashLeaf,
  inclusionProof,
  MAX_PROOF_BYTES,
  parsePolicy,
  parseProof,
  parseReceipt,
  toBase64,
  toBase64Url,
  utf8,
  verifyProof,
  verifyReceipt,
  type Report,
} from '../src/index.ts'
import { NumberedLog } from './numbered-log.ts'
import {
  hex,
  logSigner,
  mldsaSigner,
  signCheckpoint,
  withoutMldsa44,
  witnessSigner,
  type TestSigner,
} from './signers.ts'

const log = logSigner('stele.local/abcdefghijklm/main')
const witness = witnessSigner('witness.example.com')
const salt = new Uint8Array(16).fill(5)
const event = utf8('{"activityDisplayName":"Add member to role"}')
const entry = utf8(
  formatEntry({
    at: '2026-01-02T03:04:05.678Z',
    source: 'entra.audit',
    by: 'tok-1',
    media: 'application/json',
    size: event.length,
    sha256: toBase64Url(contentHash(salt, event)),
  }),
)

/** A log of one entry before and one behind ours, which is number 1 of 3. */
const neighbours = [hashLeaf(utf8('before')), hashLeaf(entry), hashLeaf(utf8('behind'))]
const hashes = [neighbours[0]!, neighbours[2]!]
const frontier = new Frontier()
for (const leaf of neighbours) frontier.append(leaf)

function checkpoint(
  signer: TestSigner = log,
  witnesses: readonly TestSigner[] = [],
  origin: string = log.name,
): string {
  return signCheckpoint({ origin, size: 3, root: frontier.root() }, signer, witnesses)
}

const receipt = formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint() })

function failed({ checks }: Report): string[] {
  return checks.filter(({ ok }) => ok === false).map(({ what }) => what)
}

test('a proof is written and read as tlog-proof says', () => {
  const [h1, h2] = ['hash1', 'hash2'].map((text) => new Uint8Array(createHash('sha256').update(text).digest()))
  const [b1, b2] = [toBase64(h1!), toBase64(h2!)]
  const note = utf8('test checkpoint\n')
  const cases: readonly (readonly [Parameters<typeof formatProof>[0], string])[] = [
    [
      { index: 5, hashes: [h1!, h2!], checkpoint: note },
      `c2sp.org/tlog-proof@v1\nindex 5\n${b1}\n${b2}\n\ntest checkpoint\n`,
    ],
    [
      { extra: utf8('extra information'), index: 10, hashes: [h1!], checkpoint: note },
      `c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 10\n${b1}\n\ntest checkpoint\n`,
    ],
    [{ index: 0, hashes: [], checkpoint: note }, 'c2sp.org/tlog-proof@v1\nindex 0\n\ntest checkpoint\n'],
  ]
  for (const [proof, text] of cases) {
    assert.equal(formatProof(proof), text)
    assert.deepEqual(parseProof(text), proof)
    assert.deepEqual(parseProof(utf8(text)), proof)
  }
})

test('the checkpoint of a proof is verbatim, and begins behind the first empty line', () => {
  const note = 'text\n\nwith an empty line, é\n\n— a AAAAAAA=\n'
  const proof = parseProof(formatProof({ index: 0, hashes: [], checkpoint: note }))
  assert.deepEqual(proof.checkpoint, utf8(note))
})

test('a proof in any other form is refused, with the line', () => {
  const hash = toBase64(new Uint8Array(32))
  const bad: readonly (readonly [string, number | undefined])[] = [
    ['', undefined],
    ['c2sp.org/tlog-proof@v1\nindex 0\n', undefined],
    ['c2sp.org/tlog-proof@v1\nindex 0\n\n', undefined],
    ['\ufeffc2sp.org/tlog-proof@v1\nindex 0\n\nx\n', 1],
    ['c2sp.org/tlog-proof@v2\nindex 0\n\nx\n', 1],
    ['c2sp.org/tlog-proof@v1\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nindex 00\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nindex 9007199254740993\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nindex\t0\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nindex 0\r\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx\n', 2],
    ['c2sp.org/tlog-proof@v1\nextra AA==\n\nx\n', 3],
    ['c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\nx\n', 3],
    [`c2sp.org/tlog-proof@v1\nindex 0\n${hash}\n${hash.slice(4)}\n\nx\n`, 4],
    [`c2sp.org/tlog-proof@v1\nindex 0\n${hash} \n\nx\n`, 3],
    [`c2sp.org/tlog-proof@v1\nindex 0\n${`${hash}\n`.repeat(54)}\nx\n`, undefined],
  ]
  for (const [text, line] of bad) {
    const place = line === undefined ? {} : { line }
    assert.throws(() => parseProof(text), { name: 'ProofError', code: 'proof-malformed', place }, text)
  }
  assert.throws(
    () => parseProof(new Uint8Array([...utf8('c2sp.org/tlog-proof@v1\nindex 0\n'), 0xff, 0x0a, 0x0a, 0x78])),
    { code: 'proof-malformed' },
  )
  const start = 'c2sp.org/tlog-proof@v1\nindex 0\n'
  const padding = MAX_PROOF_BYTES - start.length - 2
  assert.equal(parseProof(`${start}\n${'x'.repeat(padding)}\n`).checkpoint.length, padding + 1)
  assert.throws(() => parseProof(`${start}\n${'x'.repeat(padding + 1)}\n`), { code: 'proof-malformed' })
  assert.equal(parseProof(`${start}${`${hash}\n`.repeat(53)}\nx\n`).hashes.length, 53)
})

test('a receipt carries salt and entry in its extra, and a proof without them is no receipt', () => {
  const parsed = parseReceipt(receipt)
  assert.deepEqual([parsed.salt, parsed.entry, parsed.index], [salt, entry, 1])
  const longest = formatReceipt({ salt, entry: new Uint8Array(65_535), index: 1, hashes, checkpoint: checkpoint() })
  assert.equal(parseReceipt(longest).entry.length, 65_535)
  const none = [undefined, new Uint8Array(16), new Uint8Array(3), new Uint8Array(16 + 65_536)]
  for (const extra of none) {
    const proof = formatProof({ ...(extra === undefined ? {} : { extra }), index: 1, hashes, checkpoint: checkpoint() })
    assert.throws(() => parseReceipt(proof), { name: 'ProofError', code: 'receipt-malformed' })
  }
  assert.throws(() => formatReceipt({ salt: new Uint8Array(15), entry, index: 1, hashes, checkpoint: checkpoint() }), {
    code: 'receipt-malformed',
  })
})

test('a receipt with the event and a pinned key is valid, and says what was shown', async () => {
  const report = await verifyReceipt(event, receipt, { vkey: log.vkey, origin: log.name })
  assert.equal(report.verdict, 'valid')
  assert.deepEqual(
    { origin: report.origin, index: report.index, size: report.size, time: report.time, source: report.entry?.source },
    { origin: log.name, index: 1, size: 3, time: '2026-01-02T03:04:05.678Z', source: 'entra.audit' },
  )
  assert.deepEqual(
    report.checks.map(({ what, ok }) => [what, ok]),
    ['the receipt', 'the entry', 'the event', 'the checkpoint', 'the place in the tree', 'the signature'].map(
      (what) => [what, true],
    ),
  )
  assert.equal((await verifyReceipt(event, utf8(receipt), { vkey: log.vkey })).verdict, 'valid', 'bytes do as well')
})

test('CVE-2022-39199: a key that nobody pinned, or none, is self-consistent and never valid', async () => {
  assert.equal((await verifyReceipt(event, receipt, { vkey: log.vkey, pinned: false })).verdict, 'self-consistent')
  const report = await verifyReceipt(event, receipt)
  assert.equal(report.verdict, 'self-consistent')
  assert.equal(report.checks.at(-1)?.ok, 'not checked')
  const foreign = logSigner(log.name, 'the key of a liar')
  assert.equal((await verifyReceipt(event, receipt, { vkey: foreign.vkey })).verdict, 'invalid')
  assert.equal((await verifyReceipt(event, receipt, { vkey: foreign.vkey, pinned: false })).verdict, 'invalid')
})

test('immudb#2063: the event’s own bytes are verified, every bit and the length', async () => {
  for (let bit = 0; bit < event.length * 8; bit++) {
    const changed = event.slice()
    changed[bit >> 3]! ^= 1 << (bit & 7)
    const report = await verifyReceipt(changed, receipt, { vkey: log.vkey })
    assert.equal(report.verdict, 'invalid')
    assert.deepEqual(failed(report), ['the event'])
  }
  for (const other of [event.subarray(1), new Uint8Array([...event, 0x20]), new Uint8Array(0)]) {
    assert.deepEqual(failed(await verifyReceipt(other, receipt, { vkey: log.vkey })), ['the event'])
  }
})

test('extra is not authenticated: another salt, entry or boundary between salt and event is found', async () => {
  const trust = { vkey: log.vkey }
  const make = (parts: { salt?: Uint8Array; entry?: Uint8Array }) =>
    formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint(), ...parts })
  assert.deepEqual(failed(await verifyReceipt(event, make({ salt: new Uint8Array(16) }), trust)), ['the event'])
  const other = utf8(Buffer.from(entry).toString().replace('tok-1', 'tok-2'))
  assert.deepEqual(failed(await verifyReceipt(event, make({ entry: other }), trust)), ['the place in the tree'])
  const noise = utf8('not an entry')
  assert.deepEqual(failed(await verifyReceipt(event, make({ entry: noise }), trust)), [
    'the entry',
    'the place in the tree',
  ])
})

test('every bit of a receipt counts', async () => {
  const bytes = utf8(receipt)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice()
    changed[bit >> 3]! ^= 1 << (bit & 7)
    const report = await verifyReceipt(event, changed, { vkey: log.vkey })
    assert.equal(report.verdict, 'invalid', `bit ${bit}`)
  }
})

test('a receipt at another index, of another origin, or cut anywhere is invalid', async () => {
  const trust = { vkey: log.vkey }
  for (const index of [0, 2, 3, 2 ** 32 + 1]) {
    const moved = formatReceipt({ salt, entry, index, hashes, checkpoint: checkpoint() })
    assert.deepEqual(failed(await verifyReceipt(event, moved, trust)), ['the place in the tree'])
  }
  const foreign = formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint(log, [], 'stele.local/other') })
  assert.deepEqual(failed(await verifyReceipt(event, foreign, trust)), ['the signature'])
  for (let length = 0; length < receipt.length; length += 7) {
    assert.equal((await verifyReceipt(event, receipt.slice(0, length), trust)).verdict, 'invalid')
  }
})

test('a policy demands its witnesses, and the report names them and their time', async () => {
  const base = `log ${log.vkey}\nwitness W ${witness.vkey}\n`
  const witnessed = formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint(log, [witness]) })
  const report = await verifyReceipt(event, witnessed, parsePolicy(`${base}quorum W\n`))
  assert.equal(report.verdict, 'valid')
  assert.deepEqual(report.cosignatures, [{ witness: 'W', time: 1_700_000_000 }])
  assert.ok(report.checks.every(({ ok }) => ok === true))
  assert.deepEqual(failed(await verifyReceipt(event, receipt, parsePolicy(`${base}quorum W\n`))), ['the signatures'])
  assert.equal((await verifyReceipt(event, receipt, parsePolicy(`${base}quorum none\n`))).verdict, 'valid')
})

test('a kind of signature that is not checked here is said to be so, and never makes a receipt valid', async (context) => {
  withoutMldsa44(context)
  const mldsa = mldsaSigner('m.example.com')
  const base = `log ${log.vkey}\nwitness W ${witness.vkey}\nwitness M ${mldsa.vkey}\n`
  const witnessed = formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint(log, [witness, mldsa]) })
  const any = await verifyReceipt(event, witnessed, parsePolicy(`${base}group G any W M\nquorum G\n`))
  assert.equal(any.verdict, 'valid')
  assert.deepEqual(any.checks.find(({ ok }) => ok === 'not checked')?.what, 'other keys')
  const all = await verifyReceipt(event, witnessed, parsePolicy(`${base}group G all W M\nquorum G\n`))
  assert.equal(all.verdict, 'self-consistent')
  assert.match(
    all.checks.find(({ what }) => what === 'the signatures')!.detail,
    /^signature kind not checked here: m\./,
  )
  assert.match(all.summary.join(' '), /no key that you trust vouches for it here.* signature kind not checked here/)
  const alone = formatReceipt({ salt, entry, index: 1, hashes, checkpoint: checkpoint(mldsaSigner(log.name)) })
  const byKey = await verifyReceipt(event, alone, { vkey: mldsaSigner(log.name).vkey })
  assert.equal(byKey.verdict, 'self-consistent')
  assert.equal(byKey.checks.at(-1)?.ok, 'not checked')
})

test('trust that is itself not usable is an error of the caller, not a verdict', async () => {
  await assert.rejects(verifyReceipt(event, receipt, { vkey: 'nonsense' }), {
    name: 'ProofError',
    code: 'key-malformed',
  })
  await assert.rejects(verifyReceipt(event, 'nonsense', { vkey: 'nonsense' }), { code: 'key-malformed' })
  await assert.rejects(verifyReceipt(event, receipt, { vkey: witness.vkey }), { code: 'algorithm-unsupported' })
  await assert.rejects(verifyReceipt(event, receipt, { vkey: log.vkey, origin: 'other' }), {
    code: 'origin-unexpected',
  })
})

test('a proof of another log’s record verifies without being a receipt', async () => {
  const numbered = new NumberedLog(300)
  const root = numbered.roots[300]!
  const signer = logSigner('example.com/numbers')
  const proof = formatProof({
    index: 123,
    hashes: await inclusionProof(123, 300, numbered.read),
    checkpoint: signCheckpoint({ origin: signer.name, size: 300, root }, signer),
  })
  const report = await verifyProof(NumberedLog.entry(123), proof, { vkey: signer.vkey })
  assert.equal(report.verdict, 'valid')
  assert.equal(hex(report.root!), hex(root))
  assert.equal((await verifyProof(NumberedLog.entry(124), proof, { vkey: signer.vkey })).verdict, 'invalid')
})

test('a failure that is no verdict, as of the platform, is not reported as one', async () => {
  const platform = mock.method(
    crypto.subtle,
    'verify',
    async () => await Promise.reject(new Error('no such algorithm')),
  )
  try {
    await assert.rejects(verifyReceipt(event, receipt, { vkey: log.vkey }), /no such algorithm/)
  } finally {
    platform.mock.restore()
  }
})
