// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// OCSF 1.8.0 (https://schema.ocsf.io/1.8.0/), as far as mappings fill it: made by
// scripts/ocsf-types.ts and not to be edited. An attribute that is undefined is absent. One of a profile stands only
// in an event whose `metadata.profiles` names that profile.

/** Metadata. */
export interface Metadata {
  readonly version: string
  readonly product: Product
  readonly uid?: string | undefined
  readonly event_code?: string | undefined
  readonly log_name?: string | undefined
  readonly log_provider?: string | undefined
  readonly correlation_uid?: string | undefined
  readonly original_time?: string | undefined
  readonly tenant_uid?: string | undefined
  readonly profiles?: readonly string[] | undefined
  readonly labels?: readonly string[] | undefined
}

/** Product. */
export interface Product {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly vendor_name?: string | undefined
  readonly version?: string | undefined
  readonly feature?: Feature | undefined
}

/** Feature. */
interface Feature {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly version?: string | undefined
}

/** Observable. */
export interface Observable {
  readonly name?: string | undefined
  readonly type?: string | undefined
  readonly type_id: number
  readonly value?: string | undefined
}

/** Actor. */
export interface Actor {
  readonly user?: User | undefined
  readonly app_name?: string | undefined
  readonly app_uid?: string | undefined
  readonly session?: Session | undefined
  readonly idp?: Idp | undefined
  readonly invoked_by?: string | undefined
}

/** User. */
export interface User {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly uid_alt?: string | undefined
  readonly display_name?: string | undefined
  readonly full_name?: string | undefined
  readonly email_addr?: string | undefined
  readonly domain?: string | undefined
  readonly type?: string | undefined
  readonly type_id?: 0 | 1 | 2 | 3 | 4 | 99 | undefined
  readonly org?: Organization | undefined
  readonly account?: Account | undefined
  readonly groups?: readonly Group[] | undefined
  readonly risk_level?: string | undefined
  readonly risk_level_id?: 0 | 1 | 2 | 3 | 4 | 99 | undefined
}

/** Account. */
interface Account {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly type_id?: number | undefined
}

/** Organization. */
interface Organization {
  readonly name?: string | undefined
  readonly uid?: string | undefined
}

/** Identity Provider. */
interface Idp {
  readonly name?: string | undefined
  readonly uid?: string | undefined
}

/** Session. */
export interface Session {
  readonly uid?: string | undefined
  readonly uid_alt?: string | undefined
  readonly issuer?: string | undefined
  readonly created_time?: number | undefined
  readonly expiration_time?: number | undefined
  readonly is_mfa?: boolean | undefined
  readonly is_remote?: boolean | undefined
}

/** Group. */
export interface Group {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly domain?: string | undefined
  readonly desc?: string | undefined
}

/** Network Endpoint. */
export interface NetworkEndpoint {
  readonly ip?: string | undefined
  readonly name?: string | undefined
  readonly hostname?: string | undefined
  readonly uid?: string | undefined
  readonly port?: number | undefined
  readonly location?: Location | undefined
  readonly owner?: User | undefined
  readonly autonomous_system?: AutonomousSystem | undefined
  readonly svc_name?: string | undefined
  readonly domain?: string | undefined
  readonly type?: string | undefined
  readonly type_id?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 99 | undefined
  readonly intermediate_ips?: readonly string[] | undefined
}

/** Autonomous System. */
interface AutonomousSystem {
  readonly name?: string | undefined
  readonly number?: number | undefined
}

/** Geo Location. */
export interface Location {
  readonly city?: string | undefined
  readonly region?: string | undefined
  readonly country?: string | undefined
  readonly postal_code?: string | undefined
  readonly lat?: number | undefined
  readonly long?: number | undefined
}

/** Device. */
export interface Device {
  readonly uid?: string | undefined
  readonly name?: string | undefined
  readonly hostname?: string | undefined
  readonly ip?: string | undefined
  readonly type?: string | undefined
  readonly type_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 99
  readonly os?: Os | undefined
  readonly is_compliant?: boolean | undefined
  readonly is_managed?: boolean | undefined
  readonly is_trusted?: boolean | undefined
  readonly location?: Location | undefined
  readonly domain?: string | undefined
}

