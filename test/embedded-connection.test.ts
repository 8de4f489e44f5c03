// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'

import { connect, IndexUrlFault, parseIndexUrl } from '../src/index/connection.ts'

test('--index-url names a server, a user and a database', () => {
  assert.deepEqual(parseIndexUrl('https://feeder:p%40ss%2Fword@search.example:8443/audit'), {
    url: 'https://search.example:8443',
    headers: {},
    username: 'feeder',
    password: 'p@ss/word',
    database: 'audit',
  })
  const { username, password, database } = parseIndexUrl('https://search.example')
  assert.deepEqual([username, password, database], ['default', '', 'default'])
  assert.equal(parseIndexUrl('https://search.example/audit?cluster=two_shards').cluster, 'two_shards')
  assert.equal('cluster' in parseIndexUrl('https://search.example/audit'), false)
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.1.2.3']) {
    assert.equal(parseIndexUrl(`http://${host}:8123/`).url, `http://${host}:8123`)
  }
})

test('an address over which the password would go readable, or that means something else, is refused without it', () => {
  const refused: readonly (readonly [url: string, reason: RegExp])[] = [
    ['http://feeder:hunter2@search.example:8123/audit', /without TLS .* Give an https:\/\/ address/],
    ['http://feeder:hunter2@127.0.0.1.example/audit', /without TLS/],
    ['http://feeder:hunter2@10.0.0.1/audit', /without TLS/],
    ['clickhouse://feeder:hunter2@search.example:9000/audit', /asked over HTTP/],
    ['feeder:hunter2@search.example', /asked over HTTP|not a URL/],
    ['https://feeder:hunter2@', /not a URL/],
    ['https://feeder:hunter2@search.example/a/b', /a path/],
    ['https://feeder:hunter2@search.example/a%2Fb', /a path/],
    ['https://feeder:hunter2@search.example/audit?max_memory_usage=0', /more than a database/],
    ['https://feeder:hunter2@search.example/audit?cluster=a&cluster=b', /more than a database/],
    ["https://feeder:hunter2@search.example/audit?cluster=a'b", /more than a database/],
    ['https://feeder:hunter2@search.example/audit?cluster=', /more than a database/],
    ['https://feeder:hunter2@search.example/audit#x', /more than a database/],
    ['https://feeder:hunter2%zz@search.example/audit', /hexadecimal/],
  ]
  for (const [url, reason] of refused) {
    assert.throws(
      () => parseIndexUrl(url),
      (fault) => fault instanceof IndexUrlFault && reason.test(fault.message) && !fault.message.includes('hunter2'),
      url,
    )
  }
})

test('a request carries either the secret or user and password, never both', async (t) => {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, answer) => {
    seen.push(request.headers)
    request.resume().on('end', () => answer.end('{"data":[]}'))
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const own = { url, headers: { 'X-Stele-Key': 'secret' }, username: 'stele_search', password: '', database: 'stele' }
  const foreign = { url, headers: {}, username: 'feeder', password: 'hunter2', database: 'audit' }
  for (const access of [own, foreign]) {
    const client = connect(access)
    await (await client.query({ query: 'SELECT 1' })).text()
    await client.close()
  }
  const [first, second] = seen
  assert.equal(first?.['x-stele-key'], 'secret')
  assert.equal(first.authorization, undefined)
  assert.equal(second?.authorization, `Basic ${Buffer.from('feeder:hunter2').toString('base64')}`)
  for (const headers of seen) {
    for (const name of ['x-clickhouse-user', 'x-clickhouse-key']) assert.equal(headers[name], undefined)
  }
})
