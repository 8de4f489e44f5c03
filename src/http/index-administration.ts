// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The index: how far it is, making it anew from the ledgers, and holding it against them. */
import { allows, type Credential } from '../access/credentials.ts'
import type { CheckRecord } from '../index/check-record.ts'
import { isIndexed } from '../index/ledger-source.ts'
import type { CheckReport } from '../index/messages.ts'
import { SearchFault } from '../index/search.ts'
import { timeText } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import { EVERY_LEDGER } from './admission.ts'
import { ACT_BYTES } from './administration.ts'
import { soundCount } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import { demandSearchable, problemOf } from './searches.ts'
import type { IndexCheckAnswer, IndexStatusAnswer } from './search-schemas.ts'

type PlainCall = Call<undefined, undefined, undefined>

export function readIndex({ caller }: PlainCall, services: Services): Answer {
  return { body: statusAnswer(caller.credential, services) }
}

/** Goes on by itself; asked again while it goes on, it is the same one. */
export async function rebuildIndex({ caller }: PlainCall, services: Services): Promise<Answer> {
  await act('rebuild', caller.by, services)
  return { status: 202, body: statusAnswer(caller.credential, services) }
}

export async function startIndexCheck({ caller }: PlainCall, services: Services): Promise<Answer> {
  const { index, clock } = services
  await act('check', caller.by, services)
  // The follower tells of it a moment later.
  const begun = { checked: 0, size: 0, findings: [], findingCount: 0, startedAt: timeText(clock.wallMs()) }
  return { status: 202, body: checkAnswer(index.checkReport ?? { state: 'running', ...begun }) }
}

/** What would fail is refused before it is recorded. */
async function act(what: 'rebuild' | 'check', by: string, { administration, index, space }: Services): Promise<void> {
  if (what === 'check' || index.status().state !== 'unavailable') demandSearchable(index)
  await space.admit('audit', ACT_BYTES, 1, async () => await administration.requestOfIndex(what, by))
  try {
    index[what]()
  } catch (error) {
    throw error instanceof SearchFault ? problemOf(error) : error
  }
}

export function readIndexCheck(_call: PlainCall, { index }: Services): Answer {
  const report = index.checkReport
  if (report === undefined) {
    throw new Problem('not-found', 'The index was not checked since the start: POST /v1/index/check does it.')
  }
  return { body: checkAnswer(report) }
}

/** Ledgers on which the caller may search; an administrator sees all. What is summed up over all is for those alone. */
function statusAnswer(credential: Credential | undefined, services: Services): IndexStatusAnswer {
  const { administration, ledgers, index } = services
  const { state, reason, mapperVersion, generation, rebuild } = index.status()
  const sees = (name: string) =>
    credential !== undefined && (allows(credential, 'read', name) || credential.scopes.has('admin'))
  const names = [...administration.state.ledgers.keys()].filter(
    (name) => ledgers.has(name) && isIndexed(name) && sees(name),
  )
  const each = names.map((name) => {
    const { size } = ledgers.log(name)
    return [name, { indexed: soundCount(name, size, index), size }] as const
  })
  const seesAll = credential?.ledgers.includes(EVERY_LEDGER) === true
  return {
    state,
    ...(reason === undefined ? {} : { reason }),
    ledgers: Object.fromEntries(each),
    mapperVersion,
    generation,
    ...(rebuild === undefined || !seesAll ? {} : { rebuild: { ...rebuild } }),
    ...(seesAll && state !== 'off' ? { background: backgroundAnswer(index.background) } : {}),
  }
}

function backgroundAnswer({ running, last, totals }: CheckRecord): NonNullable<IndexStatusAnswer['background']> {
  const { disagreements, repairedRows } = totals
  return {
    ...(running === undefined
      ? {}
      : { running: { startedAt: running.startedAt, checked: running.checked, size: running.size } }),
    ...(last?.endedAt === undefined
      ? {}
      : {
          last: {
            startedAt: last.startedAt,
            endedAt: last.endedAt,
            checked: last.checked,
            size: last.size,
            ...(last.reason === undefined ? {} : { reason: last.reason }),
          },
        }),
    disagreements,
    repairedRows,
  }
}

function checkAnswer({ findings, ...report }: CheckReport): IndexCheckAnswer {
  return {
    ...report,
    findings: findings.map(({ columns, ...finding }) => ({
      ...finding,
      ...(columns === undefined ? {} : { columns: [...columns] }),
    })),
  }
}
