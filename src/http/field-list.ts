// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What can be searched by: the fields, and the paths that the ledger's own events have, each with examples. The most
 * frequent values and paths are the index's word; an example at a path is out of an event that is read from the ledger.
 * Examples are content: who may see them is decided as for a search, and that they were shown is on record.
 */
import type { z } from 'zod'
import type { LedgerRead } from '../access/audit.ts'
import type { SearchScope, Shape } from '../index/search.ts'
import { DamagedError, type StoredEvent } from '../ledger/read.ts'
import { documentOf } from '../query/document.ts'
import { pathValues } from '../query/evaluate.ts'
import { fieldOf, fields, keywords } from '../query/fields.ts'
import { fold } from '../query/fold.ts'
import { PathNames } from '../query/path-names.ts'
import { formatPath, isShort } from '../query/paths.ts'
import { admit } from './admission.ts'
import { hitRoomBytes } from './content.ts'
import { named } from './counts.ts'
import { demandSearched, ledgersOf, reachOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { FieldsAnswer, fieldsQuery } from './search-schemas.ts'
import type { Searching } from './searches.ts'

/** Sets of paths that are looked at: the most frequent. */
const MAX_SHAPES = 500
/** Events that are read for examples, and the largest of them. */
const MAX_READ = 16
const MAX_READ_BYTES = 1024 * 1024
const MAX_EXAMPLE_CHARS = 200
/** Of each field. */
const TOP_VALUES = 3

type FieldsCall = Call<undefined, z.output<typeof fieldsQuery>, undefined>

export async function readFields(call: FieldsCall, services: Services): Promise<Answer> {
  const { query, caller, headers, response } = call
  const { ledger, limit } = query
  // Which ledger is asked for stands behind the path: it is demanded of the token as one in the path is.
  const asking = { authorization: headers.authorization, via: caller.via, ledger }
  admit({ scope: 'read', ledger: 'path', everyLedger: true }, asking, services, () => {})
  demandSearched(ledger)
  const begin = fold(query.begin)
  const question = { ledger, q: '', since: undefined, until: undefined }
  const nowMs = services.clock.wallMs()
  return await services.searches.run(caller, response, async (searching) => {
    const names = ledgersOf(question, nowMs, caller, services)
    const scope = scopeOf(question, names, sizesNow(names, services), nowMs)
    const known = fields.map(({ name }) => name).filter((name) => name.startsWith(begin))
    const facets = await searching.search.facets(scope, known, TOP_VALUES, searching.gone)
    const found = await pathsOf(scope, begin, limit, searching, call, services)
    const body: FieldsAnswer = {
      fields: [...fields, ...keywords]
        .filter(({ name }) => name.startsWith(begin))
        .map(({ name, title, example }) => {
          const field = fieldOf(name)
          if (field === undefined) return { name, title, kind: 'keyword' as const, example }
          const values = facets[field.name].map((one) => named(field.name, one))
          const paths = field.paths.map(({ path }) => path.replaceAll('[]', ''))
          return { name, title, kind: field.kind, paths: [...new Set(paths)], example, values }
        }),
      paths: found.paths,
      ...(found.isAll ? {} : { more: true }),
      ...reachOf(ledger, names, services),
    }
    const counted: LedgerRead[] = scope.ledgers.map(({ name, size }) => ({ ledger: name, size }))
    const asked = { query: '', fields: [...known, ...found.paths.map(({ path }) => path)] }
    return { body, carries: { ledger, asked, ledgers: [...counted, ...found.read] } }
  })
}

interface FoundPaths {
  readonly paths: FieldsAnswer['paths']
  /** Whether these are all that there are, and all that have them are counted. */
  readonly isAll: boolean
  readonly read: readonly LedgerRead[]
}

/** The paths that begin so, the most frequent first. */
async function pathsOf(
  scope: SearchScope,
  begin: string,
  limit: number,
  { search, gone }: Searching,
  call: FieldsCall,
  services: Services,
): Promise<FoundPaths> {
  const shapes = await search.shapes(scope, MAX_SHAPES, gone)
  const counts = new Map<string, number>()
  for (const { paths, count } of shapes) {
    for (const path of paths) {
      // An attribute of OCSF that is called as a field is that field in a query.
      if (path.startsWith(begin) && !isShort(path)) counts.set(path, (counts.get(path) ?? 0) + count)
    }
  }
  const frequent = [...counts]
    .toSorted(([onePath, one], [otherPath, other]) => other - one || (onePath < otherPath ? -1 : 1))
    .slice(0, limit)
  const wanted = frequent.map(([path]) => path)
  const { examples, read } = await examplesOf(wanted, shapes, scope, gone, call, services)
  const paths = frequent.map(([path, count]) => {
    const example = examples.get(path)
    const kind = path.startsWith('raw.') ? ('source' as const) : ('ocsf' as const)
    return { path: formatPath(path), kind, count, ...(example === undefined ? {} : { example }) }
  })
  return { paths, isAll: counts.size <= limit && shapes.length < MAX_SHAPES, read }
}

/** Values at the paths, out of as few events as have them. */
async function examplesOf(
  wanted: readonly string[],
  shapes: readonly Shape[],
  scope: SearchScope,
  gone: AbortSignal,
  call: FieldsCall,
  services: Services,
): Promise<{ examples: ReadonlyMap<string, string>; read: readonly LedgerRead[] }> {
  const examples = new Map<string, string>()
  const missing = new Set(wanted)
  const indexes = new Map<string, number[]>()
  const names = new PathNames()
  let readCount = 0
  for (const { paths, ledger, index } of shapes) {
    if (readCount === MAX_READ || missing.size === 0) break
    const size = scope.ledgers.find(({ name }) => name === ledger)?.size ?? 0
    // What the index names may be anything.
    if (index >= size || !paths.some((path) => missing.has(path))) continue
    gone.throwIfAborted()
    readCount++
    const stored = await smallEvent(ledger, index, call, services)
    if (stored === undefined) continue
    indexes.set(ledger, [...(indexes.get(ledger) ?? []), index])
    const { ocsf, value } = services.normalise(stored.entry, stored.event)
    const document = documentOf(stored.entry, ocsf, value, names)
    for (const path of paths) {
      const [example] = missing.has(path) ? pathValues(path, document) : []
      if (example === undefined || example.length > MAX_EXAMPLE_CHARS) continue
      examples.set(path, example)
      missing.delete(path)
    }
  }
  return { examples, read: [...indexes].map(([ledger, indexes]) => ({ ledger, indexes })) }
}

/** The event, or undefined for one that is large, for which there is no room, or that is damaged. */
async function smallEvent(
  ledger: string,
  index: number,
  { holding }: FieldsCall,
  { ledgers, onDamage }: Services,
): Promise<StoredEvent | undefined> {
  try {
    return await ledgers.event(ledger, index, (bytes) => {
      if (bytes > MAX_READ_BYTES || !holding.tries(hitRoomBytes(bytes))) throw new NoRoom()
    })
  } catch (error) {
    if (error instanceof DamagedError) onDamage(error)
    else if (!(error instanceof NoRoom)) throw error
    return undefined
  } finally {
    // One event after the other; of each a few words are kept.
    holding.settle(0)
  }
}

class NoRoom extends Error {
  override readonly name = 'NoRoom'
}
