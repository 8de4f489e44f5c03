// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Rotated keys as others see them: over HTTP, through the SDK, by `stele verify` and with receipts of before.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseCheckpoint, parseNote, parseVkey, verifyRotations } from '@stele/proof'
import { SteleClient, SteleError } from '@stele/sdk'

import { OwnedError } from '../src/ledger/opening.ts'
import { parseKey, type Signer } from '../src/ledger/signing.ts'
import { openDirectory } from '../src/directory.ts'
import { tryStart } from '../src/try-start.ts'
import { stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { eventsOf, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

async function append(server: TestServer, ...texts: readonly string[]): Promise<void> {
  const body = texts.map((text) => `${JSON.stringify({ text })}\n`).join('')
  await server.askJson('/v1/ledgers/main/events', { method: 'POST', body, type: 'application/x-ndjson' })
}

function worldOf(folder: string, server: TestServer): World {
  return { cwd: folder, variables: { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'state') } }
}

/** The key of a ledger, before it is followed by another. */
function stolen(server: TestServer, ledger: string): Signer {
  const text = readFileSync(join(server.directory, 'data', 'keys', `${ledger}.key`), 'latin1')
  return parseKey('stolen', text, server.ledgers.origin(ledger))
}

async function rotate(server: TestServer, ledger: string): Promise<void> {
  await server.askJson(`/v1/ledgers/${ledger}/keys`, { method: 'POST' })
}

test('P4: a rotation over HTTP answers the keys and the statement that leads on, and stands in system', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two')
  const old = server.ledgers.vkey('main')
  const made = await server.askJson('/v1/ledgers/main/keys', { method: 'POST' })
  assert.deepEqual(made, await server.askJson('/v1/ledgers/main/keys'))
  const now = server.ledgers.vkey('main')
  assert.deepEqual(made.keys, [
    { vkey: old, since: 0, until: 2 },
    { vkey: now, since: 2 },
  ])
  assert.deepEqual(
    (await verifyRotations(old, made.rotations)).map(({ vkey }) => vkey),
    [old, now],
  )
  assert.deepEqual((await server.askJson('/v1/ledgers/main')).vkeys, [now])
  const event = (await eventsOf(server, 'system')).findLast(({ type }) => type === 'key.rotated')
  assert.deepEqual(event, { type: 'key.rotated', v: 1, ledger: 'main', statement: made.rotations[0], by: event.by })
  const [ed25519 = '', mldsa44 = ''] = (await server.askJson('/v1/ledgers/heads')).vkeys
  assert.deepEqual([parseVkey(ed25519).alg, parseVkey(mldsa44).alg], [1, 6])
  await rotate(server, 'heads')
  const { keys } = await server.askJson('/v1/ledgers/heads/keys')
  assert.deepEqual(
    keys.map(({ vkey }: { vkey: string }) => parseVkey(vkey).alg),
    [1, 6, 1, 6],
  )
  await problemOf(await server.ask('/v1/ledgers/none/keys', { method: 'POST' }), 404, 'ledger-unknown')
  // The head of the same size is signed again: whoever knows the new key alone must be able to check it.
  const answered = await server.askJson('/v1/ledgers/main/events', { body: '[]' })
  const { keyId } = parseVkey(now)
  assert(parseNote(Buffer.from(answered.checkpoint)).signatures.some((line) => line.keyId === keyId))
})

/** A client whose checkpoints are what `forge` makes of them. */
function clientOf(server: TestServer, vkey: string, forge: (note: string) => string = (note) => note): SteleClient {
  return new SteleClient({
    url: server.url,
    token: server.adminToken,
    vkeys: [vkey],
    attempts: 1,
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      return new URL(url).pathname.endsWith('/checkpoint') ? new Response(forge(await response.text())) : response
    },
  })
}

test('P4: the SDK follows rotations from the pinned key, never the server alone, and refuses forks of an old key', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two', 'three')
  const thief = stolen(server, 'main')
  const early = server.ledgers.checkpoint('main')
  await append(server, 'four')
  const foreign = server.ledgers.vkey('access').replace('/access+', '/main+')
  await rotate(server, 'main')
  await append(server, 'five')
  await rotate(server, 'main')
  await append(server, 'six')
  const { checkpoint } = await clientOf(server, thief.vkey).checkpoint('main')
  assert.equal(checkpoint, server.ledgers.checkpoint('main'))
  assert.equal((await clientOf(server, thief.vkey).proof('main', 2)).head.size, 6)
  const refused = async (client: SteleClient, why: RegExp) =>
    await assert.rejects(
      async () => await client.checkpoint('main'),
      (error) => error instanceof SteleError && error.failure === 'untrustworthy' && why.test(error.message),
    )
  await assert.rejects(async () => clientOf(server, foreign), /./)
  await refused(clientOf(server, server.ledgers.vkey('access')), /not of|no key of|no trusted key/)
  // Once it knows of the rotations, what the old key signs counts up to its end, as the beginning of the log.
  const root = Buffer.alloc(32, 7)
  let next: string | undefined
  for (const size of [3, 4, 5]) {
    const client = clientOf(server, thief.vkey, (note) => next ?? note)
    next = undefined
    await client.checkpoint('main').catch(() => assert.fail())
    next = thief.checkpoint(size, root)
    await refused(client, size > 4 ? /retired at 4/ : /.*/)
  }
  assert.equal(parseCheckpoint(parseNote(Buffer.from(early)).text).size, 3)
})

