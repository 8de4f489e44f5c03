// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which server a client command talks to, and which token it shows to whom.

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { stele } from './cli-fixture.ts'
import { scratch } from './scratch.ts'

/** Asks for the ledgers and says where to, with which token. */
async function asked(
  cwd: string,
  variables: Readonly<Record<string, string>>,
  ...argv: readonly string[]
): Promise<{
  readonly url: string
  readonly authorization: string | undefined
  readonly code: number
  readonly err: string
}> {
  const calls: { url: string; authorization: string | undefined }[] = []
  const { code, err } = await stele(
    {
      cwd,
      variables,
      environment: {
        fetch: async (url, init) => {
          const headers = new Headers(init.headers)
          calls.push({ url, authorization: headers.get('authorization') ?? undefined })
          return Response.json({ ledgers: [] })
        },
      },
    },
    'ledger',
    'list',
    ...argv,
  )
  return { ...(calls[0] ?? { url: 'nowhere', authorization: undefined }), code, err }
}

function directoryWithToken(test: TestContext): string {
  const cwd = scratch(test)
  mkdirSync(join(cwd, 'stele-data'))
  writeFileSync(join(cwd, 'stele-data/admin.token'), 'stele_admin_secret\n')
  return cwd
}

test('without options the default address is asked, with the token of ./stele-data/admin.token', async (context) => {
  const cwd = directoryWithToken(context)
  const { url, authorization } = await asked(cwd, {})
  assert.deepEqual(
    { url, authorization },
    { url: 'http://127.0.0.1:7835/v1/ledgers', authorization: 'Bearer stele_admin_secret' },
  )
  assert.equal((await asked(cwd, { STELE_URL: '', STELE_TOKEN: '' })).authorization, 'Bearer stele_admin_secret')
  assert.equal((await asked(cwd, {}, '--url', 'http://127.0.0.1:7835/')).authorization, 'Bearer stele_admin_secret')
})

test('the token of admin.token goes to the default loopback address and nowhere else', async (context) => {
  const cwd = directoryWithToken(context)
  const others = [
    'http://127.0.0.1:7836',
    'http://localhost:7835',
    'http://127.0.0.2:7835',
    'https://127.0.0.1:7835',
    'http://[::1]:7835',
    'http://127.0.0.1.example.com:7835',
    'http://127.0.0.1:7835.example.com',
    'http://127.0.0.1:7835/prefix',
    'http://2130706433:7835',
  ]
  for (const other of others) {
    assert.equal((await asked(cwd, {}, '--url', other)).authorization, undefined, other)
    assert.equal((await asked(cwd, { STELE_URL: other })).authorization, undefined, other)
  }
})

test('--url and --token win over STELE_URL and STELE_TOKEN, and a token that was given goes to the server that was given', async (context) => {
  const cwd = directoryWithToken(context)
  const variables = { STELE_URL: 'https://one.example', STELE_TOKEN: 'two' }
  assert.deepEqual(await asked(cwd, variables), {
    url: 'https://one.example/v1/ledgers',
    authorization: 'Bearer two',
    code: 0,
    err: '',
  })
  const given = await asked(cwd, variables, '--url', 'https://three.example/below/', '--token', 'four')
  assert.deepEqual(given, {
    url: 'https://three.example/below/v1/ledgers',
    authorization: 'Bearer four',
    code: 0,
    err: '',
  })
  assert.equal((await asked(cwd, { STELE_TOKEN: 'five' })).authorization, 'Bearer five')
})

test('without a token none is sent, and a refusal says where one is looked for', async (context) => {
  const { authorization } = await asked(scratch(context), {})
  assert.equal(authorization, undefined)
  const refusing = async () =>
    Response.json(
      {
        type: 'urn:stele:error:unauthenticated',
        title: 'Unauthorized',
        status: 401,
        code: 'unauthenticated',
        detail: 'Send a token.',
      },
      { status: 401, headers: { 'content-type': 'application/problem+json' } },
    )
  const { code, err } = await stele({ cwd: scratch(context), environment: { fetch: refusing } }, 'tail')
  assert.equal(code, 2)
  assert.match(err, /^stele: the server refused: Send a token\. Give a token with --token or STELE_TOKEN;/)
})

test('a server that is not there gives exit code 3 and says how to start one', async (context) => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
  const environment = { fetch: () => Promise.reject(new TypeError('fetch failed', { cause: refused })) }
  const { code, err } = await stele({ cwd: scratch(context), environment }, 'tail')
  assert.equal(code, 3)
  assert.equal(
    err,
    "stele: no server answers at http://127.0.0.1:7835: connection refused. Start one with 'stele serve', or name another with --url or STELE_URL.\n",
  )
})

test('each status of a refusal has its exit code', async (context) => {
  const codes: readonly (readonly [status: number, exit: number])[] = [
    ...[400, 401, 403, 404, 409, 413, 415, 422].map((status) => [status, 2] as const),
    ...[429, 500, 502, 503, 504, 507].map((status) => [status, 3] as const),
  ]
  for (const [status, exit] of codes) {
    const clock = { sleep: async () => {} }
    const { Cli } = await import('./cli-fixture.ts')
    const cli = new Cli({ cwd: scratch(context), environment: { fetch: async () => new Response('', { status }) } })
    const quick = Object.assign(Object.create(cli.environment.clock) as typeof cli.environment.clock, clock)
    Object.assign(cli.environment, { clock: quick })
    assert.equal((await cli.run('ledger', 'show', 'main')).code, exit, String(status))
  }
})
