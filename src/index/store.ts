// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What the follower does in ClickHouse. The tables are its only cursor: an insert is one block of consecutive entries,
 * which is there whole or not at all, so what is there says where to go on.
 */
import { Readable } from 'node:stream'
import { type ClickHouseClient, ClickHouseError, type ClickHouseSettings } from '@clickhouse/client'
import { type Random, randomBase32 } from '../platform/random.ts'
import { AWAY, awayCodes, DAMAGED, damageCodes } from './search-fault.ts'
import { OneServer, type Shards } from './shards.ts'
import { createTable, quoted, tableKey, type TableKey, tableName } from './tables.ts'

/** What a failure means: */
export type StoreTrouble =
  /** There was no answer. */
  | 'gone'
  /** No room is left. */
  | 'full'
  /** These very rows are refused. */
  | 'rows'
  /** Any other answer. */
  | 'refused'

export class StoreFault extends Error {
  override readonly name = 'StoreFault'
  readonly trouble: StoreTrouble

  constructor(trouble: StoreTrouble, message: string) {
    super(message)
    this.trouble = trouble
  }
}

export interface Cursor {
  /** The index behind the highest that is there. */
  readonly next: number
  readonly count: number
}

/** Error codes of ClickHouse. */
const NO_MEMORY = '241'
const NO_SPACE = '243'
/** The data could not be read as rows of the table. */
const ROWS = new Set(['6', '27', '32', '33', '38', '41', '69', '72', '117', '131', '675'])

const refusals: ReadonlyMap<string, string> = new Map([
  ...damageCodes.map((code) => [code, DAMAGED] as const),
  ['81', 'the search server has no such database'],
  ['194', 'the search server does not know its user'],
  ['497', 'the search server does not let its user keep an index'],
  ['516', 'the search server does not know its user'],
])

/** One insert is one block: nothing on the way may split or gather it. */
const insertSettings = {
  max_insert_block_size: '10000000',
  min_insert_block_size_rows: '0',
  min_insert_block_size_bytes: '0',
  max_insert_threads: '1',
  async_insert: 0,
  input_format_parallel_parsing: 0,
  insert_deduplicate: 1,
  wait_end_of_query: 1,
} as const

const QUERY_ID_CHARS = 16

export class IndexStore {
  readonly #client: () => ClickHouseClient
  readonly #installId: string
  readonly #random: Random
  readonly #shards: Shards

  constructor(
    client: () => ClickHouseClient,
    installId: string,
    random: Random,
    shards: Shards = new OneServer(client),
  ) {
    this.#client = client
    this.#installId = installId
    this.#random = random
    this.#shards = shards
  }

  /** Whether tables of this store have their rows in others. */
  get isSpread(): boolean {
    return this.#shards.isCluster
  }

