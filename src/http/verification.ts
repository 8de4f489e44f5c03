// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The verification of the data directory that goes on by itself, and the sealing of its log: what they are at. */
import { z } from 'zod'
import type { PassResult } from '../evidence/background.ts'
import { timeMs } from '../platform/clock.ts'
import { EVERY_LEDGER } from './admission.ts'
import { ACT_BYTES } from './administration.ts'
import type { MetricsText } from './metrics.ts'
import { type Answer, type Call, route, type Route, type Services } from './route.ts'
import { index, time } from './schemas.ts'

const bytes = z.int().nonnegative()

const passSchema = z.strictObject({
  startedAt: time,
  endedAt: time,
  isRequested: z.boolean().meta({ description: 'Somebody asked for it, so it did not rest.' }),
  outcome: z.enum(['passed', 'failed', 'unfinished']).meta({
    description: '`failed`: something is not as it must be. `unfinished`: not everything could be looked at.',
  }),
  verdict: z
    .enum(['unchanged', 'signed', 'self-consistent', 'changed'])
    .optional()
    .meta({ description: 'As `stele verify --data` says it.' }),
  entryCount: z.int().nonnegative(),
  readBytes: bytes,
  findings: z
    .array(
      z.strictObject({
        kind: z.string(),
        what: z.string(),
        file: z.string().optional().meta({ description: 'Path below the data directory, or where else it lies.' }),
        offset: bytes.optional(),
        ledger: z.string().optional(),
        index: index.optional(),
        count: z.int().optional().meta({ description: 'Entries from `index` on, of which one is meant.' }),
        expected: z.string().optional(),
        found: z.string().optional(),
      }),
    )
    .meta({ description: 'The first hundred; none for a token that is not for all ledgers.' }),
  findingCount: z.int().nonnegative(),
  reason: z.string().optional().meta({ description: 'Why it is unfinished.' }),
})

const verificationSchema = z
  .strictObject({
    running: z
      .strictObject({ startedAt: time, isRequested: z.boolean(), doneBytes: bytes, totalBytes: bytes })
      .optional()
      .meta({ description: 'The pass that goes on.' }),
    requestedAt: time
      .optional()
      .meta({ description: 'When one was last asked for: a pass that started since then is what was asked for.' }),
    last: passSchema.optional().meta({ description: 'The last pass that ended since the server started.' }),
    failureOnRecord: z
      .strictObject({ at: time, findingCount: z.int().positive() })
      .optional()
      .meta({ description: 'What the last verification on record in `system` found, unless one passed since.' }),
    lastPassedAt: time.optional().meta({ description: 'When the last one ended that found nothing.' }),
  })
  .meta({ id: 'Verification' })
type VerificationAnswer = z.infer<typeof verificationSchema>

type PlainCall = Call<undefined, undefined, undefined>

/** What was on record when the server started holds until a pass has shown that it is mended. */
function failureOnRecord({ keeper, administration }: Services): { at: string; findingCount: number } | undefined {
  const { at, failure } = administration.state.verification ?? {}
  if (at === undefined || failure === undefined || keeper.verification.last?.outcome === 'passed') return undefined
  return { at, findingCount: failure.findingCount }
}

function readVerification({ caller }: PlainCall, services: Services): Answer {
  const { keeper } = services
  const onRecord = failureOnRecord(services)
  const { running, requestedAt, last, lastPassed } = keeper.verification
  const seesAll = caller.credential?.ledgers.includes(EVERY_LEDGER) === true
  const body: VerificationAnswer = {
    ...(running === undefined ? {} : { running }),
    ...(requestedAt === undefined ? {} : { requestedAt }),
    ...(last === undefined ? {} : { last: passAnswer(last, seesAll) }),
    ...(onRecord === undefined ? {} : { failureOnRecord: onRecord }),
    ...(lastPassed === undefined ? {} : { lastPassedAt: lastPassed.endedAt }),
  }
  return { body }
}

function passAnswer({ findings, ...pass }: PassResult, seesAll: boolean): NonNullable<VerificationAnswer['last']> {
  return { ...pass, findings: seesAll ? findings.map((finding) => ({ ...finding })) : [] }
}

