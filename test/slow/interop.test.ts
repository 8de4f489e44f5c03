// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Third-party programs, unmodified, read what Stele makes, and Stele's programs read what they make. What each test shows
// is a row of docs/interop.md.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { parseCheckpoint, parseNote, parseReceipt } from '@stele/proof'

import { eventually, startTestServer, type TestServer } from '../server-fixture.ts'
import { findTool } from '../tools.ts'
import { demand, folder, freePort, goKey, run, shown, start, STELE } from './interop-ground.ts'

const fsck = findTool('fsck')
const posix = findTool('posix')
const oneshot = findTool('posix-oneshot')
const litewitness = findTool('litewitness')
const witnessctl = findTool('witnessctl')
const spicy = findTool('spicy')
const interop = findTool('stele-interop')
const agent = findTool('ssh-agent')

const FOUND_GOOD = "Successfully fsck'd log"

async function filled(context: TestContext, count: number, batch = 5_000): Promise<TestServer> {
  const server = await startTestServer(context, { config: { privateWitnesses: true } })
  for (let first = 0; first < count; first += batch) {
    const events = Array.from({ length: Math.min(batch, count - first) }, (_, at) => `{"n":${first + at}}`)
    await server.askJson('/v1/ledgers/main/events?source=generic', {
      type: 'application/x-ndjson',
      body: events.join('\n'),
    })
  }
  return server
}

function client(server: TestServer): { readonly env: Readonly<Record<string, string>> } {
  const { url, adminToken, directory } = server
  return { env: { STELE_URL: url, STELE_TOKEN: adminToken, XDG_STATE_HOME: join(directory, 'cli-state') } }
}

/** Tessera's fsck over a folder; it ends well whatever it finds, so its words count. */
async function fsckFolder(log: string, vkeyFile: string): Promise<boolean> {
  const args = [`--storage_url=file://${log}/`, `--public_key=${vkeyFile}`, '-N', '16', '--ui=false']
  const { said } = await run(fsck.path, args, { timeoutMs: 20_000 })
  return said.includes(FOUND_GOOD)
}

test(
  'P9: Tessera’s fsck accepts what stele export writes, with events and without, and no changed folder',
  { skip: fsck.skip },
  async (context) => {
    const server = await filled(context, 66_001)
    const [whole, bare] = [join(server.directory, 'whole'), join(server.directory, 'bare')]
    await demand(STELE, ['export', whole], /66,001/, client(server))
    await demand(STELE, ['export', bare, '--no-content'], /66,001/, client(server))
    const key = join(whole, 'log.vkey')
    for (const log of [whole, bare]) {
      assert.ok(await fsckFolder(log, key), log)
      await demand(
        STELE,
        ['verify', log, '--key', readFileSync(key, 'utf8').trim()],
        /signed by the key that you gave/,
        client(server),
      )
    }
    const bundle = join(whole, 'tile/entries/003')
    const bytes = readFileSync(bundle)
    bytes[100]! ^= 1
    writeFileSync(bundle, bytes)
    assert.ok(!(await fsckFolder(whole, key)))
    assert.equal((await run(STELE, ['verify', whole], client(server))).code, 1)
    shown(
      context,
      'Tessera fsck 1.0.4',
      'reads a folder of `stele export`',
      'accepts 66,001 entries, refuses one changed byte',
    )
  },
)

