// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** How the server is: for those who run it, and for what restarts it. */
import { allows } from '../access/credentials.ts'
import type { CheckRecord } from '../index/check-record.ts'
import { isIndexed } from '../index/ledger-source.ts'
import { timeMs, timeText } from '../platform/clock.ts'
import { processUsage } from '../platform/usage.ts'
import { METRICS_TYPE, MetricsText } from './metrics.ts'
import { soundCount } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { StatusAnswer } from './schemas.ts'
import { isSearchable } from './searches.ts'
import { dataReasons, writeKeeper } from './verification.ts'
import { witnessReasons, writeWitnesses } from './witnesses.ts'

type PlainCall = Call<undefined, undefined, undefined>

export const ROOT_TYPE = 'text/plain; charset=utf-8'

/** For whoever opens the address in a browser. */
export function root(_call: PlainCall, { version }: Services): Answer {
  const body = [
    `This is Stele ${version}, an immutable, provable audit log.`,
    '',
    '/openapi.json  every call, what it takes and how it refuses',
    '/readyz        whether all is well',
    '/verify.html   verifies a receipt in this browser; save it, and it works without this server',
    '',
    'Calls take a token (Authorization: Bearer TOKEN); stele --help shows the commands that make them.',
    '',
  ].join('\n')
  return { type: ROOT_TYPE, body }
}

export function health(): Answer {
  return { body: { status: 'alive' } }
}

export function readiness(_call: PlainCall, services: Services): Answer {
  const reasons = unreadiness(services)
  return { status: reasons.length === 0 ? 200 : 503, body: { ready: reasons.length === 0, reasons } }
}

/** Why an operator has to look, in words that fit a monitor's line and name no secret. */
function unreadiness(services: Services): string[] {
  const { ledgers, space, metrics } = services
  const reasons: string[] = []
  if (ledgers.failure !== undefined) {
    reasons.push('The writer has stopped: nothing is stored until the server is restarted. Its log says why.')
  }
  if (space.isReserveReached || ledgers.queue.lacksRoom) {
    reasons.push('The disk is nearly full: no events are taken until there is room. GET /v1/status has the figures.')
  }
  if (metrics.refusedCount('content-damaged') > 0) {
    reasons.push('Stored content was found changed: stop the server and run stele verify --data on its directory.')
  }
  reasons.push(...dataReasons(services))
  if (unconfirmedJump(services) !== undefined) {
    reasons.push(
      'The clock jumped. Ledger time goes on without it until an administrator confirms: POST /v1/clock/confirm.',
    )
  }
  reasons.push(...witnessReasons(services))
  if (ledgers.keptHead.unreachable !== undefined) {
    reasons.push(
      'The head cannot be kept outside: a rollback since then would not be noticed. GET /v1/status says why.',
    )
  }
  return reasons
}

/** A jump is known a moment before it is on record; one on record is known across restarts. */
function unconfirmedJump({ ledgers, administration }: Services): StatusAnswer['clockJump'] {
  const { jump } = ledgers.time
  const seen = jump === undefined ? undefined : { wall: timeText(jump.wallMs), ledger: timeText(jump.ledgerMs) }
  return administration.state.clockJump ?? seen
}

export function status(_call: PlainCall, services: Services): Answer {
  const { ledgers, administration, space, version, index } = services
  const { state, reason } = index.status()
  const { install } = administration.state
  const clockJump = unconfirmedJump(services)
  const { begun, cut, rederived, headMissing, replayedBytes } = ledgers.opening
  const { where, unreachable } = ledgers.keptHead
  const reasons = unreadiness(services)
  const body: StatusAnswer = {
    version,
    name: install.name,
    installId: install.installId,
    ready: reasons.length === 0,
    reasons,
    recovery: {
      begun,
      replayedBytes,
      ...(cut === undefined ? {} : { cut }),
      ...(rederived === undefined ? {} : { rederived }),
      headMissing,
    },
    ...(clockJump === undefined ? {} : { clockJump }),
    head: { where, ...(unreachable === undefined ? {} : { unreachable }) },
    index: { state, ...(reason === undefined ? {} : { reason }) },
    space: { freeBytes: space.freeBytes, reserveBytes: space.reserveBytes, walBytes: ledgers.walBytes },
  }
  return { body }
}

export async function confirmClock(call: PlainCall, services: Services): Promise<Answer> {
  await services.administration.confirmClock(call.caller.by)
  return status(call, services)
}