test('the keys that the SDK reads must be those that the statements lead through', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  await rotate(server, 'main')
  await rotate(server, 'heads')
  const reads = async (ledger: string, change: (answer: Record<string, unknown>) => object) => {
    const client = new SteleClient({
      url: server.url,
      token: server.adminToken,
      attempts: 1,
      fetch: async (url, init) =>
        Response.json(change((await (await fetch(url, init)).json()) as Record<string, unknown>)),
    })
    return await client.keys(ledger)
  }
  assert.equal((await reads('main', (answer) => answer)).keys.length, 2)
  assert.equal((await reads('heads', (answer) => answer)).keys.length, 4)
  type Keys = { vkey: string; since: number; until?: number }[]
  const lies: readonly ((answer: { origin: string; keys: Keys; rotations: string[] }) => object)[] = [
    (answer) => ({ ...answer, rotations: [] }),
    (answer) => ({ ...answer, rotations: [answer.rotations[0], answer.rotations[0]] }),
    (answer) => ({ ...answer, rotations: [answer.rotations[0]!.replace('A', 'B')] }),
    (answer) => ({ ...answer, origin: `${answer.origin}x` }),
    (answer) => ({ ...answer, origin: `x${answer.origin}` }),
    (answer) => ({ ...answer, keys: [] }),
    (answer) => ({ ...answer, keys: answer.keys.slice(1) }),
    (answer) => ({ ...answer, keys: answer.keys.slice(0, -1) }),
    (answer) => ({ ...answer, keys: answer.keys.toReversed() }),
    (answer) => ({ ...answer, keys: [...answer.keys, answer.keys.at(-1)] }),
    (answer) => ({ ...answer, keys: answer.keys.map((key) => ({ ...key, since: key.since + 1 })) }),
    (answer) => ({ ...answer, keys: answer.keys.map((key) => ({ ...key, until: 7 })) }),
    (answer) => ({ ...answer, keys: answer.keys.map(({ vkey, since }) => ({ vkey, since })) }),
  ]
  for (const ledger of ['main', 'heads']) {
    for (const lie of lies) {
      await assert.rejects(
        async () => await reads(ledger, lie as (answer: object) => object),
        (error) => error instanceof SteleError && error.failure === 'untrustworthy',
        `${ledger}: ${String(lie)}`,
      )
    }
  }
})

test('P4: verify --url goes on from a key that was pinned or seen, by the statements, and holds what it said of the log', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context)
  await append(server, 'one', 'two')
  const world = worldOf(folder, server)
  const old = server.ledgers.vkey('main')
  const url = ['verify', '--url', server.url, '--content', '--json'] as const
  await steleOk(world, ...url, '--key', old)
  await steleOk(world, 'prove', '0', '--out', 'early.tlog-proof', '--event', 'one.json')
  await append(server, 'three')
  const thief = stolen(server, 'main')
  await steleOk(world, 'prove', '0', '--out', 'end.tlog-proof')
  for (const ledger of ['main', 'heads', 'main']) await rotate(server, ledger)
  await append(server, 'four')
  const main = async (...more: readonly string[]) => {
    const { ledgers } = JSON.parse(await steleOk(world, ...url, ...more))
    return ledgers.find(({ ledger }: { ledger: string }) => ledger === 'main')
  }
  const report = await main()
  assert.deepEqual([report.verdict, report.key, report.vkey], ['unchanged', 'pinned', server.ledgers.vkey('main')])
  assert.deepEqual(
    report.retired.map(({ size }: { size: number }) => size),
    [3, 3],
  )
  assert.equal((await main('--key', old)).verdict, 'unchanged')
  const fresh = { ...world, variables: { ...world.variables, XDG_STATE_HOME: join(folder, 'fresh') } }
  const { code, out } = await stele(fresh, 'verify', '--url', server.url, '--ledger', 'main', '--key', old)
  assert.equal(code, 0, out)
  // A receipt of before counts as far as it can be shown that the log goes on from it.
  const verify = async (proof: string) => {
    const ran = await stele(world, 'verify', 'one.json', proof, '--json')
    return { code: ran.code, ...JSON.parse(ran.out) }
  }
  await steleOk(world, 'prove', '0', '--out', 'late.tlog-proof')
  assert.deepEqual(
    [(await verify('late.tlog-proof')).verdict, (await verify('end.tlog-proof')).verdict],
    ['valid', 'valid'],
  )
  assert.equal((await verify('early.tlog-proof')).verdict, 'self-consistent')
  assert.match(await steleOk(world, 'verify', 'one.json', 'early.tlog-proof'), /retired when the log had 3 entries/)
  const forge = (size: number) => {
    const proof = readFileSync(join(folder, 'late.tlog-proof'), 'utf8')
    const head = thief.checkpoint(size, Buffer.alloc(32, 7))
    writeFileSync(join(folder, 'forged.tlog-proof'), `${proof.slice(0, proof.indexOf('\n\n'))}\n\n${head}`)
  }
  for (const size of [3, 4]) {
    forge(size)
    assert.equal((await verify('forged.tlog-proof')).code, 1)
  }
})

