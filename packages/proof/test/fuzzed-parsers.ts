// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every parser of the package with good inputs of its kind. Whatever comes in, it answers or throws a ProofError, in
// bounded time; and what it accepted says the same when it is written again.

import assert from 'node:assert/strict'

import fc from 'fast-check'

import {
  concat,
  contentHash,
  entrySource,
  equalBytes,
  formatBundle,
  formatCheckpoint,
  formatCosignature,
  formatEntry,
  formatExportSummary,
  formatNote,
  formatProof,
  formatReceipt,
  formatRotation,
  formatSignatureLine,
  formatVkey,
  fromBase64,
  fromBase64Url,
  fromUtf8,
  hashLeaf,
  MAX_EVENT_BYTES,
  parseBundle,
  parseCheckpoint,
  parseCosignature,
  parseDecimal,
  parseEntry,
  parseExportSummary,
  parseNote,
  parsePolicy,
  parseProof,
  parseReceipt,
  parseRotation,
  parseTilePath,
  parseVkey,
  ProofError,
  splitWitnessedReceipt,
  tilePath,
  toBase64,
  toBase64Url,
  utf8,
  verifyReceipt,
} from '../src/index.ts'
import { hostile } from './mutations.ts'
import { logSigner, mldsaSigner, signCheckpoint, witnessSigner } from './signers.ts'

/** Longest time for one input, far above what any of them takes and far below what an endless one would. */
const LONGEST_MS = 5_000

/** What long inputs are made of. */
const FILLERS = [
  'a',
  '\n',
  ' ',
  '0',
  '—',
  'A',
  '=',
  '"',
  '{',
  '[',
  '\\',
  '/',
  '+',
  'x000/',
  '\u0000',
  'a ',
  '\n\n',
].concat('— a AAAA\n', 'c2sp.org/tlog-proof@v1\n', 'witness a b\n')

interface FuzzedParser {
  readonly samples: readonly Uint8Array[]
  /** Reads the input; where it is accepted, checks that it comes back the same. */
  readonly read: (input: Uint8Array) => unknown
}

const log = logSigner('example.com/abc/main')
const mldsa = mldsaSigner('example.com/abc/heads')
const witness = witnessSigner('w.example.com')
const salt = new Uint8Array(16)
const event = utf8('{"a":1}')
const entry = utf8(
  formatEntry({
    at: '2026-01-02T03:04:05.678Z',
    source: 'entra.audit/tenant-1/x',
    by: 'tok-1',
    via: 'CN=a b',
    asserted: false,
    media: 'application/json',
    size: event.length,
    sha256: toBase64Url(contentHash(salt, event)),
    ext: { a: [1, null, { b: 'é' }] },
  }),
)
const head = { origin: log.name, size: 1, root: hashLeaf(entry) }
const note = signCheckpoint(head, log, [witness])
const receipt = formatReceipt({ salt, entry, index: 0, hashes: [], checkpoint: note })
const [oldKey, newKey] = [logSigner(mldsa.name, 'old'), logSigner(mldsa.name)]
const summaries = [{}, { since: '2026-01-01T00:00:00.000Z', count: 2, first: 1, last: 2 }].map((more) =>
  formatExportSummary({
    origin: log.name,
    size: 3,
    root: new Uint8Array(32),
    entries: 4,
    asked: '2026-01-02T03:04:05.678Z',
    format: 'csv',
    query: 'actor:"é\n\u2028"',
    bytes: 7,
    sha256: new Uint8Array(32),
    count: 0,
    leftOut: 1,
    ...more,
  }),
)
const rotations = [{}, {}, { mldsaVkey: mldsa.vkey }].map((keys) => {
  const end = { size: 9, root: head.root }
  const text = formatRotation({ origin: mldsa.name, end, vkey: newKey.vkey, ...keys })
  return formatNote(text, [oldKey.sign(text), newKey.sign(text)])
})
const policy = [
  `log ${log.vkey} https://example.com/`,
  `witness W1 ${witness.vkey}`,
  `witness W2 ${witnessSigner('w2.example.com').vkey}`,
  '# a comment',
  'group G 1 W1 W2',
  'quorum G',
  '',
].join('\n')

function texts(...samples: readonly string[]): Uint8Array[] {
  return samples.map(utf8)
}

/** A parser of text: the bytes become characters one by one, so that none is refused before it is read. */
function ofText(read: (text: string) => unknown, ...samples: readonly string[]): FuzzedParser {
  return { samples: texts(...samples), read: (input) => read(Buffer.from(input).toString('latin1')) }
}

