// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The forms in which Microsoft Entra logs arrive: as Graph resources, in the envelope of diagnostic settings (Event
// Hubs, storage account) whose `properties` is that same resource, and as rows of Log Analytics tables.

import type { Container, Mark, NativeId, Shape } from '../connector.ts'

/** Pages of Graph, and the batches of Event Hubs and of Log Analytics data export. */
export const containers: readonly Container[] = [
  {
    key: 'value',
    beside: [
      '@odata.context',
      '@odata.count',
      '@odata.deltaLink',
      '@odata.nextLink',
      '@microsoft.graph.deltaLink',
      '@microsoft.graph.nextLink',
      '@microsoft.graph.tips',
    ],
  },
  { key: 'records', beside: [] },
]

/** The Graph resource's id: on its own, in an envelope (which has none of its own) or in a row. */
export const recordIds: readonly NativeId[] = [{ in: 'properties', key: 'id' }, { key: 'id' }, { key: 'Id' }]
/** A request is one record; its `id` would be the log's. */
export const requestIds: readonly NativeId[] = [{ in: 'properties', key: 'requestId' }, { key: 'RequestId' }]

/** The resource provider of Entra; its case varies between categories. */
const providers = ['*/providers/microsoft.aadiam']
export const entraResource: Mark = { key: 'resourceId', is: providers }
export const entraRow: Mark = { key: 'ResourceId', is: providers }

/**
 * The envelope by its category. Other Azure services use some of these names too (`AuditLogs` of Health Data
 * Services), so a record that names a resource must name Entra's; reduced exports name none.
 */
export function diagnostic(...categories: string[]): readonly Shape[] {
  const category: Mark = { key: 'category', is: categories }
  return [
    { name: 'diagnostic', all: [category, { key: 'time' }, entraResource] },
    { name: 'diagnostic', all: [category, { key: 'time' }], none: [{ key: 'resourceId' }] },
  ]
}

/** A Graph resource by keys that only this kind has together, on its own or as the `properties` of an envelope. */
export function resource(first: string, ...keys: string[]): readonly Shape[] {
  const inside = [first, ...keys].map((key): Mark => ({ in: 'properties', key }))
  return [
    { name: 'graph', all: [{ key: first }, ...keys.map((key) => ({ key }))] },
    { name: 'diagnostic', all: [{ key: 'category' }, { key: 'time' }, ...inside] },
  ]
}

/** A row by the name of its table. A query's own columns may overwrite `Type`, hence the rows known by other columns. */
export function row(...tables: string[]): Shape {
  return { name: 'log-analytics', all: [{ key: 'Type', is: tables }, { key: 'TimeGenerated' }] }
}
