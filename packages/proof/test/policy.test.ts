// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  ALG_MLDSA44,
  cosignatureVerifier,
  formatCheckpoint,
  formatNote,
  hasQuorum,
  MAX_POLICY_BYTES,
  openByPolicy,
  parseCosignature,
  parseNote,
  parsePolicy,
  uncheckedKeys,
  utf8,
} from '../src/index.ts'
import { fixture, logSigner, mldsaSigner, signCheckpoint, withoutMldsa44, witnessSigner } from './signers.ts'

const log = logSigner('example.com/log')
const witnesses = ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'].map((name) => ({
  name,
  signer: witnessSigner(`${name}.example.com`),
}))
const head = { origin: log.name, size: 5, root: new Uint8Array(32).fill(7) }

/** The example of tlog-policy, with keys. */
const example = `log ${log.vkey}

${witnesses.map(({ name, signer }) => `witness ${name} ${signer.vkey}\n`).join('')}
group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3

# a comment
\tgroup X-and-Y  all\tX-witnesses Y-witnesses \t
quorum X-and-Y
`

function signedBy(...names: readonly string[]): Uint8Array {
  const signers = witnesses.filter(({ name }) => names.includes(name)).map(({ signer }) => signer)
  return utf8(signCheckpoint(head, log, signers))
}

function lines(...texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

test('a published checkpoint of a public log opens by a policy of four of its real witnesses', async () => {
  const { checkpoint, log, cosignatures } = await openByPolicy(
    fixture('witnessed-checkpoint.txt'),
    parsePolicy(fixture('witnessed-checkpoint.policy')),
  )
  assert.equal(checkpoint.size, 1_432_088_532)
  assert.equal(log.key.name, 'arche2025h1.staging.ct.transparency.dev')
  assert.deepEqual(
    cosignatures,
    ['garden', 'smartit', 'remora', 'stagemole'].map((witness) => ({ witness, time: 1_779_573_024 })),
  )
})

test('the time of the example of tlog-cosignature is read', () => {
  const [, cosignature] = parseNote(fixture('tlog-checkpoint-example.txt')).signatures
  assert.equal(parseCosignature(cosignature!.signature).time, 1_679_315_147)
})

test('the example of tlog-policy is read, and demands two of X and one of Y', async () => {
  const policy = parsePolicy(example)
  assert.deepEqual(policy.groups, [
    { name: 'X-witnesses', threshold: 2, members: ['X1', 'X2', 'X3'] },
    { name: 'Y-witnesses', threshold: 1, members: ['Y1', 'Y2', 'Y3'] },
    { name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] },
  ])
  for (const names of [
    ['X1', 'X3', 'Y2'],
    ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'],
  ]) {
    assert.deepEqual(
      (await openByPolicy(signedBy(...names), policy)).cosignatures.map(({ witness }) => witness),
      names,
    )
  }
  for (const names of [[], ['X1', 'Y1', 'Y2', 'Y3'], ['X1', 'X2', 'X3']]) {
    await assert.rejects(openByPolicy(signedBy(...names), policy), { name: 'ProofError', code: 'quorum-missing' })
  }
})

test('a quorum of one witness, and of none', () => {
  const alone = parsePolicy(lines(`witness W ${witnesses[0]!.signer.vkey} https://w.example.com/`, 'quorum W'))
  assert.deepEqual(alone.witnesses[0]?.url, 'https://w.example.com/')
  assert.ok(hasQuorum(alone, new Set(['W'])))
  assert.ok(!hasQuorum(alone, new Set(['V'])))
  assert.ok(hasQuorum(parsePolicy('quorum none\n'), new Set()))
})

