// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Events of the ledger `system`: a closed union by type and version. The administration's state is their fold, so
 * one that this version does not know stops the start instead of being passed over.
 */
import { z } from 'zod'
import { LEDGER_NAME } from './limits.ts'

export const SCOPES = ['append', 'read', 'verify', 'admin'] as const
export const scopeSchema = z.enum(SCOPES)
export type Scope = z.infer<typeof scopeSchema>

const count = z.int().nonnegative()
const time = z.iso.datetime({ precision: 3 })
const ledgerName = z.string().regex(LEDGER_NAME, 'use 1 to 63 of a–z, 0–9 and -, beginning with a letter or digit')
const sourcePattern = z
  .string()
  .regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\/[A-Za-z0-9._~@:-]{1,128})?$/, 'use TYPE or TYPE/INSTANCE')

/** What a person reads and a terminal prints: a line of text in the order in which it stands. */
const label = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]*$/u, 'use no control characters')

/** At least one, and none twice: a request is recorded as it was made. */
function distinct<T extends string>(one: z.ZodType<T>) {
  return z
    .array(one)
    .min(1)
    .refine((names) => new Set(names).size === names.length, { message: 'give each once' })
}

const perSecond = z.int().positive().max(1_000_000_000_000)

/** How fast a token may append; what is not there is not limited. */
export const rateLimitsSchema = z
  .strictObject({
    eventsPerSecond: perSecond.optional().meta({ description: 'Events a second, in the long run.' }),
    bytesPerSecond: perSecond.optional().meta({ description: 'Bytes of bodies a second, decoded, in the long run.' }),
    burstSeconds: z
      .int()
      .positive()
      .max(86_400)
      .optional()
      .meta({ description: 'So many seconds of its rate may come at once; 10 where it is not said.' }),
  })
  .refine(({ eventsPerSecond, bytesPerSecond }) => eventsPerSecond !== undefined || bytesPerSecond !== undefined, {
    message: 'give eventsPerSecond, bytesPerSecond or both',
  })
export type RateLimits = z.infer<typeof rateLimitsSchema>

/** What a token may do: the body of `POST /v1/tokens`. */
export const tokenRequestSchema = z
  .strictObject({
    scopes: distinct(scopeSchema).meta({
      description: 'What the token may do.',
      examples: [['append', 'read']],
      uniqueItems: true,
    }),
    ledgers: distinct(z.union([z.literal('*'), ledgerName])).meta({
      description: 'Ledgers that it may do it to; `*` is all of them.',
      examples: [['main']],
      uniqueItems: true,
    }),
    sources: distinct(sourcePattern)
      .optional()
      .meta({
        description: 'Source types that it may append, each TYPE or TYPE/INSTANCE.',
        examples: [['entra.audit']],
        uniqueItems: true,
      }),
    limits: rateLimitsSchema
      .optional()
      .meta({ description: 'How fast it may append; without them, as fast as it can.' }),
    expiresAt: time.optional().meta({ description: 'When it ends: RFC 3339, UTC, milliseconds.' }),
    label: label.optional().meta({ description: 'A name for people: one line.' }),
  })
  .refine((request) => !request.scopes.includes('admin') || request.ledgers.includes('*'), {
    message: 'an admin token is for all ledgers: give "*"',
    path: ['ledgers'],
  })
  .refine((request) => request.limits === undefined || request.scopes.includes('append'), {
    message: 'limits are of appending: leave them out, or give the scope append',
    path: ['limits'],
  })
export type TokenRequest = z.infer<typeof tokenRequestSchema>

/** The body of `POST /v1/ledgers`. */
export const ledgerRequestSchema = z.strictObject({
  name: ledgerName.meta({ description: 'Never reused.', examples: ['payments'] }),
  public: z
    .boolean()
    .optional()
    .meta({ description: 'Whether checkpoint, tiles, entries and proofs (never content) are open without a token.' }),
})
export type LedgerRequest = z.infer<typeof ledgerRequestSchema>

const witnessName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'use 1 to 63 letters, digits, dots, hyphens and underscores')
  .refine((name) => !['none', 'policy', 'quorum'].includes(name), { message: 'none, policy and quorum are taken' })

/** The body of `POST /v1/witnesses`. */
export const witnessRequestSchema = z.strictObject({
  name: witnessName.meta({ description: 'What it is called here, and in the policy.', examples: ['glasklar'] }),
  vkey: z
    .string()
    .max(2_500)
    .meta({ description: 'Its key (C2SP signed-note): an Ed25519 or an ML-DSA-44 cosignature key.' }),
  url: z
    .string()
    .max(1_024)
    .regex(/^https?:\/\/[!-~]+$/, 'give an http or https address')
    .meta({ description: 'Its submission prefix (C2SP tlog-witness).', examples: ['https://witness.example.com/w1'] }),
})
export type WitnessRequest = z.infer<typeof witnessRequestSchema>

