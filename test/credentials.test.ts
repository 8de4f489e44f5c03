// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import {
  allows,
  Authenticator,
  type Credential,
  demandSource,
  mintToken,
  tokenHash,
} from '../src/access/credentials.ts'
import { openDirectory } from '../src/directory.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { Problem } from '../src/schema/problem.ts'
import { SCOPES, type Scope } from '../src/schema/system-events.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { MemoryHeadStore, openStele, scratch, SeededRandom, TurnedClock } from './scratch.ts'

async function opened() {
  const clock = new TurnedClock()
  const parts = { disk: new PowerCutDisk(), directory, clock, random: new SeededRandom(1), head: new MemoryHeadStore() }
  const { administration, adminTokens } = await openStele(parts)
  return {
    administration,
    clock,
    adminTokens,
    authenticator: new Authenticator(administration.state, () => clock.wallMs()),
  }
}

function unauthenticated(act: () => unknown, detail: RegExp): void {
  assert.throws(act, (error) => {
    assert(error instanceof Problem && error.code === 'unauthenticated' && error.status === 401, String(error))
    assert.match(error.message, detail)
    return true
  })
}

test('a token has 256 random bits, its own id, and no two are alike', () => {
  const tokens = Array.from({ length: 500 }, () => mintToken(new SystemRandom()))
  assert.equal(new Set(tokens.map(({ token }) => token)).size, 500)
  assert.equal(new Set(tokens.map(({ id }) => id)).size, 500)
  for (const { id, token, hash } of tokens) {
    assert.match(token, new RegExp(`^stele_${id}_[A-Za-z0-9_-]{43}$`))
    assert.equal(hash, tokenHash(token))
    assert(!hash.includes(token.slice(-43)))
  }
})

test('a token authenticates as what it was created for; without a header nobody is asking', async () => {
  const { administration, authenticator, adminTokens } = await opened()
  assert.equal(authenticator.authenticate(undefined), undefined)
  const request = { scopes: ['append' as const], ledgers: ['main'], sources: ['entra.audit'] }
  const { id, token } = await administration.createToken(request, 'tester')
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    assert.deepEqual(authenticator.authenticate(`${scheme} ${token}`), {
      id,
      scopes: new Set(['append']),
      ledgers: ['main'],
      sources: ['entra.audit'],
      limits: undefined,
    })
  }
  assert.deepEqual(authenticator.authenticate(`Bearer ${adminTokens[0]}`)?.scopes, new Set(SCOPES))
})

test('whatever is not exactly a token of this server is refused, and the answer does not say how near it was', async () => {
  const { administration, authenticator } = await opened()
  const { id, token } = await administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'tester')
  const other = mintToken(new SeededRandom(9))
  const wrong = [
    other.token,
    `stele_${id}_${other.token.slice(-43)}`,
    token.slice(0, -1),
    `${token}A`,
    token.toUpperCase(),
    `stele_${id}_`,
    '',
    '__proto__',
    tokenHash(token),
  ]
  for (const text of wrong)
    unauthenticated(() => authenticator.authenticate(`Bearer ${text}`), /^The token is not one of this server\.$/)
  for (const header of [token, `Basic ${token}`, `Bearer  ${token}`, `Bearer ${token} `, 'Bearer', '']) {
    unauthenticated(() => authenticator.authenticate(header), /not of the form|not one of this server/)
  }
})

test('a token that was revoked, or has expired, is refused from that moment on', async () => {
  const { administration, authenticator, clock } = await opened()
  const expiresAt = new Date(clock.wall + 60_000).toISOString()
  const { token } = await administration.createToken({ scopes: ['read'], ledgers: ['*'], expiresAt }, 'tester')
  clock.pass(59_999)
  assert.notEqual(authenticator.authenticate(`Bearer ${token}`), undefined)
  clock.pass(1)
  unauthenticated(() => authenticator.authenticate(`Bearer ${token}`), /expired at/)
  const kept = await administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'tester')
  assert.notEqual(authenticator.authenticate(`Bearer ${kept.token}`), undefined)
  await administration.revokeToken(kept.id, 'tester')
  unauthenticated(() => authenticator.authenticate(`Bearer ${kept.token}`), /was revoked/)
})

