// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The activities of Entra's audit log, one a line of the tables audit-*.ts, which follow Microsoft's reference "audit log
// categories and activities" service by service:
//
//   activity | kind | severity | sentence
//
// `activity` is spelt as Microsoft spells it; case, dashes and spaces at the ends don't count, and ` @ SERVICE` tells
// two of one name apart. `kind` is the class and activity in OCSF (below); `= X` gives the privilege where the event
// does not name it. `severity` is that of a success, 1 Informational to 4 High, or what it depends on (severity.ts).
// The sentence's first word is the verb, `past/infinitive`. A lower-case word in braces is a thing that the event is
// about: it reads as `the <word> <name>`, and the first one is the event's entity, group or resource. What stands in
// capitals is explained in audit-wording.ts; WHO and WHOSE are the user, app or group that something happens to.

import assert from 'node:assert/strict'

import { applicationActivities } from './audit-apps.ts'
import { directoryActivities } from './audit-directory.ts'
import { governanceActivities } from './audit-governance.ts'
import { groupActivities } from './audit-groups.ts'
import { policyActivities } from './audit-policies.ts'
import { roleActivities } from './audit-roles.ts'
import { userActivities } from './audit-users.ts'

/** Class and activity. `change account`, `other`, `access` and `change group` keep Entra's name as the activity's. */
const kinds = {
  'create account': [3001, 1],
  'enable account': [3001, 2],
  'change password': [3001, 3],
  'reset password': [3001, 4],
  'disable account': [3001, 5],
  'delete account': [3001, 6],
  'add factor': [3001, 10],
  'remove factor': [3001, 11],
  'unlock account': [3001, 12],
  'change account': [3001, 99],
  create: [3004, 1],
  read: [3004, 2],
  update: [3004, 3],
  delete: [3004, 4],
  enroll: [3004, 6],
  unenroll: [3004, 7],
  enable: [3004, 8],
  disable: [3004, 9],
  deactivate: [3004, 11],
  suspend: [3004, 12],
  other: [3004, 99],
  grant: [3005, 1],
  revoke: [3005, 2],
  access: [3005, 99],
  'grant in group': [3006, 1],
  'revoke in group': [3006, 2],
  'add member': [3006, 3],
  'remove member': [3006, 4],
  'delete group': [3006, 5],
  'create group': [3006, 6],
  'change group': [3006, 99],
} as const

type Kind = keyof typeof kinds
type KindOf<Uid> = { [K in Kind]: (typeof kinds)[K][0] extends Uid ? (typeof kinds)[K] : never }[Kind]
/** Class and activity, together as the type of their class has them. */
export type Meaning = KindOf<3001> | KindOf<3004> | KindOf<3005> | KindOf<3006>

const rules = [
  'role',
  'role removed',
  'role asked',
  'role activated',
  'scopes',
  'permission',
  'permission asked',
] as const
export type Severity = 1 | 2 | 3 | 4 | (typeof rules)[number]

/** A piece of a sentence: words, a thing to name, or one of the words in capitals. */
export type Piece =
  | { readonly kind: 'words'; readonly words: string }
  | { readonly kind: 'thing'; readonly noun: string }
  | { readonly kind: 'slot'; readonly slot: Slot }

const slots = [
  'WHO',
  'WHOSE',
  'TARGET',
  'SELF',
  'ROLE',
  'SCOPES',
  'FOR EVERYBODY',
  'PERMISSION',
  'AS PERMISSION',
  'CLIENT',
  'API',
  'METHOD',
  'METHOD BEHIND',
  'CHANGES',
  'KEYS',
  'SETTING',
] as const
export type Slot = (typeof slots)[number]
const WHO: readonly Slot[] = ['WHO']

