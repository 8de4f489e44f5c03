// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What goes into a search and comes out of it, and what the index says of itself. */
import { z } from 'zod'
import { hitSchema, index, INDEX_STATES, indexText, size, time } from './schemas.ts'

const MAX_HITS = 1_000
const MAX_TOP = 100
const MAX_BUCKETS = 500
/** A cursor names the size of each ledger that is searched; with the rest of a request it has to fit its headers. */
const MAX_CURSOR_CHARS = 14_000

const between = (least: number, most: number, fallback: number, description: string) =>
  z
    .string()
    .regex(/^[0-9]{1,4}$/, `is not a number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `is not a number from ${least} to ${most}`)
    .default(fallback)
    .meta({ description, type: 'integer', minimum: least, maximum: most, default: fallback, pattern: undefined })

const asked = {
  q: z
    .string()
    .default('')
    .meta({
      description:
        'In the search language (docs/search.md); without it, everything. In a search over `*`, the ledgers access and system are left out unless it names them, as `ledger:access`.',
      examples: ['actor:alice@contoso.com outcome:failure -source:okta'],
    }),
  since: z
    .string()
    .optional()
    .meta({
      description: 'Only events at or after this time: a date, a month, RFC 3339, `today`, or as `-24h`.',
      examples: ['-7d'],
    }),
  until: z
    .string()
    .optional()
    .meta({ description: 'Only events before this time.', examples: ['2026-01-02'] }),
}

export const eventsQuery = z.strictObject({
  ...asked,
  limit: between(1, MAX_HITS, 50, 'How many hits at most.'),
  cursor: z
    .string()
    .max(MAX_CURSOR_CHARS)
    .optional()
    .meta({ description: '`next` of the answer before, to the same question: the hits behind those.' }),
  wait: indexText.optional().meta({
    description: 'Waits, 10 s at most, until the event of that index can be found: one that was just appended.',
  }),
})

export const facetsQuery = z.strictObject({
  ...asked,
  fields: z.string().meta({ description: 'Fields of the search language, with commas.', examples: ['actor,action'] }),
  top: between(1, MAX_TOP, 10, 'How many values of each field, the most frequent first.'),
})

export const histogramQuery = z.strictObject({
  ...asked,
  buckets: between(1, MAX_BUCKETS, 60, 'How many buckets at most; the step is a round one.'),
  by: z
    .string()
    .optional()
    .meta({ description: 'A field whose values are counted apart in each bucket.', examples: ['outcome'] }),
})

const progress = z.strictObject({
  indexed: size.meta({ description: 'Entries that can be found, the first of the ledger and those behind it.' }),
  size,
})

/** How far the answer goes. */
const reach = {
  indexed: size.meta({ description: 'Entries that were searched; those behind them are on their way.' }),
  size,
  ledgers: z
    .record(z.string(), progress)
    .optional()
    .meta({ description: 'The same for each ledger, in an answer about `*`.' }),
  heldUp: z.string().optional().meta({
    description: 'Why entries that are stored cannot be found for now: the disk of the index is full, for one.',
  }),
}

const totalSchema = z.strictObject({
  count: z.int().nonnegative(),
  exact: z.boolean().meta({ description: 'False where counting was given up: there are more.' }),
})

export const foundSchema = z
  .strictObject({
    hits: z.array(hitSchema).meta({ description: 'Newest first, by the time of the event.' }),
    next: z.string().optional().meta({ description: 'Cursor; absent where there are no more.' }),
    total: totalSchema.meta({ description: 'How many the index counts.' }),
    disagreements: z
      .int()
      .positive()
      .optional()
      .meta({ description: 'Hits of the index that were left out because the ledger does not bear them out.' }),
    ...reach,
  })
  .meta({ id: 'Found' })

export const valueCount = z.strictObject({
  value: z.string(),
  name: z.string().optional().meta({ description: 'Of a class or a severity, whose value is its number.' }),
  count: z.int().positive(),
})

export const facetsSchema = z
  .strictObject({
    facets: z
      .record(z.string(), z.array(valueCount))
      .meta({ description: 'By field: values and how many events have them, as the index counts.' }),
    ...reach,
  })
  .meta({ id: 'Facets' })
export type FacetsAnswer = z.infer<typeof facetsSchema>

export const histogramSchema = z
  .strictObject({
    from: time.meta({ description: 'Begin of the first bucket.' }),
    to: time.meta({ description: 'End of the last bucket, which does not belong to it.' }),
    stepSeconds: z.int().positive(),
    buckets: z
      .array(
        z.strictObject({
          time: time.meta({ description: 'Begin of the bucket.' }),
          count: z.int().nonnegative(),
          by: z.array(valueCount).optional(),
        }),
      )
      .meta({ description: 'All of them, the empty ones too, as the index counts; none where nothing is found.' }),
    ...reach,
  })
  .meta({ id: 'Histogram' })
export type HistogramAnswer = z.infer<typeof histogramSchema>

export const indexStatusSchema = z
  .strictObject({
    state: z.enum(INDEX_STATES),
    reason: z
      .string()
      .optional()
      .meta({ description: 'Why it cannot be searched, or why what is new cannot be found for now.' }),
    ledgers: z.record(z.string(), progress),
    mapperVersion: z.int().meta({ description: 'Version of the mappings whose forms are searched.' }),
    generation: z.int().nonnegative().meta({ description: 'Counts how often the index was made anew.' }),
    rebuild: progress.optional().meta({ description: 'How far the index is that is being made.' }),
    background: z
      .strictObject({
        running: z.strictObject({ startedAt: time, checked: z.int().nonnegative(), size }).optional(),
        last: z
          .strictObject({
            startedAt: time,
            endedAt: time,
            checked: z.int().nonnegative(),
            size,
            reason: z.string().optional().meta({ description: 'Why not all was checked.' }),
          })
          .optional(),
        disagreements: z.strictObject({
          missing: z.int().nonnegative(),
          changed: z.int().nonnegative(),
          invented: z.int().nonnegative(),
          doubled: z.int().nonnegative(),
        }),
        repairedRows: z.int().nonnegative(),
      })
      .optional()
      .meta({
        description:
          'The check that goes on by itself: its pass, the last one that ended, and what was found and mended since the start.',
      }),
  })
  .meta({ id: 'IndexStatus' })
export type IndexStatusAnswer = z.infer<typeof indexStatusSchema>

export const indexCheckSchema = z
  .strictObject({
    state: z.enum(['running', 'done', 'failed']),
    checked: z.int().nonnegative(),
    size,
    findings: z
      .array(
        z.strictObject({
          ledger: z.string(),
          index,
          kind: z.enum(['missing', 'invented', 'changed', 'doubled']),
          columns: z.array(z.string()).optional().meta({ description: 'What was changed.' }),
        }),
      )
      .meta({ description: 'The first of them.' }),
    findingCount: z.int().nonnegative(),
    startedAt: time,
    endedAt: time.optional(),
    reason: z.string().optional().meta({ description: 'Why it failed.' }),
  })
  .meta({ id: 'IndexCheck' })
export type IndexCheckAnswer = z.infer<typeof indexCheckSchema>