/** Operating System (OS). */
export interface Os {
  readonly name: string
  readonly type?: string | undefined
  readonly type_id: 0 | 99 | 100 | 101 | 200 | 201 | 300 | 301 | 302 | 400 | 401 | 402
  readonly version?: string | undefined
}

/** Authentication Factor. */
export interface AuthFactor {
  readonly factor_type?: string | undefined
  readonly factor_type_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 99
  readonly provider?: string | undefined
  readonly phone_number?: string | undefined
  readonly email_addr?: string | undefined
}

/** Policy. */
export interface Policy {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly desc?: string | undefined
  readonly is_applied?: boolean | undefined
  readonly data?: unknown
}

/** Service. */
export interface Service {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly version?: string | undefined
}

/** Managed Entity. */
export interface ManagedEntity {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly type_id?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 99 | undefined
  readonly data?: unknown
  readonly user?: User | undefined
  readonly group?: Group | undefined
  readonly policy?: Policy | undefined
  readonly device?: Device | undefined
  readonly org?: Organization | undefined
  readonly location?: Location | undefined
  readonly version?: string | undefined
}

/** Resource Details. */
export interface ResourceDetails {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly role?: string | undefined
  readonly role_id?: 0 | 1 | 2 | 3 | 4 | 99 | undefined
  readonly data?: unknown
  readonly namespace?: string | undefined
  readonly owner?: User | undefined
  readonly group?: Group | undefined
  readonly ip?: string | undefined
  readonly hostname?: string | undefined
}

/** Finding Information. */
export interface FindingInfo {
  readonly uid: string
  readonly title?: string | undefined
  readonly desc?: string | undefined
  readonly types?: readonly string[] | undefined
  readonly analytic?: Analytic | undefined
  readonly created_time?: number | undefined
  readonly modified_time?: number | undefined
  readonly first_seen_time?: number | undefined
  readonly last_seen_time?: number | undefined
  readonly data_sources?: readonly string[] | undefined
  readonly src_url?: string | undefined
}

/** Analytic. */
interface Analytic {
  readonly name?: string | undefined
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly type_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 99
  readonly category?: string | undefined
  readonly desc?: string | undefined
  readonly version?: string | undefined
}

/** Evidence Artifacts. */
export interface Evidences {
  readonly actor?: Actor | undefined
  readonly user?: User | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly device?: Device | undefined
  readonly data?: unknown
  readonly api?: Api | undefined
  readonly resources?: readonly ResourceDetails[] | undefined
}

/** API. */
export interface Api {
  readonly operation: string
  readonly version?: string | undefined
  readonly service?: Service | undefined
  readonly group?: Group | undefined
  readonly request?: Request | undefined
  readonly response?: Response | undefined
  readonly token?: Token | undefined
}

/** Request Elements. */
interface Request {
  readonly uid: string
  readonly data?: unknown
  readonly flags?: readonly string[] | undefined
}

/** Response Elements. */
interface Response {
  readonly code?: number | undefined
  readonly error?: string | undefined
  readonly error_message?: string | undefined
  readonly message?: string | undefined
  readonly data?: unknown
}

/** Token. */
interface Token {
  readonly uid?: string | undefined
  readonly type?: string | undefined
  readonly type_id?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 99 | undefined
}

/** HTTP Request. */
export interface HttpRequest {
  readonly http_method?: string | undefined
  readonly url?: Url | undefined
  readonly user_agent?: string | undefined
  readonly uid?: string | undefined
  readonly referrer?: string | undefined
  readonly version?: string | undefined
  readonly length?: number | undefined
  readonly body_length?: number | undefined
  readonly args?: string | undefined
}

/** HTTP Response. */
export interface HttpResponse {
  readonly code: number
  readonly status?: string | undefined
  readonly message?: string | undefined
  readonly latency?: number | undefined
  readonly length?: number | undefined
  readonly body_length?: number | undefined
}

/** Uniform Resource Locator. */
export interface Url {
  readonly url_string?: string | undefined
  readonly scheme?: string | undefined
  readonly hostname?: string | undefined
  readonly path?: string | undefined
  readonly port?: number | undefined
  readonly query_string?: string | undefined
  readonly domain?: string | undefined
}
