// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Everything that an identity did and everything that was done to it, with the values that changed. It is a search, for
 * exactly the names that are given, whose hits say in which direction each goes. What else the identity is called is
 * told with counts and never searched for by itself: an event that calls a stranger by both names would put the
 * stranger's deeds among hers.
 */
import type { z } from 'zod'
import { Aliases, foldedName } from '../query/aliases.ts'
import { MAX_VALUE_CHARS } from '../query/fold.ts'
import type { Query } from '../query/tree.ts'
import { Problem } from '../schema/problem.ts'
import { changesOf } from '../sources/changes.ts'
import { EVERY_LEDGER } from './admission.ts'
import { hitMembers, type ReadHit } from './hits.ts'
import { questionOf } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { searchParams } from './schemas.ts'
import type { timelineQuery } from './search-schemas.ts'
import { answerPage } from './search.ts'

type TimelineCall = Call<z.output<typeof searchParams>, z.output<typeof timelineQuery>, undefined>

export async function readTimeline(call: TimelineCall, services: Services): Promise<Answer> {
  const { params, query } = call
  const { ledger } = params
  const { limit, cursor, order } = query
  const names = new Set(query.entity.map(demandName))
  const aliases = new Aliases(names)
  return await answerPage(call, services, {
    question: { ...questionOf(ledger, query), about: eitherSide(names), order },
    limit,
    cursor,
    form: (hit) => {
      const direction = directionOf(hit, names)
      // Rows of older mappings may find an event in which it plays no part any more.
      if (direction === undefined) return undefined
      aliases.add(hit.ocsf)
      const { changes, moreCount } = changesOf(hit.ocsf)
      const more = moreCount === 0 ? {} : { moreChanges: moreCount }
      return Buffer.from(JSON.stringify({ ...hitMembers(hit, ledger === EVERY_LEDGER), direction, changes, ...more }))
    },
    besides: () => ({ aliases: aliases.list }),
  })
}

/** The names as values of a whole, each folded. */
function eitherSide(names: ReadonlySet<string>): Query {
  const of = (['actor', 'target'] as const).flatMap((field) =>
    [...names].map((name) => ({ kind: 'field', field, pattern: [name] }) as const),
  )
  return { kind: 'or', of }
}

function demandName(name: string): string {
  const folded = foldedName(name)
  if (folded === '') throw new Problem('invalid-field', 'entity: it is empty. Name somebody or something.')
  if (name.length > MAX_VALUE_CHARS) {
    throw new Problem('invalid-field', `entity: a name has at most ${MAX_VALUE_CHARS} characters.`, {
      limit: MAX_VALUE_CHARS,
    })
  }
  return folded
}

function directionOf({ document }: ReadHit, names: ReadonlySet<string>): 'did' | 'done-to' | 'both' | undefined {
  const did = document.actor.some((value) => names.has(value))
  const isTarget = document.target.some((value) => names.has(value))
  if (did) return isTarget ? 'both' : 'did'
  return isTarget ? 'done-to' : undefined
}
