// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele witness` against a server, `stele prove --witnessed`, and `stele verify` of what that wrote.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { parsePolicy } from '@stele/proof'

import { openDirectory } from '../src/directory.ts'
import { stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { eventually, startTestServer } from './server-fixture.ts'
import { always, TestWitness } from './witness-ground.ts'

const config = { privateWitnesses: true }

test('witness add, list, quorum, policy and remove, in words and as JSON', async (context) => {
  const server = await startTestServer(context, { config })
  const world: World = { variables: variablesFor(server), columns: 200 }
  assert.match(await steleOk(world, 'witness', 'list'), /No witness is asked/)
  const one = await TestWitness.start(context, 'one')
  const two = await TestWitness.start(context, 'two')
  two.misbehaviour = always(500, 'gone \u001b[2J away')
  assert.match(await steleOk(world, 'witness', 'add', 'one', one.signer.vkey, `${one.url}/`), /^one is asked/)
  const added = JSON.parse(await steleOk(world, 'witness', 'add', 'two', two.signer.vkey, two.url, '--json'))
  assert.deepEqual([added.name, added.vkey, added.url], ['two', two.signer.vkey, two.url])
  assert.match(await steleOk(world, 'witness', 'quorum', '1'), /any 1 of them/)
  await eventually(async () => {
    const { witnesses, witnessed } = JSON.parse(await steleOk(world, 'witness', 'list', '--json'))
    return witnessed !== undefined && witnesses[1].state === 'failing'
  })
  const list = await steleOk(world, 'witness', 'list')
  assert.match(list, /^one {2}cosigns, last at 20/m)
  assert.match(list, /^two {2}does not cosign: it answered 500 \(gone \S+ away\)/m)
  assert.ok(!list.includes('\u001b'))
  const policy = parsePolicy(await steleOk(world, 'witness', 'policy'))
  assert.deepEqual(
    policy.witnesses.map(({ name }) => name),
    ['one', 'two'],
  )
  assert.equal(policy.groups[0]?.threshold, 1)
  const left = JSON.parse(await steleOk(world, 'witness', 'remove', 'two', '--json'))
  assert.deepEqual(
    left.witnesses.map(({ name }: { name: string }) => name),
    ['one'],
  )
})

test('what cannot be a witness, or would count twice, is refused with what to do', async (context) => {
  const server = await startTestServer(context, { config })
  const world: World = { variables: variablesFor(server) }
  const { vkey } = new TestWitness('one').signer
  const url = 'https://witness.invalid/w'
  await steleOk(world, 'witness', 'add', 'one', vkey, url)
  for (const [argv, said] of [
    [['add', 'one', new TestWitness('other').signer.vkey, url], /There is a witness one already/],
    [['add', 'again', vkey, url], /one has that key already/],
    [
      ['add', 'again', new TestWitness('one', 'mldsa').signer.vkey, url],
      /one is the witness witness\.test\/one already/,
    ],
    [['add', 'again', new TestWitness('one').signer.vkey, url], /it counts once/],
    [['add', 'log', server.ledgers.vkey('heads'), url], /no key of a witness/],
    [['add', 'none', new TestWitness('other').signer.vkey, url], /none, policy and quorum are taken/],
    [['add', 'other', 'nonsense', url], /vkey: a key has the form/],
    [['add', 'other', new TestWitness('other').signer.vkey, 'ftp://w'], /http or https/],
    [['add', 'other', new TestWitness('other').signer.vkey, 'https://a:b@w/'], /without user/],
    [['quorum', '2'], /there is 1/],
    [['quorum', '0'], /needs a COUNT/],
    [['remove', 'nobody'], /There is no witness nobody/],
    [['add', 'one'], /needs a NAME, a VKEY and a URL/],
  ] as const) {
    const { code, err } = await stele(world, 'witness', ...argv)
    assert.match(err, said)
    assert.equal(code, 2, err)
  }
})

test('prove --witnessed writes a proof that verify accepts by the policy alone, without the server', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context, { config })
  const witness = await TestWitness.start(context, 'one')
  const world: World = { variables: variablesFor(server), cwd: folder, columns: 200 }
  await server.askJson('/v1/ledgers/main/events', { body: '{"number":1}' })
  const lonely = await stele(world, 'prove', '0', '--witnessed')
  assert.equal(lonely.code, 2)
  assert.match(lonely.err, /No witness is asked to cosign heads.*stele witness add/)
  await steleOk(world, 'witness', 'add', 'one', witness.signer.vkey, witness.url)
  const proven = await steleOk(world, 'prove', '0', '--witnessed', '--out', 'p', '--event', 'e')
  assert.match(proven, /vouched for by the head of size \d+ of .*\/heads, which witnesses have cosigned/)
  assert.match(proven, /stele verify e p --policy policy\.txt/)
  await writeFile(join(folder, 'policy.txt'), await steleOk(world, 'witness', 'policy'))
  await server.close()
  const offline: World = { cwd: folder, columns: 200, variables: { XDG_STATE_HOME: join(folder, 'state') } }
  const verdict = await steleOk(offline, 'verify', 'e', 'p', '--policy', 'policy.txt')
  assert.match(verdict, /signed as your policy demands/)
  assert.match(verdict, /Seen by these\s+witnesses: one on 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\./)
  assert.match(verdict, /not checked {2}the signature: not needed beside the other log's/)
  const json = JSON.parse(await steleOk(offline, 'verify', 'e', 'p', '--policy', 'policy.txt', '--json'))
  assert.equal(json.verdict, 'valid')
  const text = await readFile(join(folder, 'p'), 'utf8')
  await writeFile(join(folder, 'p'), text.replace(/(witness\.test\/one )(.{30})./, '$1$2/'))
  assert.equal((await stele(offline, 'verify', 'e', 'p', '--policy', 'policy.txt')).code, 1)
})

