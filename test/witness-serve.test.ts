// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The witness against C2SP tlog-witness, sentence by sentence, by a client that knows only that document.

import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { scratch } from './scratch.ts'
import { cosignatures, requestOf, TestLog, testWitness } from './witnessing-ground.ts'

test('a checkpoint that only adds to the one before is cosigned by both keys, at a time that both name', async (context) => {
  const log = new TestLog('log.example.com/a').grow(5)
  const witness = await testWitness(context, [log])
  assert.equal(witness.vkeys.length, 2)
  const before = Math.floor(Date.now() / 1_000)
  const first = await witness.post(log.request(0))
  assert.deepEqual([first.status, first.type], [200, 'text/plain; charset=utf-8'])
  const [ed25519, mldsa] = cosignatures(witness.vkeys, log.text(), first.body)
  assert.deepEqual([ed25519?.alg, mldsa?.alg], [4, 6])
  assert.equal(ed25519?.time, mldsa?.time)
  assert(ed25519!.time >= before && ed25519!.time <= Date.now() / 1_000)
  let old = 5
  for (const growth of [1, 2, 3, 8, 13, 64, 1]) {
    log.grow(growth)
    const next = await witness.post(log.request(old))
    assert.equal(next.status, 200, next.body)
    assert.equal(cosignatures(witness.vkeys, log.text(), next.body).length, 2)
    old = log.size
  }
})

test('a log begins at any size, and with an empty tree', async (context) => {
  const [large, empty] = [new TestLog('large').grow(1_000), new TestLog('empty')]
  const witness = await testWitness(context, [large, empty])
  assert.equal((await witness.post(large.request(0))).status, 200)
  const first = await witness.post(empty.request(0))
  assert.equal(cosignatures(witness.vkeys, empty.text(), first.body).length, 2)
  empty.grow(3)
  assert.equal((await witness.post(empty.request(0))).status, 200)
  assert.equal((await witness.post(empty.request(0))).status, 409)
})

test('the same checkpoint is cosigned again, at a later time', async (context) => {
  const log = new TestLog('log').grow(3)
  const witness = await testWitness(context, [log])
  const first = await witness.post(log.request(0))
  const again = await witness.post(log.request(3))
  const [one] = cosignatures(witness.vkeys, log.text(), first.body)
  const [two] = cosignatures(witness.vkeys, log.text(), again.body)
  assert(two!.time >= one!.time)
})

test('404 for an origin that is not known, before anything is verified', async (context) => {
  const [log, other] = [new TestLog('log').grow(3), new TestLog('other').grow(3)]
  const witness = await testWitness(context, [log])
  assert.equal((await witness.post(other.request(0))).status, 404)
})

test('403 where no trusted key has signed, or one that is trusted has signed something else', async (context) => {
  const [log, other] = [new TestLog('log').grow(3), new TestLog('log').grow(3)]
  const witness = await testWitness(context, [log])
  assert.equal((await witness.post(other.request(0))).status, 403)
  const wrong = requestOf(0, [], `${log.text()}\n${log.signatureLine('something else\n')}`)
  assert.equal((await witness.post(wrong)).status, 403)
  // A good one does not make up for it.
  const both = requestOf(0, [], `${log.note()}${log.signatureLine('something else\n')}`)
  assert.equal((await witness.post(both)).status, 403)
  assert.equal((await witness.latest('log')).status, 404)
})

test('signatures by unknown keys are ignored, and not kept', async (context) => {
  const [log, other] = [new TestLog('log').grow(3), new TestLog('log').grow(3)]
  const witness = await testWitness(context, [log])
  const note = `${log.text()}\n${other.signatureLine(log.text())}${log.signatureLine(log.text())}`
  const { status, body } = await witness.post(requestOf(0, [], note))
  assert.equal(status, 200)
  assert.equal((await witness.latest('log')).body, `${log.note()}${body}`)
})

