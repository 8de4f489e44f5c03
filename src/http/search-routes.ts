// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The rows of the table (routes.ts) that ask the index, or are about it. */
import { readFacets, readHistogram } from './counts.ts'
import { exportEvents, readExportSummary, SUMMARY_TYPE } from './export.ts'
import { exportTypes } from './export-rows.ts'
import { readFields } from './field-list.ts'
import { readIndex, readIndexCheck, rebuildIndex, startIndexCheck } from './index-administration.ts'
import { readRelated } from './related.ts'
import { route, type Route } from './route.ts'
import { eventParams, ledgerParams, searchParams } from './schemas.ts'
import {
  eventsQuery,
  exportParams,
  exportQuery,
  facetsQuery,
  facetsSchema,
  fieldsQuery,
  fieldsSchema,
  foundSchema,
  histogramQuery,
  histogramSchema,
  indexCheckSchema,
  indexStatusSchema,
  relatedQuery,
  relatedSchema,
  timelineQuery,
  timelineSchema,
} from './search-schemas.ts'
import { searchEvents } from './search.ts'
import { readTimeline } from './timeline.ts'

const searchRefusals = [
  'query-malformed',
  'query-too-heavy',
  'request-head-too-large',
  'search-unavailable',
  'overloaded',
] as const

export const searchRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/events',
    operation: 'searchEvents',
    summary: 'Search for events, newest first; each is read from the ledger and checked against it',
    permission: { scope: 'read', ledger: 'path', everyLedger: true },
    audit: { to: 'access', action: 'events.search' },
    params: searchParams,
    query: eventsQuery,
    answers: { 200: { description: 'A page of hits: as many as asked for, or 32 MiB of them.', schema: foundSchema } },
    refusals: [...searchRefusals, 'ledger-reserved', 'index-unknown'],
    handler: searchEvents,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/timeline',
    operation: 'readTimeline',
    summary: 'Show everything that an identity did and everything that was done to it, with the values that changed',
    permission: { scope: 'read', ledger: 'path', everyLedger: true },
    audit: { to: 'access', action: 'timeline.read' },
    params: searchParams,
    query: timelineQuery,
    answers: {
      200: { description: 'A page of events: as many as asked for, or 32 MiB of them.', schema: timelineSchema },
    },
    refusals: [...searchRefusals, 'ledger-reserved'],
    handler: readTimeline,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/events/:index/related',
    operation: 'readRelated',
    summary: 'Show what belongs to the same request or session as an event, in order around it',
    permission: { scope: 'read', ledger: 'path' },
    audit: { to: 'access', action: 'related.read' },
    params: eventParams,
    query: relatedQuery,
    answers: { 200: { description: 'The events, this one among them.', schema: relatedSchema } },
    refusals: [...searchRefusals, 'ledger-reserved', 'index-unknown', 'content-damaged'],
    handler: readRelated,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/events/export',
    operation: 'exportEvents',
    summary: 'Export all that a search finds, each event read from the ledger and checked against it',
    permission: { scope: 'read', ledger: 'path' },
    audit: { to: 'access', action: 'events.export' },
    params: ledgerParams,
    query: exportQuery,
    answers: {
      200: {
        description:
          'NDJSON: a Hit a line, newest first; or CSV. Of one moment, of any size. A connection that breaks off before its ' +
          'end has given a part only, and there is no summary of it.',
        type: exportTypes.ndjson,
      },
    },
    refusals: [...searchRefusals, 'ledger-reserved', 'content-damaged'],
    handler: exportEvents,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/exports/:name',
    operation: 'readExportSummary',
    summary: 'Read the signed summary of an export that this token has made',
    permission: { scope: 'read', ledger: 'path' },
    audit: { to: 'none', because: 'It holds no content, and says to the very token what it asked for.' },
    params: exportParams,
    answers: {
      200: { description: 'A signed note (docs/format.md): question, count, SHA-256, tree head.', type: SUMMARY_TYPE },
    },
    refusals: ['not-found'],
    handler: readExportSummary,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/facets',
    operation: 'readFacets',
    summary: 'Count the values of fields in the events that a search finds',
    permission: { scope: 'read', ledger: 'path', everyLedger: true },
    audit: { to: 'access', action: 'facets.read' },
    params: searchParams,
    query: facetsQuery,
    answers: { 200: { description: 'The most frequent values of each field.', schema: facetsSchema } },
    refusals: [...searchRefusals, 'ledger-reserved'],
    handler: readFacets,
  }),
  route({
    method: 'GET',
    path: '/v1/ledgers/:ledger/histogram',
    operation: 'readHistogram',
    summary: 'Count the events that a search finds over time',
    permission: { scope: 'read', ledger: 'path', everyLedger: true },
    audit: { to: 'access', action: 'histogram.read' },
    params: searchParams,
    query: histogramQuery,
    answers: { 200: { description: 'Counts by steps of time, in UTC.', schema: histogramSchema } },
    refusals: [...searchRefusals, 'ledger-reserved'],
    handler: readHistogram,
  }),
  route({
    method: 'GET',
    path: '/v1/fields',
    operation: 'readFields',
    summary: 'What can be searched by: fields, and the paths that the events have, with examples out of them',
    permission: { scope: 'read' },
    audit: { to: 'access', action: 'fields.read' },
    query: fieldsQuery,
    answers: { 200: { description: 'The fields and paths.', schema: fieldsSchema } },
    refusals: ['query-too-heavy', 'search-unavailable', 'overloaded', 'ledger-reserved', 'ledger-unknown'],
    handler: readFields,
  }),
  route({
    method: 'GET',
    path: '/v1/index',
    operation: 'readIndex',
    summary: 'How far the index is, and what it does',
    permission: { scope: ['read', 'admin'] },
    audit: { to: 'none', because: 'It shows sizes of ledgers that the caller may use.' },
    answers: { 200: { description: 'The status of the index.', schema: indexStatusSchema } },
    refusals: [],
    handler: readIndex,
  }),
  route({
    method: 'POST',
    path: '/v1/index/rebuild',
    operation: 'rebuildIndex',
    summary: 'Make the index anew from the ledgers, beside the one that is searched meanwhile',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'index.rebuild.requested' },
    answers: {
      202: { description: 'It goes on by itself; GET /v1/index shows how far it is.', schema: indexStatusSchema },
    },
    refusals: ['search-unavailable', 'writer-stopped', 'disk-reserve'],
    handler: rebuildIndex,
  }),
  route({
    method: 'POST',
    path: '/v1/index/check',
    operation: 'startIndexCheck',
    summary: 'Hold the index against the ledgers: what is missing, invented, changed or doubled',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'index.check.requested' },
    answers: { 202: { description: 'It goes on by itself; GET shows how far it is.', schema: indexCheckSchema } },
    refusals: ['search-unavailable', 'writer-stopped', 'disk-reserve'],
    handler: startIndexCheck,
  }),
  route({
    method: 'GET',
    path: '/v1/index/check',
    operation: 'readIndexCheck',
    summary: 'What the last check of the index found, or how far it is',
    permission: { scope: 'admin' },
    audit: { to: 'none', because: 'It names entries and columns, no content.' },
    answers: { 200: { description: 'The check.', schema: indexCheckSchema } },
    refusals: ['not-found'],
    handler: readIndexCheck,
  }),
]
