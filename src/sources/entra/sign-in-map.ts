// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Sign-ins in OCSF: Authentication, activity Logon. Who signs in is `user`, the application through which they do is
// the actor's `app_name`, and the resource that they sign in to is `service`. The sentence names the application of a
// user, which people know, and the resource of a workload, which is an application itself.

import type { Actor, AuthFactor, Device, HttpRequest, Os, Service, Session, User } from '../../schema/ocsf-objects.ts'
import type { Authentication } from '../../schema/ocsf.ts'
import { MappingFault } from '../connector.ts'
import type { MapContext } from '../connector.ts'
import { arrayOf, booleanOf, objectOf, objectsOf, text } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { actorOf, metadataOf, serviceOf, userOf } from '../ocsf-base.ts'
import { authentication } from '../ocsf-event.ts'
import { recordOf } from './record.ts'
import type { EntraRecord } from './record.ts'
import { endOf, severityOf } from './sign-in-end.ts'
import type { End } from './sign-in-end.ts'
import { told } from './sign-in-sentence.ts'
import {
  EARLIER_METHOD,
  factors,
  federated,
  interactiveUser,
  kept,
  kindByEventType,
  kindByLog,
  legacyClients,
  mfaPassed,
  nonInteractiveUser,
  operatingSystems,
  protocols,
  riskLevels,
  riskyProtocols,
  SECOND_FACTOR,
  servicePrincipal,
  settledRisks,
  strangers,
} from './sign-in-terms.ts'
import type { RiskLevel, SignInKind } from './sign-in-terms.ts'
import { entraProduct, keepOf, line, placeName, sourceOf, timeOf } from './where.ts'

const times: readonly string[] = ['createdDateTime']
/** Stands for no user. */
const ZERO_ID = '00000000-0000-0000-0000-000000000000'

const profiles = {
  none: undefined,
  device: Object.freeze(['host']),
  risk: Object.freeze(['security_control']),
  both: Object.freeze(['host', 'security_control']),
} as const

export function mapSignIn(event: JsonObject, context: MapContext): Authentication {
  const record = recordOf(event)
  const { resource } = record
  const kind = kindOf(record)
  const user = userIn(record, kind)
  if (user === undefined) throw new MappingFault('the sign-in names neither a user nor a service principal')
  const source = sourceOf(record)
  const device = deviceIn(objectOf(resource['deviceDetail']), source?.ip)
  const end = endOf(record)
  const risk = riskIn(resource)
  const client = text(resource['clientAppUsed'])
  const legacy = client !== undefined && legacyClients.has(client.toLowerCase()) ? client : undefined
  const proof = proofIn(resource)
  const mfa = mfaIn(resource, proof, end)
  const target = targetIn(resource, kind)
  const { time, original } = timeOf(record, times, context)
  const protocol = text(resource['authenticationProtocol'])?.toLowerCase() ?? 'none'
  const means = riskyProtocols.get(protocol)
  const severity = means === undefined ? severityOf(end) : atLeastLow(severityOf(end))
  const guise = guiseIn(resource)
  const settings = {
    kind,
    user,
    target: target.name,
    place: placeName(source),
    mfa,
    legacy,
    risk,
    guise,
    protocol: means ?? '',
  }

  const unmapped: Record<string, unknown> = keepOf(record, kept)
  if (legacy !== undefined) unmapped['legacyAuthentication'] = true
  if (end.details !== undefined) unmapped['additionalDetails'] = end.details

  return authentication(
    {
      metadata: metadataOf(entraProduct, {
        uid: text(resource['id']),
        event_code: record.operation ?? 'Sign-in activity',
        log_name: kind.log,
        correlation_uid: record.correlation,
        tenant_uid: record.tenant,
        original_time: original,
        profiles:
          profiles[
            device === undefined ? (risk === undefined ? 'none' : 'risk') : risk === undefined ? 'device' : 'both'
          ],
      }),
      time,
      severity_id: risk === undefined || risk.severity < severity ? severity : risk.severity,
      outcome: end.outcome,
      message: line(told(end, settings, resource)),
      actor: target.actor,
      src_endpoint: source,
      http_request: requestIn(resource),
      device,
      unmapped,
    },
    1,
    {
      user,
      service: target.service,
      session: sessionIn(resource),
      is_mfa: mfa,
      logon_type: kind.logon.logon_type,
      logon_type_id: kind.logon.logon_type_id,
      auth_factors: proof.factors,
      risk_level: risk?.name,
      risk_level_id: risk?.id,
      risk_details: risk === undefined ? undefined : riskDetails(resource),
      ...protocols.get(protocol),
    },
  )
}

