// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Identity Protection, provisioning, Graph requests and the categories without a mapping, in OCSF.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { MappingFault } from '../src/sources/connector.ts'
import { mapGraphActivity, requestMethods } from '../src/sources/entra/graph-activity-map.ts'
import { entraGraphActivity } from '../src/sources/entra/graph-activity.ts'
import { mapOther, otherCategories } from '../src/sources/entra/other-map.ts'
import { entraOther } from '../src/sources/entra/other.ts'
import {
  identityTypes,
  mapProvisioning,
  provisioningActions,
  provisioningStatuses,
} from '../src/sources/entra/provisioning-map.ts'
import { entraProvisioning } from '../src/sources/entra/provisioning.ts'
import { mapRisk } from '../src/sources/entra/risk-map.ts'
import { keptOfRisk, riskDetails, riskEvents, riskKindByLog, riskStates } from '../src/sources/entra/risk-terms.ts'
import { entraRisk } from '../src/sources/entra/risk.ts'
import { agree, assertFit, context, golden, linesOf, mapped, plain, survive } from './entra-ground.ts'
import { linesIn, sharedFixtures, sharedSkip } from './sources-bodies.ts'

const forms = ['graph.ndjson', 'diagnostic.ndjson', 'log-analytics.ndjson'] as const

/** Lines of `graph.ndjson` that the other forms repeat, in order. */
function agreeing(connector: typeof entraRisk, folder: string, lines: readonly number[]): void {
  for (const [position, line] of lines.entries()) {
    const [graph, ...others] = forms
    agree(connector, folder, [{ file: graph, line }, ...others.map((file) => ({ file, line: position }))])
  }
}

test('people read what Identity Protection found', () => golden(entraRisk, 'entra-risk'))
test('people read what the provisioning service did', () => golden(entraProvisioning, 'entra-provisioning'))
test('people read what was asked of Graph', () => golden(entraGraphActivity, 'entra-graph-activity'))

test('the three forms of a detection give the same event', () => {
  agreeing(entraRisk, 'entra-risk', [0])
})

test('the forms of a standing give the same event, but for the correlation that only an envelope has', () => {
  const lines = [6, 10] as const
  for (const [position, line] of lines.entries()) {
    const made = forms.map((file, form) => {
      const {
        unmapped: _,
        metadata,
        ...event
      } = plain(mapped(entraRisk, linesOf('entra-risk', file)[form === 0 ? line : position + 2]!))
      const { correlation_uid: __, tenant_uid: ___, ...rest } = metadata as Record<string, unknown>
      return { ...event, metadata: rest }
    })
    assert.deepEqual(made[1], made[0])
    assert.deepEqual(made[2], made[0])
  }
})

test('the three forms of a provisioning give the same event', () => {
  agreeing(entraProvisioning, 'entra-provisioning', [0, 2, 3, 5])
})

test('both forms of a request to Graph give the same event', () => {
  for (const [position, line] of [0, 1, 3].entries()) {
    agree(entraGraphActivity, 'entra-graph-activity', [
      { file: 'diagnostic.ndjson', line },
      { file: 'log-analytics.ndjson', line: position },
    ])
  }
})

test('no member, whatever it holds, breaks a mapping or its validity', { timeout: 60_000 }, () => {
  for (const [connector, folder, files] of [
    [entraRisk, 'entra-risk', forms],
    [entraProvisioning, 'entra-provisioning', forms],
    [entraGraphActivity, 'entra-graph-activity', forms.slice(1)],
    [entraOther, 'entra-risk', forms],
    [entraOther, 'entra-graph-activity', forms.slice(1)],
  ] as const) {
    for (const file of files) assert.ok(survive(connector, folder, file) > 500, `${connector.type} ${file}`)
  }
})

test('risks and provisionings that nobody here wrote are all mapped', { skip: sharedSkip }, () => {
  for (const [connector, name, uid] of [
    [entraRisk, 'entra-diag-risk', 2004],
    [entraProvisioning, 'entra-diag-provisioning', 3001],
  ] as const) {
    const lines = linesIn(join(sharedFixtures, name), /(?<!index)\.ndjson$/)
    assert.ok(lines.length > 0)
    for (const line of lines) {
      const event = mapped(connector, line)
      assert.equal(event.class_uid, uid)
      assertFit(event, line)
    }
  }
})

