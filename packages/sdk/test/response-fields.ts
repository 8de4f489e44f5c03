// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The fields of every response that the server can give, out of the table of its routes: of JSON by its schema, of the
// rest by what the form says. A response in neither way known is an error, so that a new one can't go by.

import { formatBundle, parseBundle, toBase64 } from '@stele/proof'
import { z } from 'zod'

import type { Route } from '../../../src/http/route.ts'
import { hitSchema } from '../../../src/http/schemas.ts'
import type { Json, Path } from './lies.ts'

/** How a body is taken apart into fields and put together again. */
interface Form {
  readonly fields: readonly string[]
  readonly decode: (body: Buffer, url: string) => Json
  readonly encode: (value: Json) => Buffer
}

const json = {
  decode: (body: Buffer): Json => JSON.parse(body.toString('utf8')) as Json,
  encode: (value: Json): Buffer => Buffer.from(JSON.stringify(value)),
}

/** A text, of which the lines are the fields: what stands in one is found out by changing each of its characters. */
const lines: Form = {
  fields: ['[]'],
  decode: (body) => body.toString('utf8').split('\n'),
  encode: (value) => Buffer.from(Array.isArray(value) ? value.map(textOf).join('\n') : textOf(value)),
}

const tile: Form = {
  fields: ['hashes', 'hashes[]', 'entries', 'entries[]'],
  decode: (body, url) =>
    url.includes('/tile/entries/')
      ? { entries: entriesOf(body).map((entry) => entry.toString('latin1')) }
      : { hashes: Array.from({ length: body.length / 32 }, (_, at) => toBase64(body.subarray(at * 32, at * 32 + 32))) },
  encode: (value) => {
    const { hashes, entries } = value as { hashes?: Json; entries?: Json }
    if (Array.isArray(hashes)) return Buffer.concat(hashes.map((text) => Buffer.from(textOf(text), 'base64')))
    if (!Array.isArray(entries)) return Buffer.alloc(0)
    return Buffer.from(formatBundle(entries.map((text) => Buffer.from(textOf(text), 'latin1'))))
  },
}

const tail: Form = {
  // A hit is one, however it comes.
  fields: ['[]', '[].id', '[].data', ...schemaFields(hitSchema).map((name) => `[].data.${name}`)],
  decode: (body) =>
    [...body.toString('utf8').matchAll(/^id: (.*)\ndata: (.*)\n/gm)].map(([, id = '', data = '']) => ({
      id,
      data: JSON.parse(data) as Json,
    })),
  encode: (value) =>
    Buffer.from(
      (Array.isArray(value) ? value : [])
        .map((event) => event as { id: Json; data: Json })
        .map(({ id, data }) => `id: ${textOf(id)}\ndata: ${JSON.stringify(data) ?? ''}\n\n`)
        .join(''),
    ),
}

const bytes: Form = {
  fields: ['bytes'],
  decode: (body) => ({ bytes: body.toString('latin1') }),
  encode: (value) => Buffer.from(textOf((value as { bytes?: Json }).bytes), 'latin1'),
}

/** Of the operations whose answers are no JSON. */
const forms: Readonly<Record<string, Form>> = {
  exportEvents: bytes,
  readCheckpoint: lines,
  readEventBytes: bytes,
  readExportSummary: lines,
  readProof: lines,
  readTile: tile,
  readWitnessPolicy: lines,
  tailEvents: tail,
}

export interface ResponseForm extends Form {
  /** Whether the server's own schema lets a value pass. */
  readonly isOfForm: (value: Json) => boolean
  readonly isJson: boolean
}

/** The form of a route's answers that are no problems; undefined where nobody has said how they are taken apart. */
export function formOf(route: Pick<Route, 'answers' | 'operation'>): ResponseForm | undefined {
  const [answer] = Object.values(route.answers)
  if (answer?.schema !== undefined) return schemaForm(answer.schema)
  const form = forms[route.operation]
  return form === undefined ? undefined : { ...form, isOfForm: () => true, isJson: false }
}

export function schemaForm(schema: z.ZodType): ResponseForm {
  const isOfForm = (value: Json) => schema.safeParse(value).success
  return { ...json, fields: schemaFields(schema), isOfForm, isJson: true }
}

/** Every field of a schema, as `hits[].index`; members that have no name beforehand are `*`. */
function schemaFields(schema: z.ZodType): string[] {
  const root = z.toJSONSchema(schema, { unrepresentable: 'any' }) as JsonSchema
  const found = new Set<string>()
  const walk = (node: JsonSchema, path: string): void => {
    const { $ref, properties = {}, items, additionalProperties, anyOf = [], oneOf = [] } = node
    if ($ref !== undefined) walk(root.$defs![$ref.replace('#/$defs/', '')]!, path)
    for (const one of [...anyOf, ...oneOf]) walk(one, path)
    const member = (name: string, child: JsonSchema) => {
      const at = path === '' ? name : `${path}.${name}`
      found.add(at)
      walk(child, at)
    }
    for (const [name, child] of Object.entries(properties)) member(name, child)
    if (typeof additionalProperties === 'object') member('*', additionalProperties)
    if (items !== undefined) {
      found.add(`${path}[]`)
      walk(items, `${path}[]`)
    }
  }
  walk(root, '')
  return [...found]
}

interface JsonSchema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | false
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
}

/** The field of the form that a place in a value belongs to. */
export function fieldOf(path: Path, fields: ReadonlySet<string>): string | undefined {
  let at = ''
  for (const part of path) {
    const next = typeof part === 'number' ? `${at}[]` : at === '' ? part : `${at}.${part}`
    const unnamed = at === '' ? '*' : `${at}.*`
    if (fields.has(next)) at = next
    else if (fields.has(unnamed)) at = unnamed
    // What lies below a member that nobody describes is part of that.
    else return fields.has(at) && at.endsWith('*') ? at : undefined
  }
  return fields.has(at) ? at : undefined
}

function entriesOf(body: Buffer): Buffer[] {
  const entries: Buffer[] = []
  let count = 0
  for (let at = 0; at < body.length; at += 2 + body.readUInt16BE(at)) count++
  for (const entry of parseBundle(body, count)) entries.push(Buffer.from(entry))
  return entries
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
