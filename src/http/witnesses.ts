// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The witnesses that are asked for cosignatures: their list, what they do, and the policy that an auditor needs. */
import assert from 'node:assert/strict'
import { z } from 'zod'
import { isPrivateHost } from '../platform/http-client.ts'
import { timeText } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import {
  type QuorumRequest,
  quorumRequestSchema,
  type WitnessRequest,
  witnessQuorumSchema,
  witnessRequestSchema,
} from '../schema/system-events.ts'
import type { Administration } from '../state/administration.ts'
import type { WitnessRecord } from '../state/witness-list.ts'
import { policyText } from '../witness/policy-text.ts'
import { ACT_BYTES } from './administration.ts'
import type { MetricsText } from './metrics.ts'
import { type Answer, type Call, route, type Route, type Services } from './route.ts'
import { size, time } from './schemas.ts'

const POLICY_TYPE = 'text/plain; charset=utf-8'

const contradictionSchema = z.strictObject({
  at: time,
  kind: z.enum(['fork', 'ahead']).meta({
    description:
      '`fork`: it does not accept that a head follows what it has seen. `ahead`: it has seen more than there is.',
  }),
  size,
  told: size.optional().meta({ description: 'The size that it named.' }),
  evidence: z.string().meta({ description: 'File below the data directory with what was sent and answered.' }),
})

const witnessSchema = z
  .strictObject({
    name: z.string(),
    vkey: z.string(),
    url: z.string(),
    addedAt: time,
    addedBy: z.string(),
    state: z.enum(['new', 'cosigning', 'failing', 'contradicting']).meta({ description: 'What it did last.' }),
    seen: size.meta({ description: 'Entries of `heads` that it has seen, as far as it said since the start.' }),
    cosignedAt: time.optional().meta({ description: 'When it last cosigned, by its own clock.' }),
    reason: z.string().optional().meta({ description: 'Why it does not cosign.' }),
    contradictions: z
      .array(contradictionSchema)
      .meta({ description: 'On record until the witness is removed: somebody has to look.' }),
  })
  .meta({ id: 'Witness' })
type WitnessAnswer = z.infer<typeof witnessSchema>

const witnessesSchema = z
  .strictObject({
    witnesses: z.array(witnessSchema),
    quorum: witnessQuorumSchema.meta({ description: 'How many must cosign, as it was set.' }),
    needed: z.int().nonnegative().meta({ description: 'How many that is now.' }),
    published: size.meta({ description: 'Size of the head of `heads` that was published last.' }),
    witnessed: z
      .strictObject({
        size,
        root: z.base64(),
        cosignatures: z.array(z.strictObject({ witness: z.string(), time })),
      })
      .optional()
      .meta({ description: 'The newest head that the quorum has cosigned.' }),
    unmetSince: time.optional().meta({ description: 'Since when the quorum is missing, once that is too long.' }),
  })
  .meta({ id: 'Witnesses' })
type WitnessesAnswer = z.infer<typeof witnessesSchema>

const nameParams = z.object({ name: z.string().meta({ description: 'Name of the witness.' }) })

type PlainCall = Call<undefined, undefined, undefined>

/** Throws where nobody is asked to cosign. */
export function demandWitnesses({ state }: Administration): void {
  if (state.witnesses.asked.length > 0) return
  throw new Problem(
    'no-witnesses',
    'No witness is asked to cosign heads: an administrator adds them (stele witness add, or POST /v1/witnesses).',
  )
}

function listWitnesses(_call: PlainCall, services: Services): Answer {
  return { body: witnessesAnswer(services) }
}

async function addWitness(call: Call<undefined, undefined, WitnessRequest>, services: Services): Promise<Answer> {
  const { administration, cosigning, space } = services
  const { body, caller } = call
  demandReachable(body.url, cosigning.privateAllowed)
  const add = async () => await administration.addWitness(body, caller.by)
  const record = await space.admit('audit', ACT_BYTES, 1, add)
  cosigning.refresh()
  return { status: 201, body: witnessAnswer(record, services) }
}

