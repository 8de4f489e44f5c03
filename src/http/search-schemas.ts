// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What goes into a search and comes out of it, and what the index says of itself. */
import { z } from 'zod'
import { MAX_BUCKET_VALUES } from '../index/histogram.ts'
import { EXPORT_FORMATS } from './export-rows.ts'
import { flag, hitSchema, index, INDEX_STATES, indexText, searchedName, size, time } from './schemas.ts'

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
  cursor: z.string().max(MAX_CURSOR_CHARS).optional().meta({
    description:
      '`next` of the answer before, to the same question: the hits behind those. It ends when the server is started anew.',
  }),
  wait: indexText.optional().meta({
    description: 'Waits, 10 s at most, until the event of that index can be found: one that was just appended.',
  }),
})

const MAX_NAMES = 16
const entity = z
  .preprocess(
    (names) => (typeof names === 'string' ? [names] : names),
    z
      .array(z.string())
      .min(1)
      .max(MAX_NAMES, { error: `it is there more than ${MAX_NAMES} times` }),
  )
  .meta({
    description:
      'A name of somebody or something, as a whole: a sign-in name, an id, a display name. Given several times, these are names of one.',
    examples: [['alice@contoso.com']],
  })
const order = z
  .enum(['newest', 'oldest'])
  .default('newest')
  .meta({ description: 'Which come first, by the time of the event.' })

export const timelineQuery = z.strictObject({
  entity,
  ...asked,
  limit: between(1, MAX_HITS, 50, 'How many events at most.'),
  order,
  cursor: z.string().max(MAX_CURSOR_CHARS).optional().meta({
    description:
      '`next` of the answer before, to the same question: the events behind those. It ends when the server is started anew.',
  }),
})

/** Fields whose values tie events together. */
export const RELATIONS = ['correlation', 'session'] as const
const relation = z.enum(RELATIONS)

export const relatedQuery = z.strictObject({
  by: z
    .string()
    .default(RELATIONS.join(','))
    .transform((text) => [...new Set(text.split(','))])
    .pipe(z.array(z.enum(RELATIONS, `there are ${RELATIONS.join(' and ')}`)))
    .meta({ description: 'By which ids, with commas.', examples: ['session'] }),
  limit: between(1, MAX_HITS, 100, 'How many events at most, those next to this one in time.'),
  everyLedger: flag('false', 'Whether all ledgers are searched that the token may read; else the one of the event.'),
})

/** What whoever makes an export calls it, to ask for its summary by. */
const exportName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not 1 to 64 letters, digits, dashes and underscores')

export const exportQuery = z.strictObject({
  ...asked,
  format: z.enum(EXPORT_FORMATS).default('ndjson').meta({ description: 'A hit a line, or a table for spreadsheets.' }),
  receipts: flag('false', 'NDJSON alone: whether each line has the `proof` of its entry in the tree of the summary.'),
  name: exportName.optional().meta({
    description: 'Any name. With it the signed summary can be read once the export is whole.',
    examples: ['case-17'],
  }),
})

