// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What `npm start` ends with are searches to copy: each must find its step of the attack among few others, on whatever
// day the story is played and however much later they are typed.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'

import { type DemoStory, demoStory } from '../src/demo/story.ts'
import { documentOf, type SearchDocument } from '../src/query/document.ts'
import { matches } from '../src/query/evaluate.ts'
import { parseQuery } from '../src/query/parse.ts'
import { cut } from '../src/sources/cut.ts'
import { normalise } from '../src/sources/normalise.ts'

const DAY_MS = 86_400_000
const FRIDAY_MS = Date.UTC(2026, 10, 27, 11, 4, 0)
const MAX_HITS = 20

/** What the index would hold of the story. */
function documentsOf({ body }: DemoStory, playedMs: number): SearchDocument[] {
  const bytes = Buffer.from(body)
  const { count, starts, ends, kinds, sources } = cut(bytes, 'application/x-ndjson')
  return Array.from({ length: count }, (_, index) => {
    const event = bytes.subarray(starts[index], ends[index])
    const entry: Entry = {
      at: new Date(playedMs).toISOString(),
      source: sources[kinds[index] ?? -1] ?? '',
      by: 'local',
      media: 'application/json',
      size: event.length,
      sha256: '',
    }
    const { ocsf, value } = normalise(entry, event)
    return documentOf(entry, ocsf, value)
  })
}

function found(search: string, documents: readonly SearchDocument[], nowMs: number): number[] {
  const query = parseQuery(search, nowMs)
  return documents.flatMap((document, index) => (matches(query, document, 'demo') ? [index] : []))
}

test('each step’s search finds it among twenty hits at most, on any weekday that the story is played', () => {
  for (let days = 0; days < 7; days++) {
    const playedMs = FRIDAY_MS + days * DAY_MS + days * 3_700_000
    const story = demoStory(playedMs)
    const documents = documentsOf(story, playedMs)
    for (const { title, index, search } of story.steps) {
      const hits = found(search, documents, playedMs)
      assert.ok(hits.includes(index), `${title}: ${search}`)
      assert.ok(hits.length <= MAX_HITS, `${title}: ${search} has ${hits.length} hits`)
    }
  }
})

test('the README takes the index of the grant from a search, which finds that one event on weekdays and weekends', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const commands = readme.slice(0, readme.indexOf('## In an incident'))
  assert.doesNotMatch(commands, /stele (?:prove|related) \d|--from \d/, 'an index is of one run')
  const [, search = ''] = /^GRANT=\$\(npx stele search --ledger demo '([^']+)' --json/m.exec(commands) ?? []
  for (let days = 0; days < 3; days++) {
    const playedMs = FRIDAY_MS + days * 2 * DAY_MS
    const documents = documentsOf(demoStory(playedMs), playedMs)
    const [grant, ...others] = found(search, documents, playedMs)
    assert.deepEqual(others, [])
    assert.ok(documents[grant!]?.target.includes('daan.verbeek@larkfield.example'), search)
  }
})

test('a month later each search finds the same', () => {
  const story = demoStory(FRIDAY_MS)
  const documents = documentsOf(story, FRIDAY_MS)
  for (const { search } of story.steps) {
    const later = found(search, documents, FRIDAY_MS + 30 * DAY_MS)
    assert.deepEqual(later, found(search, documents, FRIDAY_MS), search)
  }
})

test('the night’s search finds the fourteen policies and nothing else', () => {
  const story = demoStory(FRIDAY_MS)
  const night = story.steps.find(({ title }) => title === 'Fourteen policies in six minutes')
  assert.ok(night)
  assert.equal(found(night.search, documentsOf(story, FRIDAY_MS), FRIDAY_MS).length, 14)
})

test('the searches are ones to learn the language from', () => {
  const searches = demoStory(FRIDAY_MS).steps.map(({ search }) => search)
  const features = ['actor:', 'target:', 'action:', 'privilege:', 'ip:', 'after:', 'before:', 'outcome:', 'class:']
  for (const feature of [...features, 'severity:', ' NOT ', ' -', ' OR ', '/24', '*']) {
    assert.ok(
      searches.some((search) => search.includes(feature)),
      feature,
    )
  }
  assert.equal(new Set(searches).size, searches.length)
})
