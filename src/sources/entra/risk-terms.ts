// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the values of Identity Protection's resources mean in OCSF's terms, one table a property. The sources are the
// pages of riskDetection, servicePrincipalRiskDetection, riskyUser and riskyServicePrincipal in the Graph reference,
// "What are risk detections?" (learn.microsoft.com/entra/id-protection/concept-identity-protection-risks) and
// "Securing workload identities" beside it. Values are looked up in lower case.

/** A detection is of one activity; a standing is what all of them together make of a user or a service principal. */
export interface RiskKind {
  /** The category of diagnostic settings, which stands for the kind in whatever form it came. */
  readonly log: string
  readonly of: 'detection' | 'standing'
  readonly who: 'user' | 'service principal'
}

export const userDetection: RiskKind = { log: 'UserRiskEvents', of: 'detection', who: 'user' }
export const workloadDetection: RiskKind = {
  log: 'ServicePrincipalRiskEvents',
  of: 'detection',
  who: 'service principal',
}
export const riskyUser: RiskKind = { log: 'RiskyUsers', of: 'standing', who: 'user' }
export const riskyWorkload: RiskKind = { log: 'RiskyServicePrincipals', of: 'standing', who: 'service principal' }

/** By category of the envelope, and by name of the table. */
export const riskKindByLog: ReadonlyMap<string, RiskKind> = new Map([
  ['userriskevents', userDetection],
  ['aaduserriskevents', userDetection],
  ['serviceprincipalriskevents', workloadDetection],
  ['aadserviceprincipalriskevents', workloadDetection],
  ['riskyusers', riskyUser],
  ['aadriskyusers', riskyUser],
  ['riskyserviceprincipals', riskyWorkload],
  ['aadriskyserviceprincipals', riskyWorkload],
])

/** `riskEventType`: the name that Microsoft's pages have for it, and what was seen, as the sentence has it. */
export const riskEvents: ReadonlyMap<string, { readonly title: string; readonly saw: string }> = new Map([
  [
    'adminconfirmedserviceprincipalcompromised',
    row('Admin confirmed service principal compromised', 'a confirmation by an administrator'),
  ],
  ['adminconfirmedusercompromised', row('Admin confirmed user compromised', 'a confirmation by an administrator')],
  ['anomalousserviceprincipalactivity', row('Anomalous service principal activity', 'unusual activity')],
  ['anomaloustoken', row('Anomalous token', 'an anomalous token')],
  ['anomaloususeractivity', row('Anomalous user activity', 'unusual activity')],
  ['anonymizedipaddress', row('Anonymous IP address', 'an anonymous IP address')],
  ['attackerinthemiddle', row('Attacker in the Middle', 'an attacker in the middle')],
  [
    'attemptedprtaccess',
    row('Possible attempt to access Primary Refresh Token (PRT)', 'an attempt to access the primary refresh token'),
  ],
  ['generic', row('Additional risk detected', 'an additional risk')],
  ['impossibletravel', row('Impossible travel', 'impossible travel')],
  ['investigationsthreatintelligence', row('Microsoft Entra threat intelligence', 'a known attack pattern')],
  ['leakedcredentials', row('Leaked credentials', 'leaked credentials')],
  ['maliciousapplication', row('Malicious application', 'a malicious application')],
  ['maliciousipaddress', row('Malicious IP address', 'a malicious IP address')],
  [
    'maliciousipaddressvalidcredentialsblockedip',
    row('Malicious IP address', 'valid credentials from a blocked IP address'),
  ],
  ['malwareinfectedipaddress', row('Malware linked IP address', 'an IP address linked to malware')],
  ['mcasfinsuspiciousfileaccess', row('Mass access to sensitive files', 'mass access to sensitive files')],
  ['mcasimpossibletravel', row('Impossible travel', 'impossible travel')],
  ['mcassuspiciousinboxmanipulationrules', row('Suspicious inbox manipulation rules', 'suspicious inbox rules')],
  ['nationstateip', row('Verified threat actor IP', 'an IP address of a known threat actor')],
  ['newcountry', row('New country', 'a new country')],
  ['passwordspray', row('Password spray', 'a password spray')],
  ['riskyipaddress', row('Activity from anonymous IP address', 'activity from an anonymous IP address')],
  ['suspiciousapitraffic', row('Suspicious API traffic', 'suspicious API traffic')],
  ['suspiciousapplication', row('Suspicious application', 'a suspicious application')],
  ['suspiciousbrowser', row('Suspicious browser', 'a suspicious browser')],
  ['suspiciousinboxforwarding', row('Suspicious inbox forwarding', 'suspicious inbox forwarding')],
  ['suspiciousipaddress', row('Suspicious IP address', 'a suspicious IP address')],
  ['suspicioussendingpatterns', row('Suspicious sending patterns', 'suspicious sending patterns')],
  ['suspicioussignins', row('Suspicious sign-ins', 'suspicious sign-ins')],
  ['tokenissueranomaly', row('Token issuer anomaly', 'a token issuer anomaly')],
  ['unfamiliarfeatures', row('Unfamiliar sign-in properties', 'unfamiliar sign-in properties')],
  ['unlikelytravel', row('Atypical travel', 'atypical travel')],
  [
    'userreportedsuspiciousactivity',
    row('User reported suspicious activity', 'a report of suspicious activity by the user'),
  ],
])