test('400 for an old size above the checkpoint', async (context) => {
  const log = new TestLog('log').grow(3)
  const witness = await testWitness(context, [log])
  assert.equal((await witness.post(requestOf(4, [], log.note()))).status, 400)
  assert.equal((await witness.post(log.request(0))).status, 200)
  assert.equal((await witness.post(requestOf(4, [], log.note()))).status, 400)
})

test('409 with the cosigned size, and nothing else, for an old size that is not the latest', async (context) => {
  const log = new TestLog('log').grow(8)
  const witness = await testWitness(context, [log])
  const early = await witness.post(log.request(3))
  assert.deepEqual([early.status, early.type, early.body], [409, 'text/x.tlog.size', '0\n'])
  await witness.post(log.request(0, 5))
  for (const old of [0, 3, 6, 8]) {
    const stale = await witness.post(log.request(old))
    assert.deepEqual([stale.status, stale.type, stale.body], [409, 'text/x.tlog.size', '5\n'])
  }
  assert.equal((await witness.post(log.request(5))).status, 200)
})

test('422 for a proof that does not hold, is too long or too short, or is there where the old size is 0', async (context) => {
  const log = new TestLog('log').grow(7)
  const witness = await testWitness(context, [log])
  const hash = Buffer.alloc(32, 7).toString('base64')
  assert.equal((await witness.post(requestOf(0, [hash], log.note()))).status, 422)
  await witness.post(log.request(0))
  log.grow(6)
  const proof = log.proof(7)
  for (const bad of [
    [],
    proof.slice(1),
    proof.slice(0, -1),
    [...proof, hash],
    [hash, ...proof.slice(1)],
    proof.toReversed(),
  ]) {
    const { status, body } = await witness.post(requestOf(7, bad, log.note()))
    assert.equal(status, 422, body)
  }
  const forked = new TestLog('log')
  forked.leaves = [...log.leaves]
  forked.leaves[2] = Buffer.from('another')
  const note = log.note(forked.text())
  assert.equal((await witness.post(requestOf(7, forked.proof(7), note))).status, 422)
  assert.equal((await witness.post(requestOf(7, proof, log.note()))).status, 200)
})

test('422 for another root of the cosigned size, whose two notes are kept as evidence', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  await witness.post(log.request(0))
  const cosigned = (await witness.latest('log')).body
  log.leaves[1] = Buffer.from('another')
  for (const _ of [1, 2]) assert.equal((await witness.post(log.request(4))).status, 422)
  const folder = join(witness.directory, 'witness', 'contradictions')
  const names = await readdir(folder)
  assert.equal(names.length, 1)
  assert.equal(await readFile(join(folder, names[0]!), 'utf8'), `${cosigned}\n${log.note()}`)
  assert.match(JSON.stringify(witness.logged), /two roots of one size/)
  assert.match(await metrics(witness.url), /stele_witness_contradictions_total 2\n/)
})

test('422 for an empty tree whose root is not that of the empty tree', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  const text = `log\n0\n${Buffer.alloc(32, 9).toString('base64')}\n`
  assert.equal((await witness.post(requestOf(0, [], log.note(text)))).status, 422)
})

