// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Writes src/schema/ocsf.ts, ocsf-objects.ts and ocsf-attributes.ts from the compiled OCSF schema: `node scripts/ocsf-types.ts SCHEMA`,
// then oxfmt. The classes and objects below are those that mappings fill, with the attributes that they use; the
// schema has more.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Attribute {
  readonly type: string
  readonly object_type?: string
  readonly is_array?: boolean
  readonly requirement: string
  readonly profiles?: readonly string[] | null
  readonly enum?: Readonly<Record<string, { readonly caption: string }>>
}

interface Described {
  readonly caption: string
  readonly uid?: number
  readonly category_uid?: number
  readonly attributes: Readonly<Record<string, Attribute>>
}

interface Schema {
  readonly version: string
  readonly classes: Readonly<Record<string, Described>>
  readonly objects: Readonly<Record<string, Described>>
}

const everyClass =
  'class_uid class_name category_uid category_name activity_id activity_name type_uid time message severity_id ' +
  'severity status_id status status_code status_detail count start_time end_time metadata observables unmapped'
const everyIamClass = `${everyClass} actor src_endpoint http_request device`
const ofClass: Readonly<Record<string, string>> = {
  base_event: `${everyClass} actor`,
  detection_finding:
    `${everyClass} actor device finding_info evidences resources risk_level risk_level_id risk_details risk_score ` +
    'confidence confidence_id comment is_alert',
  account_change: `${everyIamClass} user user_result auth_factors policies`,
  authentication:
    `${everyIamClass} user service session dst_endpoint is_mfa is_remote is_cleartext is_new_logon logon_type ` +
    'logon_type_id auth_protocol auth_protocol_id auth_factors risk_level risk_level_id risk_details',
  authorize_session: `${everyIamClass} user session privileges group dst_endpoint`,
  entity_management: `${everyIamClass} entity entity_result comment access_list`,
  user_access: `${everyIamClass} user privileges resource resources`,
  group_management: `${everyIamClass} group user subgroup privileges resource`,
  api_activity: `${everyIamClass} dst_endpoint api resources http_response`,
}

const ofObject: Readonly<Record<string, string>> = {
  metadata:
    'version product uid event_code log_name log_provider correlation_uid original_time tenant_uid profiles labels',
  product: 'name uid vendor_name version feature',
  feature: 'name uid version',
  observable: 'name type type_id value',
  actor: 'user app_name app_uid session idp invoked_by',
  user: 'name uid uid_alt display_name full_name email_addr domain type type_id org account groups risk_level risk_level_id',
  account: 'name uid type type_id',
  organization: 'name uid',
  idp: 'name uid',
  session: 'uid uid_alt issuer created_time expiration_time is_mfa is_remote',
  group: 'name uid type domain desc',
  network_endpoint:
    'ip name hostname uid port location owner autonomous_system svc_name domain type type_id intermediate_ips',
  autonomous_system: 'name number',
  location: 'city region country postal_code lat long',
  device: 'uid name hostname ip type type_id os is_compliant is_managed is_trusted location domain',
  os: 'name type type_id version',
  auth_factor: 'factor_type factor_type_id provider phone_number email_addr',
  policy: 'name uid type desc is_applied data',
  service: 'name uid version',
  managed_entity: 'name uid type type_id data user group policy device org location version',
  resource_details: 'name uid type role role_id data namespace owner group ip hostname',
  finding_info:
    'uid title desc types analytic created_time modified_time first_seen_time last_seen_time data_sources src_url',
  analytic: 'name uid type type_id category desc version',
  evidences: 'actor user src_endpoint device data api resources',
  api: 'operation version service group request response token',
  request: 'uid data flags',
  response: 'code error error_message message data',
  token: 'uid type type_id',
  http_request: 'http_method url user_agent uid referrer version length body_length args',
  http_response: 'code status message latency length body_length',
  url: 'url_string scheme hostname path port query_string domain',
}

/** Used by other types only. */
const inside = new Set(
  'feature account organization idp autonomous_system analytic request response token authorize_session'
    .split(' ')
    .map(typeName),
)