function atLeastLow(severity: 1 | 2 | 3): 2 | 3 {
  return severity === 1 ? 2 : severity
}

function guiseIn(resource: JsonObject): string {
  const across = strangers.get(text(resource['crossTenantAccessType'])?.toLowerCase() ?? '')
  return across ?? strangers.get(text(resource['userType'])?.toLowerCase() ?? '') ?? ''
}

function kindOf({ category, resource }: EntraRecord): SignInKind {
  const byLog = category === undefined ? undefined : kindByLog.get(category.toLowerCase())
  if (byLog !== undefined) return byLog
  const byTable = kindByLog.get(text(resource['type'])?.toLowerCase() ?? '')
  if (byTable !== undefined) return byTable
  const named = text(arrayOf(resource['signInEventTypes'])[0])?.toLowerCase()
  const byEvent = named === undefined ? undefined : kindByEventType.get(named)
  if (byEvent === interactiveUser && text(resource['tokenIssuerType']) === 'ADFederationServices') return federated
  if (byEvent !== undefined) return byEvent
  const isUser = text(resource['userId']) !== undefined || text(resource['userPrincipalName']) !== undefined
  if (!isUser && text(resource['servicePrincipalId']) !== undefined) return servicePrincipal
  return booleanOf(resource['isInteractive']) === false ? nonInteractiveUser : interactiveUser
}

function userIn({ resource, identity }: EntraRecord, kind: SignInKind): User | undefined {
  const workload = kind.who !== 'user'
  if (workload) {
    const name = text(resource['servicePrincipalName']) ?? text(resource['appDisplayName'])
    const id = text(resource['servicePrincipalId']) ?? text(resource['appId'])
    if (name !== undefined || text(resource['servicePrincipalId']) !== undefined) return userOf(name, id, undefined, 4)
  }
  const name = text(resource['userPrincipalName']) ?? text(resource['signInIdentifier'])
  const id = text(resource['userId'])
  const shown = text(resource['userDisplayName']) ?? identity
  return userOf(name, id === ZERO_ID ? undefined : id, shown, workload ? 4 : 1)
}

interface Target {
  readonly name: string | undefined
  readonly actor: Actor | undefined
  readonly service: Service | undefined
}

function targetIn(resource: JsonObject, { who }: SignInKind): Target {
  const app = text(resource['appDisplayName'])
  const appId = text(resource['appId'])
  const api = text(resource['resourceDisplayName'])
  const apiId = text(resource['resourceId'])
  const called = who === 'user' ? (app ?? api ?? appId ?? apiId) : (api ?? apiId)
  const own = app ?? (who === 'user' ? undefined : text(resource['servicePrincipalName']))
  return {
    name: called,
    actor: actorOf(undefined, own, appId),
    service: serviceOf(api, apiId) ?? serviceOf(app, appId),
  }
}

/** The session of the interactive sign-in that all began with; the token's id is what requests made with it name. */
function sessionIn(resource: JsonObject): Session | undefined {
  const session = text(resource['sessionId'])
  const token = text(resource['uniqueTokenIdentifier'])
  if (session === undefined && token === undefined) return undefined
  return { uid: session, uid_alt: token, issuer: text(resource['tokenIssuerName']) }
}

