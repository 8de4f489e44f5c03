// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a sign-in ended, by its error code. The numbers are those of "Microsoft Entra authentication and authorization
// error codes" (learn.microsoft.com/entra/identity-platform/reference-error-codes) and of its live counterpart
// login.microsoftonline.com/error, whose remarks decide what is an interrupt.

/**
 * `failed`: refused. `stopped`: refused by Conditional Access, after the user proved who they are. `asked`: an
 * interrupt, which the source describes as expected, as no error, or as a prompt: the sign-in goes on with one more
 * step that has a record of its own, or the client comes back with a fresh token. Nobody was refused, so it is no
 * failure, and no success either.
 */
type SignInEnd = 'failed' | 'stopped' | 'asked'

export interface SignInError {
  readonly end: SignInEnd
  /** Why it failed, or, of an interrupt, what was asked: as the sentence has it. */
  readonly words: string
  /** Raised above Low where the refusal itself is a sign of an attack or of a risk. */
  readonly severity?: 3
  /** A text of the source that tells two reasons under one code apart, and what holds of the other one. */
  readonly unless?: { readonly says: string; readonly words: string; readonly severity?: 3 }
}

const again = 'to authenticate again'
const strangers = 'the account is not in this tenant'
const password = 'invalid username or password'

type Row = readonly [code: number, end: SignInEnd, words: string, more?: Omit<SignInError, 'end' | 'words'>]