function typeName(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function typeOf(name: string, attribute: Attribute): string {
  const one = memberType(name, attribute)
  if (attribute.is_array !== true) return one
  return `readonly ${one.includes(' ') ? `(${one})` : one}[]`
}

function memberType(name: string, { type, object_type: object, enum: values }: Attribute): string {
  if (object !== undefined) return object === 'object' ? 'Readonly<Record<string, unknown>>' : objectName(object)
  if (type === 'json_t') return 'unknown'
  if (type === 'boolean_t') return 'boolean'
  if (!/^(?:integer|long|float|timestamp|port)_t$/.test(type)) return 'string'
  const ids = Object.keys(values ?? {})
  // The sum of class and activity would only say again what those say; of many values nobody reads the list.
  return name === 'type_uid' || ids.length === 0 || ids.length > 20 ? 'number' : ids.join(' | ')
}

function objectName(object: string): string {
  if (ofObject[object] === undefined) throw new Error(`the object ${object} is used and not listed`)
  return typeName(object)
}

function member(owner: string, attributes: Described['attributes'], key: string): string {
  const attribute = attributes[key]
  if (attribute === undefined) throw new Error(`${owner} has no ${key}`)
  const profiles = attribute.profiles ?? []
  const required = attribute.requirement === 'required' && profiles.length === 0
  const note = profiles.length === 0 ? '' : `  /** Profile \`${profiles.join('`, `')}\`. */\n`
  const type = typeOf(key, attribute)
  if (required) return `${note}  readonly ${key}: ${type}\n`
  return `${note}  readonly ${key}?: ${type === 'unknown' ? type : `${type} | undefined`}\n`
}

function interfaceOf(name: string, title: string, members: readonly string[], base = ''): string {
  const open = inside.has(name) || name === EVERY ? '' : 'export '
  return `/** ${title}. */\n${open}interface ${name}${base} {\n${members.join('')}}\n`
}

function named(table: Readonly<Record<string, Described>>, name: string): Described {
  const described = table[name]
  if (described === undefined) throw new Error(`the schema has no ${name}`)
  return described
}

const EVERY = 'EveryEvent'

/** The object that an attribute holds, `json` for what the source alone knows, or how its values are written. */
function attributeKind({ type, object_type: object }: Attribute): string {
  if (object !== undefined) return object === 'object' ? 'json' : object
  if (type === 'json_t') return 'json'
  if (type === 'boolean_t') return 'boolean'
  return /^(?:integer|long|float|timestamp|port)_t$/.test(type) ? 'number' : 'text'
}

function attributeTable(schema: Schema): string {
  const owners = new Map<string, Map<string, string>>([['event', new Map()]])
  const note = (owner: string, attributes: Described['attributes'], used: string) => {
    const kinds = owners.get(owner) ?? new Map<string, string>()
    for (const key of used.split(' ')) kinds.set(key, attributeKind(attributes[key]!))
    owners.set(owner, kinds)
  }
  for (const [name, used] of Object.entries(ofClass)) note('event', named(schema.classes, name).attributes, used)
  for (const [name, used] of Object.entries(ofObject)) note(name, named(schema.objects, name).attributes, used)
  const lines = [...owners].map(([owner, kinds]) => {
    const members = [...kinds].map(([key, kind]) => `${key}: '${kind}'`)
    return `  ${owner}: { ${members.join(', ')} },\n`
  })
  return lines.join('')
}

/** The files, but for their formatting. */
export function ocsfTypes(
  schemaPath: string,
): Readonly<Record<'ocsf-objects.ts' | 'ocsf-attributes.ts' | 'ocsf.ts', string>> {
  const schema = JSON.parse(readFileSync(schemaPath, 'utf8')) as Schema
  const classes = Object.entries(ofClass).map(([name, used]) => {
    const { uid, caption, category_uid: category, attributes } = named(schema.classes, name)
    const members = used.split(' ').map((key) => member(name, attributes, key))
    const activities = Object.entries(attributes['activity_id']?.enum ?? {}).map(
      ([id, activity]) => `${id}: '${activity.caption}'`,
    )
    const captions = `  ${uid}: { caption: '${caption}', category: ${category}, activities: { ${activities.join(', ')} } },\n`
    return { name: typeName(name), caption, members, captions }
  })
  const everywhere = classes[0]!.members.filter((line) => classes.every(({ members }) => members.includes(line)))

  const header = `// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// OCSF ${schema.version} (https://schema.ocsf.io/${schema.version}/), as far as mappings fill it: made by
// scripts/ocsf-types.ts and not to be edited. An attribute that is undefined is absent. One of a profile stands only
// in an event whose \`metadata.profiles\` names that profile.

`
  const objects = Object.entries(ofObject).map(([name, used]) => {
    const { caption, attributes } = named(schema.objects, name)
    const members = used.split(' ').map((key) => member(name, attributes, key))
    return interfaceOf(typeName(name), caption, members)
  })
  const events = classes.map(({ name, caption, members }) =>
    interfaceOf(
      name,
      caption,
      members.filter((line) => !everywhere.includes(line)),
      ` extends ${EVERY}`,
    ),
  )
  const used = Object.keys(ofObject)
    .map(typeName)
    .filter((name) =>
      new RegExp(`\\b${name}\\b`).test(`${everywhere.join('')}${events.join('')}`.replaceAll(/\/\*.*/g, '')),
    )

  return {
    'ocsf-objects.ts': `${header}${objects.join('\n')}`,
    'ocsf-attributes.ts': `${header}/** Of an event of any class, and of each object: what an attribute holds. Members of an array are as one. */
export const ocsfAttributes = {
${attributeTable(schema)}} as const
`,
    'ocsf.ts': `${header}import type { ${used.join(', ')} } from './ocsf-objects.ts'

export const OCSF_VERSION = '${schema.version}'

/** Names of the classes and their activities, by uid. */
export const ocsfClasses = {
${classes.map(({ captions }) => captions).join('')}} as const

export type OcsfEvent = ${classes.map(({ name }) => name).join(' | ')}

${interfaceOf(EVERY, 'What all classes have', everywhere)}
${events.join('\n')}`,
  }
}

if (import.meta.main) {
  const files = ocsfTypes(process.argv[2] ?? '../shared/ocsf/ocsf-1.8.0.json')
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(import.meta.dirname, '../src/schema', name), text)
  }
}
