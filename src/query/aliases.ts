// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// By which other names the objects go that bear a name: a user has a sign-in name, an id, an address. Two names of one
// object are what one event says of it, and whoever writes events says what they like. So these are counted and shown to
// people, and nothing is ever searched for by them that nobody asked for.

import type { OcsfEvent } from '../schema/ocsf.ts'
import { isPlaceholder } from '../schema/placeholder.ts'
import { clip, fold, MAX_VALUE_CHARS } from './fold.ts'

export interface Alias {
  /** As an event writes it. */
  readonly value: string
  /** What of the object it is: an attribute of OCSF. */
  readonly attribute: string
  /** How many events call the object by both. */
  readonly count: number
}

const ATTRIBUTES = ['name', 'uid', 'email_addr', 'display_name', 'full_name', 'uid_alt'] as const
const MAX_ALIASES = 32
/** Of an event that lists many. */
const MAX_OBJECTS = 64

type Named = { readonly [name in (typeof ATTRIBUTES)[number]]?: unknown }

/** Counts over the events that it is given. */
export class Aliases {
  readonly #names: ReadonlySet<string>
  readonly #counts = new Map<string, { value: string; attribute: string; count: number }>()

  /** `names` are folded. */
  constructor(names: ReadonlySet<string>) {
    this.#names = names
  }

  add(ocsf: OcsfEvent): void {
    const seen = new Set<string>()
    for (const object of namedObjects(ocsf)) {
      const called = ATTRIBUTES.flatMap((attribute) => {
        const value = object[attribute]
        return typeof value === 'string' && value !== '' ? [{ attribute, value, folded: foldedName(value) }] : []
      })
      if (!called.some(({ folded }) => this.#names.has(folded))) continue
      for (const { attribute, value, folded } of called) {
        if (folded === '' || this.#names.has(folded) || seen.has(folded)) continue
        seen.add(folded)
        const known = this.#counts.get(folded)
        if (known === undefined) this.#counts.set(folded, { value: clip(value, MAX_VALUE_CHARS), attribute, count: 1 })
        else known.count++
      }
    }
  }

  /** The most frequent first. */
  get list(): readonly Alias[] {
    return [...this.#counts.values()].toSorted((one, other) => other.count - one.count).slice(0, MAX_ALIASES)
  }
}

/** A name as the index compares it. */
export function foldedName(name: string): string {
  return clip(fold(name), MAX_VALUE_CHARS)
}

/** All that a class has of them stands under these names. */
function namedObjects(ocsf: OcsfEvent): readonly Named[] {
  const { actor, user, user_result, group, subgroup, entity, entity_result, resource, resources, evidences } =
    ocsf as unknown as Readonly<Record<string, unknown>>
  const members = [resources, evidences].flatMap((list) =>
    Array.isArray(list) ? (list as readonly unknown[]).slice(0, MAX_OBJECTS) : [],
  )
  const inner = [actor, ...members].flatMap((object) => {
    const { user: own, actor: acting } = (isObject(object) ? object : {}) as { user?: unknown; actor?: unknown }
    return [own, isObject(acting) ? (acting as { user?: unknown }).user : undefined]
  })
  const all = [...inner, user, user_result, group, subgroup, entity, entity_result, resource, ...members]
  return all.filter((object): object is Named => isObject(object) && !isPlaceholder(object))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
