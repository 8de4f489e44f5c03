// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The fields of the search language: one table for the parser, the search, the documentation and completion. What
// `paths` say is what document.ts reads, and a test holds the two against each other.

/** Where in an OCSF event a field's values stand; `[]` is each member of an array. Without classes, in all of them. */
export interface FieldPath {
  readonly path: string
  readonly classes?: readonly number[]
}

export interface Field {
  readonly name: string
  readonly title: string
  /** How its values are written in a query: whole text with wildcards, an address or network, a name or number, a source. */
  readonly kind: 'text' | 'ip' | 'number' | 'source'
  /** Column of the index. */
  readonly column: string
  readonly paths: readonly FieldPath[]
  readonly example: string
  /** What others call it: leads to a suggestion. */
  readonly also: readonly string[]
}

const USER = ['name', 'uid', 'email_addr', 'display_name', 'full_name', 'uid_alt']
const NAMED = ['name', 'uid']
const SESSION = ['uid', 'uid_alt']
/** Classes that have an endpoint, a device and an outcome of what was done. */
const DONE = [3001, 3002, 3003, 3004, 3005, 3006, 6003]

export const fields = [
  {
    name: 'actor',
    title: 'who did it, or who signed in',
    kind: 'text',
    column: 'actor',
    paths: [
      ...under('actor.user', USER),
      ...under('user', USER, [3002]),
      ...under('evidences[].actor.user', USER, [2004]),
      // Read where no user is named.
      ...under('actor', ['app_name', 'app_uid']),
    ],
    example: 'actor:alice@contoso.com',
    also: ['user', 'username', 'who', 'by', 'subject', 'principal', 'initiator', 'identity', 'upn'],
  },
  {
    name: 'target',
    title: 'to whom or to what it was done',
    kind: 'text',
    column: 'target',
    paths: [
      ...under('user', USER, [3001, 3003, 3005, 3006]),
      ...under('user_result', USER, [3001]),
      // The system that an account was provisioned to.
      ...under('user.account', NAMED, [3001]),
      ...under('group', NAMED, [3003, 3006]),
      ...under('subgroup', NAMED, [3006]),
      ...under('entity', NAMED, [3004]),
      ...under('entity_result', NAMED, [3004]),
      ...under('entity.org', NAMED, [3004]),
      ...under('resource', NAMED, [3005, 3006]),
      ...under('resources[]', NAMED, [2004, 3005, 6003]),
      ...under('evidences[].user', USER, [2004]),
    ],
    example: 'target:"Global Administrators"',
    also: ['object', 'resource', 'entity', 'group', 'whom', 'grantee', 'what'],
  },
  {
    name: 'action',
    title: 'what was done: the source’s own name of it, and OCSF’s',
    kind: 'text',
    column: 'action',
    paths: [{ path: 'metadata.event_code' }, { path: 'api.operation', classes: [6003] }, { path: 'activity_name' }],
    example: 'action:"Add member to role"',
    also: ['activity', 'operation', 'event', 'event_type', 'verb', 'eventname', 'op'],
  },
  {
    name: 'outcome',
    title: 'how it ended: `success`, `failure`, `unknown`, or another word of the source',
    kind: 'text',
    column: 'outcome',
    // The word of `status_id`, that of `status` where it is 99. A finding's status is not the end of anything.
    paths: [
      { path: 'status_id', classes: [0, ...DONE] },
      { path: 'status', classes: [0, ...DONE] },
    ],
    example: 'outcome:failure',
    also: ['result', 'success', 'state'],
  },
  {
    name: 'ip',
    title: 'the address it came from, or a network that holds it',
    kind: 'ip',
    column: 'ip',
    paths: [
      { path: 'src_endpoint.ip', classes: DONE },
      { path: 'src_endpoint.intermediate_ips[]', classes: DONE },
      { path: 'device.ip', classes: [2004, ...DONE] },
      { path: 'evidences[].src_endpoint.ip', classes: [2004] },
      { path: 'evidences[].src_endpoint.intermediate_ips[]', classes: [2004] },
      { path: 'observables[].value', classes: [0] },
    ],
    example: 'ip:10.0.0.0/8',
    also: ['address', 'ipaddress', 'src', 'src_ip', 'addr', 'network', 'cidr', 'client'],
  },
  {
    name: 'source',
    title: 'the connector: its type or what begins that before a dot, then instance and stream',
    kind: 'source',
    column: 'source',
    // Of the entry, not of the event.
    paths: [],
    example: 'source:entra/contoso',
    also: ['connector', 'provider', 'product', 'origin', 'log'],
  },
  {
    name: 'app',
    title: 'the application that was signed in to or acted through',
    kind: 'text',
    column: 'app',
    paths: [
      ...under('actor', ['app_name', 'app_uid']),
      ...under('service', NAMED, [3002]),
      ...under('api.service', NAMED, [6003]),
    ],
    example: 'app:"Azure Portal"',
    also: ['application', 'service', 'client_id', 'appid'],
  },
  {
    name: 'session',
    title: 'id of the session, or of the token it was used with',
    kind: 'text',
    column: 'session',
    paths: [...under('actor.session', SESSION), ...under('session', SESSION, [3002, 3003])],
    example: 'session:b5f1c1de-7d3e-4cb6-8e5b-4c0f33b0a1d2',
    also: ['session_id', 'sid', 'sessionid'],
  },
  {
    name: 'correlation',
    title: 'id that the source gave to all that belongs together',
    kind: 'text',
    column: 'correlation',
    paths: [{ path: 'metadata.correlation_uid' }],
    example: 'correlation:20fdac49-3f3c-4e93-9e7d-2b1cf0b5a3ff',
    also: ['correlation_id', 'correlationid', 'request', 'trace', 'request_id'],
  },
  {
    name: 'class',
    title: 'OCSF class, by name or number',
    kind: 'number',
    column: 'class',
    paths: [{ path: 'class_uid' }],
    example: 'class:authentication',
    also: ['type', 'kind', 'category'],
  },
  {
    name: 'severity',
    title: 'by name or number, from 0 unknown, 1 informational, 2 low to 6 fatal; 99 is other',
    kind: 'number',
    column: 'severity',
    paths: [{ path: 'severity_id' }],
    example: 'severity:>=high',
    also: ['level', 'priority'],
  },
  {
    name: 'privilege',
    title: 'role, permission or scope that was given or taken',
    kind: 'text',
    column: 'privilege',
    paths: [{ path: 'privileges[]', classes: [3003, 3005, 3006] }],
    example: 'privilege:"Global Administrator"',
    also: ['role', 'permission', 'scope', 'grant', 'entitlement'],
  },
  {
    name: 'country',
    title: 'country of the address, as the source names it',
    kind: 'text',
    column: 'country',
    paths: [
      { path: 'src_endpoint.location.country', classes: DONE },
      { path: 'device.location.country', classes: [2004, ...DONE] },
      { path: 'evidences[].src_endpoint.location.country', classes: [2004] },
    ],
    example: '-country:DE',
    also: ['location', 'geo', 'where'],
  },
  {
    name: 'ledger',
    title: 'the ledger, in a search over several',
    kind: 'text',
    column: 'ledger',
    paths: [],
    example: 'ledger:payments',
    also: ['tenant', 'index', 'stream'],
  },
] as const satisfies readonly Field[]

