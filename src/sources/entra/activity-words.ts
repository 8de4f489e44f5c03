// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Activities that the tables don't have: Microsoft adds some every month, and B2C alone has hundreds that only read.
// The first word of the name, else the operation type, says what was done; the target, to what.

import { quoted } from '../spoken.ts'
import type { Activity, Meaning, Piece } from './activity-table.ts'
import type { AuditReading } from './audit-reading.ts'

type Deed = 'create' | 'read' | 'update' | 'delete' | 'enable' | 'disable' | 'other'

/** The verb, its past, and what it does. */
const verbs: ReadonlyMap<string, readonly [past: string, deed: Deed]> = new Map([
  ['accept', ['accepted', 'other']],
  ['activate', ['activated', 'enable']],
  ['add', ['added', 'create']],
  ['approve', ['approved', 'other']],
  ['assign', ['assigned', 'update']],
  ['block', ['blocked', 'disable']],
  ['cancel', ['cancelled', 'other']],
  ['change', ['changed', 'update']],
  ['check', ['checked', 'read']],
  ['complete', ['completed', 'other']],
  ['confirm', ['confirmed', 'other']],
  ['create', ['created', 'create']],
  ['deactivate', ['deactivated', 'disable']],
  ['delete', ['deleted', 'delete']],
  ['deny', ['denied', 'other']],
  ['disable', ['disabled', 'disable']],
  ['dismiss', ['dismissed', 'update']],
  ['download', ['downloaded', 'read']],
  ['edit', ['changed', 'update']],
  ['enable', ['enabled', 'enable']],
  ['evaluate', ['evaluated', 'read']],
  ['exchange', ['exchanged', 'other']],
  ['execute', ['executed', 'other']],
  ['export', ['exported', 'read']],
  ['generate', ['generated', 'create']],
  ['get', ['read', 'read']],
  ['grant', ['granted', 'update']],
  ['import', ['imported', 'create']],
  ['initialize', ['initialised', 'create']],
  ['invite', ['invited', 'create']],
  ['issue', ['issued', 'other']],
  ['link', ['linked', 'update']],
  ['list', ['listed', 'read']],
  ['make', ['made', 'other']],
  ['modify', ['changed', 'update']],
  ['move', ['moved', 'update']],
  ['onboard', ['onboarded', 'create']],
  ['patch', ['changed', 'update']],
  ['post', ['created', 'create']],
  ['process', ['processed', 'other']],
  ['publish', ['published', 'update']],
  ['purge', ['purged', 'delete']],
  ['put', ['changed', 'update']],
  ['read', ['read', 'read']],
  ['register', ['registered', 'create']],
  ['reject', ['rejected', 'other']],
  ['remove', ['removed', 'delete']],
  ['rename', ['renamed', 'update']],
  ['renew', ['renewed', 'update']],
  ['reset', ['reset', 'update']],
  ['restore', ['restored', 'update']],
  ['retrieve', ['read', 'read']],
  ['revoke', ['revoked', 'update']],
  ['rotate', ['rotated', 'update']],
  ['send', ['sent', 'other']],
  ['set', ['set', 'update']],
  ['start', ['started', 'other']],
  ['stop', ['stopped', 'other']],
  ['unlink', ['unlinked', 'update']],
  ['unassign', ['unassigned', 'update']],
  ['unregister', ['unregistered', 'delete']],
  ['update', ['updated', 'update']],
  ['upload', ['uploaded', 'create']],
  ['validate', ['validated', 'read']],
  ['verify', ['verified', 'other']],
  ['view', ['viewed', 'read']],
])

const operations: ReadonlyMap<string, Deed> = new Map([
  ['add', 'create'],
  ['create', 'create'],
  ['read', 'read'],
  ['update', 'update'],
  ['delete', 'delete'],
  ['assign', 'update'],
  ['unassign', 'update'],
  ['register', 'create'],
  ['enable', 'enable'],
  ['disable', 'disable'],
  ['activaterole', 'update'],
  ['deactivaterole', 'update'],
  ['set', 'update'],
  ['invite', 'create'],
  ['other', 'other'],
])

const deeds: Readonly<Record<Deed, { entity: Meaning; account: Meaning; group: Meaning }>> = {
  create: { entity: [3004, 1], account: [3001, 1], group: [3006, 6] },
  read: { entity: [3004, 2], account: [3004, 2], group: [3004, 2] },
  update: { entity: [3004, 3], account: [3004, 3], group: [3004, 3] },
  delete: { entity: [3004, 4], account: [3001, 6], group: [3006, 5] },
  enable: { entity: [3004, 8], account: [3001, 2], group: [3004, 8] },
  disable: { entity: [3004, 9], account: [3001, 5], group: [3004, 9] },
  other: { entity: [3004, 99], account: [3001, 99], group: [3006, 99] },
}

const NEEDS_NOTHING: Activity['needs'] = new Set()
const NEEDS_WHO: Activity['needs'] = new Set(['WHO'] as const)
const MAX_NAME_CHARS = 96

/** Undefined where neither name nor operation type says anything. */
export function guessedActivity(
  name: string,
  operationType: string | undefined,
  reading: AuditReading,
): Activity | undefined {
  // Self-service group management writes `Group_GetMembers`: the verb is behind the thing.
  const words = name.replace(/^(?:[A-Za-z0-9]+_(?=[A-Za-z])|(?:hard|bulk|auto|dsr) )/i, '').trim()
  const first = /^(?:[A-Z]+(?![a-z])|[A-Za-z][a-z]*)/.exec(words)?.[0] ?? ''
  const verb = verbs.get(first.toLowerCase())
  const deed = verb?.[1] ?? operations.get(operationType?.toLowerCase() ?? '')
  if (deed === undefined) return undefined
  const target = reading.targets[0]
  const about = target?.kind === 'user' ? 'account' : target?.kind === 'group' ? 'group' : 'entity'
  // A thing of a user or a group is made or unmade, not the user: `Add passkey`, with the user as target.
  const whole = /^\S+ (?:user|group|account)s?$/i.test(words)
  const meaning = whole || deed === 'read' || deed === 'update' ? deeds[deed][about] : partial(deed, about)
  const isPlain = verb !== undefined && words === name && /^\S+ \S/.test(name)
  const object = isPlain ? name.slice(first.length) : ` ${quoted(name, MAX_NAME_CHARS)}`
  return {
    name,
    meaning,
    privilege: undefined,
    severity: 1,
    past: isPlain ? verb[0] : 'performed',
    infinitive: isPlain ? first.toLowerCase() : 'perform',
    pieces: [{ kind: 'words', words: clipped(object) }, ...(target === undefined ? [] : IN_BRACKETS)],
    needs: about === 'account' ? NEEDS_WHO : NEEDS_NOTHING,
    noun: about === 'account' ? undefined : (target?.type ?? 'object'),
    removes: false,
  }
}

function partial(deed: Deed, about: 'account' | 'group' | 'entity'): Meaning {
  return about === 'entity' ? deeds[deed].entity : deeds.other[about]
}

const IN_BRACKETS: readonly Piece[] = [
  { kind: 'words', words: ' (' },
  { kind: 'slot', slot: 'TARGET' },
  { kind: 'words', words: ')' },
]

function clipped(name: string): string {
  return name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name
}
