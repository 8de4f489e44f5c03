// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The same events and questions in PostgreSQL, as somebody would keep them there who knows how: the fields that are asked
 * for as columns, B-trees by whom and by what with the time behind, one GIN index over all words. A server of its own, in
 * a temporary folder, on a socket; it is asked by `psql`, which tells what each statement took, so nothing of a client is
 * in the figures. Its rows hold the event's text, as Stele's answers do.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cut } from '../src/sources/cut.ts'
import { normalise } from '../src/sources/normalise.ts'
import { documentOf, type SearchDocument } from '../src/query/document.ts'
import { formatEntry, parseEntry } from '@stele/proof'
import { count } from './report.ts'
import type { SearchEvents } from './search-events.ts'
import { type Asked, FACET_FIELDS, LIMIT, type Question } from './search-questions.ts'

const WARM_UP_COUNT = 3
/** Of the slow ones, which take seconds, so many are enough to say so. */
const MAX_SLOW_MS = 60_000
/** Nobody else's user: PostgreSQL does not run as root. */
const NOBODY = 65_534
const SETTINGS = {
  shared_buffers: '2GB',
  work_mem: '64MB',
  maintenance_work_mem: '1GB',
  max_wal_size: '8GB',
  fsync: 'off',
  listen_addresses: '',
  max_parallel_workers_per_gather: '2',
  random_page_cost: '1.1',
  jit: 'off',
}

export interface PostgresTimes {
  /** With its version, and what it took to load. */
  readonly name: string
  readonly times: readonly (readonly number[])[]
}