export type FieldName = (typeof fields)[number]['name']
export type TextField = Extract<(typeof fields)[number], { kind: 'text' }>['name']
export type NumberField = Extract<(typeof fields)[number], { kind: 'number' }>['name']

/** What is written like a field and is none. */
export const keywords = [
  {
    name: 'time',
    title: 'when it happened: a day, a month or a moment, a range as `2026-01-01..2026-01-02`, or `>=` and the like',
    example: 'time:2026-01-01..2026-01-02',
    also: ['when', 'timestamp', 'date', 'datetime'],
  },
  {
    name: 'after',
    title: 'at this time or later: a date, RFC 3339, or relative',
    example: 'after:2026-01-01',
    also: ['since', 'from', 'start', 'begin'],
  },
  {
    name: 'before',
    title: 'before this time',
    example: 'before:-24h',
    also: ['until', 'to', 'end', 'till'],
  },
  {
    name: 'exists',
    title: 'has a value of that field, or at that path',
    example: 'exists:session',
    also: ['has', 'isset'],
  },
] as const

const byName = new Map<string, (typeof fields)[number]>(fields.map((field) => [field.name, field]))

export function fieldOf(name: string): (typeof fields)[number] | undefined {
  return byName.get(name)
}

/** Whether there is no event without a value of the field. */
export function everyEventHas(field: FieldName): boolean {
  return field === 'source' || field === 'class' || field === 'severity' || field === 'ledger'
}

/** What 99, Other, is beyond: no range of severities reaches it. */
export const MAX_SEVERITY = 6
export const severities: ReadonlyMap<string, number> = new Map([
  ...['unknown', 'informational', 'low', 'medium', 'high', 'critical', 'fatal'].map((name, id) => [name, id] as const),
  ['other', 99],
])

function under(object: string, members: readonly string[], classes?: readonly number[]): FieldPath[] {
  return members.map((member) => ({ path: `${object}.${member}`, ...(classes === undefined ? {} : { classes }) }))
}