test('one public key counts once towards a quorum, under two names or cosigning twice', async () => {
  const [first, second] = [witnessSigner('a.example.com', 'one key'), witnessSigner('b.example.com', 'one key')]
  const twice = lines(`witness A ${first.vkey}`, `witness B ${second.vkey}`, 'group G all A B', 'quorum G')
  assert.throws(() => parsePolicy(twice), { name: 'ProofError', code: 'policy-malformed', place: { line: 2 } })
  assert.throws(() => parsePolicy(lines(`log ${log.vkey}`, `log ${log.vkey}`, 'quorum none')), {
    code: 'policy-malformed',
  })
  const [a, b] = [witnesses[0]!.signer, witnesses[1]!.signer]
  const members = [`log ${log.vkey}`, `witness A ${a.vkey}`, `witness B ${b.vkey}`]
  assert.throws(() => parsePolicy(lines(...members, 'group G 2 A A', 'quorum G')), { code: 'policy-malformed' })
  assert.throws(() => parsePolicy(lines(...members, 'group G any A', 'group H all A G', 'quorum H')), {
    code: 'policy-malformed',
    place: { line: 5 },
  })
  const text = formatCheckpoint(head)
  const note = utf8(formatNote(text, [log.sign(text), a.cosign(text, 1), a.cosign(text, 2)]))
  await assert.rejects(openByPolicy(note, parsePolicy(lines(...members, 'group G all A B', 'quorum G'))), {
    code: 'quorum-missing',
  })
})

test('a quorum that is missing is said by who must have cosigned and who has, and by no word for a group', async () => {
  const [x1, x2, x3] = witnesses.slice(0, 3).map(({ name, signer }) => `witness ${name} ${signer.vkey}`) as [
    string,
    string,
    string,
  ]
  const group = [`log ${log.vkey}`, x1, x2, x3, 'group quorum 2 X1 X2 X3', 'quorum quorum']
  const message = async (names: readonly string[], ...policy: readonly string[]) =>
    await openByPolicy(signedBy(...names), parsePolicy(lines(...policy))).then(
      () => '',
      (error: Error) => error.message,
    )
  const demanded = '2 of X1, X2, X3 must have cosigned this checkpoint, and'
  assert.equal(await message([], ...group), `${demanded} none has`)
  assert.equal(await message(['X2'], ...group), `${demanded} only X2 has`)
  assert.equal(await message(['X1', 'X3'], ...group), '')
  assert.equal(
    await message(['X2'], `log ${log.vkey}`, x1, 'quorum X1'),
    '1 of X1 must have cosigned this checkpoint, and none has',
  )
})

test('a policy that lists several logs accepts each under its own origin only', async () => {
  const other = logSigner('example.com/other')
  const policy = parsePolicy(lines(`log ${log.vkey}`, `log ${other.vkey} https://example.com/other`, 'quorum none'))
  assert.equal((await openByPolicy(utf8(signCheckpoint(head, log)), policy)).log.key.name, log.name)
  assert.deepEqual(
    policy.logs.map(({ url }) => url),
    [undefined, 'https://example.com/other'],
  )
  const posing = { ...head, origin: other.name }
  await assert.rejects(openByPolicy(utf8(signCheckpoint(posing, log)), policy), { code: 'signature-missing' })
  await assert.rejects(openByPolicy(utf8(signCheckpoint({ ...head, origin: 'third' }, log)), policy), {
    code: 'origin-unexpected',
  })
  await assert.rejects(openByPolicy(utf8(signCheckpoint(head, log)), parsePolicy('quorum none\n')), {
    name: 'ProofError',
  })
})

test('ML-DSA-44 keys of logs and of witnesses count where the platform checks them', async () => {
  const [signer, other] = [mldsaSigner(log.name), mldsaSigner('w.example.com')]
  const policy = parsePolicy(lines(`log ${signer.vkey}`, `witness M ${other.vkey}`, 'quorum M'))
  assert.deepEqual(await uncheckedKeys(policy), [])
  const text = formatCheckpoint(head)
  const both = formatNote(text, [signer.cosign(text, 1_700_000_000), other.cosign(text, 1_700_000_001)])
  const opened = await openByPolicy(utf8(both), policy)
  assert.deepEqual(opened.cosignatures, [{ witness: 'M', time: 1_700_000_001 }])
  assert.equal(opened.log.key.alg, ALG_MLDSA44)
  await assert.rejects(openByPolicy(utf8(formatNote(text, [signer.cosign(text, 1)])), policy), {
    code: 'quorum-missing',
  })
  await assert.rejects(openByPolicy(utf8(formatNote(text, [other.cosign(text, 1)])), policy), {
    code: 'signature-missing',
  })
  const changed = both.replace('\n5\n', '\n6\n')
  await assert.rejects(openByPolicy(utf8(changed), policy), { code: 'signature-invalid' })
})

