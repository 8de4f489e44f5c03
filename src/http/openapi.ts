// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The OpenAPI 3.1 document of a table of routes. Its schemas are JSON Schema 2020-12, made by zod from our own. */
import { z } from 'zod'
import { Problem, type ProblemCode, problemStatus } from '../schema/problem.ts'
import { scopesOf } from './admission.ts'
import { PROBLEM_TYPE, problemAnswer, titleOf } from './problem-answer.ts'
import type { Answer, AnswerForm, Permission, Route } from './route.ts'
import { problemSchema } from './schemas.ts'

type Json = Record<string, unknown>

const SCHEMAS = '#/components/schemas/'

export function openApiAnswer(routes: readonly Route[], version: string): Answer {
  return { body: JSON.stringify(openApi(routes, version), undefined, 2) }
}

export function openApi(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Stele',
      version,
      summary: 'An immutable, provable audit log for identity and access',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: components(routes),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token as `stele token create` shows it.' },
      },
    },
  }
}

function operation(route: Route): Json {
  return {
    operationId: route.operation,
    summary: route.summary,
    description: `${permissionText(route.permission)} ${auditText(route)}`,
    security: security(route.permission),
    parameters: [...parameters('path', route.params), ...parameters('query', route.query), ...headerParameters(route)],
    ...requestBody(route),
    responses: responses(route),
  }
}

function permissionText(permission: Permission): string {
  if (permission === 'public') return 'Open without a token.'
  const where = permission.ledger === 'path' ? ' on the ledger' : ''
  const open = permission.publicLedger === true ? '; open without a token where the ledger is public' : ''
  return `Needs the scope ${scopesOf(permission)
    .map((scope) => `\`${scope}\``)
    .join(' or ')}${where}${open}.`
}

function auditText({ audit }: Route): string {
  return audit.to === 'none' ? `Not recorded: ${audit.because}` : `Recorded in \`${audit.to}\` as \`${audit.action}\`.`
}

function security(permission: Permission): Json[] {
  if (permission === 'public') return []
  return permission.publicLedger === true ? [{ token: [] }, {}] : [{ token: [] }]
}

function parameters(where: 'path' | 'query', schema: z.ZodType | undefined): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name: name === '*' ? 'path' : name,
    in: where,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }))
}

function headerParameters({ headers = {} }: Route): Json[] {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }))
}

function requestBody({ body, events, example }: Route): Json {
  const shown = example === undefined ? {} : { example }
  if (body !== undefined) {
    return {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(body, 'input'), ...shown } } },
    }
  }
  if (events === undefined) return {}
  const content = Object.fromEntries(events.map((media) => [media, media === 'application/json' ? shown : {}]))
  return { requestBody: { required: true, content } }
}

function responses(route: Route): Json {
  const answers = Object.entries(route.answers).map(([status, form]) => [status, response(form)])
  const byStatus = Object.groupBy(refusalsOf(route), (code) => problemStatus[code])
  const problems = Object.entries(byStatus)
    .filter(([status]) => route.answers[Number(status)] === undefined)
    .map(([status, codes]) => [status, problemResponse(Number(status), codes)])
  return Object.fromEntries([...answers, ...problems]) as Json
}

function response({ description, type = 'application/json', schema, example }: AnswerForm): Json {
  const shape = schema === undefined ? {} : { schema: reference(schema) }
  return { description, content: { [type]: { ...shape, ...(example === undefined ? {} : { example }) } } }
}

function problemResponse(status: number, codes: readonly ProblemCode[]): Json {
  const examples = Object.fromEntries(
    codes.map((code) => [
      code,
      { value: problemAnswer(new Problem(code, 'What is wrong, and how to mend it.'), 'req-1') },
    ]),
  )
  return { description: titleOf(status), content: { [PROBLEM_TYPE]: { schema: reference(problemSchema), examples } } }
}

/** Every code with which a route may refuse: its own, and those that follow from the rest of its row. */
export function refusalsOf(route: Route): ProblemCode[] {
  const { permission, params, query, body, audit, refusals } = route
  const codes = new Set<ProblemCode>(refusals)
  if (permission !== 'public') {
    for (const code of ['unauthenticated', 'scope-missing', 'too-many-requests'] as const) codes.add(code)
    if (permission.ledger === 'path') codes.add('ledger-unknown')
    if (permission.notReserved === true) codes.add('ledger-reserved')
  }
  if ([params, query, body].some((schema) => schema !== undefined)) codes.add('invalid-field')
  if (body !== undefined) {
    for (const code of [
      'malformed-json',
      'unsupported-media-type',
      'unsupported-encoding',
      'body-too-large',
    ] as const) {
      codes.add(code)
    }
  }
  if (audit.to === 'access') codes.add('audit-unavailable')
  return [...codes.add('internal-error').add('stopping')]
}

/** Schemas that have a name, by it. */
function components(routes: readonly Route[]): Json {
  const named = z.registry<{ id: string }>()
  for (const schema of [
    problemSchema,
    ...routes.flatMap(({ answers }) => Object.values(answers)).map(({ schema }) => schema),
  ]) {
    const id = schema === undefined ? undefined : nameOf(schema)
    if (schema !== undefined && id !== undefined && !named.has(schema)) named.add(schema, { id })
  }
  const { schemas } = z.toJSONSchema(named, { io: 'output', uri: (id) => SCHEMAS + id })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function nameOf(schema: z.ZodType): string | undefined {
  return schema.meta()?.id
}

function reference(schema: z.ZodType): Json {
  const id = nameOf(schema)
  return id === undefined ? jsonSchema(schema, 'output') : { $ref: SCHEMAS + id }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  return bare(z.toJSONSchema(schema, { io }))
}

function bare(schema: Json): Json {
  const { $schema: _, $id: __, ...rest } = schema
  return rest
}
