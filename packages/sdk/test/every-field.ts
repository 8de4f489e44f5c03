// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a careful caller does with the client, for every response that the server has: asks, and holds what came against
// what is signed where there is a way to. A new response is added here.

import type { TestContext } from 'node:test'

import { concat, hashLeaf, inclusionProof, rootAt, sha256, toBase64, utf8, verifyInclusion } from '@stele/proof'

import { witnessSigner } from '../../proof/test/signers.ts'
import { ListedIndex } from '../../../test/listed-index.ts'
import {
  type ClientOptions,
  type RecordedEvent,
  type SteleClient,
  SteleError,
  type TokenRequest,
} from '../src/index.ts'
import type { Json } from './lies.ts'
import { ground } from './lying-ground.ts'
import type { Scenario } from './replay.ts'

export interface Recorded {
  readonly name: string
  readonly options: ClientOptions
  readonly scenario: Scenario
  readonly amend?: (operation: string, value: Json) => Json
}

/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9/w'
const otherWitness = witnessSigner('witness.test/x')
const LEDGERS = ['access', 'heads', 'main', 'system'] as const
const at = '2026-01-02T03:04:05.678Z'
const later = '2026-01-02T03:05:05.678Z'
const ndjson = { media: 'application/x-ndjson' } as const
const events = ['09', '07', '08'].map((hour) => `{"actor":"alice","time":"2026-01-05T${hour}:00:00Z"}`)
/** Records of one source with ids, of which the last is the first again. */
const known = ['a', 'b', 'a'].map((id) =>
  JSON.stringify({ id, activityDisplayName: 'Add user', activityDateTime: at, loggedByService: 'Core Directory' }),
)
const request: TokenRequest = {
  scopes: ['append', 'read'],
  ledgers: ['main'],
  sources: ['generic'],
  limits: { eventsPerSecond: 100, bytesPerSecond: 1_000_000, burstSeconds: 5 },
  expiresAt: '2099-01-02T03:04:05.678Z',
  label: 'l',
}
const place = { file: 'wal/1', offset: 7, ledger: 'main', index: 2, count: 1 }
const finding = { ...place, kind: 'frame', what: 'changed', expected: 'a', found: 'b' }
const times = { startedAt: at, endedAt: later, isRequested: true }
const pass = {
  ...times,
  entryCount: 3,
  readBytes: 400,
  outcome: 'failed',
  verdict: 'changed',
  findings: [finding],
  findingCount: 1,
}

/** What the server says seldom; each is put into an answer that it gave. */
const seldom: Readonly<Record<string, { readonly [name: string]: Json }>> = {
  searchEvents: { heldUp: 'the disk is full', disagreements: 2 },
  readTimeline: { heldUp: 'the disk is full', disagreements: 2 },
  readRelated: { heldUp: 'the disk is full', disagreements: 2 },
  readFacets: { heldUp: 'the disk is full' },
  readHistogram: { heldUp: 'the disk is full' },
  readFields: { heldUp: 'the disk is full' },
  readIndex: { reason: 'it was killed' },
  rebuildIndex: { reason: 'it was killed' },
  startIndexCheck: { state: 'failed', reason: 'it was killed' },
  readIndexCheck: { state: 'failed', reason: 'it was killed' },
  readVerification: {
    last: { ...pass, outcome: 'unfinished', findings: [], findingCount: 0, reason: 'it was killed' },
    failureOnRecord: { at, findingCount: 2 },
  },
  startVerification: {
    last: { ...pass, outcome: 'unfinished', findings: [], findingCount: 0, reason: 'it was killed' },
    failureOnRecord: { at, findingCount: 2 },
  },
}
const witnessing = {
  state: 'contradicting',
  cosignedAt: at,
  reason: 'it forked',
  contradictions: [{ at, kind: 'fork', size: 3, told: 4, evidence: 'evidence/1' }],
}
/** As if the witnesses had answered: nobody is there. */
function witnessed(_: string, value: Json): Json {
  const answer = value as { witnesses: Json[] }
  return {
    ...answer,
    witnesses: answer.witnesses.map((one) => ({ ...(one as object), ...witnessing })),
    witnessed: { size: 3, root: Buffer.alloc(32, 1).toString('base64'), cosignatures: [{ witness: 'w', time: at }] },
    unmetSince: at,
  }
}
const seldomStatus = {
  recovery: {
    begun: false,
    replayedBytes: 7,
    rederived: 'they were gone',
    headMissing: false,
    cut: { file: 'wal/1', position: 7, bytes: 9 },
  },
  head: { where: 'a file', unreachable: 'it is gone' },
  index: { state: 'unavailable', reason: 'it was killed' },
}

