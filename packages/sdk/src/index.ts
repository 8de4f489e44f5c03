// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export {
  type MintedToken,
  type Scope,
  SCOPES,
  type ServerStatus,
  type TokenInfo,
  type RateLimits,
  type TokenRequest,
} from './administration.ts'
export { type Appended, type LedgerHead, type LedgerInfo, type OcsfForm, type RecordedEvent } from './answers.ts'
export type { EventsBody } from './body.ts'
export type { CallOptions, ClientOptions } from './calls.ts'
export { type AppendOptions, type CheckedProof, type ProofOptions, SteleClient } from './client.ts'
export { type Failure, type ProblemFields, SteleError } from './error.ts'
export type { LedgerKey, LedgerKeys } from './keys.ts'
export { LogClient, type LogOptions } from './log-client.ts'
export type { Fetch, Sleep } from './platform.ts'
export {
  EVERY_LEDGER,
  type Facets,
  type Histogram,
  type HistogramBucket,
  type Hit,
  type HitOrder,
  type Progress,
  type Reach,
  type SearchOptions,
  type SearchPage,
  type SearchQuestion,
  type ValueCount,
} from './search.ts'
export { type SearchField, type SearchFields, type SearchPath } from './search-fields.ts'
export type { CheckedSummary, ExportOptions, ExportReceived } from './result-export.ts'
export {
  type BackgroundCheck,
  type IndexCheck,
  type IndexFinding,
  type IndexState,
  type IndexStatus,
} from './search-index.ts'
export type { TailOptions } from './tail.ts'
export type {
  Change,
  Related,
  RelatedHit,
  RelatedOptions,
  Relation,
  Timeline,
  TimelineHit,
  TimelineOptions,
} from './timeline.ts'
export {
  type Witness,
  type WitnessContradiction,
  type WitnessedHead,
  type Witnesses,
  type WitnessQuorum,
  type WitnessRequest,
} from './witnesses.ts'
export type { Verification, VerificationFinding, VerificationPass } from './verification.ts'