test('stele key rotate and list work over HTTP, and on the directory of a stopped server', async (context) => {
  const server = await startTestServer(context)
  const world = { variables: variablesFor(server) }
  const old = server.ledgers.vkey('main')
  const { code, out, err } = await stele(world, 'key', 'rotate', '--ledger', 'main')
  assert.deepEqual([code, out], [0, `${server.ledgers.vkey('main')}\n`])
  assert.match(err, /The old private keys were destroyed/)
  const listed = await steleOk(world, 'key', 'list', '--ledger', 'main')
  assert(listed.includes(old) && listed.includes('from 0 to 0 entries') && listed.includes('from 0 entries on'))
  const heads = server.ledgers.vkey('heads')
  const long = /^ *(?:key +)?\S+\/heads\+[0-9a-f]{8}\+… \(ML-DSA-44, 1\.8 kB: --json has it whole\)$/m
  for (const argv of [
    ['key', 'list', '--ledger', 'heads'],
    ['ledger', 'show', 'heads'],
    ['key', 'rotate', '--ledger', 'heads'],
  ]) {
    const { out: text } = await stele(world, ...argv)
    assert.match(text, long)
    assert.ok(text.includes(argv[1] === 'rotate' ? server.ledgers.vkey('heads') : heads))
    assert.ok(
      text.split('\n').every((line) => line.length < 200),
      text,
    )
  }
  assert.match(
    await steleOk(world, 'key', 'list', '--ledger', 'heads'),
    / {2}Ed25519, from .*\n.*\n {2}ML-DSA-44, from /,
  )
  const all = JSON.parse((await stele(world, 'key', 'rotate', '--json')).out)
  assert.deepEqual(all.map(({ origin }: { origin: string }) => origin.split('/').at(-1)).toSorted(), [
    'access',
    'heads',
    'main',
    'system',
  ])
  assert.equal(JSON.parse(await steleOk(world, 'key', 'list', '--json')).length, 4)
  const data = join(server.directory, 'data')
  const running = server.ledgers.vkey('main')
  await server.close()
  const offline: World = {
    variables: { XDG_STATE_HOME: server.directory },
    environment: {
      administer: async ({ dataDirectory }, work) => {
        const place = { dataDirectory, stateDirectory: join(server.directory, 'state'), mayBegin: false }
        const opened = await openDirectory({ ...place, name: 'stele.test', version: '0', log: () => {} })
        try {
          return await work(opened.administration)
        } finally {
          await opened.close()
        }
      },
    },
  }
  const local = await stele(offline, 'key', 'rotate', '--ledger', 'main', '--data', data, '--json')
  const [{ keys }] = JSON.parse(local.out)
  assert.deepEqual(keys.map(({ vkey }: { vkey: string }) => vkey).slice(0, 3), [old, out.trimEnd(), running])
  assert.equal(keys.length, 4)
  const unknown = await stele(offline, 'key', 'rotate', '--ledger', 'none', '--data', data)
  assert.deepEqual([unknown.code, unknown.out], [2, ''])
})

test('a rotation that did not begin, or broke off, says whose keys are new and whose are not', async (context) => {
  const server = await startTestServer(context)
  const data = join(server.directory, 'data')
  const inUse = async () => await Promise.reject(new OwnedError('in use'))
  const world: World = { environment: { administer: inUse } }
  const owned = await stele(world, 'key', 'rotate', '--data', data)
  assert.equal(owned.code, 2)
  assert.match(owned.err, /in use by a running server\. No key was rotated\. Stop that server/)
  const half = ['key', 'rotate', '--ledger', 'main', '--ledger', 'none']
  const broken = await stele({ variables: variablesFor(server) }, ...half)
  assert.equal(broken.code, 2)
  assert.match(broken.err, /Rotated were the keys of \S+\/main; those of the other ledgers are as they were\./)
  assert.match(
    (await stele({ variables: variablesFor(server) }, ...half.slice(0, 2), ...half.slice(4))).err,
    /No key was rotated/,
  )
})

