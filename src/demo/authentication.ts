// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** How a person proved who they are, or failed to, in Entra's words. */
import type { Stamp } from './envelope.ts'

type Step = readonly [method: string, detail: string | null, succeeded: boolean, result: string, requirement: string]

interface Failure {
  readonly reason: string
  readonly details?: string
  /** What was tried before it failed; absent where the method's own steps all succeeded. */
  readonly steps?: readonly Step[]
  /** Conditional Access had not been asked yet. */
  readonly early?: true
}

const [FIRST, SECOND] = ['Primary authentication', 'Multi-factor authentication'] as const
const BY_CLAIM = 'MFA requirement satisfied by claim in the token'
const FIRST_BY_CLAIM = 'First factor requirement satisfied by claim in the token'
const DENIED = 'MFA denied; user declined the authentication'
const WRONG = 'Invalid username or password or Invalid on-premise username or password.'

const password: Step = ['Password', 'Password in the cloud', true, 'Correct password', FIRST]
const secondByClaim: Step = ['Previously satisfied', null, true, BY_CLAIM, SECOND]

const methods = {
  claim: [['Previously satisfied', null, true, FIRST_BY_CLAIM, FIRST], secondByClaim],
  password: [password, ['Mobile app notification', null, true, 'MFA successfully completed', SECOND]],
  hello: [['Windows Hello for Business', null, true, FIRST_BY_CLAIM, FIRST], secondByClaim],
  passkey: [['Passkey (device-bound)', 'Security key', true, 'MFA requirement satisfied by passkey', FIRST]],
} as const satisfies Record<string, readonly Step[]>

const failures = {
  50053: {
    reason: "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
    steps: [],
    early: true,
  },
  50057: { reason: 'The user account is disabled.', steps: [], early: true },
  50072: {
    reason:
      'Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.',
    steps: [password],
  },
  50074: { reason: 'Strong Authentication is required.', details: 'MFA required in Azure AD', steps: [password] },
  50126: {
    reason: 'Error validating credentials due to invalid username or password.',
    steps: [['Password', 'Password in the cloud', false, WRONG, FIRST]],
    early: true,
  },
  50140: { reason: "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in." },
  500121: {
    reason: 'Authentication failed during strong authentication request.',
    details: DENIED,
    steps: [password, ['Mobile app notification', null, false, DENIED, SECOND]],
  },
  65001: {
    reason:
      'The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.',
  },
  70043: {
    reason: 'The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.',
    steps: [],
  },
} as const satisfies Record<number, Failure>

export interface Attempt {
  readonly method: keyof typeof methods
  readonly failure?: keyof typeof failures
}

function failureOf({ failure }: Attempt): Failure | undefined {
  return failure === undefined ? undefined : failures[failure]
}

export function failureReason(attempt: Attempt): string | undefined {
  return failureOf(attempt)?.reason
}

/** Whether the attempt came so far that Conditional Access was asked. */
export function askedPolicy(attempt: Attempt): boolean {
  return failureOf(attempt)?.early !== true
}

/** Whether every step succeeded, even if the sign-in was then interrupted by something else. */
export function controlsMet(attempt: Attempt): boolean {
  return failureOf(attempt)?.steps === undefined
}

/** The member `status` of a sign-in. */
export function status(attempt: Attempt): object {
  const { reason, details } = failureOf(attempt) ?? { details: attempt.method === 'password' ? undefined : BY_CLAIM }
  return {
    errorCode: attempt.failure ?? 0,
    ...(reason === undefined ? {} : { failureReason: reason }),
    ...(details === undefined ? {} : { additionalDetails: details }),
  }
}

/** The member `authenticationDetails` of a sign-in. */
export function authenticationDetails(at: Stamp, attempt: Attempt): object[] {
  const steps: readonly Step[] = failureOf(attempt)?.steps ?? methods[attempt.method]
  return steps.map(([method, detail, succeeded, result, requirement], sequence) => ({
    authenticationStepDateTime: at.offset,
    authenticationMethod: method,
    ...(detail === null ? {} : { authenticationMethodDetail: detail }),
    succeeded,
    authenticationStepResultDetail: result,
    authenticationStepRequirement: requirement,
    StatusSequence: sequence * 1_240,
    RequestSequence: sequence,
  }))
}
