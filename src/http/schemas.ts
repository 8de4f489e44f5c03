// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What crosses the HTTP interface, each thing once: types, checks and the OpenAPI document come from these schemas.
 * Answers are closed too: a field that is not here is not sent.
 */
import { z } from 'zod'
import { problemStatus, type ProblemCode } from '../schema/problem.ts'
import { rateLimitsSchema, scopeSchema } from '../schema/system-events.ts'

export const INDEX_STATES = ['off', 'starting', 'building', 'ready', 'unavailable'] as const

const base64 = z.base64()
export const size = z.int().nonnegative().meta({ description: 'Number of entries.' })
export const index = z.int().nonnegative().meta({ description: 'Position of an entry, from 0.' })
export const time = z
  .string()
  .meta({ description: 'RFC 3339, UTC, milliseconds.', examples: ['2026-01-02T03:04:05.678Z'] })
const root = base64.meta({ description: 'Root of the Merkle tree (RFC 6962).' })

/** A number in a path or a query: decimal digits and nothing else. */
const decimal = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,15})$/, 'is not a decimal number')
  .transform(Number)
  .refine(Number.isSafeInteger, 'is beyond 2^53 - 1')
export const indexText = decimal.meta({
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  pattern: undefined,
})

export const flag = (fallback: 'true' | 'false', description: string) =>
  z
    .enum(['true', 'false'])
    .default(fallback)
    .transform((text) => text === 'true')
    .meta({ description })

// What a ledger is called is not checked here: a name that none has is unknown, whatever it looks like.
const ledgerName = z.string().meta({ description: 'Name of the ledger.', examples: ['main'] })
export const searchedName = z.string().meta({
  description: 'Name of the ledger; `*` is all that the token may read.',
  examples: ['main', '*'],
})

export const ledgerParams = z.object({ ledger: ledgerName })
export const searchParams = z.object({ ledger: searchedName })
export const eventParams = z.object({ ledger: ledgerName, index: indexText })
export const tokenParams = z.object({ id: z.string().meta({ description: 'Id of the token.' }) })
export const tileParams = z.object({
  ledger: ledgerName,
  '*': z.string().meta({
    description: '`<level>/<index>[.p/<width>]` or `entries/<index>[.p/<width>]` (C2SP tlog-tiles).',
    examples: ['entries/000', '0/x001/067.p/8'],
  }),
})

export const appendQuery = z.strictObject({
  source: z
    .string()
    .optional()
    .meta({
      description: '`TYPE[/INSTANCE[/STREAM]]`; without it the type is recognised by content.',
      examples: ['entra.audit/contoso'],
    }),
  checkpoint: flag('true', 'Whether the answer carries a signed checkpoint.'),
  receipts: flag('false', 'Whether the answer carries a receipt for each event.'),
})

export const checkpointQuery = z.strictObject({
  witnessed: flag('false', 'Of `heads` alone: the newest head that the quorum of witnesses has cosigned.'),
})

const MAX_WITNESS_WAIT_SECONDS = 60
export const proofQuery = z.strictObject({
  witnessed: flag('false', 'Whether the proof leads up to a head that the quorum of witnesses has cosigned.'),
  timeout: decimal
    .refine((seconds) => seconds <= MAX_WITNESS_WAIT_SECONDS, `is more than ${MAX_WITNESS_WAIT_SECONDS}`)
    .default(10)
    .meta({
      description: 'How many seconds to wait for the witnesses.',
      type: 'integer',
      minimum: 0,
      maximum: MAX_WITNESS_WAIT_SECONDS,
      pattern: undefined,
    }),
})

export const tailQuery = z.strictObject({
  from: indexText.optional().meta({ description: 'First index to send; without it, the next one to be appended.' }),
})