export const exportParams = z.object({
  ledger: z.string().meta({ description: 'Name of the ledger.', examples: ['main'] }),
  name: exportName.meta({ description: 'As the export was named.' }),
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

const MAX_FIELD_PATHS = 1_000
const MAX_BEGIN_CHARS = 256

export const fieldsQuery = z.strictObject({
  ledger: searchedName
    .default('*')
    .meta({ description: 'Whose events are looked at; `*`, all that the token may read.' }),
  begin: z
    .string()
    .max(MAX_BEGIN_CHARS)
    .default('')
    .meta({ description: 'Only fields and paths that begin so.', examples: ['raw.properties.'] }),
  limit: between(1, MAX_FIELD_PATHS, 100, 'How many paths at most, the most frequent first.'),
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

const disagreements = z
  .int()
  .positive()
  .optional()
  .meta({ description: 'Hits of the index that were left out because the ledger does not bear them out.' })

export const foundSchema = z
  .strictObject({
    hits: z.array(hitSchema).meta({ description: 'Newest first, by the time of the event.' }),
    next: z.string().optional().meta({ description: 'Cursor; absent where there are no more.' }),
    total: totalSchema.meta({ description: 'How many the index counts.' }),
    disagreements,
    ...reach,
  })
  .meta({ id: 'Found' })

export const timelineSchema = z
  .strictObject({
    hits: z
      .array(
        hitSchema.extend({
          direction: z
            .enum(['did', 'done-to', 'both'])
            .meta({ description: 'Whether the identity acted, or something was done to it.' }),
          changes: z
            .array(
              z.strictObject({
                target: z.string().optional().meta({ description: 'Of whom or what, where the event says it.' }),
                name: z.string().meta({
                  description: '`a.b` is a member of a document; `a[]` are members of a list that went and came.',
                }),
                old: z.string().optional().meta({ description: 'Text as it is, other values as JSON.' }),
                new: z.string().optional(),
              }),
            )
            .meta({ description: 'What changed; of an attempt that failed, what was to change.' }),
          moreChanges: z.int().positive().optional().meta({ description: 'How many changes are not shown.' }),
        }),
      )
      .meta({ description: 'By the time of the event, in the order that was asked for.' }),
    next: z.string().optional().meta({ description: 'Cursor; absent where there are no more.' }),
    aliases: z.array(z.strictObject({ value: z.string(), attribute: z.string(), count: z.int().positive() })).meta({
      description:
        'What else these events call it, and how many of them do. They were not searched for: what an event says is its sender’s word.',
    }),
    disagreements,
    total: totalSchema.meta({ description: 'How many the index counts.' }),
    ...reach,
  })
  .meta({ id: 'Timeline' })

export const relatedSchema = z
  .strictObject({
    hits: z
      .array(
        hitSchema.extend({
          by: z.array(relation).meta({ description: 'Which ids it shares with the event that was asked about.' }),
        }),
      )
      .meta({ description: 'In the order of time, the event itself among them.' }),
    ids: z.partialRecord(relation, z.array(z.string())).meta({ description: 'Ids of the event, by kind.' }),
    earlier: z.boolean().meta({ description: 'Whether there are more before these.' }),
    later: z.boolean().meta({ description: 'Whether there are more after these.' }),
    disagreements,
    total: totalSchema.meta({ description: 'How many the index counts, this one among them.' }),
    ...reach,
  })
  .meta({ id: 'Related' })

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

export const fieldsSchema = z
  .strictObject({
    fields: z
      .array(
        z.strictObject({
          name: z.string(),
          title: z.string(),
          kind: z.enum(['text', 'ip', 'number', 'source', 'keyword']),
          paths: z
            .array(z.string())
            .optional()
            .meta({ description: 'The OCSF attributes that it reads; which ones depends on the class.' }),
          example: z.string().meta({ description: 'A query.' }),
          values: z
            .array(valueCount)
            .optional()
            .meta({ description: 'The most frequent ones of these ledgers, as the index counts.' }),
        }),
      )
      .meta({ description: 'The short names, and what is written like one.' }),
    paths: z
      .array(
        z.strictObject({
          path: z.string().meta({ description: 'As it is written in a query.' }),
          kind: z
            .enum(['source', 'ocsf'])
            .meta({ description: 'A field of the source’s own, or an attribute of OCSF.' }),
          count: z.int().positive().meta({ description: 'Events that have a value there, as the index counts.' }),
          example: z.string().optional().meta({ description: 'A value there, folded, out of an event of the ledger.' }),
        }),
      )
      .meta({ description: 'Paths that the events have, the most frequent first.' }),
    more: z.literal(true).optional().meta({ description: 'There are more paths, or more events that have them.' }),
    ...reach,
  })
  .meta({ id: 'Fields' })
export type FieldsAnswer = z.infer<typeof fieldsSchema>

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
          by: z
            .array(valueCount)
            .optional()
            .meta({ description: `The ${MAX_BUCKET_VALUES} most frequent values.` }),
          moreValues: z.int().positive().optional().meta({ description: 'How many values there are besides.' }),
          moreCount: z.int().positive().optional().meta({ description: 'What these count together.' }),
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
