// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a line about an event says: from its OCSF form, whose paths are those of the search language. A help to the eye;
// the event is the bytes. Not fit to be shown as it is.

import type { RecordedEvent } from '@stele/sdk'

import { writtenAt, writtenValues } from '../../query/written.ts'

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
    actor: writtenValues(event.ocsf, 'actor')[0] ?? '',
    target: writtenValues(event.ocsf, 'target')[0] ?? '',
    outcome: outcomeOf(event),
    address: writtenValues(event.ocsf, 'ip')[0] ?? '',
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
  return ocsf.class_uid !== 0 || writtenAt(ocsf, 'metadata.event_code') !== '' || text.includes(message)
}

function outcomeOf({ ocsf }: Event): string {
  const { status_id: id } = ocsf as { readonly status_id?: unknown }
  return id === 1 ? 'success' : id === 2 ? 'failure' : id === 99 ? writtenAt(ocsf, 'status').toLowerCase() : ''
}

function bounded(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS).toWellFormed()}…`
}