/** Each with a real server's answers, which are kept from then on. */
export async function scenarios(context: TestContext): Promise<readonly Recorded[]> {
  const here = await ground(context)
  const { server } = here
  const client = here.client()
  await client.append('main', events.join('\n'), ndjson)
  await client.append('main', Buffer.of(0, 255, 1), { media: 'application/octet-stream' })
  await client.append('main', known[0]!, { media: 'application/json', source: 'entra.audit' })
  const changed = ['a', 'b'].map((session) => ({
    actor: { name: 'alice', id: 'i' },
    target: 'bob',
    session,
    time: '2026-01-04T00:00:00Z',
  }))
  await client.append('main', changed.map((event) => JSON.stringify(event)).join('\n'), ndjson)
  await client.revokeToken((await client.createToken(request)).id)
  const { id } = await client.createToken(request)
  await client.createLedger({ name: 'turned' })
  const firstKey = server.ledgers.vkey('turned')
  await client.rotateKey('turned')
  const witness = { name: 'w', vkey: witnessSigner('witness.test/w').vkey, url: NOBODY }
  await client.addWitness(witness)
  prepare(ListedIndex.of(server))
  const reached = { startedAt: at, checked: 2, size: 3 }
  server.index.background.passed({ ...reached, state: 'failed', endedAt: later, reason: 'it was killed' })
  server.index.background.passed({ ...reached, startedAt: later, state: 'running' })
  const last = {
    running: { startedAt: later, isRequested: false, doneBytes: 10, totalBytes: 20 },
    requestedAt: at,
    last: pass,
  }
  Object.defineProperty(server.keeper, 'verification', { get: () => ({ ...last, lastPassed: pass }) })
  const vkeys = LEDGERS.map((ledger) => server.ledgers.vkey(ledger))
  const options = { url: server.url, token: server.adminToken, vkeys: [...vkeys, firstKey] }
  const auditor = { ...options, token: await server.token(['verify']) }
  const ask = (name: string, scenario: Scenario, rest: Partial<Recorded> = {}) => ({ name, options, scenario, ...rest })
  const amend = (operation: string, value: Json) =>
    seldom[operation] === undefined
      ? value
      : { ...(value as object), ...seldom[operation], ...(operation === 'readHistogram' ? withMore(value) : {}) }
  return [
    ...appending.map(([name, scenario]) => ask(name, scenario)),
    ask('an event with its receipt', async (to) => await to.receipt('main', 1)),
    ask('an event of bytes with its receipt', async (to) => await to.receipt('main', 3)),
    ask('the bytes of an event', exactBytes),
    ask('a proof without content', async (to) => await to.proof('main', 1), { options: auditor }),
    ask('a tree of tiles', tree, { options: auditor }),
    ask(
      'a search',
      async (to) => await confirmed(to, await between(to, async () => (await to.search('main', { limit: 2 })).hits)),
    ),
    ask(
      'a search of all',
      async (to) => await confirmed(to, (await to.search('*', { q: 'ledger:main', limit: 1 })).hits),
    ),
    ask(
      'a search that is held up',
      async (to) => await between(to, async () => await to.search('main', { q: 'nobody' })),
      { amend },
    ),
    ...around.map(([name, scenario]) => ask(name, scenario, { amend: amendAround })),
    ask('an export', exported),
    ask('following', async (to) => await confirmed(to, [await firstOf(to, 0)])),
    ask('following from bytes on', async (to) => await confirmed(to, [await firstOf(to, 3)])),
    ask('a ledger', async (to) => await between(to, async () => await to.ledger('main'))),
    ask('ledgers', async (to) => await between(to, async () => await to.ledgers(), [...LEDGERS, 'turned'])),
    ask('a new ledger', async (to) => await to.createLedger({ name: 'fresh' })),
    ask('keys', async (to) => await between(to, async () => await to.keys('turned'), ['turned'])),
    ask('new keys', async (to) => await to.rotateKey('turned')),
    ask(
      'a ledger whose keys were turned',
      async (to) => await between(to, async () => await to.ledger('turned'), ['turned']),
    ),
    ask('witnesses', async (to) => [await to.witnesses(), await to.setWitnessQuorum('all')], { amend: witnessed }),
    ask('a witness more', async (to) => await to.addWitness({ ...witness, name: 'x', vkey: otherWitness.vkey }), {
      amend: (_, value) => ({ ...(value as object), ...witnessing }),
    }),
    ask('the policy', async (to) => await to.witnessPolicy()),
    ask('a witness less', async (to) => await to.removeWitness('x'), { amend: witnessed }),
    ask('tokens', async (to) => await to.tokens()),
    ask('a new token', async (to) => await to.createToken(request)),
    ask('a token that goes', async (to) => await to.revokeToken(id)),
    ask('health', async (to) => await to.health()),
    ask('status', async (to) => [await to.status(), await to.confirmClock()]),
    ask('a bad status', async (to) => [await to.status(), await to.confirmClock()], {
      amend: (operation, value) => {
        const jump = operation === 'readStatus' ? { clockJump: { wall: at, ledger: later } } : {}
        return { ...(value as object), ...seldomStatus, ...jump }
      },
    }),
    ask('verification', async (to) => [await to.verification(), await to.startVerification()]),
    ask('verification that failed', async (to) => [await to.verification(), await to.startVerification()], { amend }),
    ...counting.flatMap(([name, scenario]) => [ask(name, scenario), ask(`${name}, held up`, scenario, { amend })]),
    ask('a refusal', refusal),
  ]
}

