// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whoever has an old key of a ledger, and what later keys of it have signed: `stele verify --rotations`.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { formatNote, formatRotation, parseRotation } from '@stele/proof'

import { logSigner } from '../packages/proof/test/signers.ts'
import { parseKey, type Signer } from '../src/ledger/signing.ts'
import { type Ran, stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

interface Ground {
  readonly server: TestServer
  readonly folder: string
  readonly world: World
  /** Of `main`, from the first on. */
  readonly keys: readonly string[]
  /** The first key, as a thief has it. */
  readonly stolen: Signer
}

async function append(server: TestServer, count: number): Promise<void> {
  const body = Array.from({ length: count }, (_, number) => `{"number":${number}}\n`).join('')
  await server.askJson('/v1/ledgers/main/events', { method: 'POST', body, type: 'application/x-ndjson' })
}

/** A ledger of five events whose key was followed at two entries and at five, with receipt and export by the newest. */
async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  const folder = scratch(context)
  const world = { cwd: folder, variables: { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'server') } }
  const text = readFileSync(join(server.directory, 'data', 'keys', 'main.key'), 'latin1')
  const stolen = parseKey('stolen', text, server.ledgers.origin('main'))
  const keys = [server.ledgers.vkey('main')]
  for (const count of [2, 3]) {
    await append(server, count)
    assert.equal((await stele(world, 'key', 'rotate', '--ledger', 'main')).code, 0)
    keys.push(server.ledgers.vkey('main'))
  }
  return { server, folder, world, keys, stolen }
}

/** Somebody who has seen nothing of the log. */
function stranger(folder: string, name: string): World {
  return { cwd: folder, variables: { XDG_STATE_HOME: join(folder, name) } }
}

function flat({ out, err }: Ran): string {
  return `${out}${err}`.replaceAll(/\s+/g, ' ')
}

const RECEIPT = ['main-1.json', 'main-1.tlog-proof']

test('P9: whoever has an old key verifies a receipt and an export by the rotations, and without them is told what is missing', async (context) => {
  const { folder, world, keys } = await ground(context)
  const [first = '', second = '', third = ''] = keys
  const proved = (await steleOk(world, 'prove', '1')).replaceAll(/\s+/g, ' ')
  assert.match(
    proved,
    /followed by others 2 times: main-1\.rotations holds .* gives that key and --rotations main-1\.rotations/,
  )
  const other = stranger(folder, 'other')
  const without = await stele(other, 'verify', ...RECEIPT, '--key', first)
  assert.equal(without.code, 1)
  assert.match(
    flat(without),
    /^No key that you trust vouches .* may have handed over to.* give them with --rotations FILE/,
  )
  const listed = await steleOk(world, 'key', 'list', '--ledger', 'main', '--rotations')
  assert.equal(listed, readFileSync(join(folder, 'main-1.rotations'), 'utf8'))
  writeFileSync(join(folder, 'keys.json'), await steleOk(world, 'key', 'list', '--json'))
  await steleOk(world, 'export', 'out')
  for (const [name, number] of [
    ['main-1.rotations', 1],
    ['keys.json', 2],
    ['out/rotations', 3],
    ['out', 4],
  ] as const) {
    const args = [...RECEIPT, '--key', first, '--rotations', name]
    const said = (await steleOk(stranger(folder, `old ${number}`), 'verify', ...args)).replaceAll(/\s+/g, ' ')
    assert.match(
      said,
      /It is signed by a later key, to which 2 rotations lead from the key that you gave: at 2 and at 5 entries, each/,
    )
  }
  const json = await steleOk(other, 'verify', ...RECEIPT, '--key', second, '--rotations', 'main-1.rotations', '--json')
  const { verdict, followedAt, keys: signing } = JSON.parse(json)
  assert.deepEqual([verdict, followedAt, signing[0].rotations], ['valid', [5], 1])
  // What was verified once is remembered: neither key nor statements are needed again, and the old key is no stranger's.
  assert.match(await steleOk(other, 'verify', ...RECEIPT), /by\s+the\s+key\s+that\s+was\s+pinned/)
  assert.equal((await stele(other, 'verify', ...RECEIPT, '--key', third)).code, 0)

  const folderSaid = (await steleOk(stranger(folder, 'fourth'), 'verify', 'out', '--key', first)).replaceAll(
    /\s+/g,
    ' ',
  )
  assert.ok(
    folderSaid.includes(
      `Its head is signed by ${third}, to which 2 rotations lead from the key that you gave: at 2 and at 5`,
    ),
    folderSaid,
  )
  const plain = await steleOk(stranger(folder, 'fifth'), 'verify', 'out', '--key', third)
  assert.match(plain, /is signed by the key that you gave\./)
})

