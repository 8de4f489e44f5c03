// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Limits of the intake. They are part of the interface: docs/format.md and the OpenAPI document quote them. */
export const MAX_BODY_BYTES = 64 * 1024 * 1024
export const MAX_EVENT_BYTES = 16 * 1024 * 1024
export const MAX_EVENTS_PER_BODY = 65_536
export const MAX_JSON_DEPTH = 64
/** Longest number literal accepted, in bytes. JSON has no limit of its own; readers of our events do. */
export const MAX_NUMBER_BYTES = 1_024

/** Ledger names are also folder names and parts of origins. */
export const LEDGER_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
export const RESERVED_LEDGERS = ['system', 'access', 'heads'] as const

const MAX_RESERVE_BYTES = 1024 * 1024 * 1024
const RESERVE_SHARE = 0.05

/** Bytes free on a disk below which events are refused. */
export function diskReserveBytes(totalBytes: number): number {
  return Math.min(MAX_RESERVE_BYTES, Math.floor(totalBytes * RESERVE_SHARE))
}