function prepare(index: ListedIndex): void {
  const findings = [{ ledger: 'main', index: 0, kind: 'changed' as const, columns: ['actor'] }]
  index.check = { state: 'done', checked: 3, size: 3, findings, findingCount: 1, startedAt: at, endedAt: later }
  index.rebuild = { indexed: 1, size: 3 }
}

const appending: readonly (readonly [string, Scenario])[] = [
  [
    'appending, with receipts',
    async (to) => await to.append('main', events.join('\n'), { ...ndjson, receipts: true, events: events.map(utf8) }),
  ],
  [
    'appending what is partly there',
    async (to) => {
      const sent = known.slice(1)
      const options = { ...ndjson, source: 'entra.audit', receipts: true, events: sent.map(utf8) }
      return await to.append('main', sent.join('\n'), options)
    },
  ],
]

const around: readonly (readonly [string, Scenario])[] = [
  [
    'a timeline',
    async (to) => await shown(to, async () => await to.timeline('main', ['alice', 'i'], { order: 'oldest', limit: 2 })),
  ],
  [
    'a timeline of all',
    async (to) => await shown(to, async () => await to.timeline('*', ['alice'], { q: 'ledger:main bob', limit: 1 })),
  ],
  ['related events', async (to) => await shown(to, async () => await to.related('main', 5))],
  ['what belongs to bytes', async (to) => await shown(to, async () => await to.related('main', 3))],
  [
    'related events of all ledgers',
    async (to) => await shown(to, async () => await to.related('main', 5, { by: ['session'], everyLedger: true })),
  ],
]

type Shown = Awaited<ReturnType<SteleClient['timeline']>> | Awaited<ReturnType<SteleClient['related']>>

/** That there are more, which a cursor says, is seen by going on. */
async function shown(to: SteleClient, ask: () => Promise<Shown>): Promise<unknown> {
  const { hits, ...rest } = await between(to, ask)
  await confirmed(to, hits)
  return [hits, { ...rest, next: undefined }]
}

/** As if there were more values than are shown. */
function withMore(value: Json): object {
  const { buckets } = value as unknown as { readonly buckets: readonly { readonly by?: Json[] }[] }
  const more = { moreValues: 2, moreCount: 2 }
  return { buckets: buckets.map((one) => (one.by === undefined || one.by.length === 0 ? one : { ...one, ...more })) }
}