export const signInErrorRows: readonly Row[] = [
  [16000, 'asked', 'to pick an account'],
  [16001, 'asked', 'to pick another account'],
  [16003, 'failed', strangers],
  [50001, 'failed', 'the resource is unknown or disabled'],
  [50005, 'stopped', 'the platform of the device is not supported'],
  [50011, 'failed', 'the reply address is not registered for the application'],
  [50012, 'failed', 'invalid client certificate or assertion'],
  [50013, 'failed', 'invalid assertion'],
  [50014, 'failed', 'the guest account is not set up yet'],
  [50017, 'failed', 'the certificate could not be validated'],
  [50020, 'failed', strangers],
  [50027, 'failed', 'invalid token'],
  [50034, 'failed', 'the user does not exist in this tenant'],
  [50052, 'failed', 'the password is too long'],
  [
    50053,
    'failed',
    'the account is locked after too many attempts',
    { severity: 3, unless: { says: 'malicious', words: 'the address is known for malicious activity', severity: 3 } },
  ],
  [50054, 'failed', 'an old password was used'],
  [50055, 'failed', 'the password has expired'],
  [50056, 'failed', 'the account has no password'],
  [50057, 'failed', 'the account is disabled'],
  [50058, 'asked', 'to authenticate'],
  [50059, 'failed', 'no tenant was named'],
  [50064, 'failed', password],
  [50072, 'asked', 'to register for MFA'],
  [50074, 'asked', 'for MFA'],
  [50076, 'asked', 'for MFA'],
  [50077, 'asked', 'for the location of the device'],
  [50078, 'asked', 'for MFA again'],
  [50079, 'asked', 'to register for MFA'],
  [50081, 'asked', 'for the location of the device'],
  [50085, 'asked', again],
  [50087, 'failed', 'MFA had a passing fault'],
  [50088, 'failed', 'the limit of MFA calls is reached'],
  [50089, 'asked', again],
  [50097, 'asked', 'for device authentication'],
  [50105, 'failed', 'the user is not assigned to the application'],
  [50125, 'asked', 'to reset the password or to register for that'],
  [50126, 'failed', password],
  [50127, 'failed', 'the broker app is not installed'],
  [50128, 'failed', 'no tenant was named'],
  [50129, 'failed', 'the device is not registered'],
  [50131, 'stopped', 'device state or suspicious activity'],
  [50132, 'asked', again],
  [50133, 'asked', again],
  [50135, 'failed', 'the password must be changed because of risk', { severity: 3 }],
  [50137, 'failed', 'the password must be changed'],
  [50139, 'asked', again],
  [50140, 'asked', 'whether to stay signed in'],
  [50142, 'failed', 'Conditional Access demands a new password'],
  [50143, 'failed', 'the session is of another tenant'],
  [50144, 'failed', 'the password has expired'],
  [50155, 'failed', 'device authentication failed'],
  [50158, 'asked', 'for an external challenge'],
  [50168, 'asked', "for the browser's single sign-on"],
  [50173, 'asked', again],
  [50177, 'failed', strangers],
  [50178, 'failed', strangers],
  [50180, 'failed', 'integrated Windows authentication is needed'],
  [50181, 'failed', 'wrong one-time passcode'],
  [50182, 'failed', 'the one-time passcode has expired'],
  [50187, 'failed', 'device authentication failed'],
  [50194, 'failed', 'the application is of another tenant only'],
  [50196, 'failed', 'the client asks in a loop'],
  [50197, 'failed', 'the user was not found'],
  [50199, 'asked', 'to confirm the application'],
  [50201, 'asked', 'to read a message'],
  [50203, 'asked', 'to register the authenticator app'],
  [50206, 'asked', 'for consent'],
  [51004, 'failed', 'the user does not exist in this tenant'],
  [51005, 'asked', 'to follow a redirect'],
  [51006, 'asked', 'for integrated Windows authentication'],
  [53000, 'stopped', 'the device is not compliant'],
  [53001, 'stopped', 'the device is not domain joined'],
  [53002, 'stopped', 'the app is not an approved one'],
  [53003, 'stopped', 'access is blocked'],
  [53004, 'failed', 'MFA registration is blocked because of risk', { severity: 3 }],
  [53005, 'stopped', 'the app has no protection policy'],
  [53006, 'asked', 'to authenticate at the federated identity provider'],
  [53007, 'asked', 'to authenticate at the federated identity provider'],
  [53008, 'stopped', 'the browser is not supported'],
  [53009, 'stopped', 'the app has no protection policy'],
  [53010, 'stopped', 'security info may be set from certain places only'],
  [53011, 'failed', 'the user is at risk in the home tenant', { severity: 3 }],
  [54000, 'failed', 'the user is too young for the application'],
  [54005, 'failed', 'the authorization code was redeemed before'],
  [65001, 'asked', 'for consent'],
  [65004, 'failed', 'the user declined to consent'],
  [65005, 'failed', 'the application is misconfigured'],
  [70000, 'failed', 'invalid grant'],
  [70001, 'failed', 'the application is disabled or unknown'],
  [70002, 'failed', 'invalid client credentials'],
  [70008, 'asked', again],
  [70011, 'failed', 'invalid scope'],
  [70016, 'asked', 'to finish the device code flow'],
  [70017, 'failed', 'the user declined the device code'],
  [70018, 'failed', 'wrong device code'],
  [70019, 'failed', 'the device code has expired'],
  [70020, 'failed', 'the device code has expired'],
  [70021, 'failed', 'no federated credential matches'],
  [70043, 'asked', again],
  [70044, 'asked', again],
  [70045, 'asked', again],
  [70046, 'asked', again],
  [80001, 'failed', 'the authentication agent does not reach Active Directory'],
  [80002, 'failed', 'Active Directory did not answer in time'],
  [80005, 'failed', 'the authentication agent had an error'],
  [80007, 'failed', 'the authentication agent could not check the password'],
  [80010, 'failed', 'the authentication agent could not decrypt the password'],
  [80012, 'failed', 'outside the allowed hours'],
  [80013, 'failed', 'the clocks of the authentication agent and Active Directory differ'],
  [80014, 'failed', 'the authentication agent did not answer in time'],
  [90072, 'failed', strangers],
  [90094, 'asked', "for an administrator's consent"],
  [90095, 'asked', "for an administrator's consent"],
  [90123, 'failed', 'the identity provider denied it'],
  [130007, 'failed', 'the device is disabled'],
  [130008, 'failed', 'the device was not found'],
  [135011, 'failed', 'the device is disabled'],
  [500011, 'failed', 'the resource is not in this tenant'],
  [500014, 'failed', 'the resource is disabled'],
  [500021, 'failed', 'tenant restrictions forbid it'],
  [500022, 'failed', 'tenant restrictions forbid it'],
  [500121, 'failed', 'MFA was not passed', { unless: { says: 'denied', words: 'MFA was denied', severity: 3 } }],
  [500133, 'failed', 'the assertion has expired'],
  [500200, 'failed', strangers],
  [500204, 'failed', strangers],
  [500212, 'failed', "the home tenant's policy forbids it"],
  [500213, 'failed', "the resource tenant's policy forbids it"],
  [500341, 'failed', 'the user is deleted'],
  [502031, 'asked', 'to register the authenticator app'],
  [530032, 'stopped', 'a security policy of the tenant'],
  [530034, 'failed', 'the delegated administrator is at risk', { severity: 3 }],
  [530035, 'failed', 'security defaults forbid it'],
  [650052, 'failed', 'the organisation has not subscribed to the service'],
  [650056, 'failed', 'the application is misconfigured'],
  [650057, 'failed', 'the application is misconfigured'],
  [700016, 'failed', 'the application is not in this tenant'],
  [700024, 'failed', 'the client assertion has expired'],
  [700027, 'failed', 'the signature of the client assertion is invalid'],
  [700082, 'asked', again],
  [700084, 'asked', again],
  [700211, 'failed', 'no federated credential matches'],
  [700212, 'failed', 'no federated credential matches'],
  [700213, 'failed', 'no federated credential matches'],
  [7000112, 'failed', 'the application is disabled'],
  [7000215, 'failed', 'invalid client secret'],
  [7000218, 'failed', 'no client secret or assertion was sent'],
  [7000222, 'failed', 'the client secret has expired'],
]

const byCode: ReadonlyMap<number, SignInError> = new Map(
  signInErrorRows.map(([code, end, words, more]) => [code, { end, words, ...more }]),
)

/** `said` is what the source wrote about it, in lower case. */
export function signInError(code: number, said: string): SignInError | undefined {
  const error = byCode.get(code)
  const unless = error?.unless
  if (error === undefined || unless === undefined || !said.includes(unless.says)) return error
  return { end: error.end, ...unless }
}
