// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Stele's own events: who read what (`access`), and what was administered or happened to the server (`system`). These
// types stand outside the registry, so that nothing is recognised as one and no client can name one.

import type { Actor, ManagedEntity, NetworkEndpoint } from '../schema/ocsf-objects.ts'
import type { OcsfEvent } from '../schema/ocsf.ts'
import { type SystemEvent, systemEventSchema } from '../schema/system-events.ts'
import { addressOf } from './address.ts'
import { type Connector, type MapContext, MappingFault } from './connector.ts'
import { arrayOf, type JsonObject, objectsOf, text, wholeOf } from './json.ts'
import { actorOf, entityOf, metadataOf, outcomeOf, sentence, type SeverityId, userOf } from './ocsf-base.ts'
import { apiActivity, type Common, detectionFinding, entityManagement, userAccess } from './ocsf-event.ts'
import { quoted, spoken } from './spoken.ts'
import { parseTime } from './time.ts'

/** By source type. */
export const ownMappings: readonly (readonly [type: string, map: Connector['map']])[] = [
  ['stele.access', mapAccess],
  ['stele.system', mapSystem],
]

const product = { name: 'Stele', vendor_name: 'Stele' } as const
const STELE = 'stele'
const MAX_QUERY_CHARS = 120

/** What was read, for the sentence: the ledger stands behind it. */
const reads: ReadonlyMap<string, (event: JsonObject) => string> = new Map([
  ['event.read', (event) => `read event ${wholeOf(event['first']) ?? '?'} of`],
  ['receipt.read', (event) => `read the receipt of event ${wholeOf(event['first']) ?? '?'} of`],
  [
    'events.tail',
    (event) => (event['phase'] === 'close' ? `read ${countOf(event)} as they came, following` : 'began to follow'),
  ],
  ['events.search', (event) => `was shown ${shownOf(event)}${askedOf(event)} in`],
  ['timeline.read', (event) => `was shown ${shownOf(event)} of a timeline${askedOf(event)} in`],
  ['related.read', (event) => `was shown ${shownOf(event)} that belong together${askedOf(event)} in`],
  [
    'events.export',
    (event) =>
      event['phase'] === 'close'
        ? `was given ${event['whole'] === false ? 'a part, ' : ''}${countOf(event)}${event['whole'] === false ? ',' : ''} of an export${askedOf(event)} from`
        : `began an export${askedOf(event)} from`,
  ],
  ['facets.read', (event) => `counted ${fieldsOf(event)}${askedOf(event)} in`],
  ['fields.read', (event) => `looked up fields and examples${askedOf(event)} of`],
  ['histogram.read', (event) => `counted events over time${askedOf(event)} in`],
])

function mapAccess(event: JsonObject, context: MapContext): OcsfEvent {
  const action = text(event['action'])
  const ledger = text(event['ledger'])
  const by = text(event['by'])
  const via = text(event['via'])
  if (action === undefined || ledger === undefined || by === undefined || via === undefined)
    throw new MappingFault('it is no read record')
  const done = reads.get(action)?.(event) ?? `did ${spoken(action)} on`
  const named = objectsOf(event['ledgers']).flatMap((read) => text(read['ledger']) ?? [])
  const ledgers = named.length > 0 ? [...new Set(named)] : [ledger]
  const label = text(event['label'])
  const who = label === undefined ? spoken(by) : `${spoken(by)} (${spoken(label)})`
  const {
    type: _type,
    v: _version,
    action: _action,
    ledger: _ledger,
    by: _by,
    label: _label,
    via: _via,
    ...rest
  } = event
  return apiActivity(
    {
      metadata: metadataOf(product, { event_code: action, log_name: 'access' }),
      time: context.receivedMs,
      severity_id: 1,
      outcome: outcomeOf(1),
      message: sentence(`${who} ${done} ${ledger === '*' ? 'all ledgers it may read' : spoken(ledger)}`),
      actor: credentialActor(by, label),
      src_endpoint: endpointVia(via),
      unmapped: rest,
    },
    2,
    {
      api: { operation: action, service: { name: product.name } },
      resources: ledgers.map((name) => ({ name, type: 'Ledger' })),
    },
  )
}

function countOf(event: JsonObject): string {
  const count = wholeOf(event['count']) ?? 0
  return `${count} ${count === 1 ? 'event' : 'events'}`
}

/** Of how many, where the record has that; counting may have been given up. */
function shownOf(event: JsonObject): string {
  const total = wholeOf(event['total'])
  if (total === undefined) return countOf(event)
  return `${wholeOf(event['count']) ?? 0} of ${event['exact'] === false ? 'at least ' : ''}${total}`
}

function fieldsOf(event: JsonObject): string {
  const fields = arrayOf(event['fields']).flatMap((field) => text(field, 64) ?? [])
  return fields.length === 0
    ? 'values'
    : `the values of ${fields
        .slice(0, 32)
        .map((field) => spoken(field))
        .join(', ')}`
}