function amendAround(operation: string, value: Json): Json {
  const answer = { ...(value as object), ...seldom[operation] } as { readonly [name: string]: Json; hits: Json[] }
  if (operation !== 'readTimeline') return seldom[operation] === undefined ? value : answer
  const changes = [{ target: 't', name: 'plan', old: '1', new: '2' }]
  return { ...answer, hits: answer.hits.map((hit) => ({ ...(hit as object), changes, moreChanges: 3 })) }
}

/** The file is held against the summary that the ledger has signed. */
async function exported(to: SteleClient): Promise<unknown> {
  const [vkey = ''] = (await to.ledger('main')).vkeys
  const q = 'ledger:main alice'
  const chunks: Uint8Array[] = []
  for await (const chunk of to.exportResult('main', { q, format: 'csv', name: 'x' })) chunks.push(chunk)
  const file = concat(...chunks)
  const received = { name: 'x', q, format: 'csv', bytes: file.length, sha256: sha256(file), vkey } as const
  return [file, await to.exportSummary('main', received)]
}

const counting: readonly (readonly [string, Scenario])[] = [
  ['facets', async (to) => await between(to, async () => await to.facets('main', ['actor', 'class'], { top: 2 }))],
  ['facets of all', async (to) => await between(to, async () => await to.facets('*', ['actor']), LEDGERS)],
  [
    'a histogram',
    async (to) => await between(to, async () => await to.histogram('main', { buckets: 3, by: 'severity' })),
  ],
  ['a histogram of all', async (to) => await between(to, async () => await to.histogram('*', { buckets: 3 }), LEDGERS)],
  ['the fields', async (to) => await between(to, async () => await to.fields('main', { limit: 3 }))],
  ['the fields of all', async (to) => await between(to, async () => await to.fields('*', { limit: 1 }), LEDGERS)],
  ['the index', async (to) => [await to.indexStatus(), await to.rebuildIndex()]],
  ['a check of the index', async (to) => [await to.startIndexCheck(), await to.indexCheck()]],
]

async function exactBytes(to: SteleClient): Promise<unknown> {
  const { event } = await to.receipt('main', 1)
  const { bytes } = await to.eventBytes('main', 1)
  demand(event !== undefined && toBase64(event.event) === toBase64(bytes))
  return bytes
}

async function tree(to: SteleClient): Promise<unknown> {
  const { size, root } = await to.checkpoint('main')
  const read = to.hashes('main', size)
  demand(toBase64(await rootAt(size, read)) === toBase64(root))
  for (const [index, entry] of (await to.entries('main', 0, size)).entries()) {
    verifyInclusion(hashLeaf(entry), index, size, await inclusionProof(index, size, read), root)
  }
  return root
}

async function firstOf(to: SteleClient, from: number): Promise<RecordedEvent & { readonly ledger: string }> {
  for await (const event of to.tail('main', { from })) return { ledger: 'main', ...event }
  throw new SteleError('interrupted', 'nothing came')
}

/** What is told between two signed heads must fit both. */
async function between<T>(to: SteleClient, ask: () => Promise<T>, ledgers: readonly string[] = ['main']): Promise<T> {
  for (const ledger of ledgers) await to.checkpoint(ledger)
  const answer = await ask()
  for (const ledger of ledgers) await to.checkpoint(ledger)
  return answer
}

async function confirmed(
  to: SteleClient,
  hits: readonly (RecordedEvent & { readonly ledger: string })[],
): Promise<unknown> {
  for (const hit of hits) await to.confirm(hit.ledger, hit)
  return hits
}

async function refusal(to: SteleClient): Promise<unknown> {
  try {
    return await to.search('main', { q: 'acter:x' })
  } catch (error) {
    if (!(error instanceof SteleError) || error.failure !== 'refused') throw error
    return [error.status, error.message, error.problem]
  }
}

/** What the caller holds against each other by himself. */
function demand(holds: boolean): void {
  if (!holds) throw new SteleError('untrustworthy', 'what came is not what is signed')
}