function requestIn(resource: JsonObject): HttpRequest | undefined {
  const agent = text(resource['userAgent'])
  return agent === undefined ? undefined : { user_agent: agent }
}

function deviceIn(detail: JsonObject | undefined, ip: string | undefined): Device | undefined {
  if (detail === undefined) return undefined
  const uid = text(detail['deviceId'])
  const name = text(detail['displayName'])
  const written = text(detail['operatingSystem'])
  // A device is known by one of these; a system on its own describes none.
  if (uid === undefined && name === undefined && (ip === undefined || written === undefined)) return undefined
  const folded = written?.toLowerCase() ?? ''
  const system = operatingSystems.find(([begins]) => folded.startsWith(begins))
  const os: Os | undefined = written === undefined ? undefined : { name: written, type_id: system?.[1] ?? 99 }
  return {
    uid,
    name,
    ip,
    type_id: system?.[2] ?? 0,
    os,
    is_compliant: booleanOf(detail['isCompliant']),
    is_managed: booleanOf(detail['isManaged']),
  }
}

/** The higher of both levels, if it is one that raises something and was not taken back. */
function riskIn(resource: JsonObject): RiskLevel | undefined {
  const state = text(resource['riskState'])?.toLowerCase() ?? 'none'
  if (settledRisks.has(state)) return undefined
  const during = riskLevels.get(text(resource['riskLevelDuringSignIn'])?.toLowerCase() ?? '')
  const aggregated = riskLevels.get(text(resource['riskLevelAggregated'])?.toLowerCase() ?? '')
  const risk = (during?.severity ?? 1) < (aggregated?.severity ?? 1) ? aggregated : during
  if (state === 'confirmedcompromised') return riskLevels.get('high')
  return risk === undefined || risk.severity === 1 ? undefined : risk
}

function riskDetails(resource: JsonObject): string | undefined {
  const types = arrayOf(resource['riskEventTypes_v2'] ?? resource['riskEventTypes'])
  const named = types.slice(0, 16).flatMap((type) => text(type) ?? [])
  const detail = text(resource['riskDetail'])
  if (named.length > 0) return named.join(', ')
  return detail === 'none' || detail === 'hidden' ? undefined : detail
}

/** What `authenticationDetails` tell of the steps of this sign-in. */
interface Proof {
  readonly steps: number
  /** A second factor was given, or claimed to have been before, and accepted. */
  readonly second: boolean
  /** The factors that were given now and accepted. */
  readonly factors: AuthFactor[] | undefined
}

function proofIn(resource: JsonObject): Proof {
  let steps = 0
  let second = false
  let given: AuthFactor[] | undefined
  for (const step of objectsOf(resource['authenticationDetails'], 32)) {
    steps++
    if (booleanOf(step['succeeded']) !== true) continue
    second ||= text(step['authenticationStepRequirement'])?.toLowerCase() === SECOND_FACTOR
    const method = text(step['authenticationMethod'])
    const folded = method?.toLowerCase()
    if (method === undefined || folded === undefined || folded === EARLIER_METHOD) continue
    given ??= []
    given.push(factors.get(folded) ?? { factor_type_id: 99, factor_type: method })
  }
  return { steps, second, factors: given }
}

/**
 * True where a second factor was used, now or in the claim; false where none was. Undefined where nobody says, or two
 * contradict each other: early records of a sign-in claim MFA where there was none.
 */
function mfaIn(resource: JsonObject, { steps, second }: Proof, { outcome }: End): boolean | undefined {
  if (second) return true
  const requirement = text(resource['authenticationRequirement'])
  if (requirement === 'multiFactorAuthentication') {
    if (outcome.status_id === 1) return true
    return steps > 0 ? false : undefined
  }
  const additional = text(objectOf(resource['status'])?.['additionalDetails'])?.toLowerCase()
  const claimed = additional !== undefined && mfaPassed.some((begins) => additional.startsWith(begins))
  if (requirement === 'singleFactorAuthentication') return claimed ? undefined : false
  return claimed ? true : undefined
}
