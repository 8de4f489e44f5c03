// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  ALG_ED25519,
  ALG_MLDSA44,
  ed25519Verifier,
  formatNote,
  formatSignatureLine,
  formatVkey,
  keyIdOf,
  MAX_NOTE_BYTES,
  MAX_NOTE_SIGNATURES,
  noteMessage,
  openNote,
  parseNote,
  parseVkey,
  utf8,
} from '../src/index.ts'
import { fixture, hex, logSigner } from './signers.ts'

const log = logSigner('example.com/log')
const verifier = ed25519Verifier(log.vkey)
const text = 'some text\nof two lines\n'
const note = formatNote(text, [log.sign(text)])

function fixtureKey(name: string) {
  return ed25519Verifier(fixture(name).toString().trimEnd())
}

test('the example of signed-note opens', async () => {
  const { text, verified, unverified } = await openNote(fixture('signed-note-example.txt'), [
    fixtureKey('signed-note-example.vkey'),
  ])
  assert.equal(text, 'This is an example message.\n')
  assert.deepEqual([verified.length, unverified.length], [1, 0])
})

test('the example of golang.org/x/mod/sumdb/note opens', async () => {
  const { text } = await openNote(fixture('go-note.txt'), [fixtureKey('go-note.vkey')])
  assert.match(text, /^If you think cryptography is the answer to your problem,\n/)
})

test('a vkey is read and written as it was', () => {
  const vkey = fixture('signed-note-example.vkey').toString().trimEnd()
  const { name, keyId, alg, publicKey } = parseVkey(vkey)
  assert.deepEqual({ name, keyId, alg }, { name: 'example.com/foo', keyId: 0x530d903a, alg: ALG_ED25519 })
  assert.equal(hex(publicKey), 'e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4')
  assert.equal(formatVkey(name, alg, publicKey), vkey)
  assert.equal(keyIdOf(name, alg, publicKey), keyId)
})

test('a vkey with a plus in its base64, of ML-DSA-44 and of an unknown algorithm is read', () => {
  assert.equal(parseVkey('TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6').name, 'TEST')
  assert.equal(parseVkey(fixture('mldsa.vkey').toString().trimEnd()).alg, ALG_MLDSA44)
  assert.equal(parseVkey('example.com/foo+00000000+++++++++++++++++++++++++++++++++++++++++++++').alg, 0xfb)
})

test('a vkey with any character changed, or any part cut away, is refused', () => {
  for (let i = 0; i < log.vkey.length; i++) {
    const changed = log.vkey.slice(0, i) + String.fromCharCode(log.vkey.charCodeAt(i) ^ 1) + log.vkey.slice(i + 1)
    assert.throws(() => ed25519Verifier(changed), { name: 'ProofError' }, changed)
    assert.throws(() => ed25519Verifier(log.vkey.slice(0, i)), { name: 'ProofError' })
    if (i > 0) assert.throws(() => ed25519Verifier(log.vkey.slice(i)), { name: 'ProofError' })
  }
  for (const vkey of [
    `${log.vkey}\n`,
    ` ${log.vkey}`,
    `${log.vkey}=`,
    log.vkey.replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase()),
  ]) {
    assert.throws(() => parseVkey(vkey), { code: 'key-malformed' }, vkey)
  }
  assert.throws(() => ed25519Verifier(fixture('mldsa.vkey').toString().trimEnd()), { code: 'algorithm-unsupported' })
})

test('last blank line: a text with empty lines is signed whole', async () => {
  const forged = 'example.com/log\n5\nroot\n\nthe true text\n'
  const opened = await openNote(utf8(formatNote(forged, [log.sign(forged)])), [verifier])
  assert.equal(opened.text, forged)
  // What a reader that splits at the first blank line would take for the signed text is not what was signed.
  const inner = 'example.com/log\n5\nroot\n'
  await assert.rejects(openNote(utf8(`${inner}\n${log.sign(forged)}`), [verifier]), { code: 'signature-invalid' })
})

test('BOM: a byte order mark before a signed note is part of its text, so the signature fails', async () => {
  await openNote(utf8(note), [verifier])
  await assert.rejects(openNote(utf8(`\ufeff${note}`), [verifier]), { code: 'signature-invalid' })
  const withMark = `\ufeff${text}`
  const opened = await openNote(utf8(formatNote(withMark, [log.sign(withMark)])), [verifier])
  assert.equal(opened.text, withMark)
  assert.deepEqual(opened.textBytes, utf8(withMark))
})

test('\\s: a key name may not hold a Unicode space, of which U+0085 is one and U+FEFF none', () => {
  const spaces =
    '\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'
  for (const space of [...spaces, '+', '\u0000', '\ud800']) {
    assert.throws(
      () => formatVkey(`a${space}b`, ALG_ED25519, log.publicKey),
      { code: 'key-malformed' },
      JSON.stringify(space),
    )
    assert.throws(() => formatSignatureLine(`a${space}b`, 1, new Uint8Array(64)), { code: 'key-malformed' })
  }
  assert.throws(() => formatVkey('', ALG_ED25519, log.publicKey), { code: 'key-malformed' })
  assert.equal(parseVkey(formatVkey('a\ufeffb', ALG_ED25519, log.publicKey)).name, 'a\ufeffb')
})