test('a finding is made, changed and closed as its state says, as grave as its level', () => {
  const made = ['atRisk', 'confirmedCompromised', 'confirmedSafe', 'remediated', 'dismissed', 'none', 'new'].map(
    (riskState) => {
      const {
        activity_name: activity,
        status,
        severity_id: severity,
      } = mapRisk({ id: 'r1', riskEventType: 'generic', riskState, riskLevel: 'low', userId: 'u1' }, context)
      return [riskState, activity, status, severity]
    },
  )
  assert.deepEqual(made, [
    ['atRisk', 'Create', 'New', 2],
    ['confirmedCompromised', 'Update', 'In Progress', 4],
    ['confirmedSafe', 'Close', 'Resolved', 2],
    ['remediated', 'Close', 'Resolved', 2],
    ['dismissed', 'Close', 'Suppressed', 2],
    ['none', 'Update', 'Unknown', 2],
    ['new', 'Unknown', 'Unknown', 2],
  ])
  const levels = ['none', 'low', 'medium', 'high', 'hidden'].map(
    (riskLevel) => mapRisk({ id: 'r1', riskLevel, riskState: 'atRisk' }, context).severity_id,
  )
  assert.deepEqual(levels, [1, 2, 3, 4, 0])
})

test('a risk without any id is refused', () => {
  assert.throws(() => mapRisk({ riskLevel: 'low' }, context), MappingFault)
})

test('old and new values of a provisioning are decoded', () => {
  const [line] = linesOf('entra-provisioning', 'graph.ndjson')
  const { changes } = mapped(entraProvisioning, line!).unmapped as { changes: unknown }
  assert.deepEqual(JSON.parse(JSON.stringify(changes)), [
    { name: 'active', old: null, new: 'True' },
    { name: 'title', old: '', new: 'Purser' },
  ])
})

test('a provisioning of nothing is refused', () => {
  const nameless = { identityType: 'User', id: '', displayName: '' }
  assert.throws(
    () => mapProvisioning({ provisioningAction: 'create', sourceIdentity: nameless }, context),
    MappingFault,
  )
})

test('the address of a request is kept as it was written, whatever it is', () => {
  for (const [requestUri, operation] of [
    ['https://graph.microsoft.com/v1.0/users?$top=5', 'GET /users'],
    ['https://graph.microsoft.com/beta', 'GET /beta'],
    ['https://graph.microsoft.com', 'GET '],
    ['/v1.0/me', 'GET /me'],
    ['://', 'GET '],
    ['?', 'GET '],
  ] as const) {
    const { api, http_request: request } = mapGraphActivity({ requestMethod: 'get', requestUri, appId: 'a' }, context)
    assert.deepEqual([api.operation, request?.url?.url_string], [operation, requestUri])
  }
})

test('a request tells whose it is: the user’s through an app, or the app’s own', () => {
  const request = { requestMethod: 'GET', requestUri: '/v1.0/me', appId: 'a1' }
  const { actor: own } = mapGraphActivity({ ...request, servicePrincipalId: 's1' }, context)
  assert.deepEqual([own.app_uid, own.user?.uid, own.user?.type_id], ['a1', 's1', 4])
  const { actor: theirs } = mapGraphActivity({ ...request, servicePrincipalId: 's1', userId: 'u1' }, context)
  assert.deepEqual([theirs.app_uid, theirs.user?.uid, theirs.user?.type_id], ['a1', 'u1', 1])
})

test('a category without a mapping is a Base Event that names it, and tells who and from where', () => {
  const made = mapOther(
    {
      time: '2026-02-03T08:00:00Z',
      category: 'NetworkAccessTrafficLogs',
      tenantId: 't1',
      correlationId: 'c1',
      properties: { userPrincipalName: 'erik@northwindferries.example', sourceIp: '192.0.2.9', action: 'Block' },
    },
    context,
  )
  assert.equal(made.status_detail, 'no class for the category NetworkAccessTrafficLogs')
  assert.equal(
    made.message,
    'Microsoft Entra logged traffic of Global Secure Access of erik@northwindferries.example from 192.0.2.9',
  )
  assert.deepEqual(
    [made.actor?.user?.name, made.observables?.[0]?.value, made.metadata.correlation_uid, made.unmapped?.['action']],
    ['erik@northwindferries.example', '192.0.2.9', 'c1', 'Block'],
  )
  assertFit(made, 'a record of network traffic')
})

test('tables hold what is looked up, in lower case', () => {
  const tables = [identityTypes, otherCategories, provisioningActions, provisioningStatuses, riskDetails, riskEvents]
  const keys = [...tables, riskKindByLog, riskStates].flatMap((table) => [...table.keys()])
  for (const key of keys) assert.equal(key, key.toLowerCase())
  for (const method of requestMethods.keys()) assert.equal(method, method.toUpperCase())
  for (const { title, saw } of riskEvents.values()) {
    assert.match(title, /^[A-Z]/)
    assert.doesNotMatch(`${title}${saw}`, /\.$|  /)
  }
  assert.deepEqual(keptOfRisk, [...new Set(keptOfRisk)].toSorted())
})