export interface Activity {
  readonly name: string
  readonly meaning: Meaning
  readonly privilege: string | undefined
  readonly severity: Severity
  readonly past: string
  readonly infinitive: string
  readonly pieces: readonly Piece[]
  /** The words in capitals that the sentence has; WHO for WHOSE too. */
  readonly needs: ReadonlySet<Slot>
  /** The first thing of the sentence. */
  readonly noun: string | undefined
  /** What counts is how things were: a role that was taken away stands among the old values. */
  readonly removes: boolean
}

const tables = [
  roleActivities,
  userActivities,
  groupActivities,
  applicationActivities,
  policyActivities,
  directoryActivities,
  governanceActivities,
]

/** Every line of the tables. */
export const auditActivities: readonly Activity[] = tables
  .flatMap((table) => table.split('\n'))
  .filter((line) => line !== '' && !line.startsWith('# '))
  .map(activityOf)

const byName: ReadonlyMap<string, Activity> = new Map(
  // As they are spelt too, so that most are found without folding.
  auditActivities.flatMap((activity): [string, Activity][] => [
    [activity.name, activity],
    [foldedName(activity.name), activity],
  ]),
)

/** Names that more than one service uses. */
const shared: ReadonlySet<string> = new Set(
  auditActivities.filter(({ name }) => name.includes(' @ ')).map(({ name }) => name.slice(0, name.indexOf(' @ '))),
)

/** What the tables say of an activity; undefined where they have none of that name. */
export function activityNamed(name: string, service: string | undefined): Activity | undefined {
  const found = byName.get(name) ?? byName.get(foldedName(name))
  if (found === undefined || service === undefined || !shared.has(found.name)) return found
  return byName.get(`${foldedName(found.name)} @ ${foldedName(service)}`) ?? found
}

/** Live data ends `Update application – Certificates and secrets management ` with a space, and has an en dash. */
export function foldedName(name: string): string {
  const lower = name.trim().toLowerCase()
  return /[\u2010-\u2015\u2212]/.test(lower) ? lower.replaceAll(/[\u2010-\u2015\u2212]/g, '-') : lower
}

export function activityOf(line: string): Activity {
  const [name, kind, severity, sentence, ...more] = line.split(' | ')
  assert(name !== undefined && kind !== undefined && sentence !== undefined && more.length === 0, line)
  const [kindName, privilege] = kind.split(' = ') as [Kind, string?]
  assert(Object.hasOwn(kinds, kindName), line)
  const space = sentence.indexOf(' ')
  const brace = sentence.indexOf('{')
  const end = space === -1 ? sentence.length : brace === -1 ? space : Math.min(space, brace)
  const [past, infinitive] = sentence.slice(0, end).split('/')
  assert(past !== undefined && infinitive !== undefined, line)
  const pieces = piecesOf(sentence.slice(end), line)
  return {
    name,
    meaning: kinds[kindName],
    privilege,
    severity: severityOf(severity, line),
    past,
    infinitive,
    pieces,
    needs: new Set(
      pieces.flatMap((piece) => (piece.kind === 'slot' ? [piece.slot, ...(piece.slot === 'WHOSE' ? WHO : [])] : [])),
    ),
    noun: pieces.find((piece) => piece.kind === 'thing')?.noun,
    removes: kindName === 'revoke' || kindName === 'remove member' || kindName === 'revoke in group',
  }
}

function severityOf(text: string | undefined, line: string): Severity {
  const rule = rules.find((name) => name === text)
  if (rule !== undefined) return rule
  const level = Number(text)
  assert(level === 1 || level === 2 || level === 3 || level === 4, line)
  return level
}

function piecesOf(sentence: string, line: string): Piece[] {
  return sentence.split(/(\{[^}]*\})/).flatMap((part): Piece[] => {
    if (part === '') return []
    if (!part.startsWith('{')) return [{ kind: 'words', words: part }]
    const word = part.slice(1, -1)
    if (word !== word.toUpperCase()) return [{ kind: 'thing', noun: word }]
    const slot = slots.find((name) => name === word)
    assert(slot !== undefined, line)
    return [{ kind: 'slot', slot }]
  })
}