test('a remembered key goes on by the rotations that are given, and a receipt of a key between is as good as its end', async (context) => {
  const { server, folder, world, keys } = await ground(context)
  await steleOk(world, 'prove', '1')
  const later = stranger(folder, 'later')
  await steleOk(later, 'verify', ...RECEIPT, '--key', keys[2] ?? '')
  await append(server, 2)
  await steleOk(world, 'prove', '6', '--event', 'six.json', '--out', 'six.tlog-proof')
  assert.equal((await stele(world, 'key', 'rotate', '--ledger', 'main')).code, 0)
  await append(server, 1)
  await steleOk(world, 'prove', '7', '--event', 'seven.json', '--out', 'seven.tlog-proof')
  assert.equal((await stele(later, 'verify', 'seven.json', 'seven.tlog-proof')).code, 1)
  assert.match(flat(await stele(later, 'verify', 'seven.json', 'seven.tlog-proof')), /--rotations FILE/)
  const old = await stele(later, 'verify', 'seven.json', 'seven.tlog-proof', '--rotations', 'six.rotations')
  assert.match(flat(old), /may be older than this proof/)
  const said = await steleOk(later, 'verify', 'seven.json', 'seven.tlog-proof', '--rotations', 'seven.rotations')
  assert.match(
    said.replaceAll(/\s+/g, ' '),
    /1 rotation leads from the key that was pinned for this log before: at 7 entries/,
  )
  // At its very end a retired key's head counts, below it a receipt does not show enough.
  const six = ['six.json', 'six.tlog-proof', '--key', keys[0] ?? '', '--rotations', 'seven.rotations']
  assert.equal((await stele(stranger(folder, 'x'), 'verify', ...six)).code, 0)
  const between = await stele(stranger(folder, 'y'), 'verify', ...RECEIPT, ...six.slice(2))
  assert.match(flat(between), /self-consistent.*signed by a key that was retired when the log had 7 entries/)
})

test('P4: rotations that are forged, cut, endless, of another log or none lead nowhere, and it is said what is wrong', async (context) => {
  const { folder, world, keys } = await ground(context)
  await steleOk(world, 'prove', '1')
  const rotations = readFileSync(join(folder, 'main-1.rotations'), 'utf8')
  const { origin, end, vkey } = parseRotation(rotations.slice(0, rotations.lastIndexOf('stele/key-rotation/v1')))
  const thief = logSigner(origin, 'thief')
  const text = formatRotation({ origin, end, vkey: thief.vkey })
  const forged = formatNote(text, [thief.sign(text), thief.sign(text)])
  const foreign = formatRotation({ origin: 'x.test/y/main', end, vkey: logSigner('x.test/y/main').vkey })
  const signer = logSigner('x.test/y/main', 'old')
  const ofAnother = formatNote(foreign, [signer.sign(foreign), logSigner('x.test/y/main').sign(foreign)])
  const ran = async (file: string | Buffer): Promise<Ran> => {
    writeFileSync(join(folder, 'given'), file)
    return await stele(stranger(folder, 'z'), 'verify', ...RECEIPT, '--key', keys[0] ?? '', '--rotations', 'given')
  }
  const cases: readonly (readonly [string | Buffer, 1 | 2, RegExp])[] = [
    [rotations.replace(vkey, thief.vkey), 2, /the second signature alone is of the new key/],
    [forged, 2, /the second signature alone is of the new key/],
    [rotations.replace(/\n2\n/, '\n3\n'), 1, /the rotations?/],
    [rotations.slice(rotations.lastIndexOf('stele/key-rotation/v1')), 1, /begin nor end with the key that is pinned/],
    [ofAnother, 2, /the rotations are of x\.test\/y\/main, and none of them of/],
    [ofAnother + rotations, 1, /^$/],
    [rotations.slice(0, -20), 2, /rotation 2 of 2 is not whole/],
    ['', 2, /holds no rotation/],
    ['{"rotations":[1]}', 2, /no list `rotations`/],
    ['{', 2, /no list `rotations`/],
    ['['.repeat(100_000), 2, /no list `rotations`/],
    [Buffer.from([0xff, 0xfe]), 2, /UTF-8/],
    [rotations.repeat(10_000), 2, /there are 20000 rotations, more than 1000/],
    [rotations.repeat(50_000), 2, /it has more than 16000000 bytes/],
    [ofAnother.repeat(60_000), 2, /it has more than 16000000 bytes/],
  ]
  for (const [file, code, words] of cases) {
    const result = await ran(file)
    if (words.source === '^$') assert.equal(result.code, 0, flat(result))
    else {
      assert.equal(result.code, code, `${words}: ${flat(result)}`)
      assert.match(flat(result), words)
    }
  }
  const usage = [
    ['verify', '--data', 'd', '--rotations', 'given'],
    ['verify', ...RECEIPT, '--policy', 'given', '--rotations', 'given'],
    ['key', 'list', '--rotations', '--json'],
  ]
  writeFileSync(join(folder, 'given'), `log ${keys[0]}\nquorum none\n`)
  for (const argv of usage) assert.equal((await stele(world, ...argv)).code, 2, argv.join(' '))
  assert.equal((await stele(world, 'verify', ...RECEIPT, '--rotations', 'none')).code, 3)
})

