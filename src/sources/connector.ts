// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a connector declares. Its marks are data only, so that one scan of the body can recognise every source at once.
// An event's type is a convenience for those who search it later and never evidence: whoever wrote the event chose its
// keys.

import type { OcsfEvent } from '../schema/ocsf.ts'
import type { JsonObject } from './json.ts'

/** A key of the event, at its top or one level down inside the object under the key `in`. */
export interface Mark {
  readonly in?: string
  readonly key: string
  /**
   * Strings that the value may be, compared without regard to ASCII case; `*` in front or behind stands for anything.
   * Absent: any value, null too. Keys and values written with escapes are never matched.
   */
  readonly is?: readonly string[]
}

/** One form in which a source's events arrive. It holds when all of `all` and none of `none` do. */
export interface Shape {
  readonly name: string
  readonly all: readonly [Mark, ...Mark[]]
  readonly none?: readonly Mark[]
}

/**
 * An object that only carries events, in the array under `key`. It is taken off (its bytes are not kept), so it may
 * hold nothing else than the keys `beside`.
 */
export interface Container {
  readonly key: string
  readonly beside: readonly string[]
}

/**
 * A key, at the event's top or inside the object under the key `in`, whose value is the source's own id of the event: a
 * string that no other event of the source has. Written with escapes it is another id.
 */
export interface NativeId {
  readonly in?: string
  readonly key: string
}

/** What the ledger knows of an event beside its bytes. */
export interface MapContext {
  /** Ledger time. */
  readonly receivedMs: number
  /** `entra.audit/contoso`, as in the entry. */
  readonly source: string
}

/** The event is not what its source documents; the message says how, and quotes nothing of the event. */
export class MappingFault extends Error {
  override readonly name = 'MappingFault'
}

export interface Connector {
  /** Dotted and lower-case; the part before the dot is the family. `source:entra` finds all of it. */
  readonly type: string
  readonly title: string
  /** A container is opened only when all its members are of one family. */
  readonly family: string
  /** Claims what no other connector does: any other wins, and its events contradict no name that a client gave. */
  readonly catchAll?: true
  /** Empty for `generic` alone. */
  readonly shapes: readonly Shape[]
  readonly containers: readonly Container[]
  /** Where its id may stand: of those that an event has, the first one counts. Absent where none is one event's alone. */
  readonly ids?: readonly NativeId[]
  /** The parsed event in OCSF. Throws `MappingFault` where it is not what the source documents. */
  readonly map: (event: JsonObject, context: MapContext) => OcsfEvent
}