/** How many witnesses must have cosigned a head. */
export const witnessQuorumSchema = z.union([z.int().positive().max(100), z.literal('all')])
export type WitnessQuorum = z.infer<typeof witnessQuorumSchema>

/** The body of `PUT /v1/witnesses/quorum`. */
export const quorumRequestSchema = z.strictObject({
  count: witnessQuorumSchema.meta({ description: 'How many of the witnesses must cosign; `all` is each of them.' }),
})
export type QuorumRequest = z.infer<typeof quorumRequestSchema>

const by = z.string()
const base = <T extends string>(type: T) => ({ type: z.literal(type), v: z.literal(1) })

export const systemEventSchema = z.discriminatedUnion('type', [
  z.strictObject({ ...base('install'), name: z.string(), installId: z.string() }),
  z.strictObject({
    ...base('ledger.created'),
    name: ledgerName,
    origin: z.string(),
    vkey: z.string(),
    public: z.boolean(),
    by,
  }),
  /** A key beside the one that the ledger has: ML-DSA-44 for `heads`. */
  z.strictObject({ ...base('key.added'), ledger: ledgerName, vkey: z.string(), by }),
  /** `statement` is a signed note (docs/format.md, "Key rotation"). */
  z.strictObject({ ...base('key.rotated'), ledger: ledgerName, statement: z.string(), by }),
  z.strictObject({
    ...base('token.created'),
    id: z.string(),
    hash: z.string(),
    scopes: z.array(scopeSchema),
    ledgers: z.array(z.string()),
    sources: z.array(z.string()).optional(),
    limits: rateLimitsSchema.optional(),
    expiresAt: time.optional(),
    label: z.string().optional(),
    by,
  }),
  z.strictObject({ ...base('token.revoked'), id: z.string(), by }),
  z.strictObject({ ...base('server.started'), version: z.string() }),
  z.strictObject({ ...base('server.stopped') }),
  z.strictObject({
    ...base('recovered'),
    file: z.string(),
    position: count,
    bytesCut: count,
    ledgers: z.array(z.strictObject({ name: z.string(), size: count, root: z.string() })),
  }),
  z.strictObject({ ...base('derived.rebuilt'), reason: z.string() }),
  z.strictObject({ ...base('head.missing'), where: z.string() }),
  z.strictObject({ ...base('clock.jumped'), wall: time, ledger: time }),
  z.strictObject({ ...base('clock.confirmed'), by }),
  z.strictObject({ ...base('index.rebuild.requested'), by }),
  z.strictObject({ ...base('index.check.requested'), by }),
  /** Entries from `from` on and before `to`; without a ledger: rows of ledgers that there are not. */
  z.strictObject({
    ...base('index.disagreed'),
    ledger: ledgerName.optional(),
    from: count,
    to: count,
    missing: count,
    changed: count,
    invented: count,
    doubled: count,
  }),
  z.strictObject({
    ...base('index.repaired'),
    ledger: ledgerName.optional(),
    from: count,
    to: count,
    rowCount: count,
  }),
  z.strictObject({ ...base('verification.requested'), by }),
  z.strictObject({
    ...base('verification.passed'),
    startedAt: time,
    endedAt: time,
    entryCount: count,
    readBytes: count,
  }),
  z.strictObject({
    ...base('verification.failed'),
    startedAt: time,
    endedAt: time,
    findingCount: count,
    first: z.strictObject({
      what: z.string(),
      file: z.string().optional(),
      offset: count.optional(),
      ledger: z.string().optional(),
      index: count.optional(),
    }),
  }),
  z.strictObject({ ...base('witness.added'), name: z.string(), vkey: z.string(), url: z.string(), by }),
  z.strictObject({ ...base('witness.removed'), name: z.string(), by }),
  z.strictObject({ ...base('witness.quorum'), count: witnessQuorumSchema, by }),
  z.strictObject({
    ...base('witness.contradicted'),
    name: z.string(),
    kind: z.enum(['fork', 'ahead']),
    size: count,
    root: z.string(),
    told: count.optional(),
    evidence: z.string(),
  }),
  z.strictObject({
    ...base('witness.quorum.unmet'),
    since: time,
    size: count,
    witnessed: count,
    needed: count,
    missing: z.array(z.string()),
  }),
  z.strictObject({ ...base('witness.quorum.met'), size: count }),
  z.strictObject({
    ...base('refused'),
    credential: z.string().optional(),
    via: z.string(),
    code: z.string(),
    action: z.string(),
    count,
    since: time,
    until: time,
  }),
])
export type SystemEvent = z.infer<typeof systemEventSchema>