test('400 for what is not of the form of the document', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  const hash = Buffer.alloc(32).toString('base64')
  const note = log.note()
  const malformed = [
    '',
    '\n\n',
    note,
    `old 0\n${note}`,
    `old 00\n\n${note}`,
    `old -1\n\n${note}`,
    `old 0x0\n\n${note}`,
    `old +0\n\n${note}`,
    `old 9007199254740992\n\n${note}`,
    `old  0\n\n${note}`,
    `OLD 0\n\n${note}`,
    `old 0\r\n\r\n${note}`,
    ` old 0\n\n${note}`,
    `old 0\n \n\n${note}`,
    `old 0\n${hash.slice(1)}\n\n${note}`,
    `old 0\n${hash} \n\n${note}`,
    `old 0\n${Buffer.alloc(31).toString('base64')}\n\n${note}`,
    requestOf(
      0,
      Array.from({ length: 64 }, () => hash),
      note,
    ),
    `old 0\n\n${log.text()}`,
    `old 0\n\n${log.text()}\n`,
    `old 0\n\n${note.replace('—', '-')}`,
    `old 0\n\n${note}rest`,
    `old 0\n\n${log.note('log\n')}`,
    `old 0\n\n${log.note('log\nfour\nAAAA\n')}`,
    `old 0\n\n${log.note('log\n04\nAAAA\n')}`,
    `old 0\n\n${log.note(`log\n9007199254740993\n${hash}\n`)}`,
    `old 0\n\n${log.note(`log\n4\n${hash.slice(2)}\n`)}`,
  ]
  for (const body of malformed) {
    const answer = await witness.post(body)
    assert.equal(answer.status, 400, `${JSON.stringify(body)} ${answer.status} ${answer.body}`)
    assert.match(answer.body, /^[^\n]+\n$/)
  }
  assert.equal((await witness.latest('log')).status, 404)
})

test('extension lines are covered by the Ed25519 cosignature, and ML-DSA-44, which cannot, stays out', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  const text = log.text(4, 'an extension\n')
  const { status, body } = await witness.post(requestOf(0, [], log.note(text)))
  assert.equal(status, 200, body)
  assert.deepEqual(
    cosignatures(witness.vkeys, text, body).map(({ alg }) => alg),
    [4],
  )
})

test('an origin that is not the name of its key is cosigned where a list says so', async (context) => {
  const log = new TestLog('go.sum database tree', 'sum.example.org').grow(4)
  const witness = await testWitness(context, [], {
    config: await listed(
      context,
      `logs/v0\nvkey ${log.vkey}\norigin go.sum database tree\nqpd 86400\ncontact nobody\n`,
    ),
  })
  const { status, body } = await witness.post(log.request(0))
  assert.equal(status, 200, body)
  assert.equal(cosignatures(witness.vkeys, log.text(), body).length, 2)
  assert.equal((await witness.latest(log.origin)).status, 200)
})

test('what was cosigned last is served with the signatures of the log and of the witness, and 404 before', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  assert.equal((await witness.latest('log')).status, 404)
  assert.equal((await witness.latest('nobody')).status, 404)
  const { body } = await witness.post(log.request(0))
  const latest = await witness.latest('log')
  assert.deepEqual(
    [latest.status, latest.type, latest.body],
    [200, 'text/plain; charset=utf-8', `${log.note()}${body}`],
  )
})

test('other methods and other paths are refused, and the keys are at the root', async (context) => {
  const log = new TestLog('log').grow(4)
  const witness = await testWitness(context, [log])
  const get = await fetch(`${witness.url}/add-checkpoint`)
  assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST'])
  assert.equal((await witness.post('', '/')).status, 405)
  assert.equal((await witness.post(log.request(0), '/add-checkpoints')).status, 404)
  assert.equal((await fetch(`${witness.url}/healthz`)).status, 200)
  const root = await (await fetch(witness.url)).text()
  for (const vkey of witness.vkeys) assert(root.includes(`\n${vkey}\n`))
  assert.match(await metrics(witness.url), /stele_witness_logs 1\n/)
})

test('the key is in a file that its owner alone may read, and stays the same', async (context) => {
  const witness = await testWitness(context, [new TestLog('log')])
  const { mode } = await stat(join(witness.directory, 'witness', 'witness.key'))
  assert.equal(mode & 0o777, 0o600)
})

async function metrics(url: string): Promise<string> {
  return await (await fetch(`${url}/metrics`)).text()
}

async function listed(context: Parameters<typeof scratch>[0], text: string): Promise<{ logFiles: string[] }> {
  const path = join(scratch(context), 'logs.txt')
  await writeFile(path, text)
  return { logFiles: [path] }
}
