// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The summary of an export (docs/format.md, "Export summary"): a signed note in which a ledger says which events it gave
// for a query, and at which size of its tree. It ties a file to a question and to a tree head. That no other event
// matched, it cannot show, and says so.

import { readHead, type TreeHead } from '../checkpoint.ts'
import { fromBase64, parseDecimal } from '../encoding.ts'
import { bytesOf, demand, SUMMARY_HEADER, within } from '../inner.ts'
import { HASH_BYTES, type Hash } from '../hash.ts'
import { noteMessage, openNote, type Verifier } from '../note.ts'

/** What the export was made of and what it holds; `size` and `root` are of the tree that was searched. */
export interface ExportSummary extends TreeHead {
  /** Entries that the ledger had when the export began; those from `size` on were not searched. */
  readonly entries: number
  /** When the export began, RFC 3339: what relative times of the query are relative to. */
  readonly asked: string
  /** Name of the form, as `ndjson`. */
  readonly format: string
  /** As it was written. */
  readonly query: string
  /** RFC 3339: only events at or after; only events before. */
  readonly since?: string
  readonly until?: string
  /** Length and SHA-256 of the exported bytes. */
  readonly bytes: number
  readonly sha256: Hash
  /** Exported events. */
  readonly count: number
  /** Smallest and largest index among them; absent where there are none. */
  readonly first?: number
  readonly last?: number
  /** What the index claimed to match and the ledger did not bear out. */
  readonly leftOut: number
}

/** Last line of the text, the same in each. */
const SUMMARY_CAVEAT = 'The server gave these events for this query. It is not shown that no other event matches.'

const NONE = '-'
const NAMES = [
  'entries',
  'asked',
  'format',
  'query',
  'since',
  'until',
  'bytes',
  'sha256',
  'count',
  'first',
  'last',
  'left-out',
] as const
type Name = (typeof NAMES)[number]
const FIRST_NAMED_LINE = 5
const TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

/** Whether a file begins as the summary of an export does. */
export function isExportSummary(note: Uint8Array): boolean {
  return bytesOf(`${SUMMARY_HEADER}\n`).every((byte, i) => note[i] === byte)
}

/**
 * Verifies a summary: one of the keys, which must bear the name of its origin, has signed it. Throws what `openNote` throws,
 * `summary-malformed` with the line, and `origin-unexpected`.
 */
export async function openExportSummary(
  note: Uint8Array,
  verifiers: readonly Verifier[],
): Promise<{ summary: ExportSummary; verifier: Verifier }> {
  const { text, verified } = await openNote(note, verifiers)
  const summary = parseExportSummary(text)
  const signed = verified.find(({ verifier }) => verifier.name === summary.origin)
  demand(
    signed !== undefined,
    'origin-unexpected',
    `the summary is of ${summary.origin}, and another log has signed it`,
  )
  return { summary, verifier: signed.verifier }
}

/** Reads the text of a summary; nothing is verified. Throws `summary-malformed`, with the line. */
export function parseExportSummary(text: string): ExportSummary {
  within('summary-malformed', {}, () => noteMessage(text))
  const [header, origin = '', size = '', root = '', ...rest] = text.split('\n')
  demand(header === SUMMARY_HEADER, 'summary-malformed', `the first line is not ${SUMMARY_HEADER}`, { line: 1 })
  const isWhole = rest.length === NAMES.length + 2 && rest.at(-1) === '' && rest.at(-2) === SUMMARY_CAVEAT
  demand(isWhole, 'summary-malformed', 'a summary has its lines and its last sentence, and no others')
  const head = readHead('summary-malformed', 2, origin, size, root)
  const read = <T>(name: Name, parse: (value: string) => T): T => {
    const at = NAMES.indexOf(name)
    const line = FIRST_NAMED_LINE + at
    const given = rest[at]!
    demand(given.startsWith(`${name} `), 'summary-malformed', `the line of ${name} is not there`, { line })
    return within('summary-malformed', { line }, () => parse(given.slice(name.length + 1)))
  }
  const optional = <T>(name: Name, parse: (value: string) => T): T | undefined =>
    read(name, (value) => (value === NONE ? undefined : parse(value)))
  const entries = read('entries', parseDecimal)
  const asked = read('asked', parseTime)
  const format = read('format', parseFormat)
  const query = read('query', parseQueryLine)
  const [since, until] = [optional('since', parseTime), optional('until', parseTime)]
  const bytes = read('bytes', parseDecimal)
  const sha256 = read('sha256', parseHash)
  const count = read('count', parseDecimal)
  const [first, last] = [optional('first', parseDecimal), optional('last', parseDecimal)]
  const leftOut = read('left-out', parseDecimal)
  demand(head.size <= entries, 'summary-malformed', 'more entries were searched than there were', { line: 3 })
  demandRange(count, first, last, head.size)
  return {
    ...head,
    entries,
    asked,
    format,
    query,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    bytes,
    sha256,
    count,
    ...(first === undefined ? {} : { first }),
    ...(last === undefined ? {} : { last }),
    leftOut,
  }
}

function demandRange(count: number, first: number | undefined, last: number | undefined, size: number): void {
  const line = FIRST_NAMED_LINE + NAMES.indexOf('count')
  const isNone = count === 0 && first === undefined && last === undefined
  const isSome = first !== undefined && last !== undefined && count > 0
  const isRange = isSome && first <= last && last < size && count <= last - first + 1
  demand(isNone || isRange, 'summary-malformed', 'count, first and last do not fit each other', { line })
}

function parseTime(value: string): string {
  demand(TIME.test(value), 'summary-malformed', 'a time is written as RFC 3339 in UTC with milliseconds')
  return value
}

function parseFormat(value: string): string {
  demand(/^[a-z0-9]{1,32}$/.test(value), 'summary-malformed', 'a form is named by small letters and digits')
  return value
}

/** One JSON string, in the one way that `JSON.stringify` writes it. */
function parseQueryLine(value: string): string {
  let query: unknown
  try {
    query = JSON.parse(value)
  } catch {
    query = undefined
  }
  const isOne = typeof query === 'string' && JSON.stringify(query) === value
  demand(isOne, 'summary-malformed', 'the query is not a JSON string as it is written here')
  return query as string
}

function parseHash(value: string): Hash {
  const hash = fromBase64(value)
  demand(hash.length === HASH_BYTES, 'summary-malformed', 'a SHA-256 has 32 bytes')
  return hash
}

/** The lines behind the head, for the writer. */
export function summaryLines(summary: Omit<ExportSummary, keyof TreeHead | 'sha256'> & { sha256: string }): string[] {
  const { query, leftOut, since, until, first, last, ...rest } = summary
  const values: Readonly<Record<Name, string | number>> = {
    ...rest,
    query: JSON.stringify(query),
    since: since ?? NONE,
    until: until ?? NONE,
    first: first ?? NONE,
    last: last ?? NONE,
    'left-out': leftOut,
  }
  return [...NAMES.map((name) => `${name} ${values[name]}`), SUMMARY_CAVEAT]
}
