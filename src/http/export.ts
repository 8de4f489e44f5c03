// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Exports the result of a search, of any size, as it was at one moment. It goes on record before the first byte and when
 * it ends; what was given is summed up in a note that the ledger's key signs, for whoever gets the file.
 */
import { Readable } from 'node:stream'
import { hashLeaf, toBase64, verifyInclusion } from '@stele/proof'
import type { z } from 'zod'
import { pastRoot } from '../ledger/past-root.ts'
import { Problem } from '../schema/problem.ts'
import { staysAdmitted } from './admission.ts'
import { csvHeader, csvRow, exportTypes } from './export-rows.ts'
import { type ExportProgress, type ExportRun, PAGE_COUNT } from './exports.ts'
import { type HitForm, hitForm, hitMembers } from './hits.ts'
import { demandSearched, questionOf, recordOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { ledgerParams } from './schemas.ts'
import type { exportParams, exportQuery } from './search-schemas.ts'
import { hitSources } from './search.ts'

export const SUMMARY_TYPE = 'text/plain; charset=utf-8'

type ExportCall = Call<z.output<typeof ledgerParams>, z.output<typeof exportQuery>, undefined>
type SummaryCall = Call<z.output<typeof exportParams>, undefined, undefined>

export async function exportEvents(call: ExportCall, services: Services): Promise<Answer> {
  const { params, query, caller, response } = call
  const { ledger } = params
  demandSearched(ledger)
  if (query.receipts && query.format !== 'ndjson') {
    throw new Problem('invalid-field', 'receipts: they stand in NDJSON only; ask for format=ndjson.')
  }
  const askedMs = services.clock.wallMs()
  const question = questionOf(ledger, query)
  scopeOf(question, [], [], askedMs)
  const { stop, leave } = services.exports.enter(caller.by)
  try {
    return await services.searches.run(caller, response, async ({ search, gone }) => {
      const log = services.ledgers.log(ledger)
      const [size = 0] = sizesNow([ledger], services)
      const entries = log.size
      const root = await pastRoot(log, size)
      const scope = scopeOf(question, [ledger], [size], askedMs)
      const { hits: finds } = await search.hits(scope, { limit: PAGE_COUNT }, gone)
      const { format } = query
      const header = format === 'csv' ? csvHeader() : undefined
      const form = formOf(query, { ledger, size, root }, services)
      const run = { ledger, query: query.q, format, scope, size, root, entries, askedMs, header, form, finds }
      return answerOf(run, call, services, stop, leave)
    })
  } catch (error) {
    leave()
    throw error
  }
}

function answerOf(
  run: ExportRun,
  { params, query, caller, headers, response }: ExportCall,
  services: Services,
  stop: AbortController,
  leave: () => void,
): Answer {
  const { exports, metrics, authenticator } = services
  const { ledger } = params
  const key = query.name === undefined ? undefined : keyOf(caller.by, ledger, query.name)
  if (key !== undefined) exports.keep(key, 'running')
  const progress: ExportProgress = {
    count: 0,
    bytes: 0,
    first: undefined,
    last: undefined,
    leftOut: 0,
    sha256: undefined,
  }
  const { signal } = stop
  const pieces = exports.pieces(run, progress, {
    search: () => services.searches.inTurnOf(caller.by, signal),
    sources: (holding) => hitSources(holding, signal, services),
    signal,
    demandGoingOn: () => {
      signal.throwIfAborted()
      if (!staysAdmitted(headers, caller, authenticator)) throw new Problem('unauthenticated', 'The token has ended.')
    },
    onEnd: (end) => {
      metrics.disagreed(progress.leftOut)
      if (key !== undefined) exports.keep(key, end)
    },
  })
  const body = Readable.from(pieces, { objectMode: false })
  body.once('close', () => {
    leave()
    // A stream that nobody began to read ends without its generator.
    if (key !== undefined && exports.ended(key) === 'running') exports.keep(key, { failure: 'it was not begun' })
  })
  response.once('close', () => stop.abort(new Problem('malformed-request', 'Its reader left before it was whole.')))
  const file = `${ledger}-export.${query.format}`
  return {
    type: exportTypes[query.format],
    headers: { 'content-disposition': `attachment; filename="${file}"`, 'x-accel-buffering': 'no' },
    body,
    carries: {
      ledger,
      asked: recordOf(questionOf(ledger, query)),
      format: query.format,
      ledgers: [{ ledger, size: run.size }],
      end: () => endOf(ledger, progress),
    },
  }
}

function endOf(ledger: string, { count, first, last, leftOut, sha256 }: ExportProgress) {
  return {
    count,
    ledgers: first === undefined || last === undefined ? [] : [{ ledger, first, last, count }],
    leftOut,
    whole: sha256 !== undefined,
    ...(sha256 === undefined ? {} : { sha256 }),
  }
}

interface Head {
  readonly ledger: string
  readonly size: number
  readonly root: Uint8Array
}

function formOf(
  { format, receipts }: z.output<typeof exportQuery>,
  { ledger, size, root }: Head,
  { ledgers }: Services,
): HitForm {
  if (format === 'csv') return csvRow
  if (!receipts) {
    const form = hitForm(false)
    return async (hit) => Buffer.concat([(await form(hit))!, newline])
  }
  return async (hit) => {
    const { index, entryBytes } = hit.stored
    const hashes = await ledgers.prove(ledger, index, size)
    // Hashes come from the disk, unchecked: nothing is given as a proof that is none.
    verifyInclusion(hashLeaf(entryBytes), index, size, hashes, root)
    return Buffer.from(`${JSON.stringify({ ...hitMembers(hit, false), proof: hashes.map(toBase64) })}\n`)
  }
}

const newline = Buffer.from('\n')

export function readExportSummary({ params, caller }: SummaryCall, { exports }: Services): Answer {
  const { ledger, name } = params
  const end = exports.ended(keyOf(caller.by, ledger, name))
  if (end === undefined) {
    const detail = 'This token has made no export of that name since the server started, or very many since.'
    throw new Problem('not-found', detail)
  }
  if (end === 'running') throw new Problem('not-found', 'The export of that name is not at its end yet.')
  if ('failure' in end) throw new Problem('not-found', `The export of that name broke off: ${end.failure}`)
  return { type: SUMMARY_TYPE, body: end.summary }
}

function keyOf(by: string, ledger: string, name: string): string {
  return `${by} ${ledger} ${name}`
}