test('S39: each scope allows itself and nothing else, on the ledgers of the token and on no other', () => {
  for (const held of SCOPES) {
    const one: Credential = {
      id: 'x',
      scopes: new Set([held]),
      ledgers: ['main'],
      sources: undefined,
      limits: undefined,
    }
    const all: Credential = { ...one, ledgers: ['*'] }
    for (const wanted of SCOPES) {
      const same = held === wanted
      assert.equal(allows(one, wanted, 'main'), same)
      assert.equal(allows(one, wanted, 'other'), false)
      assert.equal(allows(one, wanted, 'access'), false)
      assert.equal(allows(one, wanted, undefined), same)
      for (const ledger of ['main', 'other', 'access', undefined]) assert.equal(allows(all, wanted, ledger), same)
    }
  }
  const none: Credential = { id: 'x', scopes: new Set<Scope>(), ledgers: ['*'], sources: undefined, limits: undefined }
  assert.equal(allows(none, 'read', 'main'), false)
})

test('a token bound to sources appends as these only: a type covers its instances, an instance only itself', () => {
  const bound = (...sources: string[]): Credential => ({
    id: 'x',
    scopes: new Set(['append']),
    ledgers: ['*'],
    sources,
    limits: undefined,
  })
  const allowed: [Credential, string[], string?][] = [
    [{ ...bound(), sources: undefined }, ['anything'], 'anywhere'],
    [bound('entra.audit'), ['entra.audit']],
    [bound('entra.audit'), ['entra.audit'], 'contoso'],
    [bound('entra.audit/contoso'), ['entra.audit'], 'contoso'],
    [bound('entra.audit', 'okta/x'), ['entra.audit', 'okta'], 'x'],
  ]
  for (const [credential, types, instance] of allowed) demandSource(credential, types, instance)
  const refused: [Credential, string[], string?][] = [
    [bound('entra.audit'), ['entra.signin']],
    [bound('entra.audit'), ['entra.audit', 'okta']],
    [bound('entra'), ['entra.audit']],
    [bound('entra.audit/contoso'), ['entra.audit']],
    [bound('entra.audit/contoso'), ['entra.audit'], 'fabrikam'],
    [bound('entra.audit/undefined'), ['entra.audit']],
  ]
  for (const [credential, types, instance] of refused) {
    assert.throws(() => demandSource(credential, types, instance), { code: 'source-forbidden', status: 403 })
  }
})

test('S9: no token is stored in the clear anywhere but in admin.token, for the person who started the server', async (context) => {
  const root = scratch(context)
  const paths = { dataDirectory: join(root, 'data'), stateDirectory: join(root, 'state') }
  const logged: object[] = []
  const config = { ...paths, name: 'stele.test', version: '0.0.0', log: (line: object) => void logged.push(line) }
  const parts = { disk: new NodeDisk(), clock: new TurnedClock(), random: new SystemRandom() }
  const stele = await openDirectory(config, parts)
  const minted = [readFileSync(stele.adminTokenPath, 'utf8').trim()]
  for (let count = 0; count < 5; count++) {
    minted.push(
      (await stele.administration.createToken({ scopes: ['read'], ledgers: ['*'], label: 'x' }, 'tester')).token,
    )
  }
  await stele.close()
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert(files.length > 10)
  for (const file of files) {
    const path = join(file.parentPath, file.name)
    const bytes = readFileSync(path)
    const found = minted.filter((token) => bytes.includes(token) || bytes.includes(token.slice(-43)))
    assert.deepEqual(found, file.name === 'admin.token' ? [minted[0]] : [], path)
  }
  assert(!minted.some((token) => JSON.stringify(logged).includes(token.slice(-43))))
})
