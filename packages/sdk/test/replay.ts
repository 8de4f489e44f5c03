// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a client and a real server said to each other, kept, and said again with one answer changed. The requests are
// the same each time, so the only difference that a client can notice is the lie.

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'

import { ProofError } from '@stele/proof'

import type { Route } from '../../../src/http/route.ts'
import { problemSchema } from '../../../src/http/schemas.ts'
import { type ClientOptions, SteleClient, SteleError } from '../src/index.ts'
import { everyLie, type Json } from './lies.ts'
import { fieldOf, formOf, type ResponseForm, schemaForm } from './response-fields.ts'

/** What somebody does with a client; what it resolves to is what it came to believe. */
export type Scenario = (client: SteleClient) => Promise<unknown>

interface Exchange {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly type: string
  readonly body: Buffer
}

type Outcome =
  | { readonly kind: 'believed'; readonly value: unknown }
  | { readonly kind: 'found out' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** What came of all lies: fields by operation, as `readEvent hits[].index`. */
export interface Findings {
  /** About which a lie was told. */
  readonly told: Set<string>
  /** Of which a lie was believed, with the first that was. */
  readonly believed: Map<string, string>
  /** Answers that were lied about: the same one need not be again. */
  readonly answers: Set<string>
  lieCount: number
}

/** `amend` puts into a JSON answer what the server rarely has to say; it must be of the server's form. */
export async function record(
  routes: readonly Route[],
  options: ClientOptions,
  scenario: Scenario,
  amend: ((operation: string, value: Json) => Json) | undefined,
): Promise<readonly Exchange[]> {
  const exchanges: Exchange[] = []
  const recording = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url, init)
    // A stream does not end by itself: what there is comes at once.
    const body = await (url.includes('/tail?') ? firstChunk(response) : bodyOf(response))
    const { status, headers } = response
    const type = headers.get('content-type') ?? ''
    const exchange = { method: init.method ?? 'GET', url, status, type, body }
    exchanges.push(amend === undefined ? exchange : amended(routes, exchange, amend))
    return answer(exchanges.at(-1)!)
  }
  await scenario(new SteleClient({ ...options, fetch: recording }))
  return exchanges
}

function amended(
  routes: readonly Route[],
  exchange: Exchange,
  amend: (operation: string, value: Json) => Json,
): Exchange {
  const { operation, form } = formOfExchange(routes, exchange)
  const value = amend(operation, form.decode(exchange.body, exchange.url))
  assert.ok(form.isOfForm(value), `no server says so: ${operation}`)
  return { ...exchange, body: form.encode(value) }
}

async function bodyOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

async function firstChunk(response: Response): Promise<Buffer> {
  const reader = response.body!.getReader()
  let text = Buffer.alloc(0)
  while (!text.includes('data: ')) text = Buffer.concat([text, (await reader.read()).value ?? Buffer.alloc(0)])
  await reader.cancel()
  return text
}

function answer({ status, type, body }: Pick<Exchange, 'status' | 'type' | 'body'>): Response {
  return new Response(new Uint8Array(body), { status, headers: { 'content-type': type } })
}

/** Tells every lie about every field of every answer in a recorded scenario. */
export async function lieAbout(
  routes: readonly Route[],
  options: ClientOptions,
  scenario: Scenario,
  exchanges: readonly Exchange[],
  findings: Findings,
): Promise<void> {
  const honest = await replayed(options, scenario, exchanges, undefined)
  if (honest.kind !== 'believed')
    throw honest.kind === 'failed' ? honest.error : new Error('an honest answer is refused')
  assert.deepEqual(await replayed(options, scenario, exchanges, undefined), honest, 'it is another each time')
  for (const [position, exchange] of exchanges.entries()) {
    const key = `${exchange.method} ${exchange.url} ${exchange.body.toString('latin1')}`
    if (findings.answers.has(key)) continue
    findings.answers.add(key)
    const { operation, form } = formOfExchange(routes, exchange)
    const truth = form.decode(exchange.body, exchange.url)
    assert.deepEqual(form.decode(form.encode(truth), exchange.url), truth, operation)
    const fields = new Set(form.fields)
    for (const lie of everyLie(truth)) {
      const told = lie.tell(truth)
      if (told === undefined) continue
      const field = fieldOf(lie.path, fields)
      assert.ok(field !== undefined, `${operation} has a field that no schema has: ${lie.what}`)
      const name = `${operation} ${field}`
      findings.told.add(name)
      findings.lieCount++
      const body = encoded(form, told)
      // What no honest server can say must be found out whatever it is about; only a refusal needs no form.
      const isExcusable = form.isOfForm(told) || operation === 'problem'
      const believed = isExcusable ? name : `${name}, of no form`
      if (body.equals(exchange.body) || findings.believed.has(believed)) continue
      const outcome = await replayed(options, scenario, exchanges, { position, body })
      if (outcome.kind === 'failed') throw new Error(`${name}: ${lie.what}`, { cause: outcome.error })
      if (outcome.kind === 'found out' || isDeepStrictEqual(outcome.value, honest.value)) continue
      findings.believed.set(believed, lie.what)
    }
  }
}

function encoded(form: ResponseForm, told: Json): Buffer {
  try {
    return form.encode(told)
  } catch {
    // No bytes are of that form: an answer that is cut off says as much.
    return Buffer.alloc(0)
  }
}

function formOfExchange(routes: readonly Route[], { method, url, status }: Exchange) {
  if (status >= 400) return { operation: 'problem', form: schemaForm(problemSchema) }
  const path = new URL(url).pathname
  const route = routes.find(
    (one) =>
      one.method === method &&
      new RegExp(`^${one.path.replaceAll(/:\w+/g, '[^/]+').replace('*', '.+')}$`).test(path) &&
      Object.hasOwn(one.answers, status),
  )
  assert.ok(route !== undefined, `${method} ${path} is no route`)
  const form = formOf(route)
  assert.ok(form !== undefined, `nobody has said what the fields of ${route.operation} are`)
  return { operation: route.operation, form }
}

async function replayed(
  options: ClientOptions,
  scenario: Scenario,
  exchanges: readonly Exchange[],
  lie: { readonly position: number; readonly body: Buffer } | undefined,
): Promise<Outcome> {
  const left = new Map(exchanges.entries())
  const replay = async (url: string, init: RequestInit): Promise<Response> => {
    const [position, exchange] = [...left].find(([, one]) => one.url === url && one.method === init.method) ?? []
    // A client that was lied to asks for something else: nobody is there any more.
    if (exchange === undefined || position === undefined) throw new TypeError(`nothing was recorded of ${url}`)
    left.delete(position)
    return await Promise.resolve(answer(lie?.position === position ? { ...exchange, body: lie.body } : exchange))
  }
  try {
    return { kind: 'believed', value: await scenario(new SteleClient({ ...options, attempts: 1, fetch: replay })) }
  } catch (error) {
    // A proof that the caller checks by itself throws errors of its own.
    if (error instanceof ProofError) return { kind: 'found out' }
    // A stream that breaks off has said nothing.
    if (error instanceof SteleError && ['untrustworthy', 'interrupted'].includes(error.failure))
      return { kind: 'found out' }
    // It went another way than with the truth, and found nobody there.
    if (error instanceof SteleError && lie !== undefined && /nothing was recorded/.test(error.message)) {
      return { kind: 'believed', value: error.message }
    }
    return { kind: 'failed', error }
  }
}