function askedOf(event: JsonObject): string {
  const query = text(event['query'], MAX_QUERY_CHARS)
  return query === undefined ? '' : ` by the query ${quoted(query, MAX_QUERY_CHARS)}`
}

/** A credential is known by its id; its label is what people call it. */
function credentialActor(by: string, label?: string): Actor {
  if (by === STELE) return { app_name: product.name }
  return actorOf(userOf(label, by, undefined, 0)) ?? { app_name: product.name }
}

/** The peer's address, or its name where the peer is known by that. */
function endpointVia(via: string): NetworkEndpoint {
  const ip = addressOf(via)
  return ip === undefined ? { name: via } : { ip }
}

function disagreement(event: Extract<SystemEvent, { type: 'index.disagreed' }>): string {
  const { ledger, from, to, missing, changed, invented, doubled } = event
  const where = ledger === undefined ? 'ledgers that there are not' : `${spoken(ledger)} from ${from} to ${to - 1}`
  const counts = Object.entries({ missing, changed, invented, doubled }).filter(([, count]) => count > 0)
  const what = counts.map(([kind, count]) => `${count} ${kind}`).join(', ')
  return `The search index disagreed with ${where}: ${what === '' ? 'too many rows to count' : what}`
}

function mapSystem(event: JsonObject, context: MapContext): OcsfEvent {
  const parsed = systemEventSchema.safeParse(event)
  if (!parsed.success) throw new MappingFault('it is no event of system that this version knows')
  return systemEvent(parsed.data, context)
}

function systemEvent(event: SystemEvent, { receivedMs }: MapContext): OcsfEvent {
  const by = 'by' in event ? event.by : STELE
  const who = by === STELE ? product.name : spoken(by)
  const common = (message: string, severity: SeverityId = 1): Common => {
    const { type: _type, v: _version, ...rest } = event
    return {
      metadata: metadataOf(product, { event_code: event.type, log_name: 'system' }),
      time: receivedMs,
      severity_id: severity,
      outcome: outcomeOf(1),
      message: sentence(message),
      actor: credentialActor(by),
      unmapped: rest,
    }
  }
  const finding = (title: string, message: string, severity: SeverityId): OcsfEvent =>
    detectionFinding({ ...common(message, severity), actor: undefined }, 1, {
      status_id: 1,
      finding_info: { uid: `${event.type}@${receivedMs}`, title },
    })
  switch (event.type) {
    case 'install': {
      const entity = thing('Installation', event.name, event.installId)
      return entityManagement(common(`Stele set up the installation ${spoken(event.name)}`), 1, { entity })
    }
    case 'ledger.created': {
      const entity = thing('Ledger', event.name, event.origin)
      return entityManagement(common(`${who} created the ledger ${event.name}`), 1, { entity })
    }
    case 'key.added': {
      const entity = thing('Key', event.ledger, event.vkey)
      return entityManagement(common(`${who} gave the ledger ${event.ledger} another key, for ML-DSA-44`), 1, {
        entity,
      })
    }
    case 'key.rotated': {
      const entity = thing('Key', event.ledger, undefined)
      return entityManagement(common(`${who} replaced the keys of the ledger ${event.ledger} by new ones`, 3), 3, {
        entity,
      })
    }
    case 'token.created':
      return tokenCreated(event, common(tokenSentence(event, who), event.scopes.includes('admin') ? 3 : 1))
    case 'token.revoked': {
      const entity = thing('Token', event.id, event.id)
      return entityManagement(common(`${who} revoked the token ${event.id}`), 11, { entity })
    }
    case 'server.started': {
      const entity = { ...thing('Server', product.name, undefined), version: event.version }
      return entityManagement(common(`Stele ${event.version} started`), 10, { entity })
    }
    case 'server.stopped':
      return entityManagement(common('Stele stopped'), 11, { entity: thing('Server', product.name, undefined) })
    case 'derived.rebuilt': {
      const message = `Stele rebuilt what it derives from the log: ${event.reason}`
      return entityManagement(common(message, 2), 3, { entity: thing('Derived files', 'derived', undefined) })
    }
    case 'recovered': {
      const message = `Stele cut ${event.bytesCut} bytes of an unfinished commit off ${event.file}`
      return finding('A commit was cut short', message, 3)
    }
    case 'head.missing':
      return finding('The head kept outside is missing', `Stele found no head in ${event.where}`, 4)
    case 'clock.jumped': {
      const message = `The wall clock jumped to ${event.wall} while ledger time was ${event.ledger}`
      return finding('The clock jumped', message, 4)
    }
    case 'clock.confirmed': {
      const entity = thing('Clock', 'wall clock', undefined)
      return entityManagement(common(`${who} confirmed the wall clock`, 3), 3, { entity })
    }
    case 'index.rebuild.requested':
      return entityManagement(common(`${who} had the search index rebuilt`), 3, { entity: searchIndex })
    case 'index.check.requested':
      return entityManagement(common(`${who} had the search index checked`), 2, { entity: searchIndex })
    case 'index.disagreed':
      return finding('The search index disagreed with the ledgers', disagreement(event), 4)
    case 'index.repaired': {
      const of = event.ledger === undefined ? 'ledgers that there are not' : spoken(event.ledger)
      const message = `Stele made ${event.rowCount} rows of ${of} in the search index anew, or deleted them`
      return entityManagement(common(message), 3, { entity: searchIndex })
    }
    case 'verification.requested':
      return entityManagement(common(`${who} had the ledgers verified`), 2, { entity: allLedgers })
    case 'verification.passed': {
      const message = `Stele verified its ledgers: ${event.entryCount} entries are as they must be`
      return entityManagement(common(message), 2, { entity: allLedgers })
    }
    case 'verification.failed': {
      const { findingCount, first } = event
      const more = findingCount > 1 ? `, and ${findingCount - 1} more` : ''
      const message = `Stele verified its ledgers and found what must not be: ${placed(first)}${more}`
      return finding('The stored data was changed', message, 5)
    }
    case 'witness.added': {
      const message = `${who} added the witness ${spoken(event.name)} at ${spoken(event.url)}`
      return entityManagement(common(message, 3), 1, { entity: thing('Witness', event.name, event.vkey) })
    }
    case 'witness.removed': {
      const message = `${who} removed the witness ${spoken(event.name)}`
      return entityManagement(common(message, 3), 4, { entity: thing('Witness', event.name, undefined) })
    }
    case 'witness.quorum': {
      const message = `${who} had it that ${event.count === 'all' ? 'all witnesses' : `${event.count} of the witnesses`} must cosign`
      return entityManagement(common(message, 3), 3, { entity: thing('Witnesses', 'quorum', undefined) })
    }
    case 'witness.contradicted': {
      const { name, kind, size, told } = event
      const message =
        kind === 'fork'
          ? `The witness ${spoken(name)} does not accept that the head of heads at ${size} follows what it has seen`
          : `The witness ${spoken(name)} has seen ${told ?? 'more'} published heads, and there are ${size}`
      return finding('A witness contradicts the ledgers', message, 5)
    }
    case 'witness.quorum.unmet': {
      const message = `Too few witnesses have cosigned a head since ${event.since}: ${event.needed} must`
      return finding('The quorum of witnesses is not met', message, 4)
    }
    case 'witness.quorum.met': {
      const message = `Enough witnesses have cosigned again, the head of heads at ${event.size}`
      return entityManagement(common(message, 2), 3, { entity: thing('Witnesses', 'quorum', undefined) })
    }
    case 'refused':
      return refused(event, common(refusalSentence(event), event.count >= 100 ? 3 : 2))
  }
}

