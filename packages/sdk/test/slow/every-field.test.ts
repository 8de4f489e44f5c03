// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A malicious server that changes each field of each response in turn. The fields come from the server's own schemas, so
// that a new one fails here until somebody has said how a lie about it is found out, or why it can't be.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { z } from 'zod'

import { routes } from '../../../../src/http/routes.ts'
import { ledgerSchema } from '../../../../src/http/schemas.ts'
import { scenarios } from '../every-field.ts'
import { type Findings, lieAbout, record, type Scenario } from '../replay.ts'
import { formOf } from '../response-fields.ts'
import { namesOf, NEVER_SENT, NOT_CALLED, WORDS } from '../words.ts'

const newFindings = (): Findings => ({ told: new Set(), believed: new Map(), answers: new Set(), lieCount: 0 })

/** Fields of the routes about which no lie was told. */
function untold(of: typeof routes, { told }: Findings): string[] {
  return of
    .filter(({ operation }) => !NOT_CALLED.includes(operation))
    .flatMap((route) => {
      const form = formOf(route)
      assert.ok(form !== undefined, `nobody has said what the fields of ${route.operation} are`)
      return form.fields.map((name) => `${route.operation} ${name}`)
    })
    .filter((name) => !told.has(name))
}

test('P9: a server that changes any field of any response is found out, but for the fields that are its word', async (context) => {
  const findings = newFindings()
  const all = await scenarios(context)
  for (const { options, scenario, amend } of all) {
    const exchanges = await record(routes, options, scenario, amend)
    await lieAbout(routes, options, scenario, exchanges, findings)
  }
  const words = namesOf(WORDS)
  const believed = [...findings.believed].filter(([name]) => !words.includes(name))
  assert.deepEqual(believed, [], 'a lie was believed: have the client check it, or say in words.ts why nobody can')
  assert.deepEqual(
    words.filter((name) => !findings.believed.has(name)),
    [],
    'these are found out by now, and need not stand in words.ts',
  )
  const never = namesOf(NEVER_SENT)
  assert.deepEqual(
    untold(routes, findings).filter((name) => !never.includes(name)),
    [],
    'nothing was told about a field: add a call to every-field.ts that gets it',
  )
  assert.deepEqual(
    never.filter((name) => findings.told.has(name)),
    [],
    'these are sent by now',
  )
  context.diagnostic(
    `${findings.lieCount} lies about ${findings.told.size} fields in ${all.length} calls; ${words.length} fields are the server's word`,
  )

  // The gate's own canary: a response with a new field is not covered, and one that a client believes is seen.
  const show = routes.find(({ operation }) => operation === 'showLedger')!
  const newer = { ...show, answers: { 200: { description: '', schema: ledgerSchema.extend({ owner: z.string() }) } } }
  assert.deepEqual(untold([newer], findings), ['showLedger owner'])
  assert.throws(
    () => untold([{ ...show, operation: 'novel', answers: { 200: { description: '' } } }], findings),
    /novel/,
  )
  const { options } = all[0]!
  const gullible: Scenario = async (to) => await to.ledger('main')
  const trusting = newFindings()
  await lieAbout(routes, options, gullible, await record(routes, options, gullible, undefined), trusting)
  assert.ok(trusting.believed.has('showLedger size'))
})