async function startVerification(call: PlainCall, services: Services): Promise<Answer> {
  const { administration, keeper, space } = services
  const request = async () => await administration.requestVerification(call.caller.by)
  await space.admit('audit', ACT_BYTES, 1, request)
  keeper.verifyNow()
  return { ...readVerification(call, services), status: 202 }
}

export const verificationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/verification',
    operation: 'readVerification',
    summary: 'What the verification of the stored data found that goes on by itself, and how far it is',
    permission: { scope: ['verify', 'admin'] },
    audit: { to: 'none', because: 'It names files, entries and hashes, no content.' },
    answers: { 200: { description: 'The last pass and the one that goes on.', schema: verificationSchema } },
    refusals: [],
    handler: readVerification,
  }),
  route({
    method: 'POST',
    path: '/v1/verification',
    operation: 'startVerification',
    summary: 'Verify all stored data now, without rests: every byte of the log, the segments and what lies beside them',
    permission: { scope: 'admin' },
    audit: { to: 'system', action: 'verification.requested' },
    answers: {
      202: { description: 'It goes on by itself; GET shows how far it is.', schema: verificationSchema },
    },
    refusals: ['writer-stopped', 'disk-reserve'],
    handler: startVerification,
  }),
]

/** Why an operator has to look, as far as the stored data goes. */
export function dataReasons(services: Services): string[] {
  const { keeper } = services
  const reasons: string[] = []
  const { last } = keeper.verification
  if (last?.outcome === 'failed' || failureOnRecord(services) !== undefined) {
    reasons.push(
      'Verification found stored data that is not as it must be: GET /v1/verification, or stele check ledgers.',
    )
  }
  if (last?.outcome === 'unfinished') {
    reasons.push('Stored data could not be verified to its end: GET /v1/verification says why.')
  }
  if (keeper.sealing.fault !== undefined) {
    reasons.push('Sealing has stopped, because what it read is not as it must be: run stele verify --data.')
  }
  return reasons
}

export function writeKeeper(text: MetricsText, services: Services): void {
  const { sealing, verification } = services.keeper
  const gauge = (name: string, help: string, value: number | undefined) =>
    text.family(name, 'gauge', help, value === undefined ? [] : [['', value]])
  gauge('stele_sealed_commit', 'Last commit that is in segments.', sealing.sealedCommit)
  gauge('stele_seal_lag_bytes', 'Bytes of completed WAL files that are not sealed yet.', sealing.lagBytes)
  gauge('stele_seal_seconds', 'What sealing the last WAL file took.', seconds(sealing.lastTookMs))
  text.family('stele_seal_failures_total', 'counter', 'How often sealing a WAL file failed.', [
    ['', sealing.failedCount],
  ])
  gauge(
    'stele_seal_stopped',
    '1 once sealing has stopped because of what it read.',
    sealing.fault === undefined ? 0 : 1,
  )
  gauge('stele_segments', 'Segments.', sealing.segments.count)
  gauge('stele_segment_bytes', 'Bytes of segments.', sealing.segments.sizeBytes)
  text.family('stele_keeper_restarts_total', 'counter', 'How often the keeper was started again.', [
    ['', sealing.restarts],
  ])
  const { last, lastPassed } = verification
  const passedMs = lastPassed === undefined ? undefined : timeMs(lastPassed.endedAt)
  const tookMs = last === undefined ? undefined : timeMs(last.endedAt) - timeMs(last.startedAt)
  const isFailed = failureOnRecord(services) !== undefined || (last !== undefined && last.outcome !== 'passed')
  const isKnown = last !== undefined || services.administration.state.verification !== undefined
  gauge(
    'stele_verification_success_time_seconds',
    'When verification last found nothing, Unix time.',
    seconds(passedMs),
  )
  gauge(
    'stele_verification_failed',
    '1 where the last verification, of this server or on record, found something, or was not finished.',
    isKnown ? Number(isFailed) : undefined,
  )
  gauge('stele_verification_seconds', 'What the last verification took.', seconds(tookMs))
  gauge('stele_verification_bytes', 'Bytes that the last verification read.', last?.readBytes)
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000
}