  /** This installation's tables, the oldest first. */
  async tables(): Promise<TableKey[]> {
    await this.#lookUp()
    const rows = await this.rows<{ name: string }>('SELECT name FROM system.tables WHERE database = currentDatabase()')
    return rows
      .map(({ name }) => tableKey(name, this.#installId))
      .filter((key) => key !== undefined)
      .toSorted((one, other) => one.generation - other.generation)
  }

  async create(key: TableKey): Promise<void> {
    await this.#lookUp()
    const name = tableName(key)
    await this.#everywhere(createTable(this.#shards.rowsTable(name)))
    const searched = this.#shards.createSearched(name)
    if (searched !== undefined) await this.#everywhere(searched)
  }

  async drop(key: TableKey): Promise<void> {
    const name = tableName(key)
    // While it has its name a drop that was interrupted is begun again.
    for (const table of new Set([this.#shards.rowsTable(name), name])) {
      await this.#everywhere(`DROP TABLE IF EXISTS ${quoted(table)} SYNC`)
    }
  }

  /** Ends inserts into a table that an earlier follower, or a request that was given up, left running. */
  async endInserts(key: TableKey): Promise<void> {
    await this.#everywhere(`KILL QUERY WHERE startsWith(query_id, '${insertsInto(key)}') AND user = currentUser() SYNC`)
  }

  /** Deletes rows; resolves once no search finds them. */
  async deleteRows(key: TableKey, where: string, parameters: Record<string, unknown>): Promise<void> {
    const query = `DELETE FROM ${quoted(this.#shards.rowsTable(tableName(key)))} WHERE ${where}`
    await this.#everywhere(query, parameters, { lightweight_deletes_sync: '2', mutations_sync: '2' })
  }

  /** How far a table reaches, by ledger. */
  async cursors(key: TableKey): Promise<Map<string, Cursor>> {
    await this.endInserts(key)
    const rows = await this.rows<{ ledger: string; next: string; count: string }>(
      `SELECT ledger, toString(max(index) + 1) AS next, toString(count()) AS count FROM ${quoted(tableName(key))} GROUP BY ledger`,
    )
    return new Map(rows.map(({ ledger, next, count }) => [ledger, { next: Number(next), count: Number(count) }]))
  }

  /** Inserts rows in RowBinary; resolves once they are searchable. Rejects with a StoreFault. */
  async insert(key: TableKey, rows: Buffer, token: string): Promise<void> {
    const query = `INSERT INTO ${quoted(this.#shards.rowsTable(tableName(key)))} FORMAT RowBinary`
    const work = async () => {
      const { stream } = await this.#shards.serverOf(token).exec({
        query,
        values: Readable.from([rows], { objectMode: false }),
        query_id: insertsInto(key) + randomBase32(this.#random, QUERY_ID_CHARS),
        clickhouse_settings: { ...insertSettings, insert_deduplication_token: token },
      })
      for await (const _ of stream) continue
    }
    await work().catch((error: unknown) => {
      throw insertFault(error)
    })
  }

  async rows<Row>(
    query: string,
    parameters: Record<string, unknown> = {},
    settings: ClickHouseSettings = {},
  ): Promise<Row[]> {
    return await this.#guarded(async () => {
      const asked = { query, query_params: parameters, clickhouse_settings: settings }
      const result = await this.#client().query({ ...asked, format: 'JSONEachRow' })
      return await result.json<Row>()
    })
  }

  async #lookUp(): Promise<void> {
    await this.#shards.lookUp(async (query) => await this.rows(query))
  }

  /** On every server that holds rows, one after the other. */
  async #everywhere(
    query: string,
    parameters: Record<string, unknown> = {},
    settings: ClickHouseSettings = {},
  ): Promise<void> {
    for (const server of this.#shards.servers) {
      await this.#guarded(async () => {
        const { stream } = await server.exec({
          query,
          query_params: parameters,
          clickhouse_settings: { ...settings, wait_end_of_query: 1 },
        })
        for await (const _ of stream) continue
      })
    }
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw storeFault(error)
    }
  }
}

/** How the ids of queries begin that insert into a table. */
function insertsInto(key: TableKey): string {
  return `stele-insert-${tableName(key)}-`
}

function storeFault(error: unknown): StoreFault {
  const said = error instanceof Error ? (error.message.split('\n')[0] ?? '').slice(0, 500) : String(error)
  if (!(error instanceof ClickHouseError)) {
    // What several addresses refused has no message of its own.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
    return new StoreFault('gone', `the search server does not answer: ${said === '' ? code : said}`)
  }
  const { code } = error
  if (awayCodes.has(code)) return new StoreFault('gone', `${AWAY}: ${said}`)
  if (code === NO_MEMORY) return new StoreFault('full', `the search server has no memory left: ${said}`)
  if (code === NO_SPACE || /no space left/i.test(said))
    return new StoreFault('full', `the index's disk is full: ${said}`)
  return new StoreFault('refused', `${refusals.get(code) ?? `the search server refuses (${code})`}: ${said}`)
}

/** Of an insert: whether it is the rows that are refused. */
function insertFault(error: unknown): StoreFault {
  const fault = storeFault(error)
  const isOfRows = fault.trouble === 'refused' && error instanceof ClickHouseError && ROWS.has(error.code)
  return isOfRows ? new StoreFault('rows', fault.message) : fault
}