export function metrics({ caller }: PlainCall, services: Services): Answer {
  const { ledgers, administration, space, intake, room, tails, exports } = services
  const text = new MetricsText()
  services.metrics.write(text)
  const gauge = (name: string, help: string, value: number) => text.family(name, 'gauge', help, [['', value]])
  const names = [...administration.state.ledgers.keys()].filter(
    (name) => ledgers.has(name) && caller.credential !== undefined && allows(caller.credential, 'verify', name),
  )
  const sizes = names.map((name) => [`{ledger="${name}"}`, ledgers.log(name).size] as const)
  text.family('stele_ledger_entries', 'gauge', 'Durable entries of a ledger.', sizes)
  writeIndex(text, names, services)
  writeKeeper(text, services)
  writeWitnesses(text, services)
  gauge('stele_wal_bytes', 'Bytes of the write-ahead log.', ledgers.walBytes)
  gauge('stele_disk_free_bytes', 'Bytes free for the data directory.', space.freeBytes)
  gauge('stele_disk_reserve_bytes', 'Free bytes at which events are refused.', space.reserveBytes)
  gauge('stele_intake_held_bytes', 'Bytes of bodies held at this moment.', intake.heldBytes)
  gauge('stele_commit_pending_bytes', 'Bytes accepted and not durable yet.', ledgers.queue.pendingBytes)
  gauge('stele_answers_held_bytes', 'Bytes of reads and large answers held at this moment.', room.heldBytes)
  gauge('stele_tails_open', 'Open tails.', tails.openCount)
  gauge('stele_exports_running', 'Exports under way.', exports.runningCount)
  gauge('stele_writer_running', '0 once the writer has stopped.', ledgers.failure === undefined ? 1 : 0)
  gauge(
    'stele_head_kept',
    '0 while the head cannot be kept outside.',
    ledgers.keptHead.unreachable === undefined ? 1 : 0,
  )
  gauge(
    'stele_clock_jumped',
    '1 until a jump of the clock is confirmed.',
    unconfirmedJump(services) === undefined ? 0 : 1,
  )
  const usage = processUsage()
  gauge('process_resident_memory_bytes', 'Resident memory.', usage.residentBytes)
  gauge('stele_heap_bytes', 'JavaScript heap in use.', usage.heapBytes)
  text.family('process_cpu_seconds_total', 'counter', 'Processor time.', [['', usage.cpuSeconds]])
  gauge('stele_up_seconds', 'Time since the start.', usage.upSeconds)
  return { type: METRICS_TYPE, headers: { 'cache-control': 'no-store' }, body: text.toString() }
}

/** `names` are the ledgers that the caller may know the sizes of. */
function writeIndex(text: MetricsText, names: readonly string[], { ledgers, index, searches }: Services): void {
  const lags = names
    .filter(isIndexed)
    .map((name) => ledgers.log(name).size - soundCount(name, ledgers.log(name).size, index))
  const lag = lags.reduce((sum, one) => sum + one, 0)
  const { state, restarts } = index.status()
  const searchable = isSearchable(state) ? 1 : 0
  text.family('stele_index_lag_entries', 'gauge', 'Entries that are not indexed yet.', [['', lag]])
  text.family('stele_index_searchable', 'gauge', '0 while nothing can be searched.', [['', searchable]])
  text.family('stele_index_restarts_total', 'counter', 'How often a child of the index was started again.', [
    ['{child="server"}', restarts.server],
    ['{child="follower"}', restarts.follower],
  ])
  writeIndexCheck(text, index.background)
  text.family('stele_searches_running', 'gauge', 'Searches under way.', [['', searches.runningCount]])
}

function writeIndexCheck(text: MetricsText, { last, totals }: CheckRecord): void {
  const each = Object.entries(totals.disagreements).map(([kind, count]) => [`{kind="${kind}"}`, count] as const)
  text.family(
    'stele_index_check_findings_total',
    'counter',
    'Rows of the index that were not as the ledger has them.',
    each,
  )
  const count = (name: string, help: string, value: number) => text.family(name, 'counter', help, [['', value]])
  count('stele_index_check_rows_total', 'Rows that the check of the index has looked at.', totals.checkedRows)
  count('stele_index_repaired_rows_total', 'Rows of the index that were made anew or deleted.', totals.repairedRows)
  if (last?.endedAt === undefined) return
  const gauge = (name: string, help: string, value: number) => text.family(name, 'gauge', help, [['', value]])
  gauge(
    'stele_index_check_time_seconds',
    'When the last check of all rows ended, Unix time.',
    timeMs(last.endedAt) / 1_000,
  )
  gauge(
    'stele_index_check_failed',
    '1 where the last check of all rows was not finished.',
    last.state === 'failed' ? 1 : 0,
  )
}