async function removeWitness(
  { params, caller }: Call<z.output<typeof nameParams>, undefined, undefined>,
  services: Services,
): Promise<Answer> {
  const { administration, cosigning, space } = services
  const remove = async () => await administration.removeWitness(params.name, caller.by)
  await space.admit('audit', ACT_BYTES, 1, remove)
  cosigning.refresh()
  return { body: witnessesAnswer(services) }
}

async function setQuorum(
  { body, caller }: Call<undefined, undefined, QuorumRequest>,
  services: Services,
): Promise<Answer> {
  const { administration, cosigning, space } = services
  const set = async () => await administration.setWitnessQuorum(body, caller.by)
  await space.admit('audit', ACT_BYTES, 1, set)
  cosigning.refresh()
  return { body: witnessesAnswer(services) }
}

function readPolicy(_call: PlainCall, { administration }: Services): Answer {
  const { witnesses, ledgers } = administration.state
  const heads = ledgers.get('heads')
  assert(heads !== undefined, 'every directory begins with heads')
  return { type: POLICY_TYPE, body: policyText(witnesses, heads.keys.periods) }
}

/** A name is looked up, and its addresses are checked, when it is asked; an address can be refused at once. */
function demandReachable(text: string, privateAllowed: boolean): void {
  if (privateAllowed || !URL.canParse(text)) return
  const { hostname: host } = new URL(text)
  if (!isPrivateHost(host)) return
  const mend = 'The operator allows that with stele serve --allow-private-witnesses.'
  throw new Problem('invalid-field', `url: ${host} is not a public address. ${mend}`)
}

function witnessesAnswer(services: Services): WitnessesAnswer {
  const { administration, cosigning } = services
  const { asked, quorum, neededCount } = administration.state.witnesses
  const { newest, publishedSize, alarm } = cosigning
  const unmetSince = administration.state.witnesses.alarm?.since ?? alarm.since
  return {
    witnesses: asked.map((witness) => witnessAnswer(witness, services)),
    quorum,
    needed: neededCount,
    published: publishedSize,
    ...(newest === undefined
      ? {}
      : {
          witnessed: {
            size: newest.size,
            root: Buffer.from(newest.root, 'hex').toString('base64'),
            cosignatures: newest.cosignatures.map((one) => ({
              witness: one.witness,
              time: timeText(one.time * 1_000),
            })),
          },
        }),
    ...(unmetSince === undefined ? {} : { unmetSince }),
  }
}

function witnessAnswer(record: WitnessRecord, { cosigning }: Services): WitnessAnswer {
  const { state = 'new', seen = 0, cosignedAt, reason } = cosigning.statusOf(record.name) ?? {}
  return {
    ...record,
    state,
    seen,
    ...(cosignedAt === undefined ? {} : { cosignedAt: timeText(cosignedAt * 1_000) }),
    ...(reason === undefined ? {} : { reason }),
    contradictions: record.contradictions.map((said) => ({ ...said })),
  }
}

/** Why somebody has to look at the witnesses. */
export function witnessReasons({ administration, cosigning }: Services): string[] {
  const { asked } = administration.state.witnesses
  const reasons: string[] = []
  if (cosigning.alarm.isRaised) {
    reasons.push('Too few witnesses cosign: a second history would not be noticed by them. GET /v1/witnesses says why.')
  }
  if (asked.some(({ contradictions }) => contradictions.length > 0)) {
    reasons.push(
      'A witness says that it has seen other heads of these ledgers: GET /v1/witnesses names the evidence. Once that is ' +
        'explained, remove the witness; it may be added again.',
    )
  }
  return reasons
}

