// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Requests to Microsoft Graph in OCSF: API Activity. The columns are those of MicrosoftGraphActivityLogs
// (learn.microsoft.com/azure/azure-monitor/reference/tables/microsoftgraphactivitylogs), which diagnostic settings
// spell with a small first letter. The log names nobody: users, principals and applications are ids.

import type { Actor, Url } from '../../schema/ocsf-objects.ts'
import type { ApiActivity } from '../../schema/ocsf.ts'
import { unknownActor } from '../../schema/placeholder.ts'
import { MappingFault } from '../connector.ts'
import type { MapContext } from '../connector.ts'
import { clip, text, wholeOf } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { metadataOf, userOf } from '../ocsf-base.ts'
import type { Outcome } from '../ocsf-base.ts'
import { apiActivity } from '../ocsf-event.ts'
import { quoted, spoken } from '../spoken.ts'
import { recordOf } from './record.ts'
import { entraProduct, keepOf, line, sourceOf, timeOf } from './where.ts'

/** `requestMethod`. Graph's actions are POST too, and nothing but their names tells them from what creates. */
export const requestMethods: ReadonlyMap<string, 1 | 2 | 3 | 4> = new Map<string, 1 | 2 | 3 | 4>([
  ['GET', 2],
  ['HEAD', 2],
  ['OPTIONS', 2],
  ['POST', 1],
  ['PUT', 3],
  ['PATCH', 3],
  ['DELETE', 4],
])

/** A batch carries requests of any method; each has a record of its own. */
const BATCH = '/$batch'

const graphService = Object.freeze({ name: 'Microsoft Graph', uid: '00000003-0000-0000-c000-000000000000' })
/** The class demands an endpoint; internal callers have no address. */
const unknownEndpoint = Object.freeze({ name: 'unknown' })

const MAX_REQUEST_CHARS = 80
const times: readonly string[] = ['timeGenerated']
const kept: readonly string[] = [
  'aTContent',
  'clientAuthMethod',
  'clientRequestId',
  'deviceId',
  'durationMs',
  'identityProvider',
  'operationId',
  'responseSizeBytes',
  'roles',
  'scopes',
  'servicePrincipalId',
  'signInActivityId',
  'tokenIssuedAt',
  'uniqueTokenId',
  'wids',
]

export function mapGraphActivity(event: JsonObject, context: MapContext): ApiActivity {
  const record = recordOf(event)
  const { resource } = record
  const method = text(resource['requestMethod'], 32)?.toUpperCase()
  const uri = text(resource['requestUri'], 2_048)
  if (method === undefined || uri === undefined) throw new MappingFault('the request has no method or no address')
  const url = urlOf(uri)
  const actor = actorIn(resource)
  const code = wholeOf(resource['responseStatusCode']) ?? wholeOf(record.resultSignature)
  const request = text(resource['requestId'])
  const agent = text(resource['userAgent'])
  const { time, original } = timeOf(record, times, context)
  const called = `${method} ${pathOf(url)}`
  const outcome = outcomeOf(code)
  return apiActivity(
    {
      metadata: metadataOf(entraProduct, {
        uid: request,
        event_code: method,
        log_name: 'MicrosoftGraphActivityLogs',
        correlation_uid: text(resource['operationId']) ?? record.correlation,
        tenant_uid: record.tenant ?? text(resource['aadTenantId']),
        original_time: original,
      }),
      time,
      severity_id: outcome.status_id === 2 ? 2 : 1,
      outcome,
      message: line(told(actor, called, code)),
      actor: actor ?? unknownActor,
      src_endpoint: sourceOf(record) ?? unknownEndpoint,
      http_request: {
        http_method: requestMethods.has(method) ? method : undefined,
        url,
        user_agent: agent,
        uid: request,
      },
      unmapped: keepOf(record, kept),
    },
    url.path?.endsWith(BATCH) === true ? 99 : (requestMethods.get(method) ?? 99),
    {
      api: {
        operation: called,
        version: text(resource['apiVersion']),
        service: graphService,
        request: request === undefined ? undefined : { uid: request },
        response: code === undefined ? undefined : { code },
      },
      http_response: code === undefined ? undefined : { code },
    },
  )
}

/** A request is the user's through an application, or the application's own under its service principal. */
function actorIn(resource: JsonObject): Actor | undefined {
  const app = text(resource['appId'])
  const user =
    userOf(undefined, text(resource['userId']), undefined, 1) ??
    userOf(undefined, text(resource['servicePrincipalId']), undefined, 4)
  const session = text(resource['sessionId'])
  const token = text(resource['signInActivityId'])
  const held = session === undefined && token === undefined ? undefined : { uid: session, uid_alt: token }
  if (app === undefined && user === undefined && held === undefined) return undefined
  return { user, app_uid: app, session: held }
}

function outcomeOf(code: number | undefined): Outcome {
  if (code === undefined) return { status_id: 0, status: 'Unknown' }
  return code < 400
    ? { status_id: 1, status: 'Success', status_code: String(code) }
    : { status_id: 2, status: 'Failure', status_code: String(code) }
}

/** The parts as they are written: a parser would normalise, and refuse what was asked nevertheless. */
function urlOf(uri: string): Url {
  const colon = uri.indexOf('://')
  const start = colon === -1 ? 0 : uri.indexOf('/', colon + 3)
  const path = start === -1 ? '' : uri.slice(start)
  const query = path.indexOf('?')
  return {
    url_string: uri,
    scheme: colon === -1 ? undefined : uri.slice(0, colon),
    hostname: colon === -1 ? undefined : uri.slice(colon + 3, start === -1 ? undefined : start),
    path: query === -1 ? path : path.slice(0, query),
    query_string: query === -1 ? undefined : path.slice(query + 1),
  }
}

/** Without the version: `/users`. */
function pathOf({ path = '' }: Url): string {
  const next = path.indexOf('/', 1)
  const version = next === -1 ? path : path.slice(0, next)
  return (version === '/v1.0' || version === '/beta') && next !== -1 ? path.slice(next) : path
}

function told(actor: Actor | undefined, called: string, code: number | undefined): string {
  const app = actor?.app_uid === undefined ? undefined : `app ${spoken(actor.app_uid)}`
  const user = actor?.user?.type_id === 1 ? actor.user.uid : undefined
  const answer = code === undefined ? '' : `: ${code}`
  // An address has no spaces, and what has none says nothing.
  const request = /^[A-Z]+ \/[\x21-\x7e]*$/.test(called) ? clip(called, MAX_REQUEST_CHARS) : quoted(called)
  if (user !== undefined) {
    return `The user ${spoken(user)} called ${request}${app === undefined ? '' : ` through the ${app}`}${answer}`
  }
  const who = app ?? (actor?.user?.uid === undefined ? 'somebody' : `service principal ${spoken(actor.user.uid)}`)
  return `${who === 'somebody' ? 'Somebody' : `The ${who}`} called ${request}${answer}`
}