test('P4: a thief with a retired key who signs a second successor convicts nobody, and gets nobody to follow', async (context) => {
  const { server, folder, world, keys, stolen } = await ground(context)
  const [first = ''] = keys
  await steleOk(world, 'prove', '1')
  await steleOk(world, 'export', 'out')
  const watcher = stranger(folder, 'watcher')
  await steleOk(watcher, 'verify', 'out', '--key', first)
  const origin = server.ledgers.origin('main')
  const thief = logSigner(origin, 'thief')
  const { end } = parseRotation(readFileSync(join(folder, 'out', 'rotations', '000')))
  const text = formatRotation({ origin, end, vkey: thief.vkey })
  const statement = formatNote(text, [stolen.signatureLine(text), thief.sign(text)])
  writeFileSync(join(folder, 'thief.rotations'), statement)
  const body = readFileSync(join(folder, 'out', 'checkpoint'), 'utf8').split('\n\n')[0] ?? ''
  writeFileSync(join(folder, 'out', 'checkpoint'), formatNote(`${body}\n`, [thief.sign(`${body}\n`)]))
  writeFileSync(join(folder, 'out', 'log.vkey'), `${thief.vkey}\n`)
  for (const argv of [
    ['verify', 'out', '--key', first, '--rotations', 'thief.rotations'],
    ['verify', ...RECEIPT, '--key', first, '--rotations', 'thief.rotations'],
  ]) {
    const ran = await stele(watcher, ...argv)
    assert.equal(ran.code, 1, flat(ran))
    assert.match(
      flat(ran),
      /has signed two different successors.*Either the operator forked the log, or somebody else holds/,
    )
  }
  // It is not followed, and nothing of it is remembered.
  assert.equal((await stele(watcher, 'verify', ...RECEIPT)).code, 0)
})

test('of one entry the words are those of one', async (context) => {
  const server = await startTestServer(context)
  const folder = scratch(context)
  const world = { cwd: folder, variables: { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'server') } }
  const watcher = stranger(folder, 'watcher')
  const said: string[] = []
  for (const name of ['one', 'two']) {
    await append(server, 1)
    await steleOk(world, 'export', name)
    const text = await steleOk(watcher, 'verify', name, '--key', server.ledgers.vkey('main'))
    said.push(text.replaceAll(/\s+/g, ' '))
  }
  assert.match(
    said[0] ?? '',
    /^one holds the 1 entry of .* The event of entry 0, 12 B, is the one that it commits to\. Its head/,
  )
  assert.match(said[1] ?? '', /All their events, .* Its first entry is the one that this command saw on /)
})