function row(title: string, saw: string): { readonly title: string; readonly saw: string } {
  return { title, saw }
}

/** `riskState`: what became of the finding. An open one is an alert. */
export interface RiskState {
  /** Create, Update, Close. */
  readonly activity: 1 | 2 | 3
  /** New, In Progress, Suppressed, Resolved; Unknown. */
  readonly status: 0 | 1 | 2 | 3 | 4
  readonly isOpen: boolean
  /** What was made of it, in the sentence. */
  readonly words: string | undefined
}

export const riskStates: ReadonlyMap<string, RiskState> = new Map<string, RiskState>([
  ['none', { activity: 2, status: 0, isOpen: false, words: undefined }],
  ['atrisk', { activity: 1, status: 1, isOpen: true, words: undefined }],
  ['confirmedcompromised', { activity: 2, status: 2, isOpen: true, words: 'confirmed as compromised' }],
  ['confirmedsafe', { activity: 3, status: 4, isOpen: false, words: 'confirmed as safe' }],
  ['remediated', { activity: 3, status: 4, isOpen: false, words: 'remediated' }],
  ['dismissed', { activity: 3, status: 3, isOpen: false, words: 'dismissed' }],
])

/** `riskDetail`: who or what brought the state about, as the end of a sentence; `none` and `hidden` say nothing. */
export const riskDetails: ReadonlyMap<string, string> = new Map([
  ['adminconfirmedaccountsafe', 'an administrator confirmed the account as safe'],
  ['adminconfirmedserviceprincipalcompromised', 'an administrator decided so'],
  ['adminconfirmedsignincompromised', 'an administrator confirmed the sign-in as compromised'],
  ['adminconfirmedsigninsafe', 'an administrator confirmed the sign-in as safe'],
  ['adminconfirmedusercompromised', 'an administrator decided so'],
  ['admindismissedallriskforserviceprincipal', 'an administrator decided so'],
  ['admindismissedallriskforuser', 'an administrator decided so'],
  ['admindismissedriskforsignin', 'an administrator dismissed that of the sign-in'],
  ['admingeneratedtemporarypassword', 'an administrator gave a temporary password'],
  ['aiconfirmedsigninsafe', 'the service found the sign-in safe'],
  ['m365dadmindismisseddetection', 'an administrator decided so in Microsoft 365 Defender'],
  ['userchangedpasswordonpremises', 'the user changed the password on premises'],
  ['userpassedmfadrivenbyriskbasedpolicy', 'the user passed MFA'],
  ['userperformedsecuredpasswordchange', 'the user changed the password'],
  ['userperformedsecuredpasswordreset', 'the user reset the password'],
])

/** Properties without a place in OCSF that tell a reader something; kept under their own names. */
export const keptOfRisk: readonly string[] = [
  'activity',
  'detectionTimingType',
  'isDeleted',
  'isEnabled',
  'isGuest',
  'isProcessing',
  'keyIds',
  'mitreTechniqueId',
  'requestId',
  'riskDetail',
  'riskEventType',
  'riskState',
  'riskType',
  'servicePrincipalType',
  'tokenIssuerType',
]
