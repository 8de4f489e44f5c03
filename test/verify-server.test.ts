// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify --url` and `stele verify EVENT PROOF` against real servers, honest ones and one that was rolled back.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import { stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

async function append(server: TestServer, ...texts: readonly string[]): Promise<void> {
  const body = texts.map((text) => `${JSON.stringify({ text })}\n`).join('')
  await server.askJson('/v1/ledgers/main/events', { method: 'POST', body, type: 'application/x-ndjson' })
}

function worldOf(folder: string, server: TestServer): World {
  return { cwd: folder, variables: { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'state') } }
}

test('a server is self-consistent at first, unchanged from then on, and signed where its key is given', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two', 'three')
  const world = worldOf(scratch(context), server)
  const url = ['verify', '--url', server.url, '--ledger', 'main'] as const
  assert.match(await steleOk(world, ...url), /main: self-consistent\. The key is not pinned: it is the server's word/)
  await append(server, 'four')
  assert.match(await steleOk(world, ...url), /main: nothing has changed in what this command saw of it before/)
  const pinned = worldOf(scratch(context), server)
  const out = await steleOk(pinned, ...url, '--key', server.ledgers.vkey('main'))
  assert.match(out, /main: all entries fit the head that the pinned key signed/)
})

test('a key that is not the server’s is a negative verdict, whether it was given or is remembered', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  const world = worldOf(scratch(context), server)
  const main = server.ledgers.vkey('main')
  const other = server.ledgers.vkey('access').replace('/access+', '/main+')
  for (const key of [server.ledgers.vkey('access'), other]) {
    const { code, out, err } = await stele(world, 'verify', '--url', server.url, '--ledger', 'main', '--key', key)
    assert.notEqual(code, 0, `${out}${err}`)
  }
  assert.equal((await stele(world, 'verify', '--url', server.url, '--ledger', 'main', '--key', main)).code, 0)
})

test('the key of another ledger than the one that is served is refused with exit 2 and both names: it shows nothing', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  const folder = scratch(context)
  const world = worldOf(folder, server)
  const [main, access] = [server.ledgers.origin('main'), server.ledgers.origin('access')]
  const vkey = server.ledgers.vkey('access')
  await writeFile(join(folder, 'policy'), `log ${vkey}\nquorum none\n`)
  for (const trust of [['--key', vkey] as const, ['--policy', 'policy'] as const]) {
    const { code, out, err } = await stele(world, 'verify', '--url', server.url, '--ledger', 'main', ...trust)
    assert.deepEqual({ code, out }, { code: 2, out: '' }, err)
    assert.ok(err.includes(`${access}, and what ${server.url} serves is ${main}.`), err)
    assert.match(err, /Nothing was verified\./)
  }
  assert.equal((await stele(world, 'verify', '--url', server.url, '--key', vkey)).code, 0)
})

test('verify calls a key that nobody gave not pinned, and one that was ever given pinned, of a server as of a proof', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  const folder = scratch(context)
  const world = worldOf(folder, server)
  await steleOk(world, 'prove', '0', '--out', 'one.tlog-proof', '--event', 'one.json')
  const keyOf = async (...more: readonly string[]): Promise<readonly unknown[]> => {
    const ofServer = await steleOk(world, 'verify', '--url', server.url, '--ledger', 'main', '--json', ...more)
    const ofProof = await steleOk(world, 'verify', 'one.json', 'one.tlog-proof', '--json', ...more)
    return [JSON.parse(ofServer).ledgers[0].key, JSON.parse(ofProof).key]
  }
  assert.deepEqual(await keyOf(), ['not pinned', 'not pinned'])
  assert.deepEqual(await keyOf(), ['not pinned', 'not pinned'])
  assert.match(await steleOk(world, 'verify', 'one.json', 'one.tlog-proof'), /The key is not pinned/)
  assert.deepEqual(await keyOf('--key', server.ledgers.vkey('main')), ['pinned', 'pinned'])
  assert.deepEqual(await keyOf(), ['pinned', 'pinned'])
})

test('P4: an event or an entry that was changed on the server’s disk is named by verify --url, with exit 1', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two', 'three', 'four')
  const folder = scratch(context)
  const wal = join(server.directory, 'data', 'wal')
  const [name = ''] = await readdir(wal)
  const damage = async (from: string, to: string) => {
    const bytes = await readFile(join(wal, name))
    const at = bytes.indexOf(from)
    assert.ok(at !== -1, from)
    bytes.write(to, at)
    await writeFile(join(wal, name), bytes)
  }
  await damage('{"text":"three"}', '{"text":"thrEe"}')
  const command = ['verify', '--url', server.url, '--ledger', 'main'] as const
  const ofEvent = await stele(worldOf(folder, server), ...command, '--content')
  assert.equal(ofEvent.code, 1, ofEvent.out + ofEvent.err)
  assert.match(ofEvent.out, /The first bad entry is main 2\. One thing is not as it must be:/)
  const entry = (await server.ledgers.event('main', 3)).entryBytes.toString('latin1')
  await damage(entry, entry.replace('"v":1', '"v":7'))
  const ofEntry = await stele(worldOf(folder, server), ...command)
  assert.equal(ofEntry.code, 1, ofEntry.out + ofEntry.err)
  assert.match(ofEntry.out, /The first bad entry is main 3\./)
})

test('EVENT and PROOF the wrong way round are recognised, with exit 2 and the command that was meant', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  const world = worldOf(scratch(context), server)
  await steleOk(world, 'prove', '0', '--out', 'the proof', '--event', 'one.json')
  const { code, err } = await stele(world, 'verify', 'the proof', 'one.json', '--key', server.ledgers.vkey('main'))
  assert.equal(code, 2)
  assert.match(err, /the proof is a proof, and one\.json is none.*stele verify one\.json 'the proof'/s)
})

