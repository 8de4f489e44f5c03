// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A sign-in in one sentence: who, to what, from where, by what means, and if not, why not. */
import type { User } from '../../schema/ocsf-objects.ts'
import { objectsOf, text } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { capital, spoken, spokenUser } from '../spoken.ts'
import type { End } from './sign-in-end.ts'
import type { RiskLevel, SignInKind } from './sign-in-terms.ts'

export interface Settings {
  readonly kind: SignInKind
  readonly user: User
  readonly target: string | undefined
  readonly place: string | undefined
  readonly mfa: boolean | undefined
  readonly legacy: string | undefined
  /** As what they sign in, where they are a guest. */
  readonly guise: string
  /** By which protocol, where it is a risky one. */
  readonly protocol: string
  readonly risk: RiskLevel | undefined
}

export function told(end: End, settings: Settings, resource: JsonObject): string {
  const { kind, user, target, place, mfa, legacy, risk, guise, protocol } = settings
  const name = spokenUser(user)
  const who = kind.who === 'user' ? capital(name) : `The ${kind.who} ${name}`
  const to = target === undefined ? '' : ` to ${spoken(target)}`
  const from = place === undefined ? '' : ` from ${place}`
  const old = legacy === undefined ? '' : ` ${protocol === '' ? 'by' : 'and'} legacy authentication (${spoken(legacy)})`
  const means = protocol + old
  const atRisk = risk === undefined ? '' : ` (risk ${risk.word})`
  if (end.outcome.status_id === 1) {
    return `${who} signed in${kind.manner}${guise}${to}${from}${mfa === true ? ' with MFA' : ''}${means}${atRisk}`
  }
  const rest = `${from === '' ? '' : `,${from}`}${means === '' ? '' : `,${means}`}${atRisk}`
  if (end.outcome.status_id === 0) return `${who} tried to sign in${guise}${to}${rest}`
  if (end.outcome.status_id === 99) return `${who} was asked ${end.words} when signing in${guise}${to}${rest}`
  if (end.error?.end !== 'stopped') return `${who} failed to sign in${guise}${to}: ${end.words}${rest}`
  const at = target === undefined ? '' : ` at ${spoken(target)}`
  return `${who} was stopped by Conditional Access (${stoppedBy(resource) ?? end.words})${guise}${at}${rest}`
}

/** The policy that refused, by name; of several the first, and how many more. */
function stoppedBy(resource: JsonObject): string | undefined {
  let first: string | undefined
  let more = 0
  for (const policy of objectsOf(resource['appliedConditionalAccessPolicies'], 256)) {
    if (text(policy['result'])?.toLowerCase() !== 'failure') continue
    const name = text(policy['displayName']) ?? text(policy['id'])
    if (name === undefined) continue
    if (first === undefined) first = name
    else more++
  }
  if (first === undefined) return undefined
  return more === 0 ? spoken(first) : `${spoken(first)} and ${more} more`
}