test('base64 leniency: a signature line in another base64 than the canonical one rejects the note', async () => {
  const [encoded = ''] = /[^ ]+$/.exec(note.trimEnd()) ?? []
  const unpadded = encoded.replace(/=+$/, '')
  const trailing =
    unpadded.slice(0, -1) +
    String.fromCharCode(unpadded.charCodeAt(unpadded.length - 1) + 1) +
    encoded.slice(unpadded.length)
  for (const other of [unpadded, `${encoded} `, ` ${encoded}`, `${encoded}=`, trailing, encoded.replaceAll('+', '-')]) {
    if (other === encoded) continue
    await assert.rejects(openNote(utf8(note.replace(encoded, other)), [verifier]), { code: 'note-malformed' }, other)
  }
})

test('a note with a control character, no text, no signature or no last newline is refused', () => {
  for (let control = 0; control < 32; control++) {
    if (control === 10) continue
    const character = String.fromCharCode(control)
    assert.throws(() => parseNote(utf8(note.replace('some', `so${character}me`))), { code: 'note-malformed' })
    assert.throws(() => parseNote(utf8(note.replace('log ', `log${character} `))), { code: 'note-malformed' })
  }
  const bad = [
    '',
    '\n',
    '\n\n',
    text,
    `${text}\n`,
    note.slice(0, -1),
    note.replace('—', '-'),
    note.replace('— ', '—'),
    note.replace('\n\n', '\n'),
    `${note}\n`,
    `${note}x\n`,
  ]
  for (const text of bad)
    assert.throws(() => parseNote(utf8(text)), { name: 'ProofError', code: 'note-malformed' }, text)
  assert.throws(() => parseNote(new Uint8Array([...utf8(note.slice(0, 4)), 0xff, ...utf8(note.slice(4))])), {
    code: 'note-malformed',
  })
  assert.throws(() => noteMessage('no newline'), { code: 'note-malformed' })
  assert.throws(() => noteMessage('lone \ud800\n'), { code: 'note-malformed' })
  assert.throws(() => formatNote(text, []), { code: 'note-malformed' })
})

test('unknown keys are ignored, the same name or the same id alone included; a note without a known one is refused', async () => {
  const sameName = logSigner('example.com/log', 'another key')
  const sameId = formatSignatureLine(
    'example.com/other',
    keyIdOf(log.name, ALG_ED25519, log.publicKey),
    new Uint8Array(64),
  )
  const lines = [sameName.sign(text), sameId, logSigner('example.com/unknown').sign('other text\n')]
  const opened = await openNote(utf8(formatNote(text, [...lines, log.sign(text)])), [verifier])
  assert.deepEqual([opened.verified.length, opened.unverified.length], [1, 3])
  assert.equal(opened.verified[0]?.verifier, verifier)
  await assert.rejects(openNote(utf8(formatNote(text, lines)), [verifier]), { code: 'signature-missing' })
  await assert.rejects(openNote(utf8(note), []), { code: 'signature-missing' })
})

test('a known key with a bad signature rejects the note, beside a good one of the same key too', async () => {
  const bad = log.sign('other text\n')
  const other = logSigner('example.com/other')
  await assert.rejects(openNote(utf8(formatNote(text, [log.sign(text), bad])), [verifier]), {
    code: 'signature-invalid',
  })
  await assert.rejects(
    openNote(utf8(formatNote(text, [other.sign(text), bad])), [verifier, ed25519Verifier(other.vkey)]),
    {
      code: 'signature-invalid',
    },
  )
})

test('every bit of a signed note counts', async () => {
  const bytes = utf8(note)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice()
    changed[bit >> 3]! ^= 1 << (bit & 7)
    await assert.rejects(openNote(changed, [verifier]), { name: 'ProofError' }, `bit ${bit}`)
  }
})

test('sixteen signatures and more are read, up to the bound', async () => {
  const others = Array.from({ length: MAX_NOTE_SIGNATURES - 1 }, (_, i) => logSigner(`example.com/${i}`).sign(text))
  assert.equal((await openNote(utf8(formatNote(text, [...others, log.sign(text)])), [verifier])).unverified.length, 99)
  const tooMany = formatNote(text, [...others, log.sign(text), log.sign(text)])
  await assert.rejects(openNote(utf8(tooMany), [verifier]), { code: 'note-malformed' })
})

test('two given keys of one name and id are refused rather than one of them chosen', async () => {
  await assert.rejects(openNote(utf8(note), [verifier, ed25519Verifier(log.vkey)]), { code: 'key-ambiguous' })
})

test('a note, a signature and a key have their bounds', () => {
  const padding = MAX_NOTE_BYTES - utf8(note).length
  assert.equal(parseNote(utf8(note.replace('some', `some${'x'.repeat(padding)}`))).signatures.length, 1)
  assert.throws(() => parseNote(utf8(note.replace('some', `some${'x'.repeat(padding + 1)}`))), {
    code: 'note-malformed',
  })
  assert.equal(parseNote(utf8(`${text}\n— a AAAAAAA=\n`)).signatures[0]?.signature.length, 1)
  assert.throws(() => parseNote(utf8(`${text}\n— a AAAAAA==\n`)), { code: 'note-malformed' })
  assert.throws(() => formatSignatureLine('a', 1, new Uint8Array(0)), { code: 'note-malformed' })
  assert.throws(() => parseVkey('a+00000000+/w=='), { code: 'key-malformed' })
  assert.throws(() => formatNote('no newline', [log.sign(text)]), { code: 'note-malformed' })
})

test('a last line without a newline is not left out of the reading but refused', () => {
  assert.throws(() => parseNote(utf8(`${note}— example.com/other AAAAAAA=`)), { code: 'note-malformed' })
})