export function writeWitnesses(text: MetricsText, { administration, cosigning }: Services): void {
  const { asked, neededCount } = administration.state.witnesses
  const { newest, publishedSize, alarm } = cosigning
  const gauge = (name: string, help: string, value: number) => text.family(name, 'gauge', help, [['', value]])
  const each = (value: (witness: WitnessRecord) => number) =>
    asked.map((witness) => [`{witness="${witness.name}"}`, value(witness)] as const)
  const status = ({ name }: WitnessRecord) => cosigning.statusOf(name)
  gauge('stele_witness_quorum', 'Witnesses that must cosign a head.', neededCount)
  gauge('stele_witness_quorum_met', '0 once the quorum has been missing for too long.', alarm.isRaised ? 0 : 1)
  gauge('stele_witness_quorum_unmet_seconds', 'How long a published head has waited.', alarm.unmetMs / 1_000)
  gauge('stele_heads_published_entries', 'Entries of heads that the newest published head counts.', publishedSize)
  gauge('stele_heads_witnessed_entries', 'Entries that the newest witnessed head counts.', newest?.size ?? 0)
  text.family('stele_witness_cosignatures_total', 'counter', 'Heads that a witness has cosigned.', [
    ...each((witness) => status(witness)?.cosignedCount ?? 0),
  ])
  text.family('stele_witness_failures_total', 'counter', 'Requests to a witness that gave no cosignature.', [
    ...each((witness) => status(witness)?.failedCount ?? 0),
  ])
  text.family('stele_witness_contradictions', 'gauge', 'What a witness says that cannot be, if we are right.', [
    ...each(({ contradictions }) => contradictions.length),
  ])
}

const refusals = ['writer-stopped', 'disk-reserve'] as const

export const witnessRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/witnesses',
    operation: 'listWitnesses',
    summary: 'List the witnesses that cosign the head of `heads`, what they do, and the newest head with their quorum',
    permission: { scope: ['verify', 'read', 'admin'] },
    audit: { to: 'none', because: 'It shows names, keys and addresses of witnesses, and sizes.' },
    answers: { 200: { description: 'The witnesses.', schema: witnessesSchema } },
    refusals: [],
    handler: listWitnesses,
  }),
  route({
    method: 'POST',
    path: '/v1/witnesses',
    operation: 'addWitness',
    summary: 'Have a witness (C2SP tlog-witness) cosign the head of `heads` from now on',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'witness.added' },
    body: witnessRequestSchema,
    answers: { 201: { description: 'The witness.', schema: witnessSchema } },
    refusals: ['witness-exists', 'quorum-impossible', ...refusals],
    handler: addWitness,
  }),
  route({
    method: 'DELETE',
    path: '/v1/witnesses/:name',
    operation: 'removeWitness',
    summary: 'Ask a witness no more; what it has cosigned stays',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'witness.removed' },
    params: nameParams,
    answers: { 200: { description: 'The witnesses that are left.', schema: witnessesSchema } },
    refusals: ['witness-unknown', 'quorum-impossible', ...refusals],
    handler: removeWitness,
  }),
  route({
    method: 'PUT',
    path: '/v1/witnesses/quorum',
    operation: 'setWitnessQuorum',
    summary: 'Set how many of the witnesses must cosign a head',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'witness.quorum' },
    body: quorumRequestSchema,
    answers: { 200: { description: 'The witnesses.', schema: witnessesSchema } },
    refusals: ['quorum-impossible', ...refusals],
    handler: setQuorum,
  }),
  route({
    method: 'GET',
    path: '/v1/witnesses/policy',
    operation: 'readWitnessPolicy',
    summary: 'The keys of `heads`, the witnesses and the quorum as a policy file (C2SP tlog-policy)',
    permission: { scope: ['verify', 'read', 'admin'] },
    audit: { to: 'none', because: 'It shows names, keys and addresses of witnesses.' },
    answers: { 200: { description: 'The policy. It is the server’s word: compare the keys.', type: POLICY_TYPE } },
    refusals: [],
    handler: readPolicy,
  }),
]
