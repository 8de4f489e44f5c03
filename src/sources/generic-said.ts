// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an application's event says, read once, and the sentence that is made of it.

import type { Meaning, Phrase } from './generic-actions.ts'
import { type Party, spokenName } from './generic-party.ts'
import type { Roles } from './generic-roles.ts'
import { type Change, type Outcome, sentence } from './ocsf-base.ts'
import type { Common } from './ocsf-event.ts'
import { capital, spoken } from './spoken.ts'

export interface Said extends Roles {
  readonly action: string | undefined
  readonly meaning: Meaning
  readonly privileges: { readonly kind: string; readonly names: readonly string[] } | undefined
  readonly changes: readonly Change[] | undefined
  readonly service: string | undefined
  readonly sessionId: string | undefined
  readonly outcome: Outcome
  /** The event says itself how severe it is. */
  readonly isRated: boolean
  /** The application's own sentence. */
  readonly message: string | undefined
  readonly common: Omit<Common, 'message' | 'unmapped'>
  /** What is unmapped where these parties and privileges have a place in the event, besides the actor. */
  readonly rest: (placed: readonly (object | undefined)[]) => Common['unmapped']
}

interface Telling {
  readonly phrase?: Phrase
  readonly who?: Party | undefined
}

/** With the application's sentence, else with one of our own, which `rest` ends. */
export function told(
  said: Said,
  placed: readonly (object | undefined)[],
  rest: string,
  { phrase = said.meaning.phrase, who = said.actor }: Telling = {},
): Common {
  const written = said.message === undefined ? '' : sentence(said.message)
  const message = written === '' ? sentence(sentenceOf(said, phrase, rest, spokenName(who))) : written
  return { ...said.common, message, unmapped: said.rest(placed) }
}

function sentenceOf({ action, meaning, outcome }: Said, [done, tried]: Phrase, rest: string, who?: string): string {
  if (action === undefined) return `An event${who === undefined ? '' : ` of ${who}`} that names no action`
  const failed = outcome.status_id === 2
  const reason = failed && outcome.status_detail !== undefined ? `: ${spoken(outcome.status_detail)}` : ''
  // `payment.failed` says so itself.
  const isTried = failed && !meaning.isDenial && !(meaning.failed && meaning.verb === undefined)
  return `${capital(who ?? 'Someone')} ${isTried ? `failed to ${tried}` : done}${rest}${reason}`
}

/** Medium, where the event does not rate itself and did not fail. */
export function raised(said: Said, common: Common): Common {
  return said.isRated || common.severity_id !== 1 ? common : { ...common, severity_id: 3 }
}

export function isPrivileged(privilege: string): boolean {
  return /admin|owner|root|superuser/i.test(privilege)
}
