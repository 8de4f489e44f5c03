// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The envelope that Entra's diagnostic settings put around an event in a storage account. As in live exports, the
 * envelope is written with spaces and `properties` without: whoever parses and writes it again changes its bytes.
 */
import { iso } from './calendar.ts'
import type { Draw } from './draw.ts'

export interface DemoEvent {
  /** The envelope's `time`. All have the same length, so they sort as text. */
  readonly time: string
  /** One line of the export, without its line feed. */
  readonly line: string
}

export interface Envelope {
  readonly operationName: string
  readonly category: string
  readonly resultType?: string
  readonly resultSignature: string
  readonly resultDescription?: string | undefined
  readonly callerIpAddress?: string | undefined
  readonly correlationId: string
  readonly identity?: string | undefined
  readonly location?: string
}

/** A moment as Entra writes it: to 100 ns. */
export interface Stamp {
  /** Seven digits and `Z`. */
  readonly utc: string
  /** With an offset, and without the fraction's trailing zeros. */
  readonly offset: string
}

/** The fraction below a millisecond is drawn. */
export function stamp(draw: Draw, atMs: number): Stamp {
  const digits = iso(atMs).slice(0, -1) + String(draw.below(10_000)).padStart(4, '0')
  return { utc: `${digits}Z`, offset: `${digits.replace(/\.?0+$/, '')}+00:00` }
}

export function envelope(tenantId: string, at: Stamp, head: Envelope, properties: object): DemoEvent {
  const members = [
    ['time', at.utc],
    ['resourceId', `/tenants/${tenantId}/providers/Microsoft.aadiam`],
    ['operationName', head.operationName],
    ['operationVersion', '1.0'],
    ['category', head.category],
    ['tenantId', tenantId],
    ['resultType', head.resultType],
    ['resultSignature', head.resultSignature],
    ['resultDescription', head.resultDescription],
    ['durationMs', 0],
    ['callerIpAddress', head.callerIpAddress],
    ['correlationId', head.correlationId],
    ['identity', head.identity],
    ['Level', 4],
    ['location', head.location],
    ['properties', properties],
  ] as const
  const written = members
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `"${name}": ${JSON.stringify(value)}`)
  return { time: at.utc, line: `{ ${written.join(', ')}}` }
}