test('an ML-DSA-44 key that the platform cannot check is named and never counts', async (context) => {
  withoutMldsa44(context)
  const [signer, other, w] = [mldsaSigner(log.name), mldsaSigner('w.example.com'), witnesses[0]!.signer]
  const text = formatCheckpoint(head)
  const [byLog, byMldsa] = [log.sign(text), signer.cosign(text, 1)]
  const cosigned = [other.cosign(text, 1), w.cosign(text, 2)]
  const unchecked = { name: 'ProofError', code: 'algorithm-unsupported', message: /^signature kind not checked here: / }
  const open = async (note: readonly string[], ...policy: readonly string[]) =>
    await openByPolicy(utf8(formatNote(text, note)), parsePolicy(lines(...policy)))

  const keys = [`log ${log.vkey}`, `log ${signer.vkey}`, `witness W ${w.vkey}`, `witness M ${other.vkey}`]
  assert.deepEqual(await uncheckedKeys(parsePolicy(lines(...keys, 'quorum none'))), [log.name, 'M'])
  const any = await open([byLog, byMldsa, ...cosigned], ...keys, 'group G any W M', 'quorum G')
  assert.deepEqual(any.cosignatures, [{ witness: 'W', time: 2 }], 'what can be checked is enough')
  await assert.rejects(open([byLog, ...cosigned], ...keys, 'group G all W M', 'quorum G'), unchecked)
  await assert.rejects(open([byMldsa, ...cosigned], ...keys, 'quorum W'), unchecked)
  await assert.rejects(open([byMldsa, ...cosigned], keys[1]!, keys[3]!, 'quorum M'), unchecked)
  await assert.rejects(open([byLog, cosigned[1]!], ...keys, 'quorum M'), { code: 'quorum-missing' }, 'it is not there')
  await assert.rejects(open([cosigned[1]!], ...keys, 'quorum W'), { code: 'signature-missing' })
})

test('one ML-DSA-44 signature is never both the log’s and a witness’s', () => {
  const signer = mldsaSigner(log.name)
  for (const policy of [
    lines(`log ${signer.vkey}`, `witness M ${signer.vkey}`, 'quorum M'),
    lines(`witness M ${signer.vkey}`, `log ${signer.vkey}`, 'quorum M'),
  ]) {
    assert.throws(() => parsePolicy(policy), { code: 'policy-malformed', place: { line: 2 } })
  }
})

test('a key of the wrong kind is refused: a cosignature key for a log, a log’s key for a witness', () => {
  const witness = witnesses[0]!.signer
  assert.throws(() => parsePolicy(lines(`log ${witness.vkey}`, 'quorum none')), {
    code: 'algorithm-unsupported',
    place: { line: 1 },
  })
  assert.throws(() => parsePolicy(lines(`witness W ${log.vkey}`, 'quorum W')), { code: 'algorithm-unsupported' })
  assert.throws(() => cosignatureVerifier(log.vkey), { code: 'algorithm-unsupported' })
})