export const problemSchema = z
  .strictObject({
    type: z.string().meta({ examples: ['urn:stele:error:malformed-json'] }),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problemStatus) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().meta({ description: 'What is wrong, where, and how to mend it. No event content, no secrets.' }),
    offset: z.int().optional().meta({ description: 'Byte offset into the decoded body, from 0.' }),
    line: z.int().optional().meta({ description: 'Line of an NDJSON body, from 1.' }),
    event: z.int().optional().meta({ description: 'Position of the event in the body, from 0.' }),
    limit: z.int().optional().meta({ description: 'The limit that was passed, in the unit that `detail` names.' }),
    column: z.int().optional().meta({ description: 'Column of the query, from 1.' }),
    length: z.int().optional().meta({ description: 'How many characters of the query from there are meant.' }),
    suggestion: z.string().optional().meta({ description: 'What may have been meant instead.' }),
    request: z.string().optional().meta({ description: 'Id under which the log of the server has more.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem.' })
export type ProblemAnswer = z.infer<typeof problemSchema>

export const appendedSchema = z
  .strictObject({
    ledger: z.string(),
    first: index.meta({
      description: 'Index of the first event of the body. Without `duplicates` the others follow it.',
    }),
    count: z.int().nonnegative().meta({ description: 'Number of events newly stored; 0 for an empty array.' }),
    duplicates: z.int().positive().optional().meta({ description: 'Number of events that were stored before.' }),
    indexes: z
      .array(index)
      .optional()
      .meta({
        description:
          'Index of each event, where there are duplicates. Absent from the repeated answer to an Idempotency-Key where ' +
          'new events and duplicates take turns too often to be kept.',
      }),
    size: size.meta({
      description: 'Entries of the ledger, these included: the tree that root and checkpoint are of.',
    }),
    root,
    checkpoint: z.string().optional().meta({ description: 'Signed note (C2SP tlog-checkpoint).' }),
    receipts: z
      .array(z.string())
      .optional()
      .meta({
        description:
          'C2SP tlog-proofs with salt and entry, in the order of the events. An empty string stands for that of an event ' +
          'which another token had appended before, where this one may not read the ledger.',
      }),
  })
  .meta({ id: 'Appended' })

export const hitSchema = z
  .strictObject({
    ledger: z.string().optional().meta({ description: 'Where a search of `*` found it.' }),
    index,
    at: time.meta({ description: 'Ledger time: when it was received.' }),
    time: time.meta({ description: 'Time of the event itself; ledger time where it has none.' }),
    source: z.string(),
    event: z.string().optional().meta({ description: 'The exact text of the event.' }),
    eventBase64: base64.optional().meta({ description: 'The exact bytes, where they are not UTF-8.' }),
    entry: z.string().meta({ description: 'The exact line that is the leaf of the tree.' }),
    salt: base64.meta({ description: '16 bytes: the entry holds SHA-256(salt ‖ event).' }),
    ocsf: z
      .looseObject({ class_uid: z.int(), message: z.string().optional() })
      .meta({ description: 'The event in OCSF 1.8.0, made from its bytes for this answer.' }),
  })
  .meta({ id: 'Hit' })
export type Hit = z.infer<typeof hitSchema>

export const ledgerSchema = z
  .strictObject({
    name: z.string(),
    origin: z.string().meta({ description: 'Name of the log in checkpoints.' }),
    vkeys: z.array(z.string()).meta({ description: 'Verifier keys (C2SP signed-note), Ed25519 first.' }),
    size,
    root,
    public: z.boolean(),
    createdAt: time,
  })
  .meta({ id: 'Ledger' })
export type LedgerAnswer = z.infer<typeof ledgerSchema>

const keySchema = z.strictObject({
  vkey: z.string().meta({ description: 'Verifier key (C2SP signed-note): Ed25519, or ML-DSA-44.' }),
  since: size.meta({ description: 'Entries of the ledger when the key came into force.' }),
  until: size.optional().meta({
    description: 'Entries when another followed it: no larger head is signed by it. Absent of a key in force.',
  }),
})
export const keysSchema = z
  .strictObject({
    origin: z.string(),
    keys: z.array(keySchema).meta({ description: 'The oldest first.' }),
    rotations: z.array(z.string()).meta({
      description:
        'Signed notes by which one key names the next, the oldest first: they lead from a key that is pinned.',
    }),
  })
  .meta({ id: 'Keys' })
export type KeysAnswer = z.infer<typeof keysSchema>

export const ledgersSchema = z.strictObject({ ledgers: z.array(ledgerSchema) }).meta({ id: 'Ledgers' })

const tokenFields = {
  id: z.string(),
  scopes: z.array(scopeSchema),
  ledgers: z.array(z.string()).meta({ description: 'Names; `*` is all.' }),
  sources: z.array(z.string()).optional(),
  limits: rateLimitsSchema.optional(),
  expiresAt: time.optional(),
  label: z.string().optional(),
  createdAt: time,
  createdBy: z.string(),
  revokedAt: time.optional(),
  revokedBy: z.string().optional(),
}
export const tokenSchema = z.strictObject(tokenFields).meta({ id: 'Token' })
export type TokenAnswer = z.infer<typeof tokenSchema>
export const tokensSchema = z.strictObject({ tokens: z.array(tokenSchema) }).meta({ id: 'Tokens' })
export const mintedTokenSchema = z
  .strictObject({ token: z.string().meta({ description: 'The secret. It is shown this once.' }), ...tokenFields })
  .meta({ id: 'MintedToken' })

const clockJump = z.strictObject({ wall: time, ledger: time })

export const statusSchema = z
  .strictObject({
    version: z.string(),
    name: z.string(),
    installId: z.string(),
    ready: z.boolean(),
    reasons: z.array(z.string()).meta({ description: 'Why it is not ready, in words.' }),
    recovery: z
      .strictObject({
        begun: z.boolean().meta({ description: 'The directory was empty at the start.' }),
        replayedBytes: z.int(),
        cut: z
          .strictObject({ file: z.string(), position: z.int(), bytes: z.int() })
          .optional()
          .meta({ description: 'What a crash had left unfinished and the start cut off.' }),
        rederived: z.string().optional().meta({ description: 'Why derived files were made again.' }),
        headMissing: z.boolean().meta({ description: 'No head was kept outside, so a rollback would not have shown.' }),
      })
      .meta({ description: 'What the last start found.' }),
    clockJump: clockJump.optional().meta({ description: 'A jump of the clock that nobody has confirmed.' }),
    head: z.strictObject({ where: z.string(), unreachable: z.string().optional() }),
    index: z
      .strictObject({ state: z.enum(INDEX_STATES), reason: z.string().optional() })
      .meta({ description: 'Whether events can be searched. Appending and proving do not wait for it.' }),
    space: z.strictObject({ freeBytes: z.int(), reserveBytes: z.int(), walBytes: z.int() }),
  })
  .meta({ id: 'Status' })
export type StatusAnswer = z.infer<typeof statusSchema>

export const healthSchema = z.strictObject({ status: z.literal('alive') }).meta({ id: 'Health' })
export const readySchema = z
  .strictObject({ ready: z.boolean(), reasons: z.array(z.string()) })
  .meta({ id: 'Ready', description: 'Whether events are taken and their order and time can be vouched for.' })