test(
  'P9: torchwood, formats and sumdb read Stele’s log, receipts and heads',
  { skip: interop.skip },
  async (context) => {
    const server = await filled(context, 1_000)
    const { vkeys } = await server.askJson('/v1/ledgers/main')
    const at = (name: string) => join(server.directory, name)
    const log = `${server.url}/v1/ledgers/main`
    await demand(interop.path, ['log', vkeys[0], log, server.adminToken], /1000 entries of \d+ bytes, all proven/)
    shown(context, 'torchwood 0.9.0 (Go package)', 'reads a ledger over HTTP', 'proves every entry')

    for (const index of [0, 255, 999]) {
      const receipt = await (await server.ask(`/v1/ledgers/main/events/${index}/proof`)).text()
      writeFileSync(at('receipt'), receipt)
      writeFileSync(at('entry'), parseReceipt(receipt).entry)
      const said = await demand(interop.path, ['receipt', vkeys[0], at('entry'), at('receipt')], /torchwood: verified/)
      assert.match(said, new RegExp(`formats and sumdb: verified, index ${index} of 1000`))
      writeFileSync(at('other'), parseReceipt(receipt).entry.toReversed())
      assert.equal((await run(interop.path, ['receipt', vkeys[0], at('other'), at('receipt')])).code, 1)
    }
    shown(
      context,
      'torchwood 0.9.0, formats 0.1.1, sumdb 0.42.0 (Go packages)',
      'read receipts',
      'accept them, refuse another entry',
    )

    const heads = await server.askJson('/v1/ledgers/heads')
    await server.ledgers.publish()
    writeFileSync(at('head'), server.ledgers.publishedHeads.last!)
    const said = await demand(interop.path, ['note', at('head'), ...heads.vkeys], /verified/)
    assert.equal(said.match(/: verified/g)?.length, 2)
    shown(context, 'sumdb 0.42.0, formats 0.1.1 (Go packages)', 'open published heads', 'accept Ed25519 and ML-DSA-44')
  },
)

test('P9: spicy verifies a receipt of Stele', { skip: spicy.skip }, async (context) => {
  const server = await filled(context, 300)
  const { vkeys } = await server.askJson('/v1/ledgers/main')
  const receipt = await (await server.ask('/v1/ledgers/main/events/123/proof')).text()
  const entry = join(server.directory, 'entry')
  writeFileSync(entry, parseReceipt(receipt).entry)
  // The program is of before the form had a header and an extra line.
  writeFileSync(`${entry}.spicy`, receipt.slice(receipt.indexOf('\nindex ') + 1))
  await demand(spicy.path, ['-verify', vkeys[0], entry], /verified/)
  writeFileSync(entry, Buffer.from(parseReceipt(receipt).entry).fill(0x20, 3, 4))
  assert.equal((await run(spicy.path, ['-verify', vkeys[0], entry])).code, 1)
  shown(
    context,
    'spicy (torchwood 0.9.0)',
    'verifies a receipt, less its first two lines',
    'accepts it, refuses another entry',
  )
})

test(
  'P9: litewitness cosigns Stele’s heads, and its cosignature completes a witnessed receipt',
  { skip: litewitness.skip || witnessctl.skip || agent.skip },
  async (context) => {
    const server = await filled(context, 10)
    const { origin, vkeys } = await server.askJson('/v1/ledgers/heads')
    const here = folder(context)
    const { port, vkey } = await startLitewitness(context, here, origin, vkeys[0])
    const cli = client(server)
    await demand(STELE, ['witness', 'add', 'lite', vkey, `http://127.0.0.1:${port}`], /lite/, cli)
    await eventually(async () => (await server.askJson('/v1/witnesses')).witnessed !== undefined, 20_000)
    const [event, proof, policy] = ['event', 'proof', 'policy'].map((name) => join(here, name)) as [
      string,
      string,
      string,
    ]
    await server.askJson('/v1/ledgers/main/events', { body: '{"more":1}' })
    await demand(STELE, ['prove', '10', '--out', proof, '--event', event, '--witnessed'], /./, cli)
    writeFileSync(policy, (await run(STELE, ['witness', 'policy'], cli)).said)
    await demand(STELE, ['verify', event, proof, '--policy', policy], /signed as your policy\s+demands/, cli)
    writeFileSync(event, '{"more":2}')
    assert.equal((await run(STELE, ['verify', event, proof, '--policy', policy], cli)).code, 1)
    shown(
      context,
      'litewitness (torchwood 0.9.0)',
      'cosigns published heads',
      'a witnessed receipt is valid under the policy',
    )

    const [, heads = ''] = readFileSync(proof, 'utf8').split(/(?<=\n)(?=c2sp\.org\/tlog-proof@v1\n)/)
    writeFileSync(join(here, 'head'), heads.slice(heads.indexOf('\n\n') + 2))
    // Torchwood knows no ML-DSA-44 keys of logs.
    const text = readFileSync(policy, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith(`log ${vkeys[1]}`))
    writeFileSync(policy, text.join('\n'))
    await demand(interop.path, ['policy', policy, join(here, 'head')], /verified, size \d+, 2 signatures/)
    shown(context, 'torchwood 0.9.0 (Go package)', 'opens a witnessed head by `stele witness policy`', 'accepts it')
  },
)

