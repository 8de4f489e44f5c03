// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the provisioning service did, in OCSF: Account Change for users, Group Management for groups, Entity Management
// for the rest. The object is the one of the source system, which has the names that people know; what it is in the
// target system is the result. The page of the resource: learn.microsoft.com/graph/api/resources/
// provisioningobjectsummary. Diagnostic settings spell some of its keys with a capital, and older ones `Name`.

import type { Actor, User } from '../../schema/ocsf-objects.ts'
import type { AccountChange, EntityManagement, GroupManagement, OcsfEvent } from '../../schema/ocsf.ts'
import { MappingFault } from '../connector.ts'
import type { MapContext } from '../connector.ts'
import { decoded, objectOf, objectsOf, text } from '../json.ts'
import type { Json, JsonObject } from '../json.ts'
import { actorOf, entityOf, groupOf, metadataOf, resourceOf, userOf } from '../ocsf-base.ts'
import type { Change, Outcome } from '../ocsf-base.ts'
import { accountChange, entityManagement, groupManagement } from '../ocsf-event.ts'
import type { Common } from '../ocsf-event.ts'
import { capital, spoken, spokenUser } from '../spoken.ts'
import { recordOf } from './record.ts'
import type { EntraRecord } from './record.ts'
import { entraProduct, keepOf, line, sourceOf, timeOf } from './where.ts'

export interface ProvisioningAction {
  readonly did: string
  readonly doing: string
  readonly toDo: string
  /** Of Account Change, Group Management and Entity Management; 99 bears the action's own name. */
  readonly user: AccountChange['activity_id']
  readonly group: GroupManagement['activity_id']
  readonly entity: EntityManagement['activity_id']
}

/** `provisioningAction`, in lower case. */
export const provisioningActions: ReadonlyMap<string, ProvisioningAction> = new Map<string, ProvisioningAction>([
  ['create', { did: 'created', doing: 'creating', toDo: 'create', user: 1, group: 6, entity: 1 }],
  ['update', { did: 'updated', doing: 'updating', toDo: 'update', user: 99, group: 99, entity: 3 }],
  ['delete', { did: 'deleted', doing: 'deleting', toDo: 'delete', user: 6, group: 5, entity: 4 }],
  [
    'stageddelete',
    {
      did: 'staged the deletion of',
      doing: 'staging the deletion of',
      toDo: 'stage the deletion of',
      user: 99,
      group: 99,
      entity: 99,
    },
  ],
  ['disable', { did: 'disabled', doing: 'disabling', toDo: 'disable', user: 5, group: 99, entity: 9 }],
  ['other', { did: 'provisioned', doing: 'provisioning', toDo: 'provision', user: 99, group: 99, entity: 99 }],
])

/** `identityType`, the last part of a URN, in lower case. What is not here is an entity of its own name. */
export const identityTypes: ReadonlyMap<string, 'user' | 'group'> = new Map([
  ['user', 'user'],
  ['person', 'user'],
  ['inetorgperson', 'user'],
  ['worker', 'user'],
  ['employee', 'user'],
  ['group', 'group'],
])

/** `provisioningStatusInfo.status`, else the envelope's `resultType`, in lower case. */
export const provisioningStatuses: ReadonlyMap<string, Pick<Outcome, 'status_id' | 'status'>> = new Map<
  string,
  Pick<Outcome, 'status_id' | 'status'>
>([
  ['success', { status_id: 1, status: 'Success' }],
  ['warning', { status_id: 99, status: 'Warning' }],
  ['failure', { status_id: 2, status: 'Failure' }],
  ['skipped', { status_id: 99, status: 'Skipped' }],
])

const times: readonly string[] = ['activityDateTime']
const kept: readonly string[] = [
  'cycleId',
  'durationInMilliseconds',
  'jobId',
  'provisioningSteps',
  'servicePrincipal',
  'sourceIdentity',
  'sourceSystem',
  'targetIdentity',
  'targetSystem',
]

export function mapProvisioning(event: JsonObject, context: MapContext): OcsfEvent {
  const record = recordOf(event)
  const { resource } = record
  const source = identityIn(resource['sourceIdentity'])
  const target = identityIn(resource['targetIdentity'])
  const object = source ?? target
  if (object === undefined) throw new MappingFault('the provisioning names no object')
  const written = text(resource['provisioningAction']) ?? text(resource['action'])
  const action = provisioningActions.get(written?.toLowerCase() ?? '') ?? provisioningActions.get('other')!
  const kind = identityTypes.get(object.type.toLowerCase()) ?? 'entity'
  const common = commonOf(record, context, written, { object, action, kind })
  // OCSF's Other says which only by its name.
  const named: Common = action[kind] === 99 ? { ...common, activity_name: written ?? 'Other' } : common
  const result = source === undefined ? undefined : target
  const system = systemIn(resource)
  if (kind === 'user') {
    const account = system === undefined ? undefined : { ...system, type: 'Other', type_id: 99 }
    return accountChange(named, action.user, { user: { ...object.user, account }, user_result: result?.user })
  }
  if (kind === 'group') {
    const group = groupOf(object.name, object.id)!
    return groupManagement(named, action.group, {
      group,
      resource: resourceOf(system?.name, system?.uid, 'Application'),
    })
  }
  return entityManagement(named, action.entity, {
    entity: { ...entityOf(object.type, object.name, object.id)!, org: system },
    entity_result: result === undefined ? undefined : entityOf(result.type, result.name, result.id),
  })
}