test('a cosignature under another time, text or length is refused', async () => {
  const witness = witnesses[0]!.signer
  const text = formatCheckpoint(head)
  const [signature] = parseNote(utf8(formatNote(text, [witness.cosign(text, 1_700_000_000)]))).signatures
  const verifier = cosignatureVerifier(witness.vkey)
  assert.ok(await verifier.verify(utf8(text), signature!.signature))
  assert.ok(!(await verifier.verify(utf8(`${text}extension\n`), signature!.signature)))
  const later = signature!.signature.slice()
  later[7]! ^= 1
  assert.ok(!(await verifier.verify(utf8(text), later)))
  for (const bytes of [
    new Uint8Array(0),
    later.subarray(1),
    new Uint8Array([...later, 0]),
    new Uint8Array(72).fill(255),
  ]) {
    assert.throws(() => parseCosignature(bytes), { name: 'ProofError', code: 'signature-invalid' })
  }
})

test('a policy that is not one is refused, with the line', () => {
  const [a, b] = [witnesses[0]!.signer.vkey, witnesses[1]!.signer.vkey]
  const bad: readonly (readonly [string, number])[] = [
    ['', 0],
    ['quorum none', 1],
    ['quorum none\nquorum none\n', 2],
    ['quorum W\n', 1],
    [lines('quorum W', `witness W ${a}`), 1],
    ['quorum none extra\n', 1],
    ['quorum\n', 1],
    ['quorum none # comment\n', 1],
    ['Quorum none\n', 1],
    ['quorum none\r\n', 1],
    ['quorum\u00a0none\n', 1],
    ['log\nquorum none\n', 1],
    [lines(`log ${log.vkey} url more`, 'quorum none'), 1],
    [lines(`witness ${a}`, 'quorum none'), 1],
    [lines(`witness none ${a}`, 'quorum none'), 1],
    [lines(`witness W ${a}`, `witness W ${b}`, 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group W any W', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G 0 W', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G 2 W', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G 01 W', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G 1e0 W', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G any none', 'quorum none'), 2],
    [lines(`witness W ${a}`, 'group G any G', 'quorum none'), 2],
    [lines('group G any', 'quorum none'), 1],
    ['# a \u0000 comment\nquorum none\n', 1],
    ['# a comment\r\nquorum none\n', 1],
    ['group\nquorum none\n', 1],
    ['group G\nquorum none\n', 1],
    [`#${'x'.repeat(MAX_POLICY_BYTES)}\nquorum none\n`, 1],
  ]
  for (const [text, line] of bad) {
    assert.throws(() => parsePolicy(text), { name: 'ProofError', code: 'policy-malformed', place: { line } }, text)
  }
  assert.throws(() => parsePolicy(`log ${log.vkey.slice(0, -1)}\nquorum none\n`), {
    code: 'key-malformed',
    place: { line: 1, field: 'key' },
  })
})

test('names are octets: invalid UTF-8 keeps two names apart, and letters that look alike do too', () => {
  const [a, b] = [witnesses[0]!.signer.vkey, witnesses[1]!.signer.vkey]
  const octets = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
  const policy = parsePolicy(
    octets(lines(`witness \u0080 ${a}`, `witness \u0081 ${b}`, 'group G all \u0080 \u0081', 'quorum G')),
  )
  assert.equal(policy.witnesses.length, 2)
  const kelvin = parsePolicy(lines(`witness K ${a}`, `witness \u212a ${b}`, 'quorum K'))
  assert.ok(!hasQuorum(kelvin, new Set([kelvin.witnesses[1]!.name])))
})

test('a log’s own signature is no cosignature of a witness with the same name or the same key', async () => {
  const sameKey = witnessSigner('w.example.com', log.name)
  assert.deepEqual(sameKey.publicKey, log.publicKey)
  for (const witness of [sameKey, witnessSigner(log.name, 'another key')]) {
    const policy = parsePolicy(lines(`log ${log.vkey}`, `witness W ${witness.vkey}`, 'quorum W'))
    await assert.rejects(openByPolicy(utf8(signCheckpoint(head, log)), policy), { code: 'quorum-missing' })
    assert.equal((await openByPolicy(utf8(signCheckpoint(head, log, [witness])), policy)).cosignatures.length, 1)
  }
})
