// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The rows of an export. NDJSON has a hit a line, as a search answers it. CSV keeps to RFC 4180 and is safe to open in a
 * spreadsheet: every cell stands in quotes, and one that would be taken for a formula begins with an apostrophe (OWASP,
 * "CSV Injection"). So does one that begins with an apostrophe itself: whoever takes the first one off has every value.
 */
import { type FieldName, severities } from '../query/fields.ts'
import { writtenValues } from '../query/written.ts'
import { ocsfClasses } from '../schema/ocsf.ts'
import { hitOf } from './content.ts'
import type { ReadHit } from './hits.ts'

export const EXPORT_FORMATS = ['ndjson', 'csv'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export const exportTypes: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
}

/** Values as an event writes them; where it has several, all but of people and things, which the first one names. */
const named: readonly FieldName[] = ['actor', 'target']
const listed: readonly FieldName[] = ['action', 'ip', 'app', 'session', 'correlation', 'privilege', 'country']

const before = ['index', 'at', 'time', 'source', 'class', 'severity', 'outcome'] as const
const behind = ['message', 'event', 'event_base64', 'entry', 'salt'] as const
export const CSV_COLUMNS: readonly string[] = [...before, ...named, ...listed, ...behind]

/** Behind these signs a spreadsheet looks for a formula, at the begin of a cell or of a line in it. */
const ACTIVE = /^[=+\-@\t\r\n'＝＋－＠]/
const severityNames = new Map([...severities].map(([name, id]) => [id, name]))

export function csvHeader(): Buffer {
  return csvLine(CSV_COLUMNS)
}

export function csvRow({ stored, ocsf, document }: ReadHit): Buffer {
  const hit = hitOf(stored, ocsf)
  const classes: Readonly<Record<string, { readonly caption: string } | undefined>> = ocsfClasses
  return csvLine([
    String(hit.index),
    hit.at,
    hit.time,
    hit.source,
    classes[ocsf.class_uid]?.caption ?? '',
    severityNames.get(ocsf.severity_id) ?? '',
    document.outcome[0] ?? '',
    ...named.map((field) => writtenValues(ocsf, field)[0] ?? ''),
    ...listed.map((field) => writtenValues(ocsf, field).join('; ')),
    ocsf.message ?? '',
    hit.event ?? '',
    hit.eventBase64 ?? '',
    hit.entry,
    hit.salt,
  ])
}

export function csvCell(value: string): string {
  const text = value.toWellFormed()
  return `"${ACTIVE.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`
}

function csvLine(values: readonly string[]): Buffer {
  return Buffer.from(`${values.map(csvCell).join(',')}\r\n`)
}
