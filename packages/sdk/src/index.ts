// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export {
  type MintedToken,
  type Scope,
  SCOPES,
  type ServerStatus,
  type TokenInfo,
  type TokenRequest,
} from './administration.ts'
export { type Appended, type LedgerHead, type LedgerInfo, type RecordedEvent } from './answers.ts'
export type { EventsBody } from './body.ts'
export { type AppendOptions, type CallOptions, type CheckedProof, type ClientOptions, SteleClient } from './client.ts'
export { type Failure, type ProblemFields, SteleError } from './error.ts'
export type { Fetch, Sleep } from './platform.ts'
export type { TailOptions } from './tail.ts'