function thing(type: string, name: string, uid: string | undefined): ManagedEntity {
  return entityOf(type, name, uid) ?? { name }
}

const searchIndex = thing('Index', 'search index', undefined)

const allLedgers = thing('Ledgers', 'all ledgers', undefined)

type FirstFinding = Extract<SystemEvent, { type: 'verification.failed' }>['first']

function placed({ what, file, offset }: FirstFinding): string {
  if (file === undefined) return what
  return offset === undefined ? `${what} (${file})` : `${what} (${file}, byte ${offset})`
}

type TokenCreated = Extract<SystemEvent, { type: 'token.created' }>

function tokenSentence({ id, label, scopes, ledgers }: TokenCreated, who: string): string {
  const named = label === undefined ? id : `${id} (${spoken(label)})`
  const where = ledgers.includes('*') ? 'all ledgers' : ledgers.join(', ')
  const scope = scopes.length === 1 ? 'the scope' : 'the scopes'
  return `${who} created the token ${named} with ${scope} ${scopes.join(', ')} on ${where}`
}

/** The token is whom the privileges are given to. */
function tokenCreated(event: TokenCreated, common: Common): OcsfEvent {
  const { hash: _hash, ...unmapped } = common.unmapped ?? {}
  return userAccess({ ...common, unmapped }, 1, {
    user: userOf(event.label, event.id, undefined, 4) ?? { uid: event.id },
    privileges: event.scopes,
    resources: event.ledgers.map((name) => ({ name, type: 'Ledger' })),
  })
}

type Refused = Extract<SystemEvent, { type: 'refused' }>

function refusalSentence({ credential, via, code, action, count }: Refused): string {
  const times = count === 1 ? 'once' : `${count} times`
  return `${credential ?? 'Someone without a valid token'} was refused ${action} ${times} from ${via}: ${code}`
}

function refused(event: Refused, common: Common): OcsfEvent {
  const user = userOf(event.credential === undefined ? 'unauthenticated' : undefined, event.credential, undefined, 0)
  const activity = apiActivity(
    {
      ...common,
      activity_name: 'Refused',
      outcome: outcomeOf(2, event.code, `${event.code}, ${event.count} times`),
      actor: { user },
      src_endpoint: endpointVia(event.via),
    },
    99,
    { api: { operation: event.action, service: { name: product.name } } },
  )
  return { ...activity, count: event.count, start_time: parseTime(event.since), end_time: parseTime(event.until) }
}