/** The system that is provisioned to: whose account it is, of a group the resource, of anything else whose it is. */
function systemIn(
  resource: JsonObject,
): { readonly name: string | undefined; readonly uid: string | undefined } | undefined {
  const system = objectOf(resource['targetSystem'])
  const name = nameIn(system)
  const uid = text(system?.['id']) ?? text(system?.['Id'])
  return name === undefined && uid === undefined ? undefined : { name, uid }
}

interface Identity {
  readonly type: string
  readonly name: string | undefined
  readonly id: string | undefined
  readonly user: User
}

/** Undefined where it is nameless: an object that was not made has a type only. */
function identityIn(value: Json | undefined): Identity | undefined {
  const identity = objectOf(value)
  if (identity === undefined) return undefined
  const details = objectOf(identity['details'])
  const principal = text(details?.['userPrincipalName']) ?? text(details?.['UserPrincipalName'])
  const shown = nameIn(identity)
  const id = text(identity['id']) ?? text(identity['Id'])
  const user = userOf(principal, id, shown, 1)
  if (user === undefined) return undefined
  const written = text(identity['identityType']) ?? 'object'
  return { type: written.slice(written.lastIndexOf(':') + 1), name: shown ?? principal, id, user }
}

function nameIn(object: JsonObject | undefined): string | undefined {
  return text(object?.['displayName']) ?? text(object?.['Name'])
}

interface Done {
  readonly object: Identity
  readonly action: ProvisioningAction
  readonly kind: 'user' | 'group' | 'entity'
}

function commonOf(record: EntraRecord, context: MapContext, written: string | undefined, done: Done): Common {
  const { resource } = record
  const outcome = outcomeIn(record)
  const { time, original } = timeOf(record, times, context)
  const actor = actorIn(objectOf(resource['initiatedBy']))
  const unmapped: Record<string, unknown> = keepOf(record, kept)
  const changes = changesIn(resource)
  if (changes.length > 0) unmapped['changes'] = changes
  return {
    metadata: metadataOf(entraProduct, {
      uid: text(resource['id']),
      event_code: written ?? record.operation,
      log_name: 'ProvisioningLogs',
      correlation_uid: text(resource['changeId']) ?? record.correlation,
      tenant_uid: record.tenant,
      original_time: original,
    }),
    time,
    severity_id: outcome.status_id === 2 ? 2 : 1,
    outcome,
    message: line(told(done, actor, nameIn(objectOf(resource['targetSystem'])), outcome)),
    actor,
    src_endpoint: sourceOf(record),
    unmapped,
  }
}

/** `initiatorType` is `user`, `application` or `system`. */
function actorIn(initiator: JsonObject | undefined): Actor | undefined {
  if (initiator === undefined) return undefined
  const type = text(initiator['initiatorType'] ?? initiator['initiatingType'] ?? initiator['Type'])?.toLowerCase()
  const name = nameIn(initiator)
  const id = text(initiator['id']) ?? text(initiator['Id'])
  return type === 'user' ? actorOf(userOf(undefined, id, name, 1)) : actorOf(undefined, name, id)
}

function outcomeIn({ resource, resultType, resultDescription }: EntraRecord): Outcome {
  const info = objectOf(resource['provisioningStatusInfo'])
  const written = text(info?.['status']) ?? text(info?.['Status']) ?? resultType
  const known = provisioningStatuses.get(written?.toLowerCase() ?? '') ?? { status_id: 0, status: 'Unknown' }
  const error = objectOf(info?.['errorInformation'])
  const reason = text(error?.['reason']) ?? resultDescription
  return {
    status_id: known.status_id,
    status: known.status,
    status_code: text(error?.['errorCode']) ?? written,
    status_detail: reason ?? (known.status_id === 1 ? undefined : lastStep(resource)),
  }
}

/** What the last step says, where no reason is given: of a skipped object, why. */
function lastStep(resource: JsonObject): string | undefined {
  return text(objectsOf(resource['provisioningSteps'], 256).at(-1)?.['description'])
}

function changesIn(resource: JsonObject): readonly Change[] {
  return objectsOf(resource['modifiedProperties'], 256).flatMap((property) => {
    const name = nameIn(property)
    if (name === undefined) return []
    return { name, old: decoded(property['oldValue']), new: decoded(property['newValue']) }
  })
}

function subjectOf(actor: Actor | undefined): string {
  if (actor?.user !== undefined) return capital(spokenUser(actor.user))
  const app = actor?.app_name ?? actor?.app_uid
  return app === undefined ? 'The provisioning service' : `The app ${spoken(app)}`
}

function told(
  { object, action, kind }: Done,
  actor: Actor | undefined,
  system: string | undefined,
  outcome: Outcome,
): string {
  const who = subjectOf(actor)
  const name = (kind === 'user' ? object.user.name : object.name) ?? object.id
  const what =
    name === undefined
      ? spokenUser(object.user)
      : `the ${kind === 'entity' ? spoken(object.type) : kind} ${spoken(name)}`
  const where = system === undefined ? '' : ` in ${spoken(system)}`
  const why = outcome.status_detail === undefined ? '' : `: ${spoken(outcome.status_detail)}`
  if (outcome.status_id === 2) return `${who} failed to ${action.toDo} ${what}${where}${why}`
  if (outcome.status === 'Skipped') return `${who} skipped ${action.doing} ${what}${where}${why}`
  return `${who} ${action.did} ${what}${where}`
}