test('P4: a server that was rolled back and went on is found by whoever saw it before, with both signed heads kept', async (context) => {
  const folder = scratch(context)
  const first = await startTestServer(context, { directory: join(folder, 'server') })
  await append(first, 'one', 'two')
  await first.close()
  await cp(join(folder, 'server'), join(folder, 'older'), { recursive: true })
  const second = await startTestServer(context, { directory: join(folder, 'server') })
  await append(second, 'three', 'four')
  const seen = worldOf(folder, second)
  await steleOk(seen, 'verify', '--url', second.url, '--ledger', 'main')
  await second.close()
  const forked = await startTestServer(context, { directory: join(folder, 'older') })
  await append(forked, 'another three', 'another four', 'and five')
  const world = { ...seen, variables: { ...seen.variables, ...variablesFor(forked) } }
  const { code, out } = await stele(world, 'verify', '--url', forked.url, '--ledger', 'main')
  assert.equal(code, 1, out)
  assert.match(out, /main: do not rely on it/)
  const evidence = /Both signed heads are kept in\s+(\S+?):/.exec(out)?.[1]
  assert.ok(evidence !== undefined, out)
  const again = await stele(world, 'verify', '--url', forked.url, '--ledger', 'main')
  assert.equal(again.code, 1, 'a fork is not forgotten once it was seen')
})

test('events themselves are verified with --content, which the server records', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two')
  const world = worldOf(scratch(context), server)
  const before = server.ledgers.log('access').size
  await steleOk(world, 'verify', '--url', server.url, '--ledger', 'main', '--content')
  assert.ok(server.ledgers.log('access').size > before)
})

test('an event with its receipt: exit 0 for the right one, 1 for another event, 2 where no key is known, 3 where a file is not there', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one', 'two')
  const folder = scratch(context)
  const world = worldOf(folder, server)
  await steleOk(world, 'prove', '1', '--out', 'two.tlog-proof', '--event', 'two.json')
  await writeFile(join(folder, 'changed.json'), '{"text":"twO"}')
  const key = ['--key', server.ledgers.vkey('main')] as const
  assert.equal((await stele(world, 'verify', 'two.json', 'two.tlog-proof', ...key)).code, 0)
  const wrongEvent = await stele(world, 'verify', 'changed.json', 'two.tlog-proof', ...key)
  assert.equal(wrongEvent.code, 1)
  assert.match(wrongEvent.out, /does not hold for changed\.json/)
  const wrongKey = await stele(world, 'verify', 'two.json', 'two.tlog-proof', '--key', server.ledgers.vkey('system'))
  assert.notEqual(wrongKey.code, 0)
  // Where nothing is remembered: a key that was given once is.
  const stranger = { ...world, variables: { XDG_STATE_HOME: join(folder, 'stranger') } }
  const noKey = await stele(stranger, 'verify', 'two.json', 'two.tlog-proof')
  assert.equal(noKey.code, 2)
  assert.match(noKey.err, /--key/)
  assert.equal((await stele(world, 'verify', 'gone.json', 'two.tlog-proof', ...key)).code, 3)
})

test('a key that verify --url remembered lets a receipt be self-consistent, and never valid', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'one')
  const world = worldOf(scratch(context), server)
  await steleOk(world, 'prove', '0', '--out', 'one.tlog-proof', '--event', 'one.json')
  await steleOk(world, 'verify', '--url', server.url, '--ledger', 'main')
  const out = await steleOk(world, 'verify', 'one.json', 'one.tlog-proof', '--json')
  assert.equal(JSON.parse(out).verdict, 'self-consistent')
})

test('verify of a directory says exit 0, 1 and 3, takes the head from a file or a URL, and changes nothing in it', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context, { directory: join(folder, 'server') })
  await append(server, 'one', 'two')
  await server.close()
  const data = join(folder, 'server', 'data')
  const world: World = { cwd: folder, variables: { XDG_STATE_HOME: join(folder, 'server', 'none') } }
  const head = join(folder, 'server', 'state', 'heads')
  const [kept = ''] = (await readdir(head)).filter((name) => name.endsWith('.head'))
  const command = ['verify', '--data', data, '--head', join(head, kept)] as const
  assert.match(await steleOk(world, ...command), /^Nothing in these/)
  let answer: Buffer | undefined = await readFile(join(head, kept))
  const keeper = createServer((_, response) => {
    if (answer === undefined) response.writeHead(404).end()
    else response.writeHead(200, { etag: '"1"' }).end(answer)
  }).listen(0, '127.0.0.1')
  context.after(() => keeper.close())
  await once(keeper, 'listening')
  const url = `http://127.0.0.1:${(keeper.address() as AddressInfo).port}/head`
  const byUrl = ['verify', '--data', data, '--head', url] as const
  const out = (await steleOk(world, ...byUrl)).replaceAll(/\s+/g, ' ')
  assert.ok(out.includes(`has changed since the head of heads at`) && out.includes(`kept in ${url}.`), out)
  answer = undefined
  const none = await stele(world, ...byUrl)
  assert.deepEqual([none.code, none.err], [3, `stele: no head is kept at ${url}. Nothing was verified.\n`])
  keeper.close()
  keeper.closeAllConnections()
  const gone = await stele(world, ...byUrl)
  assert.equal(gone.code, 3)
  assert.match(gone.err, /^stele: the head at \S+ could not be read: .*Nothing was verified\./)
  await rm(join(data, 'wal'), { recursive: true })
  assert.notEqual((await stele(world, ...command)).code, 0)
  assert.equal((await stele(world, 'verify', '--data', join(folder, 'nowhere'))).code, 3)
})