test('after heads was given a new key that its witness does not list yet, what was witnessed before is proven still', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context, { config })
  const witness = await TestWitness.start(context, 'one')
  const world: World = { variables: variablesFor(server), cwd: folder, columns: 200 }
  await server.askJson('/v1/ledgers/main/events', { body: '{"number":1}' })
  await steleOk(world, 'witness', 'add', 'one', witness.signer.vkey, witness.url)
  await steleOk(world, 'prove', '0', '--witnessed', '--out', 'before', '--event', 'e')
  const old = server.ledgers.vkey('heads')
  witness.misbehaviour = always(403, 'unknown key')
  const { err } = await stele(world, 'key', 'rotate', '--ledger', 'heads')
  assert.match(err, /Give the new key of heads to the owner of each witness/)
  assert.doesNotMatch((await stele(world, 'key', 'rotate', '--ledger', 'main')).err, /owner of each witness/)
  const policy = await steleOk(world, 'witness', 'policy')
  const listed = parsePolicy(policy).logs.map(({ key }) => key.alg)
  assert.deepEqual(listed, [1, 6, 1, 6])
  assert.ok(policy.includes(`log ${server.ledgers.vkey('heads')}\n`) && policy.includes(`log ${old}\n`))
  await steleOk(world, 'prove', '0', '--witnessed', '--out', 'after', '--event', 'e')
  await writeFile(join(folder, 'policy.txt'), policy)
  const offline: World = { cwd: folder, variables: { XDG_STATE_HOME: join(folder, 'state') } }
  for (const proof of ['before', 'after']) await steleOk(offline, 'verify', 'e', proof, '--policy', 'policy.txt')

  witness.misbehaviour = undefined
  await server.askJson('/v1/ledgers/main/events', { body: '{"number":2}' })
  await steleOk(world, 'prove', '1', '--witnessed', '--out', 'later', '--event', 'f')
  assert.equal(await steleOk(world, 'witness', 'policy'), policy)
  await writeFile(join(folder, 'renewed.txt'), await steleOk(world, 'witness', 'policy'))
  await steleOk(offline, 'verify', 'f', 'later', '--policy', 'renewed.txt')
})

test('witness remove --data takes a witness off the list of a stopped server, on record', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context, { config, directory: folder })
  const witness = await TestWitness.start(context, 'one')
  const world: World = {
    variables: variablesFor(server),
    environment: {
      administer: async ({ dataDirectory }, work) => {
        const opened = await openDirectory({
          dataDirectory,
          stateDirectory: join(folder, 'state'),
          name: 'stele.test',
          version: '0',
          log: () => {},
          mayBegin: false,
        })
        try {
          return await work(opened.administration)
        } finally {
          await opened.close()
        }
      },
    },
  }
  await steleOk(world, 'witness', 'add', 'one', witness.signer.vkey, witness.url)
  await server.close()
  const data = join(folder, 'data')
  assert.match(
    await steleOk(world, 'witness', 'remove', 'one', '--data', data),
    /one is asked no more; 0 witnesses left/,
  )
  const again = await stele(world, 'witness', 'remove', 'one', '--data', data)
  assert.equal(again.code, 2)
  assert.match(again.err, /no witness one/)
})
