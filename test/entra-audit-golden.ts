// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Entra audits of our own, written from Microsoft's documentation, and what becomes of each: one line of
// `X.expected.txt` a line of `X.ndjson`, as class, activity, severity, outcome, actor, target, sentence.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { mapAudit } from '../src/sources/entra/audit-map.ts'
import type { JsonObject } from '../src/sources/json.ts'

export const folder = join(import.meta.dirname, 'fixtures/entra-audit')
export const areas = readdirSync(folder)
  .filter((name) => name.endsWith('.ndjson'))
  .map((name) => name.slice(0, -'.ndjson'.length))

export function eventsOf(path: string): JsonObject[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as JsonObject)
}

export function mapped(event: JsonObject): OcsfEvent {
  return mapAudit(event, { receivedMs: Date.UTC(2026, 2, 3), source: 'entra.audit' })
}

export function told(event: OcsfEvent): string {
  const { class_name, activity_name, severity, status, actor, message } = event
  const by = actor?.user?.name ?? actor?.user?.uid ?? actor?.app_name ?? actor?.app_uid ?? '-'
  return [class_name, activity_name, severity, status, by, targetText(event), message].join(' | ')
}

function targetText(event: OcsfEvent): string {
  if (event.class_uid === 3001) return event.user.name ?? '-'
  if (event.class_uid === 3004) return `${event.entity.type}: ${event.entity.name ?? event.entity.uid}`
  if (event.class_uid === 3005) {
    const { user, privileges, resource } = event
    const where = resource === undefined ? '' : ` @ ${resource.name ?? resource.uid}`
    return `${user.name ?? user.uid} (${user.type}): ${privileges.join(', ')}${where}`
  }
  if (event.class_uid !== 3006) return '-'
  const member = event.user?.name ?? event.subgroup?.name
  return `${event.group.name ?? event.group.uid}${member === undefined ? '' : `: ${member}`}`
}