/** Milliseconds of each question, or why there are none. */
export async function postgresTimes(
  events: SearchEvents,
  eventCount: number,
  questions: readonly Question[],
): Promise<PostgresTimes | string> {
  const programs = programFolder()
  if (programs === undefined) return 'PostgreSQL: initdb, postgres and psql are not installed, so it was not asked'
  const folder = mkdtempSync(join(tmpdir(), 'stele-postgres-'))
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (user.uid !== undefined) chownSync(folder, NOBODY, NOBODY)
  const data = join(folder, 'data')
  try {
    const options = { ...user, cwd: folder, stdio: 'pipe' } as const
    execFileSync(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'],
      options,
    )
    const settings = Object.entries({ ...SETTINGS, unix_socket_directories: folder })
    const args = ['-D', data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const server = spawn(join(programs, 'postgres'), args, { ...user, cwd: folder, stdio: 'ignore' })
    try {
      return await asked(new Psql(programs, folder), events, eventCount, questions)
    } finally {
      const closed = new Promise((resolve) => server.once('close', resolve))
      // It ends at once, without waiting for anybody.
      if (server.exitCode === null && server.kill('SIGINT')) await closed
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function asked(
  psql: Psql,
  events: SearchEvents,
  eventCount: number,
  questions: readonly Question[],
): Promise<PostgresTimes> {
  await psql.ready()
  const startedMs = performance.now()
  await psql.run(TABLE)
  await psql.copy('COPY events FROM STDIN', rowsOf(events))
  await psql.run(INDEXES)
  const seconds = (performance.now() - startedMs) / 1_000
  const [version = '', bytes = ''] = (
    await psql.run("SHOW server_version; SELECT pg_total_relation_size('events')")
  ).split('\n')
  const times: number[][] = []
  for (const question of questions) times.push(await timesOf(psql, question))
  const took = `${count(eventCount)} events in ${count(seconds)} s, ${count(Number(bytes) / 1e6)} MB`
  return { name: `PostgreSQL ${version}, ${took}`, times }
}

async function timesOf(psql: Psql, question: Question): Promise<number[]> {
  const statements = question.asked.map((one) => statementOf(question, one))
  const [first = 0] = await psql.timed(statements.slice(0, 1))
  const isSlow = first * statements.length > MAX_SLOW_MS
  const chosen = isSlow ? statements.slice(1, 1 + Math.max(3, Math.floor(MAX_SLOW_MS / first))) : statements
  if (!isSlow) await psql.timed(statements.slice(0, WARM_UP_COUNT))
  return await psql.timed(chosen)
}

const TABLE = `CREATE TABLE events (idx bigint, time timestamptz, actor text[], actor_name text, target text[],
  target_name text[], action text[], outcome text, ip inet, app text[], country text, class int, words tsvector, event text)`

const INDEXES = `CREATE INDEX ON events (time);
  CREATE INDEX ON events (actor_name, time);
  CREATE INDEX ON events ((action[1]), time);
  CREATE INDEX ON events USING gin (target);
  CREATE INDEX ON events USING gin (words);
  VACUUM ANALYZE events`

/** In COPY's text form. */
function* rowsOf(events: SearchEvents): Generator<string> {
  let index = 0
  for (let number = 0; number < events.bodyCount; number++) {
    const body = events.body(number)
    const { count: eventCount, starts, ends, sources, kinds } = cut(body, 'application/x-ndjson')
    let rows = ''
    for (let at = 0; at < eventCount; at++) {
      const event = body.subarray(starts[at], ends[at])
      const line = formatEntry({
        at: '2026-01-05T00:00:00.000Z',
        by: 'bench',
        media: 'application/json',
        sha256: 'A'.repeat(43),
        source: sources[kinds[at] ?? 0] ?? 'generic',
        size: event.length,
      })
      const entry = parseEntry(Buffer.from(line))
      const { ocsf, value } = normalise(entry, event)
      rows += rowOf(index++, documentOf(entry, ocsf, value), event.toString('utf8'))
    }
    yield rows
  }
}

function rowOf(index: number, document: SearchDocument, event: string): string {
  const { timeMs, actor, actorNames, target, targetNames, action, outcome, ip, appNames, country, classUid } = document
  const words = [...new Set(document.text.match(/[a-z0-9]+/g))]
  const cells = [
    String(index),
    new Date(timeMs).toISOString(),
    list(actor),
    actorNames[0] ?? '',
    list(target),
    list(targetNames),
    list(action),
    outcome[0] ?? '',
    ip[0] ?? '0.0.0.0',
    list(appNames),
    country[0] ?? '',
    String(classUid),
    words.map((word) => `'${word}'`).join(' '),
    event,
  ]
  return `${cells.map((cell) => cell.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')).join('\t')}\n`
}

function list(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
}

function statementOf({ route, name }: Question, { values, sinceMs, untilMs, buckets }: Asked): string {
  const [first = '', second = ''] = values.map((value) => `'${value.replaceAll("'", "''")}'`)
  const times = [
    ...(sinceMs === undefined ? [] : [`time >= '${new Date(sinceMs).toISOString()}'`]),
    ...(untilMs === undefined ? [] : [`time < '${new Date(untilMs).toISOString()}'`]),
  ]
  const newest = (...conditions: readonly string[]) =>
    `SELECT idx, event FROM events WHERE ${[...conditions, ...times].join(' AND ')} ORDER BY time DESC, idx DESC LIMIT ${LIMIT}`
  if (route === 'histogram') {
    const bucket = `width_bucket(extract(epoch FROM time), 1767571200, 1770163200, ${buckets ?? 1})`
    return `SELECT ${bucket}, outcome, count(*) FROM events GROUP BY 1, 2`
  }
  if (route === 'facets')
    return FACET_FIELDS.map((field) => facetStatement(field, times.join(' AND '))).join(' UNION ALL ')
  if (route === 'timeline') {
    const side = (condition: string) =>
      `(SELECT idx, time, event FROM events WHERE ${condition} ORDER BY time DESC LIMIT ${LIMIT})`
    return `SELECT * FROM (${side(`actor_name = ${first}`)} UNION ${side(`target @> ARRAY[${first}]`)}) both_sides ORDER BY time DESC LIMIT ${LIMIT}`
  }
  if (name.includes('token')) return newest(`words @@ (${first}::tsquery && ${second}::tsquery)`)
  if (name.startsWith('broad')) return newest(`action[1] = ${first}`)
  return newest(`actor_name = ${first}`, ...(second === '' ? [] : [`action[1] = ${second}`]))
}

function facetStatement(field: (typeof FACET_FIELDS)[number], where: string): string {
  const columns: Partial<Record<typeof field, string>> = {
    actor: 'actor_name',
    target: 'unnest(target_name)',
    action: 'unnest(action)',
    ip: 'ip::text',
    app: 'unnest(app)',
    class: 'class::text',
  }
  const value = columns[field] ?? field
  return `(SELECT '${field}', ${value} AS value, count(*) FROM events WHERE ${where} GROUP BY value ORDER BY 3 DESC LIMIT 10)`
}

class Psql {
  readonly #program: string
  readonly #folder: string

  constructor(programs: string, folder: string) {
    this.#program = join(programs, 'psql')
    this.#folder = folder
  }

  async ready(): Promise<void> {
    for (let left = 100; ; left--) {
      const isReady = await this.run('SELECT 1').then(
        () => true,
        (error: unknown) => {
          if (left === 0) throw error
          return false
        },
      )
      if (isReady) return
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  async run(script: string): Promise<string> {
    return (await this.#psql([], [script])).trim()
  }

  async copy(statement: string, rows: Iterable<string>): Promise<void> {
    await this.#psql(['-c', statement], rows)
  }

  /** Milliseconds of each. */
  async timed(statements: readonly string[]): Promise<number[]> {
    const script = ['\\timing on', '\\o /dev/null', ...statements.map((statement) => `${statement};`), ''].join('\n')
    const told = await this.#psql([], [script])
    const times = [...told.matchAll(/^Time: ([0-9.]+) ms/gm)].map(([, ms]) => Number(ms))
    if (times.length !== statements.length) throw new Error(`psql told ${times.length} times of ${statements.length}`)
    return times
  }

  async #psql(args: readonly string[], input: Iterable<string>): Promise<string> {
    const all = ['-h', this.#folder, '-U', 'bench', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1', '-qAtX', ...args]
    const child = spawn(this.#program, all, { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
    child.stdin.on('error', () => {})
    for (const part of input) {
      if (!child.stdin.write(part))
        await Promise.race([closed, new Promise((resolve) => child.stdin.once('drain', resolve))])
      if (child.exitCode !== null) break
    }
    child.stdin.end()
    const code = await closed
    if (code !== 0) throw new Error(`psql ended with ${code}: ${errors.slice(0, 1_000)}`)
    return output
  }
}

/** Where all three are; Debian puts two of them beside its own. */
function programFolder(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((one, other) => Number(other) - Number(one)) : []
  const folders = [
    ...(process.env['PATH'] ?? '').split(':'),
    ...versions.map((version) => join(debian, version, 'bin')),
  ]
  return folders.find((folder) => ['initdb', 'postgres', 'psql'].every((name) => existsSync(join(folder, name))))
}
