// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import { connect, type IndexAccess } from '../src/index/connection.ts'
import {
  ask,
  askAs,
  column,
  command,
  type Embedded,
  embeddedSkip,
  lastFirst,
  startEmbedded,
} from './embedded-ground.ts'
import { scratch } from './scratch.ts'

/** Statements of one user, each with what has to be in the refusal; a tab stands between what goes into the address and the statement. */
type Refusals = readonly (readonly [statement: string, refusal: RegExp])[]

const denied = /ACCESS_DENIED/
const readOnly = /\(READONLY\)|QUERY_IS_PROHIBITED/
const outOfRange = /SETTING_CONSTRAINT_VIOLATION/

suite('the embedded ClickHouse is closed', { skip: embeddedSkip }, () => {
  let embedded: Embedded
  let feed: IndexAccess
  let search: IndexAccess
  let folder: string
  let secretFile: string
  const ground = lastFirst({ after })

  before(async () => {
    folder = scratch(ground)
    secretFile = join(folder, 'ed25519.key')
    writeFileSync(secretFile, 'a signing key')
    embedded = startEmbedded(ground, join(folder, 'index'))
    ;({ feed, search } = await embedded.server.whenReady())
    await command(feed, 'CREATE TABLE events (a UInt64, s String) ENGINE = MergeTree ORDER BY a')
    await command(feed, "INSERT INTO events SELECT number AS a, 'x' AS s FROM numbers(100)")
  })

  /** Where the kernel cannot confine it, ClickHouse's function for files is open to both users: a warning says so. */
  function isOpen(statement: string): boolean {
    const unconfined = embedded.log.some((line) => JSON.stringify(line).includes('is not confined'))
    return unconfined && process.env['CI'] === undefined && statement.startsWith('SELECT file(')
  }

  async function refused(access: IndexAccess, refusals: Refusals): Promise<void> {
    for (const [statement, refusal] of refusals) {
      if (isOpen(statement)) continue
      const [parameters, query] = statement.includes('\t')
        ? (statement.split('\t') as [string, string])
        : ['', statement]
      const { status, text } = await askAs(access, query, parameters)
      assert.notEqual(status, 200, `${statement} was answered: ${text.slice(0, 200)}`)
      assert.match(text, refusal, statement)
    }
  }

  test('to whoever has no secret: nothing but /ping answers, whatever user or path is named', async () => {
    const paths =
      '/ /?query=SELECT%201 /?user=default&query=SELECT%201 /?user=stele_search&query=SELECT%201 /play /dashboard ' +
      '/binary /merges /jemalloc /schema /js/uplot.js /replicas_status /metrics /api/v1/write /webterminal /stele /stele/events ' +
      '/ping?query=SELECT%201&user=default'
    const guesses: Record<string, string>[] = [
      {},
      { 'x-stele-key': '' },
      { 'x-stele-key': 'regex:.*' },
      { 'x-stele-key': '.*' },
      { 'x-clickhouse-user': 'default' },
      { 'x-clickhouse-user': 'stele_search', 'x-clickhouse-key': '' },
      { authorization: `Basic ${Buffer.from('default:').toString('base64')}` },
      { authorization: `Basic ${Buffer.from('stele_feed:').toString('base64')}` },
    ]
    for (const path of paths.split(' ')) {
      for (const headers of guesses) {
        for (const query of [undefined, 'SELECT 1']) {
          const { status, text } = await ask(search.url + path, headers, query)
          const isPing = path.startsWith('/ping') && query === undefined
          if (isPing) assert.deepEqual({ status, text }, { status: 200, text: 'Ok.\n' })
          else assert.equal(status, 404, `${path} ${JSON.stringify(headers)}: ${text.slice(0, 100)}`)
        }
      }
    }
    for (const method of ['OPTIONS', 'HEAD', 'PUT', 'DELETE', 'TRACE_']) {
      const answer = await fetch(`${search.url}/?query=SELECT%201`, { method, headers: { connection: 'close' } })
      assert.doesNotMatch(await answer.text(), /^1/, method)
    }
  })

  test('on every port but the one, which is of loopback alone', () => {
    const { pid } = embedded.server
    const inodes = new Set<string>()
    for (const line of ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((name) =>
      readFileSync(`/proc/${pid}/net/${name}`, 'latin1').split('\n').slice(1),
    )) {
      const fields = line.trim().split(/\s+/)
      // Listening, or a datagram socket that anybody may send to.
      if (fields[3] === '0A' || fields[3] === '07') inodes.add(`${fields[9]} ${fields[1]}`)
    }
    const own = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
      } catch {
        return undefined
      }
    })
    const listening = [...inodes].filter((entry) => own.includes(entry.split(' ')[0]))
    const port = Number(new URL(search.url).port).toString(16).toUpperCase()
    assert.deepEqual(
      listening.map((entry) => entry.split(' ')[1]),
      [`0100007F:${port}`],
    )
  })

  test('one secret is one user, and names nobody else', async () => {
    assert.deepEqual(await column(search, 'SELECT currentUser()'), ['stele_search'])
    assert.deepEqual(await column(feed, 'SELECT currentUser()'), ['stele_feed'])
    const query = 'SELECT currentUser()'
    for (const parameters of [
      'user=default',
      'user=stele_feed',
      'user=default&password=',
      'quota_key=x',
      'password=x',
    ]) {
      const { text } = await askAs(search, query, parameters)
      assert.doesNotMatch(text, /^(default|stele_feed)/, parameters)
    }
    const others: Record<string, string>[] = [
      { 'x-clickhouse-user': 'default' },
      { 'x-clickhouse-user': 'stele_feed', 'x-clickhouse-key': '' },
      { authorization: `Basic ${Buffer.from('default:').toString('base64')}` },
      { authorization: 'Bearer x' },
      { 'x-clickhouse-ssl-certificate-auth': 'on', 'x-clickhouse-user': 'default' },
    ]
    for (const headers of others) {
      const { status, text } = await ask(`${search.url}/`, { ...search.headers, ...headers }, query)
      assert.notEqual(status, 200, `${JSON.stringify(headers)}: ${text}`)
    }
    await refused(search, [
      ['EXECUTE AS default SELECT 1', /IMPERSONATE/],
      ['role=x\tSELECT 1', /UNKNOWN_ROLE/],
      ['SET ROLE ALL EXCEPT x', /UNKNOWN_ROLE|ROLE/],
      ['GRANT SELECT ON *.* TO stele_search', denied],
      ['CREATE USER x', denied],
      ['ALTER USER stele_search SETTINGS readonly = 0', denied],
    ])
  })

  test('the search user reads no file and reaches no network', async () => {
    const shut = /ACCESS_DENIED|Permission denied|INTO_OUTFILE_NOT_ALLOWED|UNKNOWN_TABLE|UNKNOWN_FUNCTION|BAD_ARGUMENTS/
    const { port } = new URL(search.url)
    await refused(search, [
      [`SELECT file('${secretFile}')`, /Permission denied/],
      [`SELECT file(concat('${secretFile}', materialize('')))`, /Permission denied/],
      [`SELECT file('${folder}/index/data/../../ed25519.key')`, /Permission denied/],
      [`SELECT file('/proc/self/environ')`, /Permission denied/],
      [`SELECT file('/proc/self/mem')`, /Permission denied/],
      [`SELECT file('/proc/${process.pid}/environ')`, /Permission denied/],
      [`SELECT file('/proc/self/root${secretFile}')`, /Permission denied/],
      [`SELECT * FROM file('${secretFile}', 'LineAsString')`, denied],
      [`DESCRIBE TABLE file('${secretFile}')`, denied],
      [`SELECT * FROM '${secretFile}'`, shut],
      [`SELECT * FROM filesystem('/etc')`, denied],
      [`SELECT * FROM sqlite('${secretFile}', 'a')`, denied],
      [`SELECT * FROM icebergLocal('/etc')`, denied],
      [`SELECT * FROM executable('cat', 'LineAsString', 'a String', (SELECT 1))`, shut],
      [`SELECT 1 INTO OUTFILE '${folder}/out'`, shut],
      [`INSERT INTO events FROM INFILE '${secretFile}' FORMAT LineAsString`, denied],
      [`SELECT * FROM url('http://127.0.0.1:${port}/ping', 'LineAsString', 'a String')`, denied],
      [`SELECT * FROM s3('http://127.0.0.1:${port}/bucket/a.csv')`, denied],
      [`DESCRIBE TABLE s3('http://127.0.0.1:${port}/bucket/a.csv')`, denied],
      [`SELECT * FROM remote('127.0.0.1:${port}', 'system', 'one')`, denied],
      [`SELECT * FROM mysql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`, denied],
      [`SELECT * FROM postgresql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`, denied],
      [`SELECT * FROM redis('127.0.0.1:${port}', 'k', 'k String')`, denied],
      [`SELECT * FROM mongodb('127.0.0.1:${port}', 'a', 'b', 'c', 'd', 'a String')`, denied],
      [`SELECT * FROM azureBlobStorage('a')`, denied],
      [`SELECT * FROM hdfs('hdfs://127.0.0.1:${port}/a', 'TSV', 'a String')`, denied],
      [`SELECT * FROM dictionary('x')`, denied],
      [`SELECT dictGet('x', 'y', 1)`, shut],
      [`SELECT catboostEvaluate('${secretFile}', 1)`, /catboost/],
    ])
  })

  test('the search user changes nothing', async () => {
    await refused(search, [
      ["INSERT INTO events VALUES (1, 'a')", denied],
      ['ALTER TABLE events DELETE WHERE 1', denied],
      ["ALTER TABLE events UPDATE s = 'y' WHERE 1", denied],
      ['DELETE FROM events WHERE 1', denied],
      ['DROP TABLE events', denied],
      ['DROP DATABASE stele', denied],
      ['TRUNCATE TABLE events', denied],
      ['RENAME TABLE events TO other', denied],
      ['OPTIMIZE TABLE events', denied],
      ['CREATE TABLE other (a UInt8) ENGINE = Memory', denied],
      ['CREATE TEMPORARY TABLE other (a UInt8)', denied],
      ['CREATE VIEW v AS SELECT 1', denied],
      ['CREATE FUNCTION f AS (x) -> x', denied],
      ['SYSTEM SHUTDOWN', denied],
      ['SYSTEM STOP LISTEN HTTP', denied],
      ['SYSTEM STOP MERGES events', denied],
      ['SYSTEM FLUSH LOGS', denied],
      ['KILL QUERY WHERE 1', denied],
      ["BACKUP TABLE events TO File('x')", denied],
    ])
    assert.deepEqual(await column(search, 'SELECT count() FROM events'), ['100'])
  })

  test('the search user lowers its limits, and never raises them', async () => {
    const fine: string[] = [
      'max_execution_time=0.5',
      'max_memory_usage=50000000',
      'max_threads=1',
      'max_result_rows=10',
      'timeout_overflow_mode=throw&result_overflow_mode=throw&wait_end_of_query=1',
      'output_format_json_quote_64bit_integers=0&cancel_http_readonly_queries_on_client_close=1&use_top_k_dynamic_filtering=0',
    ]
    for (const parameters of fine) {
      const { status, text } = await askAs(search, 'SELECT 1', parameters)
      assert.equal(status, 200, text)
    }
    await refused(search, [
      ['max_execution_time=0\tSELECT 1', outOfRange],
      ['max_execution_time=61\tSELECT 1', outOfRange],
      ['max_memory_usage=0\tSELECT 1', outOfRange],
      ['max_memory_usage=1073741825\tSELECT 1', outOfRange],
      ['max_threads=10000\tSELECT 1', outOfRange],
      ['max_result_rows=0\tSELECT 1', outOfRange],
      ['readonly=0\tSELECT 1', readOnly],
      ['readonly=2\tSELECT 1', readOnly],
      ['allow_ddl=1\tSELECT 1', readOnly],
      ['allow_introspection_functions=1\tSELECT 1', readOnly],
      ['max_untracked_memory=1000000000000\tSELECT 1', readOnly],
      ['http_response_buffer_size=1000000000000\tSELECT 1', outOfRange],
      ['profile=feed\tSELECT 1', outOfRange],
      ['profile=start&max_memory_usage=0\tSELECT 1', outOfRange],
      ['SET max_memory_usage = 0', outOfRange],
      ['SELECT 1 SETTINGS readonly = 0', readOnly],
      ['SELECT 1 SETTINGS max_execution_time = 0', outOfRange],
      ['max_execution_time=0.2\tSELECT count() FROM numbers(1e12)', /TIMEOUT_EXCEEDED/],
      ['SELECT groupArray(number) FROM numbers(300000000)', /MEMORY_LIMIT_EXCEEDED/],
      ['SELECT number FROM numbers(200000)', /TOO_MANY_ROWS_OR_BYTES/],
    ])
  })

  test('the search user sees of the system what its own tables are, no other user and no query', async () => {
    const tables =
      'users processes server_settings grants settings_profiles roles disks parts stack_trace metrics macros errors'
    await refused(
      search,
      tables.split(' ').map((name) => [`SELECT * FROM system.${name}`, denied] as const),
    )
    await refused(search, [
      ['SHOW PROCESSLIST', denied],
      ['SHOW USERS', denied],
      ['SHOW GRANTS FOR stele_feed', denied],
      ["SELECT demangle('a')", denied],
      ['SELECT addressToLine(1)', denied],
    ])
    assert.deepEqual(await column(search, "SELECT name FROM system.tables WHERE database != 'stele'"), [])
    assert.deepEqual(await column(search, 'SELECT name FROM system.databases'), ['stele'])
    // What would grow for ever, and hold what people looked for.
    assert.match((await askAs(feed, 'SELECT * FROM system.query_log')).text, /UNKNOWN_TABLE|ACCESS_DENIED/)
  })

  test('the feeding user makes, fills and drops tables and deletes rows, alters none, reads no file and reaches no network', async () => {
    const { port } = new URL(feed.url)
    const columns = '(a UInt64) ENGINE = MergeTree ORDER BY a'
    await refused(feed, [
      ["ALTER TABLE events UPDATE s = 'y' WHERE 1", denied],
      ['ALTER TABLE events ADD COLUMN b UInt8', denied],
      ["UPDATE events SET s = 'y' WHERE 1", denied],
      ['TRUNCATE TABLE events', denied],
      ['OPTIMIZE TABLE events FINAL DEDUPLICATE', denied],
      ['DROP DATABASE stele', denied],
      ['CREATE DATABASE other', denied],
      ['CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(1)', denied],
      ['CREATE FUNCTION f AS (x) -> x', denied],
      ['CREATE VIEW v DEFINER = default SQL SECURITY DEFINER AS SELECT 1', denied],
      [`SELECT file('${secretFile}')`, /Permission denied/],
      [`SELECT * FROM file('${secretFile}', 'LineAsString')`, denied],
      [`INSERT INTO FUNCTION file('${folder}/out.csv') SELECT 1`, denied],
      [`INSERT INTO FUNCTION url('http://127.0.0.1:${port}/', 'CSV', 'a UInt8') SELECT 1`, denied],
      [`CREATE TABLE f (a String) ENGINE = File('LineAsString', '${secretFile}')`, denied],
      [`CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:${port}/', 'LineAsString')`, denied],
      [
        `CREATE TABLE f ${columns} SETTINGS disk = disk(type = 'local', path = '${folder}/')`,
        /BAD_ARGUMENTS|CONSTRAINT/,
      ],
      [
        `CREATE TABLE f ${columns} SETTINGS disk = disk(type = 'web', endpoint = 'http://127.0.0.1:${port}/x/')`,
        outOfRange,
      ],
      [`ATTACH TABLE f FROM '${folder}' ${columns}`, /PATH_ACCESS_DENIED|ACCESS_DENIED/],
      ['SELECT * FROM system.users', denied],
      ['SYSTEM SHUTDOWN', denied],
      ['SYSTEM STOP MERGES events', denied],
      ['max_memory_usage=0\tSELECT 1', outOfRange],
    ])
    await command(feed, 'CREATE TABLE other (a UInt64) ENGINE = MergeTree ORDER BY a')
    await command(feed, 'INSERT INTO other VALUES (1), (2)')
    await command(feed, 'DELETE FROM other WHERE a = 1')
    assert.deepEqual(await column(feed, 'SELECT toString(a) FROM other'), ['2'])
    await command(feed, 'DROP TABLE other SYNC')
    assert.deepEqual(await column(feed, 'SELECT name FROM system.tables WHERE database = currentDatabase()'), [
      'events',
    ])
    await command(feed, "KILL QUERY WHERE query_id LIKE 'stele-%' AND user = currentUser() SYNC")
  })

  test('every thread but those of Node, which were there before, is confined by the kernel', (t) => {
    if (isOpen('SELECT file(')) return t.skip('this kernel cannot confine it')
    const tasks = `/proc/${embedded.server.pid}/task`
    const threads = readdirSync(tasks).map((task) => {
      const status = readFileSync(`${tasks}/${task}/status`, 'latin1')
      return { name: /^Name:\s+(.*)$/m.exec(status)?.[1] ?? '', confined: /^NoNewPrivs:\s+1$/m.test(status) }
    })
    const open = threads.filter(({ confined }) => !confined).map(({ name }) => name)
    assert.deepEqual(
      open.filter((name) => !/^(V8Worker|DelayedTaskSche|SignalInspector|WorkerThread|libuv-worker)$/.test(name)),
      [],
    )
    assert.ok(threads.length - open.length > 10)
  })

  test('no secret is in its arguments, its environment, its files or the log', async () => {
    const { pid } = embedded.server
    const secrets = [feed, search].flatMap(({ headers }) => Object.values(headers))
    assert.equal(new Set(secrets).size, 2)
    for (const secret of secrets) assert.match(secret, /^[a-z2-7]{52}$/)
    const places = [
      readFileSync(`/proc/${pid}/cmdline`, 'latin1'),
      readFileSync(`/proc/${pid}/environ`, 'latin1'),
      JSON.stringify(embedded.log),
      ...filesBelow(embedded.directory),
    ]
    for (const secret of secrets) assert.ok(!places.some((text) => text.includes(secret)))
    assert.equal(readFileSync(`/proc/${pid}/environ`, 'latin1'), '')
    // Nor may a query find the configuration there.
    await refused(search, [
      [`SELECT file('${embedded.directory}/server.xml')`, /Permission denied|FILE_DOESNT_EXIST/],
      [`SELECT file('${embedded.directory}/users.xml')`, /Permission denied|FILE_DOESNT_EXIST/],
    ])
  })

  test('a search that nobody waits for any more is ended', async () => {
    const client = connect(search)
    const stop = new AbortController()
    const asked = client.query({
      query: 'SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))',
      abort_signal: stop.signal,
    })
    const running = "SELECT count() FROM system.processes WHERE user = 'stele_search'"
    while ((await column(feed, running))[0] === '0') continue
    stop.abort()
    await assert.rejects(asked)
    const begun = performance.now()
    while ((await column(feed, running))[0] !== '0') assert.ok(performance.now() - begun < 5_000)
    await client.close()
  })
})

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
}
