// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whether an event is what the compiled OCSF schema says: every attribute known, of its type and among its values,
// those required there, constraints kept, profiles declared, uids and captions in agreement. An attribute that is
// undefined is absent, since no serialisation holds it.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Attribute {
  readonly type: string
  readonly object_type?: string
  readonly is_array?: boolean
  readonly requirement: string
  readonly profiles?: readonly string[] | null
  readonly sibling?: string
  readonly enum?: Readonly<Record<string, { readonly caption: string }>>
}

interface Described {
  readonly name: string
  readonly uid?: number
  readonly category_uid?: number
  readonly profiles?: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
  readonly constraints?: { readonly at_least_one?: readonly string[]; readonly just_one?: readonly string[] }
}

interface Type {
  readonly type?: string
  readonly regex?: string
  readonly max_len?: number
  readonly range?: readonly [number, number]
}

interface Schema {
  readonly version: string
  readonly classes: Readonly<Record<string, Described>>
  readonly objects: Readonly<Record<string, Described>>
  readonly types: { readonly attributes: Readonly<Record<string, Type>> }
}

type Members = Readonly<Record<string, unknown>>

export const schemaFile = join(import.meta.dirname, '../../shared/ocsf/ocsf-1.8.0.json')
export const schemaSkip = existsSync(schemaFile) ? false : 'the OCSF schema is not beside this folder'

/** Checks events against a compiled schema. */
export class OcsfChecker {
  readonly #schema: Schema
  readonly #classes: ReadonlyMap<number, Described>
  readonly #regexes: ReadonlyMap<string, RegExp>

  constructor(path: string = schemaFile) {
    this.#schema = JSON.parse(readFileSync(path, 'utf8')) as Schema
    this.#classes = new Map(Object.values(this.#schema.classes).map((described) => [described.uid ?? 0, described]))
    const regexes = Object.entries(this.#schema.types.attributes).flatMap(([name, { regex }]) =>
      regex === undefined ? [] : [[name, new RegExp(regex)] as const],
    )
    this.#regexes = new Map(regexes)
  }

  /** What is wrong, each beginning with the path of the attribute; empty for a valid event. */
  faults(event: unknown): readonly string[] {
    if (!isObject(event)) return ['event: is not an object']
    const described = this.#classes.get(event['class_uid'] as number)
    if (described === undefined) return ['class_uid: is of no known class']
    const metadata = isObject(event['metadata']) ? event['metadata'] : {}
    const named = Array.isArray(metadata['profiles']) ? (metadata['profiles'] as unknown[]) : []
    const foreign = named.filter((profile) => !(described.profiles ?? []).includes(String(profile)))
    const found = foreign.map((profile) => `metadata.profiles: ${described.name} has no profile ${String(profile)}`)
    if (metadata['version'] !== this.#schema.version) found.push(`metadata.version: is not ${this.#schema.version}`)
    if (event['category_uid'] !== described.category_uid) found.push('category_uid: is not the one of the class')
    if (event['type_uid'] !== Number(event['class_uid']) * 100 + Number(event['activity_id'])) {
      found.push('type_uid: is not class_uid * 100 + activity_id')
    }
    this.#members(event, described, '', new Set(named.map(String)), found)
    return found
  }

  #members(object: Members, described: Described, path: string, profiles: ReadonlySet<string>, found: string[]): void {
    const { attributes, constraints } = described
    const inProfile = ({ profiles: of }: Attribute): boolean =>
      (of ?? []).length === 0 || of!.some((p) => profiles.has(p))
    const has = (key: string): boolean => Object.hasOwn(object, key) && object[key] !== undefined
    for (const key of Object.keys(object)) {
      if (!has(key)) continue
      const attribute = Object.hasOwn(attributes, key) ? attributes[key] : undefined
      const at = `${path}${key}`
      if (attribute === undefined) found.push(`${at}: is no attribute of ${described.name}`)
      else if (!inProfile(attribute)) found.push(`${at}: is of the profile ${attribute.profiles!.join(' or ')}`)
      else {
        this.#value(object[key], attribute, at, profiles, found)
        this.#sibling(object, key, attribute, at, found)
      }
    }
    for (const [key, attribute] of Object.entries(attributes)) {
      if (attribute.requirement === 'required' && inProfile(attribute) && !has(key)) {
        found.push(`${path}${key}: is required`)
      }
    }
    const { at_least_one: some, just_one: one } = constraints ?? {}
    const where = path === '' ? 'event' : path.slice(0, -1)
    if (some !== undefined && !some.some(has)) found.push(`${where}: has none of ${some.join(', ')}`)
    if (one !== undefined && one.filter(has).length !== 1) found.push(`${where}: has not just one of ${one.join(', ')}`)
  }

  #value(value: unknown, attribute: Attribute, at: string, profiles: ReadonlySet<string>, found: string[]): void {
    if (attribute.is_array !== true) return this.#one(value, attribute, at, profiles, found)
    if (!Array.isArray(value)) found.push(`${at}: is not an array`)
    else
      for (const [position, member] of value.entries())
        this.#one(member, attribute, `${at}[${position}]`, profiles, found)
  }

  #one(value: unknown, attribute: Attribute, at: string, profiles: ReadonlySet<string>, found: string[]): void {
    const { type, object_type: objectType } = attribute
    if (objectType !== undefined) {
      if (!isObject(value)) found.push(`${at}: is not an object`)
      else if (objectType !== 'object') {
        const described = this.#schema.objects[objectType]
        if (described === undefined) throw new Error(`the schema has no object ${objectType}`)
        this.#members(value, described, `${at}.`, profiles, found)
      }
      return
    }
    const fault = this.#typeFault(value, type)
    if (fault !== undefined) found.push(`${at}: ${fault}`)
    else if (attribute.enum !== undefined && !Object.hasOwn(attribute.enum, String(value))) {
      found.push(`${at}: ${String(value)} is none of its values`)
    }
  }

  #typeFault(value: unknown, type: string): string | undefined {
    const described = this.#schema.types.attributes[type]
    if (described === undefined) throw new Error(`the schema has no type ${type}`)
    const { max_len: maxChars, range } = described
    const base = described.type ?? type
    if (base === 'json_t') return value === undefined ? 'is no JSON' : undefined
    if (base === 'boolean_t') return typeof value === 'boolean' ? undefined : 'is not a boolean'
    if (base === 'float_t') return typeof value === 'number' && Number.isFinite(value) ? undefined : 'is not a number'
    if (base === 'integer_t' || base === 'long_t') {
      if (!Number.isSafeInteger(value)) return 'is not a whole number'
      const number = value as number
      return range === undefined || (number >= range[0] && number <= range[1]) ? undefined : 'is out of range'
    }
    if (typeof value !== 'string') return 'is not a string'
    if (maxChars !== undefined && value.length > maxChars) return `is longer than ${maxChars}`
    return this.#regexes.get(type)?.test(value) === false ? `is no ${type}` : undefined
  }

  /** A caption beside an id says what the id does; 99, Other, lets the source speak. */
  #sibling(object: Members, key: string, attribute: Attribute, at: string, found: string[]): void {
    const { sibling, enum: values } = attribute
    const caption = sibling === undefined ? undefined : object[sibling]
    const id = String(object[key])
    if (caption === undefined || id === '99' || values === undefined || !Object.hasOwn(values, id)) return
    if (caption !== values[id]!.caption)
      found.push(`${at}: ${id} is ${values[id]!.caption}, not ${JSON.stringify(caption)}`)
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
