// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Puts words into the page. Everything goes in as text: nothing here can make markup out of what was given.

import { printable, printableLines } from '../folder/printable.ts'
import type { Entry, Report } from '../src/index.ts'
import { sha256, toBase64, utf8 } from '../src/index.ts'
import type { Given } from './inputs.ts'
import { countText, jointsOf, type Mark, type Step, timeText, type Verdict } from './verdict.ts'

const SVG = 'http://www.w3.org/2000/svg'
/** What of an event is shown; the rest is in its file. */
const SHOWN_BYTES = 4_096

/** The element with this id, which the page has. */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const element = document.getElementById(id)
  if (element instanceof kind) return element
  throw new Error(`the page has no such ${id}`)
}

/** Shows a verdict in place of what was there. */
export function showVerdict(place: HTMLElement, verdict: Verdict): void {
  place.dataset['mark'] = verdict.mark
  const heading = make('h2', make('span', ring(verdict.mark), make('span', verdict.mark)), verdict.title)
  place.replaceChildren(
    heading,
    ribbon(verdict.steps),
    ...verdict.sentences.map((sentence) => make('p', sentence)),
    details(`Step by step: ${verdict.steps.length} checks`, stepList(verdict.steps)),
  )
}

/** What the page was given: two files, and the text that holds what is trusted. */
export interface Subject {
  readonly event: Given
  readonly receipt: Given
  readonly trust: string
  readonly rotations?: Given
}

/** Shows what was verified, by what: of an entry only where it is one, whatever it says. */
export function showSubject(place: HTMLElement, { event, receipt, trust, rotations }: Subject, report: Report): void {
  const rows = [
    ...(report.entry === undefined ? [] : entryRows(report.entry)),
    ...(report.root === undefined ? [] : [['root of the tree', toBase64(report.root)] as const]),
    ['event file', fileText(event)] as const,
    ['receipt file', fileText(receipt)] as const,
    ...(rotations === undefined ? [] : [['rotations file', fileText(rotations)] as const]),
    ['trusted', trust.trim() === '' ? 'nothing: no key and no policy was given' : clipped(utf8(trust.trim()))] as const,
  ]
  place.append(
    details('What the entry says, the files, and what was trusted', table(rows)),
    details('The event itself', make('pre', printableLines(clipped(event.bytes)))),
  )
}

/** Shows a notice, or nothing. */
export function showNotice(place: HTMLElement, text: string): void {
  place.textContent = text
}

function ribbon(steps: readonly Step[]): HTMLElement {
  const joints = jointsOf(steps).map(({ mark, what, outcome }) =>
    make('li', ring(mark), make('span', what), hidden(`: ${outcome}`)),
  )
  const list = make('ol', ...joints)
  list.className = 'ribbon'
  return list
}

function stepList(steps: readonly Step[]): HTMLElement {
  const items = steps.map(({ mark, what, outcome, detail }) => {
    return make('li', ring(mark), make('div', make('strong', what), ` · ${outcome}`, make('p', detail)))
  })
  const list = make('ol', ...items)
  list.className = 'steps'
  return list
}

function entryRows(entry: Entry): (readonly [string, string])[] {
  return [
    ['recorded', `${timeText(entry.at)} (${entry.at})`],
    ['source', entry.source],
    ['named by', entry.asserted === undefined ? 'its sender' : 'its form, which the log recognised'],
    ['credential', entry.by],
    ...(entry.via === undefined ? [] : [['sent from', entry.via] as const]),
    ['kept as', `${entry.media}, ${countText(entry.size)} bytes`],
    ...(entry.ext === undefined ? [] : [['extensions', JSON.stringify(entry.ext)] as const]),
  ]
}

function fileText({ name, bytes }: Given): string {
  return `${printable(name)}, ${countText(bytes.length)} bytes, SHA-256 ${digest(bytes)}`
}

/** The beginning of a text; where that is not all, how much more there is, and the SHA-256 of all. */
function clipped(bytes: Uint8Array): string {
  const shown = new TextDecoder().decode(bytes.subarray(0, SHOWN_BYTES))
  if (bytes.length <= SHOWN_BYTES) return shown
  return `${shown}\n… and ${countText(bytes.length - SHOWN_BYTES)} more bytes; SHA-256 of all: ${digest(bytes)}`
}

function digest(bytes: Uint8Array): string {
  return Array.from(sha256(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function table(rows: readonly (readonly [string, string])[]): HTMLElement {
  return make('dl', ...rows.flatMap(([term, text]) => [make('dt', term), make('dd', printableLines(text))]))
}

function details(summary: string, content: HTMLElement): HTMLElement {
  return make('details', make('summary', summary), content)
}

function hidden(text: string): HTMLElement {
  const span = make('span', text)
  span.className = 'heard'
  return span
}

/** The ring of a mark; the word beside it says the same. */
function ring(mark: Mark): Element {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('class', 'ring')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('data-mark', mark)
  const use = document.createElementNS(SVG, 'use')
  use.setAttribute('href', `#${mark.replaceAll(' ', '-')}`)
  svg.append(use)
  return svg
}

function make(tag: string, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag)
  element.append(...children)
  return element
}
