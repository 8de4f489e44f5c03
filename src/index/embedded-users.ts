// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Who may do what in the embedded ClickHouse. Nobody has a password: who a request is from is decided by the secret in
 * its header (embedded-config.ts), and no request can be from `default`, which is only the session that starts the server.
 */
export const DATABASE = 'stele'
export const SEARCH_USER = 'stele_search'
export const FEED_USER = 'stele_feed'

const GIB = 1024 ** 3
const MIB = 1024 ** 2

/** What a search may use, at most. To lower it is allowed; 0 would mean no limit and is out of range. */
const SEARCH_LIMITS = {
  max_execution_time: { default: 30, min: 0.001, max: 60 },
  max_memory_usage: { default: GIB, min: MIB, max: GIB },
  max_result_rows: { default: 100_000, min: 1, max: 100_000 },
  max_result_bytes: { default: 256 * MIB, min: 1, max: 256 * MIB },
  http_response_buffer_size: { default: 64 * MIB, min: 1, max: 64 * MIB },
} as const

/** What else a search may say of itself: how it fails, how its answer is written, and hints that cost nobody anything. */
const SEARCH_CHOICES = [
  'timeout_overflow_mode',
  'result_overflow_mode',
  'cancel_http_readonly_queries_on_client_close',
  'output_format_json_quote_64bit_integers',
  'use_top_k_dynamic_filtering',
  'enable_unaligned_array_join',
  'use_skip_indexes_on_data_read',
  'query_plan_optimize_lazy_materialization',
  'query_plan_max_limit_for_lazy_materialization',
  'use_query_condition_cache',
  'optimize_read_in_order',
  'max_rows_to_read',
  'max_bytes_to_read',
  'read_overflow_mode',
  'max_rows_to_group_by',
  'group_by_overflow_mode',
  'max_block_size',
  'log_comment',
  'priority',
  'low_priority_query_wait_time_ms',
]

/**
 * What merges go by, too. A part has one dictionary of a column's values as long as there are not very many, so that
 * counting values does not begin with gathering them granule by granule.
 */
const START_PROFILE = element(
  'start',
  element('low_cardinality_use_single_dictionary_for_part', 1) +
    element('low_cardinality_max_dictionary_size', 262_144),
)

/** Nothing but these settings can be changed by a search. Every other one has the value below, or ClickHouse's. */
function searchProfile(processors: number): string {
  const threads = { default: Math.min(2, processors), min: 1, max: Math.max(2, processors) }
  const limits = Object.entries({ ...SEARCH_LIMITS, max_threads: threads })
  const values = limits.map(([name, limit]) => element(name, limit.default))
  const ranges = limits.map(([name, { min, max }]) =>
    element(name, `${element('min', min)}${element('max', max)}<changeable_in_readonly/>`),
  )
  const choices = SEARCH_CHOICES.map((name) => element(name, '<changeable_in_readonly/>'))
  return `<search>
      <readonly>1</readonly><allow_ddl>0</allow_ddl><allow_introspection_functions>0</allow_introspection_functions>
      ${values.join('')}
      <max_concurrent_queries_for_user>16</max_concurrent_queries_for_user>
      <max_temporary_data_on_disk_size_for_user>${2 * GIB}</max_temporary_data_on_disk_size_for_user>
      <cancel_http_readonly_queries_on_client_close>1</cancel_http_readonly_queries_on_client_close>
      <constraints>
        ${[...ranges, ...choices].join('\n        ')}
      </constraints>
    </search>`
}

export function usersConfig(processors: number): string {
  return `<clickhouse>
  <profiles>
    ${START_PROFILE}
    ${searchProfile(processors)}
    <feed>
      <allow_introspection_functions>0</allow_introspection_functions>
      <max_memory_usage>${2 * GIB}</max_memory_usage>
      <constraints>
        <allow_introspection_functions><const/></allow_introspection_functions>
        <merge_tree_disk><const/></merge_tree_disk><merge_tree_storage_policy><const/></merge_tree_storage_policy>
        <max_memory_usage><min>${MIB}</min><max>${2 * GIB}</max></max_memory_usage>
      </constraints>
    </feed>
  </profiles>
  <quotas><none/></quotas>
  <users>
    ${user('default', 'start', [
      `CREATE DATABASE ON ${DATABASE}.*`,
      'TABLE ENGINE ON Atomic',
      'SYSTEM LISTEN ON *.*',
      'READ ON FILE',
      'CREATE TEMPORARY TABLE ON *.*',
    ])}
    ${user(SEARCH_USER, 'search', [`SELECT ON ${DATABASE}.*`])}
    ${user(FEED_USER, 'feed', [
      `SELECT, INSERT, ALTER DELETE, CREATE TABLE, DROP TABLE ON ${DATABASE}.*`,
      'TABLE ENGINE ON MergeTree',
      'SELECT ON system.processes',
      'SELECT ON system.parts',
      'SELECT ON system.merges',
    ])}
  </users>
</clickhouse>
`
}

function user(name: string, profile: string, grants: readonly string[]): string {
  const queries = grants.map((grant) => element('query', `GRANT ${grant}`)).join('')
  return element(
    name,
    `<no_password/><networks><ip>127.0.0.1</ip></networks>${element('profile', profile)}<quota>none</quota>${element('grants', queries)}`,
  )
}

function element(name: string, content: string | number): string {
  return `<${name}>${content}</${name}>`
}