async function startLitewitness(context: TestContext, here: string, origin: string, logKey: string) {
  const [key, database, socket] = ['wit', 'w.db', 's'].map((name) => join(here, name)) as [string, string, string]
  await demand('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], /^$/)
  await start(context, 'ssh-agent', ['-D', '-a', socket], /SSH_AUTH_SOCK/)
  await demand('ssh-add', ['-q', key], /^$/, { env: { SSH_AUTH_SOCK: socket } })
  const fingerprint = (await run('ssh-keygen', ['-lf', `${key}.pub`])).said.split(' ')[1] ?? ''
  await demand(witnessctl.path, ['add-log', '-db', database, '-origin', origin], /./)
  await demand(witnessctl.path, ['add-key', '-db', database, '-origin', origin, '-key', logKey], /./)
  const port = await freePort()
  const args = ['-name', 'lite.example/witness', '-db', database, '-ssh-agent', socket, '-key', fingerprint]
  const { said } = await start(context, litewitness.path, [...args, '-listen', `127.0.0.1:${port}`], port)
  const vkey = /lite\.example\/witness\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+/.exec(said())?.[0] ?? ''
  assert.notEqual(vkey, '', said())
  return { port, vkey }
}

/** Adds a file an entry to a Tessera log, by Tessera's own program. */
async function addToTessera(here: string, names: readonly string[], args: readonly string[], timeoutMs = 30_000) {
  const entries = join(here, `entries-${names[0]}`)
  mkdirSync(entries)
  for (const name of names) writeFileSync(join(entries, name), `entry ${name}`)
  const given = [`-storage_dir=${join(here, 'log')}`, `-private_key=${join(here, 'log.sec')}`, `-entries=${entries}/*`]
  return await run(oneshot.path, [...given, ...args], { timeoutMs })
}

function headOf(log: string): { readonly size: number; readonly signers: readonly string[] } {
  const { text, signatures } = parseNote(readFileSync(join(log, 'checkpoint')))
  return { size: parseCheckpoint(text).size, signers: signatures.map(({ name }) => name) }
}

test(
  'P9: Tessera has its checkpoints cosigned by stele witness serve, and publishes none that forks',
  { skip: oneshot.skip || interop.skip },
  async (context) => {
    const here = folder(context)
    const { skey, vkey } = goKey('tessera.example/log')
    writeFileSync(join(here, 'log.sec'), skey)
    const env = { XDG_STATE_HOME: join(here, 'state') }
    const args = ['witness', 'serve', '--name', 'stele.example/witness', '--data', join(here, 'w'), '--log', vkey]
    const witness = await start(
      context,
      STELE,
      [...args, '--listen', '127.0.0.1:0', '--rate', '100/s'],
      /is listening on/,
      env,
    )
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(witness.said())?.[0] ?? ''
    await eventually(() => /stele\.example\/witness\+[0-9a-f]{8}\+B/.test(witness.said()))
    const ours = /stele\.example\/witness\+[0-9a-f]{8}\+B[A-Za-z0-9+/=]+/.exec(witness.said())?.[0] ?? ''
    const policy = join(here, 'policy')
    writeFileSync(policy, `witness w1 ${ours} ${url}\nquorum w1\n`)
    const asking = [`-witness_policy_file=${policy}`, '-witness_fail_open=false', '-witness_timeout=2s']
    const log = join(here, 'log')
    for (const names of [
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]) {
      const { code, said } = await addToTessera(here, names, asking)
      assert.equal(code, 0, said)
      await demand(interop.path, ['note', join(log, 'checkpoint'), vkey, ours], /stele\.example\/witness \w+: verified/)
    }
    assert.deepEqual(headOf(log), { size: 5, signers: ['tessera.example/log', 'stele.example/witness'] })
    shown(
      context,
      'Tessera 1.0.4 (posix-oneshot)',
      'has checkpoints cosigned by `stele witness serve`, FailOpen false',
      'publishes each with the cosignature',
    )

    cpSync(log, join(here, 'before'), { recursive: true })
    const grown = await addToTessera(here, ['f'], asking)
    assert.equal(grown.code, 0, grown.said)
    await run('rm', ['-rf', log])
    cpSync(join(here, 'before'), log, { recursive: true })
    const forked = await addToTessera(here, ['g'], asking, 6_000)
    assert.notEqual(forked.code, 0, forked.said)
    assert.equal(headOf(log).size, 5)
    shown(
      context,
      'Tessera 1.0.4 (posix-oneshot)',
      'grew otherwise after a rollback, and asks the same witness',
      'gets no cosignature, publishes nothing',
    )
  },
)

test(
  'P9: Stele verifies, mirrors and monitors a log of Tessera, and finds out one that forks',
  { skip: posix.skip || oneshot.skip || fsck.skip },
  async (context) => {
    const here = folder(context)
    const { skey, vkey } = goKey('tessera.example/log')
    writeFileSync(join(here, 'log.sec'), skey)
    writeFileSync(join(here, 'log.vkey'), vkey)
    const log = join(here, 'log')
    const names = (count: number, of: string) => Array.from({ length: count }, (_, at) => `${of}${at}`)
    assert.equal((await addToTessera(here, names(300, 'a'), [])).code, 0)
    const options = { env: { XDG_STATE_HOME: join(here, 'state') } }
    await demand(STELE, ['verify', log, '--key', vkey], /300/, options)
    cpSync(log, join(here, 'early'), { recursive: true })

    const port = await freePort()
    const serve = [`-storage_dir=${log}`, `-listen=127.0.0.1:${port}`, `-private_key=${join(here, 'log.sec')}`]
    const url = `http://127.0.0.1:${port}`
    const first = await start(context, posix.path, serve, port)
    const mirror = join(here, 'mirror')
    const watch = ['monitor', url, '--key', vkey, '--once', '--state', join(here, 'seen')]
    await demand(STELE, [...watch, '--mirror', mirror], /./, options)
    await fetch(`${url}/add`, { method: 'POST', body: 'one more' })
    await eventually(() => headOf(log).size === 301, 10_000)
    await demand(STELE, [...watch, '--mirror', mirror], /./, options)
    await first.stop()
    const copy = folderWithCheckpoint(mirror)
    await demand(STELE, ['verify', copy, '--key', vkey], /301/, options)
    assert.ok(await fsckFolder(copy, join(here, 'log.vkey')))
    shown(
      context,
      'Tessera 1.0.4 (posix)',
      '`stele monitor --mirror` follows it; `stele verify` reads its folder',
      'both accept it; fsck accepts the mirror',
    )

    await run('rm', ['-rf', log])
    cpSync(join(here, 'early'), log, { recursive: true })
    assert.equal((await addToTessera(here, names(5, 'b'), [])).code, 0)
    await start(context, posix.path, serve, port)
    const { code, said } = await run(STELE, watch, options)
    assert.equal(code, 1, said)
    const evidence = evidenceIn(join(here, 'seen'))
    await demand(STELE, ['monitor', '--explain', evidence, '--key', vkey], /./, options)
    shown(
      context,
      'Tessera 1.0.4 (posix)',
      'forks under the eyes of `stele monitor`',
      'exit 1; the evidence convinces `--explain`',
    )
  },
)

/** The folder below that has a checkpoint. */
function folderWithCheckpoint(path: string): string {
  const found = foldersIn(path).find((one) => readdirSync(one).includes('checkpoint'))
  assert.ok(found !== undefined, path)
  return found
}

function evidenceIn(path: string): string {
  const all = foldersIn(path).filter(
    (one) => /evidence/.test(one) && readdirSync(one).some((name) => statSync(join(one, name)).isFile()),
  )
  assert.ok(all[0] !== undefined, foldersIn(path).join('\n'))
  return all[0]
}

function foldersIn(path: string): string[] {
  const below = readdirSync(path, { withFileTypes: true }).filter((item) => item.isDirectory())
  return [path, ...below.flatMap(({ name }) => foldersIn(join(path, name)))]
}
