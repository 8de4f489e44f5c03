// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * How the embedded ClickHouse is set up: whom it answers, where its files lie, and how little of a small machine it
 * takes. docs/design/embedded-clickhouse.md has the reasons.
 */
import { DATABASE, FEED_USER, SEARCH_USER } from './embedded-users.ts'

/** The header by which a request is known. */
export const SECRET_HEADER = 'X-Stele-Key'

export interface EmbeddedConfig {
  /** Absolute path of the folder that holds it all. */
  readonly directory: string
  readonly port: number
  readonly searchSecret: string
  readonly feedSecret: string
  /** How many threads the machine runs at the same time. */
  readonly processors: number
  /** The index takes no room below this. */
  readonly keptFreeBytes: number
}

export interface EmbeddedLayout {
  readonly configPath: string
  readonly usersPath: string
  readonly dataPath: string
  readonly tmpPath: string
  /** Appears when the server listens. */
  readonly readyPath: string
}

/** Where things lie. The configuration lies apart from what ClickHouse may read and write once it runs. */
export function embeddedLayout(directory: string): EmbeddedLayout {
  return {
    configPath: `${directory}/server.xml`,
    usersPath: `${directory}/users.xml`,
    dataPath: `${directory}/data`,
    tmpPath: `${directory}/tmp`,
    readyPath: `${directory}/tmp/ready`,
  }
}

/** What ClickHouse reads of the system: how much memory and how many processors there are, and what it uses of them. */
export const SYSTEM_FILES = [
  '/dev/null',
  '/dev/urandom',
  '/etc/localtime',
  '/proc/cpuinfo',
  '/proc/meminfo',
  '/proc/self/cgroup',
  '/proc/self/maps',
  '/proc/self/stat',
  '/proc/self/statm',
  '/proc/self/status',
  '/proc/stat',
  '/sys/devices/system/cpu',
  '/sys/fs/cgroup',
  '/usr/share/zoneinfo',
]

/** What ClickHouse does: listens, says so by a file, and reads its standard input until that ends. */
export function serverArguments(directory: string): string[] {
  const { configPath, readyPath } = embeddedLayout(directory)
  const query = [
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} ENGINE = Atomic`,
    'SYSTEM START LISTEN HTTP',
    `SELECT 1 INTO OUTFILE '${readyPath.replaceAll(/['\\]/g, '\\$&')}' FORMAT TSV`,
    "SELECT count() FROM file('-', 'LineAsString', 'line String') FORMAT Null",
  ].join('; ')
  return ['clickhouse', `--config-file=${configPath}`, `--query=${query}`]
}

const MIB = 1024 ** 2
/** Of the machine's memory, or of what its container may have. */
const MEMORY_SHARE = 0.4
const MAX_MEMORY_BYTES = 4096 * MIB

export function serverConfig(config: EmbeddedConfig): string {
  const { directory, port, searchSecret, feedSecret, processors, keptFreeBytes } = config
  const { dataPath, tmpPath, usersPath } = embeddedLayout(escapeXml(directory))
  const merges = Math.min(8, Math.max(2, Math.floor(processors / 2)))
  return `<clickhouse>
  <path>${dataPath}/</path>
  <tmp_path>${tmpPath}/</tmp_path>
  <user_files_path>${tmpPath}/</user_files_path>
  <users_config>${usersPath}</users_config>
  <default_profile>start</default_profile>
  <timezone>UTC</timezone>

  <listen_host>127.0.0.1</listen_host>
  <http_port>${port}</http_port>
  <http_handlers>
    <rule><url>/ping</url><methods>GET</methods><handler><type>ping</type></handler></rule>
    ${rule(searchSecret, SEARCH_USER)}
    ${rule(feedSecret, FEED_USER)}
  </http_handlers>
  <http_allow_path_requests>0</http_allow_path_requests>
  <keep_alive_timeout>10</keep_alive_timeout>
  <shutdown_wait_unfinished>2</shutdown_wait_unfinished>
  <max_connections>64</max_connections>
  <max_concurrent_queries>48</max_concurrent_queries>

  <access_control_improvements>
    <users_without_row_policies_can_read_rows>true</users_without_row_policies_can_read_rows>
    <on_cluster_queries_require_cluster_grant>true</on_cluster_queries_require_cluster_grant>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
    <settings_constraints_replace_previous>true</settings_constraints_replace_previous>
    <table_engines_require_grant>true</table_engines_require_grant>
    <enable_read_write_grants>true</enable_read_write_grants>
  </access_control_improvements>

  <max_server_memory_usage>${MAX_MEMORY_BYTES}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>${MEMORY_SHARE}</max_server_memory_usage_to_ram_ratio>
  <mark_cache_size>${64 * MIB}</mark_cache_size>
  <index_mark_cache_size>${32 * MIB}</index_mark_cache_size>
  <primary_index_cache_size>${32 * MIB}</primary_index_cache_size>
  <text_index_header_cache_size>${64 * MIB}</text_index_header_cache_size>
  <text_index_tokens_cache_size>${64 * MIB}</text_index_tokens_cache_size>
  <text_index_postings_cache_size>${128 * MIB}</text_index_postings_cache_size>
  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
  <compiled_expression_cache_size>${16 * MIB}</compiled_expression_cache_size>
  <mmap_cache_size>64</mmap_cache_size>

  <background_pool_size>${merges}</background_pool_size>
  <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <max_thread_pool_free_size>32</max_thread_pool_free_size>
  <asynchronous_metrics_update_period_s>30</asynchronous_metrics_update_period_s>

  <max_table_size_to_drop>0</max_table_size_to_drop>
  <max_partition_size_to_drop>0</max_partition_size_to_drop>
  <database_atomic_delay_before_drop_table_sec>0</database_atomic_delay_before_drop_table_sec>
  <storage_configuration>
    <disks><default><keep_free_space_bytes>${keptFreeBytes}</keep_free_space_bytes></default></disks>
  </storage_configuration>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    <old_parts_lifetime>30</old_parts_lifetime>
    <max_suspicious_broken_parts>1000000</max_suspicious_broken_parts>
    <max_suspicious_broken_parts_bytes>${2 ** 50}</max_suspicious_broken_parts_bytes>
  </merge_tree>
</clickhouse>
`
}

/** Whoever knows the secret is the user, and nobody else: ClickHouse refuses a request that names another besides. */
function rule(secret: string, user: string): string {
  return (
    `<rule><headers><${SECRET_HEADER}>${secret}</${SECRET_HEADER}></headers><methods>POST,GET</methods>` +
    `<handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name><user>${user}</user></handler></rule>`
  )
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
