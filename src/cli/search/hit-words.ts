// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a line about an event says: from its OCSF form, whose paths are those of the search language. A help to the eye;
// the event is the bytes. Not fit to be shown as it is.

import type { RecordedEvent } from '@stele/sdk'

import { fieldOf, type FieldPath } from '../../query/fields.ts'

export interface HitWords {
  readonly sentence: string
  readonly actor: string
  readonly target: string
  readonly outcome: string
  readonly address: string
}

type Event = Pick<RecordedEvent, 'ocsf' | 'text' | 'event'>

/** An event may have any. */
const MAX_CHARS = 1_000

export function wordsOf(event: Event): HitWords {
  return {
    sentence: sentenceOf(event),
    actor: firstOf(event, 'actor'),
    target: firstOf(event, 'target'),
    outcome: outcomeOf(event),
    address: firstOf(event, 'ip'),
  }
}

/** The sentence; of an event that says too little for one, its beginning. */
export function sentenceOf({ ocsf, text, event }: Event): string {
  const { message } = ocsf
  if (message !== undefined && message !== '' && (text === undefined || isSaid(ocsf, message, text))) {
    return bounded(message)
  }
  return text === undefined ? `${event.length} bytes that are not text` : bounded(text)
}

/** A Base Event that names no action has a sentence that says so, unless it brought one itself. */
function isSaid(ocsf: Event['ocsf'], message: string, text: string): boolean {
  return ocsf.class_uid !== 0 || wordAt(ocsf, 'metadata.event_code') !== '' || text.includes(message)
}

/** The first value of a field, as the event writes it. */
function firstOf({ ocsf }: Event, name: 'actor' | 'target' | 'ip'): string {
  const paths: readonly FieldPath[] = fieldOf(name)?.paths ?? []
  for (const { path, classes } of paths) {
    if (classes !== undefined && !classes.includes(ocsf.class_uid)) continue
    const found = wordAt(ocsf, path)
    if (found !== '') return found
  }
  return ''
}

function outcomeOf({ ocsf }: Event): string {
  const { status_id: id } = ocsf as { readonly status_id?: unknown }
  return id === 1 ? 'success' : id === 2 ? 'failure' : id === 99 ? wordAt(ocsf, 'status').toLowerCase() : ''
}

/** `[]` behind a name is the first member of an array. */
function wordAt(value: unknown, path: string): string {
  let found = value
  for (const part of path.split('.')) {
    const name = part.replace('[]', '')
    found =
      typeof found === 'object' && found !== null && Object.hasOwn(found, name) ? (found as Members)[name] : undefined
    if (part !== name) found = Array.isArray(found) ? (found as readonly unknown[])[0] : undefined
  }
  return typeof found === 'string' ? bounded(found) : ''
}

function bounded(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS).toWellFormed()}…`
}

type Members = { readonly [name: string]: unknown }