/** Every parser that the package exports, by name. */
export const parsers: Readonly<Record<string, FuzzedParser>> = {
  parseDecimal: ofText((text) => assert.equal(String(parseDecimal(text)), text), '0', '17', '9007199254740991'),
  fromBase64: ofText((text) => assert.equal(toBase64(fromBase64(text)), text), 'AA==', toBase64(head.root)),
  fromBase64Url: ofText((text) => assert.equal(toBase64Url(fromBase64Url(text)), text), 'AA', toBase64Url(head.root)),
  fromUtf8: {
    samples: [event, utf8('é\ufeff\u{1f600}')],
    read: (input) => assert.deepEqual(utf8(fromUtf8(input)), input),
  },
  parseVkey: ofText(
    (text) => {
      const { name, alg, publicKey } = parseVkey(text)
      const isKnown = [1, 4, 6].includes(alg)
      if (isKnown) assert.equal(formatVkey(name, alg, publicKey), text)
    },
    log.vkey,
    witness.vkey,
    mldsa.vkey,
  ),
  parseNote: {
    samples: texts(note, note, rotations[0]!, signCheckpoint(head, log, [witness, mldsa])),
    read: (input) => {
      const { text, signatures } = parseNote(input)
      const lines = signatures.map(({ name, keyId, signature }) => formatSignatureLine(name, keyId, signature))
      assert.deepEqual(utf8(formatNote(text, lines)), input)
    },
  },
  parseCheckpoint: ofText(
    (text) => {
      const checkpoint = parseCheckpoint(text)
      assert.equal(formatCheckpoint(checkpoint) + checkpoint.extensions.map((line) => `${line}\n`).join(''), text)
    },
    formatCheckpoint(head),
    `${formatCheckpoint(head)}extension\n`,
  ),
  parseCosignature: {
    samples: [formatCosignature({ time: 1, signature: new Uint8Array(64) })],
    read: (input) => assert.deepEqual(formatCosignature(parseCosignature(input)), input),
  },
  parsePolicy: {
    samples: texts(policy, policy, policy, `log ${mldsa.vkey}\n${policy}`),
    read: (input) => {
      const { quorum, groups, witnesses } = parsePolicy(input)
      const names = [...groups, ...witnesses].map(({ name }) => name)
      assert.ok(quorum === 'none' || names.includes(quorum))
      for (const { members, threshold } of groups) {
        assert.ok(threshold >= 1 && threshold <= members.length)
        assert.ok(members.every((member) => names.includes(member)))
      }
    },
  },
  parseProof: {
    samples: texts(receipt, formatProof({ index: 1, hashes: [head.root, head.root], checkpoint: note })),
    read: (input) => assert.deepEqual(utf8(formatProof(parseProof(input))), input),
  },
  parseReceipt: {
    samples: texts(receipt),
    read: (input) => assert.deepEqual(utf8(formatReceipt(parseReceipt(input))), input),
  },
  splitWitnessedReceipt: {
    samples: texts(receipt, receipt + receipt),
    read: (input) => {
      const { receipt: first, headsReceipt = new Uint8Array(0) } = splitWitnessedReceipt(input)
      assert.ok(equalBytes(concat(first, headsReceipt), input))
    },
  },
  parseExportSummary: {
    samples: texts(...summaries),
    read: (input) => assert.equal(formatExportSummary(parseExportSummary(fromUtf8(input))), fromUtf8(input)),
  },
  parseRotation: {
    samples: texts(...rotations),
    read: (input) => assert.ok(fromUtf8(input).startsWith(formatRotation(parseRotation(input)))),
  },
  parseEntry: {
    samples: [entry],
    read: (input) => {
      const parsed = parseEntry(input)
      assert.deepEqual(utf8(formatEntry(parsed)), input)
      assert.ok(parsed.size <= MAX_EVENT_BYTES)
    },
  },
  entrySource: ofText(
    (text) => assert.equal(Object.values(entrySource(text)).join('/'), text),
    'entra.audit',
    'okta/tenant-1/x~y',
  ),
  parseTilePath: ofText(
    (text) => {
      const address = parseTilePath(text)
      if (address?.kind === 'tile') assert.equal(tilePath(address.level, address.index, address.width), text)
    },
    'tile/0/x001/067.p/8',
    'tile/63/000',
    'tile/entries/x009/x007/x199/x254/x740/991',
  ),
  parseBundle: {
    samples: [formatBundle([entry, event, new Uint8Array(0)]), formatBundle([new Uint8Array(700)])],
    read: (input) => {
      for (const count of [0, 1, 3]) if (isAnswered(() => parseBundle(input, count))) return
    },
  },
}

/** Runs inputs of `bytes` bytes of one sort, alone and behind a good beginning, through every parser. */
export function fuzzLengths(bytes: number): void {
  const before = process.memoryUsage().rss
  for (const [name, { samples, read }] of Object.entries(parsers)) {
    for (const filler of FILLERS) {
      for (const start of [Buffer.alloc(0), Buffer.from(samples[0]!)]) {
        const input = new Uint8Array(Buffer.concat([start, Buffer.alloc(bytes, filler)]))
        const started = performance.now()
        isAnswered(() => read(input))
        const elapsedMs = performance.now() - started
        assert.ok(elapsedMs < LONGEST_MS, `${name} takes ${elapsedMs} ms for ${JSON.stringify(filler)}`)
      }
    }
  }
  assert.ok(process.memoryUsage().rss - before < 1024 ** 3, 'it takes no more than some copies of the input')
}

/** Whether it answers, rather than throw a ProofError. */
function isAnswered(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}

/** Runs `count` hostile inputs through a parser. Gives how many were accepted. */
export function fuzz(name: string, count: number, seed: number): number {
  const { samples, read } = parsers[name]!
  let accepted = 0
  const property = fc.property(hostile(samples), (input) => {
    const started = performance.now()
    if (isAnswered(() => read(input))) accepted += 1
    const elapsedMs = performance.now() - started
    assert.ok(elapsedMs < LONGEST_MS, `${elapsedMs} ms for ${input.length} bytes`)
  })
  fc.assert(property, { numRuns: count, seed })
  return accepted
}

/** Runs `count` hostile receipts through the verifier: it always gives a verdict, and no change is valid. */
export async function fuzzVerdicts(count: number, seed: number): Promise<void> {
  const key = { vkey: log.vkey }
  const property = fc.asyncProperty(hostile(texts(receipt)), async (input) => {
    const { verdict, summary } = await verifyReceipt(event, input, key)
    assert.ok(summary.length > 0)
    if (verdict === 'valid') assert.deepEqual(parseReceipt(input).entry, entry)
  })
  await fc.assert(property, { numRuns: count, seed })
}