test('keys outside the data directory: said once, remembered, and missed by name where they are not', async (context) => {
  const folder = scratch(context)
  const keys = join(folder, 'keys')
  const directory = join(folder, 'server')
  const first = await startTestServer(context, { directory, config: { keys } })
  await append(first, 'one')
  const vkey = first.ledgers.vkey('main')
  await rotate(first, 'heads')
  await first.close()
  const data = join(directory, 'data')
  assert.deepEqual(JSON.parse(await readFile(join(data, 'keys.json'), 'utf8')), { v: 1, outside: keys })
  await assert.rejects(stat(join(data, 'keys')), /ENOENT/)
  assert.equal((await stat(join(keys, 'main.key'))).mode & 0o777, 0o600)
  const again = await startTestServer(context, { directory })
  assert.equal(again.ledgers.vkey('main'), vkey)
  await again.close()
  const world: World = { cwd: folder, variables: { XDG_STATE_HOME: join(directory, 'none') } }
  const verified = JSON.parse((await stele(world, 'verify', '--data', data, '--json')).out)
  assert.deepEqual([verified.findings, verified.remarks], [[], []])
  const doctor = async () => {
    const examined = await stele({ ...world, environment: { tryStart } }, 'doctor', '--data', data, '--json')
    return JSON.parse(examined.out)
  }
  assert.deepEqual((await doctor()).ailments, [])
  await chmod(join(keys, 'main.key'), 0o644)
  const [open] = (await doctor()).ailments
  assert.deepEqual([open.file, open.command], [join(keys, 'main.key'), `chmod 600 ${keys}/main.key`])
  await chmod(join(keys, 'main.key'), 0o600)
  await rename(keys, join(folder, 'elsewhere'))
  const missing = await doctor()
  assert.deepEqual(missing.ailments.map(({ file }: { file: string }) => file).toSorted()[0], join(keys, 'access.key'))
  await assert.rejects(startTestServer(context, { directory }), (error) => {
    assert(error instanceof Error && error.name === 'KeyFault')
    assert(error.message.includes(keys) && error.message.includes('--keys DIR'), error.message)
    return true
  })
  const missed = JSON.parse((await stele(world, 'verify', '--data', data, '--json')).out)
  assert(
    missed.remarks.some((remark: string) => remark.includes(`${keys}/main.key is not there`)),
    missed.remarks.join(),
  )
  const moved = await startTestServer(context, { directory, config: { keys: join(folder, 'elsewhere') } })
  await moved.close()
  const found = await startTestServer(context, { directory })
  await found.close()
})

test('keys that are inside are not left there where they are to be outside, nor is a folder inside called outside', async (context) => {
  const folder = scratch(context)
  const directory = join(folder, 'server')
  const first = await startTestServer(context, { directory })
  await first.close()
  const keys = join(folder, 'keys')
  await assert.rejects(
    startTestServer(context, { directory, config: { keys } }),
    /holds keys, and --keys names another folder.*mv /,
  )
  const inside = join(directory, 'data', 'keys', 'more')
  await assert.rejects(startTestServer(context, { directory, config: { keys: inside } }), /is in the data directory/)
  await mkdir(keys, { mode: 0o700 })
  await rename(join(directory, 'data', 'keys'), keys)
  await (await startTestServer(context, { directory, config: { keys } })).close()
  await (await startTestServer(context, { directory })).close()
})

test('P3: a rotation that a crash left unfinished is finished by the next start, and by a start that is only tried in memory alone', async (context) => {
  const directory = join(scratch(context), 'server')
  const server = await startTestServer(context, { directory })
  const path = join(directory, 'data', 'keys', 'heads.key')
  const before = readFileSync(path)
  await server.administration.rotateKey('heads', 'tester')
  await server.close()
  const next = readFileSync(path)
  await rename(path, join(directory, 'data', 'keys', 'pending', 'heads.key'))
  writeFileSync(path, before)
  const place = { dataDirectory: join(directory, 'data'), stateDirectory: join(directory, 'state'), version: '0' }
  assert.equal((await tryStart(place)).isStarted, true)
  assert.deepEqual(readFileSync(path), before)
  await (await startTestServer(context, { directory })).close()
  assert.deepEqual(readFileSync(path), next)
})
