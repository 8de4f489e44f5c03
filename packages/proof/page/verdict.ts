// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A report in sentences for somebody who is no programmer. It says nothing that the report does not say, and what the
// report leaves open it names.

import { printable } from '../folder/printable.ts'
import type { Check, ProofErrorCode, Report } from '../src/index.ts'

/** The four marks of trust; they mean the same wherever Stele shows them. */
export type Mark = 'verified' | 'not yet witnessed' | 'broken' | 'not checked'

/** A check, or what takes its place. */
export interface Step {
  readonly mark: Mark
  readonly what: string
  /** Whether it holds, in a word. */
  readonly outcome: string
  readonly detail: string
}

/** What a person reads. */
export interface Verdict {
  readonly mark: Mark
  readonly title: string
  readonly sentences: readonly string[]
  readonly steps: readonly Step[]
}

/** What was trusted, and why signatures could not be checked, where they could not. */
export interface Circumstances {
  readonly trusted: 'key' | 'policy' | 'nothing'
  readonly hindrance?: 'no WebCrypto' | 'no Ed25519'
}

const WITHOUT_TRUST =
  'Anybody can have made these files: no key was given, so no signature was checked. Get the key of the log, or a ' +
  'policy, from somebody else than whoever gave you the receipt: the operator’s website, a contract, your auditor.'

const RETIRED =
  'The key that signed was followed by another later. Whoever has it can sign such heads still, and that this one is the ' +
  'beginning of the log is not shown here. Ask for a new receipt of the same event.'

const WITHOUT_RESULT =
  'Nothing that was checked is by a key that you trust: the steps say what could not be checked, and why.'

const UNKNOWN_KINDS =
  'This browser does not know a kind of signature that it would take, so those count for nothing here: the steps say ' +
  'which. A later browser may know them, and stele-verify on Node 24 does.'

const HINDRANCES = {
  'no WebCrypto':
    'This browser checks no signatures on a page that was opened like this: by http:// from another machine. Save the ' +
    'page and open the file, or open it by https:// or from localhost.',
  'no Ed25519':
    'This browser does not know the signature Ed25519. Chromium knows it from version 137 on, Firefox from 129, Safari ' +
    'from 17.',
} as const

/** What a person can do about a check that failed. */
const ADVICE: Readonly<Partial<Record<ProofErrorCode, string>>> = {
  'content-mismatch':
    'Either the event was changed, or this receipt is of another event, or a program saved the file anew: an editor ' +
    'that changes a line end or the indentation is enough. Take the file as it was handed out.',
  'root-mismatch':
    'The receipt’s path does not lead to the log’s head: this entry is not shown to be in the log at that place.',
  'signature-invalid': 'A line claims to be the signature of a key that you trust, and it is not.',
  'signature-missing':
    'No key that you trust has signed the log’s head in this receipt. Is it the key of this log? The name before the ' +
    'first plus sign is the log’s. A log may have changed its key since you got yours: then its rotations, ' +
    'newer ones if you gave some, lead from yours to the new one. Ask whoever gave you the receipt for the log’s ' +
    'rotations, and give them below the key; or ask for the new key in the way in which you got the old one.',
  'origin-unexpected': 'The receipt is of another log than the key.',
  'quorum-missing':
    'Too few of the witnesses that your policy demands have cosigned. Ask for a receipt with their cosignatures; until ' +
    'then the log’s operator alone stands for it.',
  'proof-malformed': 'The file that was given as receipt is not one, or it was changed or cut off.',
  'receipt-malformed': 'The file is a proof without the entry and the salt. Ask for a receipt, not for the bare proof.',
  'entry-version': 'A later version of Stele made this receipt. Take a later version of this page.',
}

/** The verdict of a report, whose events are called `eventName`. */
export function readReport(report: Report, eventName: string, circumstances: Circumstances): Verdict {
  const steps = [...report.checks.map(stepOf), ...witnessSteps(report, circumstances)]
  if (report.verdict === 'invalid') return { mark: 'broken', ...invalid(report.checks), steps }
  const place = placeSentence(report, eventName)
  if (report.verdict === 'valid') {
    const title = 'This event is what was recorded.'
    return { mark: 'verified', title, sentences: [place, ...trustSentences(report, circumstances)], steps }
  }
  const reason = hindranceSentence(report, circumstances)
  const title =
    reason === undefined
      ? 'It all fits together, and nobody whom you trust vouches for it.'
      : 'It all fits together, and the signature could not be checked here.'
  const isRetired = report.checks.some(({ what, ok }) => what === 'the retired key' && ok === 'not checked')
  const without = circumstances.trusted === 'nothing' ? WITHOUT_TRUST : isRetired ? RETIRED : WITHOUT_RESULT
  return { mark: 'not checked', title, sentences: [reason ?? without, `If it is true: ${place}`], steps }
}

/** What this browser lacks to come to a verdict, where it lacks something. */
function hindranceSentence({ checks }: Report, { hindrance, trusted }: Circumstances): string | undefined {
  if (hindrance !== undefined) return HINDRANCES[hindrance]
  const isUnknown = checks.some(({ ok, code }) => ok === 'not checked' && code === 'algorithm-unsupported')
  return trusted !== 'nothing' && isUnknown ? UNKNOWN_KINDS : undefined
}

/** The steps in a line that is taken in at a glance: those of the second receipt of a file are one. */
export function jointsOf(steps: readonly Step[]): Step[] {
  const shown = steps.filter(({ what }) => !/other (?:keys|signatures)$/.test(what))
  const heads = shown.filter(isOfHeads)
  const worst = heads.find(({ mark }) => mark === 'broken') ?? heads.find(({ mark }) => mark !== 'verified') ?? heads[0]
  const joint = worst === undefined ? [] : [{ ...worst, what: 'heads' }]
  const own = shown.filter((step) => !isOfHeads(step))
  const witnesses = own.filter(({ what }) => what === WITNESSES)
  return [...own.filter((step) => !witnesses.includes(step)), ...joint, ...witnesses]
}

function isOfHeads({ what }: Step): boolean {
  return what.startsWith('heads: ')
}

const WITNESSES = 'the witnesses'

/** `2026-11-18T20:53:12.123Z` as people write it. */
export function timeText(at: string): string {
  const month = MONTHS[Number(at.slice(5, 7)) - 1] ?? ''
  return `${Number(at.slice(8, 10))} ${month} ${at.slice(0, 4)}, ${at.slice(11, 19)} UTC`
}

export function countText(count: number): string {
  return count.toLocaleString('en-US')
}

/** Clocks of honest machines differ by less. */
const CLOCK_SLACK_SECONDS = 60

/** The last second of the year 9999. */
const LAST_SECOND = 253_402_300_799

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** A time in Unix seconds, in words; a witness can name one that no calendar has. */
function secondsText(seconds: number): string {
  if (seconds > LAST_SECOND) return `a time that no calendar has (${seconds} seconds after 1970)`
  return timeText(new Date(seconds * 1_000).toISOString())
}

function stepOf({ what, ok, detail, place }: Check): Step {
  const at = placeText(place)
  const text = printable(at === '' ? detail : `${detail} (${at})`)
  if (ok === 'not checked') return { mark: 'not checked', what: printable(what), outcome: 'not checked', detail: text }
  return ok
    ? { mark: 'verified', what: printable(what), outcome: 'holds', detail: text }
    : { mark: 'broken', what: printable(what), outcome: 'does not hold', detail: text }
}

function placeText({ line, offset, field, position }: Check['place'] & object = {}): string {
  return [
    line === undefined ? '' : `line ${line}`,
    offset === undefined ? '' : `byte ${offset}`,
    field === undefined ? '' : `field ${field}`,
    position === undefined ? '' : `number ${position}`,
  ]
    .filter((text) => text !== '')
    .join(', ')
}

function invalid(checks: readonly Check[]): Pick<Verdict, 'title' | 'sentences'> {
  const failed = checks.find(({ ok }) => ok === false)
  const advice = failed?.code === undefined ? undefined : ADVICE[failed.code]
  const reason = failed === undefined ? [] : [sentence(`What does not hold is ${failed.what}: ${failed.detail}`)]
  return {
    title: 'This is not shown to be what was recorded. Do not rely on it.',
    sentences: [...reason, ...(advice === undefined ? [] : [advice])],
  }
}

function placeSentence({ origin = '', index = 0, size = 0, entry }: Report, eventName: string): string {
  const when = entry === undefined ? '' : ` on ${timeText(entry.at)}, by the log’s clock`
  return (
    `${printable(eventName)} is, byte for byte, what the log ${printable(origin)} recorded${when}: ` +
    `event number ${countText(index)}, counted from 0, of the ${countText(size)} that it held when it signed.`
  )
}

function trustSentences(report: Report, { trusted }: Circumstances): string[] {
  const { cosignatures: seen = [], entry, heads, origin = '', keys = [] } = report
  const via =
    heads === undefined
      ? []
      : [
          `The head of ${printable(origin)} is itself entry number ${countText(heads.index ?? 0)} of ` +
            `${printable(heads.origin)}, in which its server records the heads of all its logs.`,
        ]
  if (trusted === 'key') {
    return [
      ...via,
      `${signerWords(keys.find(({ rotations = 0 }) => rotations > 0)?.rotations ?? 0)} has signed for all of it: the event cannot be changed, dropped or moved without ` +
        'contradicting that signature, which you now hold.',
      'No witness was asked. That the log shows everybody the same history rests on whoever holds its key; a policy ' +
        'with witnesses would show more.',
    ]
  }
  if (seen.length === 0) {
    return [
      ...via,
      'A log of your policy has signed for all of it. Your policy demands no witness, and none that it knows cosigned.',
    ]
  }
  const names = seen.map(({ witness, time }) => `${printable(witness)} on ${secondsText(time)}`)
  // What all of them vouch for: the last of the times.
  const latest = Math.max(...seen.map(({ time }) => time))
  const isEarlier = entry !== undefined && Date.parse(entry.at) > (latest + CLOCK_SLACK_SECONDS) * 1_000
  return [
    ...via,
    `A log of your policy has signed for all of it, and ${seen.length === 1 ? 'one witness' : `${seen.length} witnesses`} ` +
      `of your policy saw that log’s head: ${names.join('; ')}.`,
    `So it was recorded before ${secondsText(latest)}, whatever the log’s own clock said, and the log cannot have ` +
      'shown those witnesses another history.',
    ...(isEarlier ? ['The log’s clock says that this was later: it was wrong, or the witnesses’ clocks were.'] : []),
  ]
}

function signerWords(rotationCount: number): string {
  if (rotationCount === 0) return 'The key that you gave'
  const led =
    rotationCount === 1
      ? 'the log’s rotation, which that one has signed, leads'
      : `${countText(rotationCount)} rotations of the log, each signed by the key before it, lead`
  return `A later key, to which from the one that you gave ${led},`
}

/** The last joint is always the witnesses: a person should see, too, that none was asked. */
function witnessSteps({ verdict, cosignatures = [] }: Report, { trusted }: Circumstances): Step[] {
  if (verdict !== 'valid') return []
  if (cosignatures.length > 0) {
    const detail = cosignatures.map(({ witness, time }) => `${printable(witness)} on ${secondsText(time)}`).join('; ')
    return [{ mark: 'verified', what: WITNESSES, outcome: `${cosignatures.length} saw it`, detail }]
  }
  const detail =
    trusted === 'key' ? 'a key alone names no witnesses; a policy does' : 'none that the policy knows has cosigned'
  return [{ mark: 'not yet witnessed', what: WITNESSES, outcome: 'not witnessed', detail }]
}

function sentence(text: string): string {
  return printable(/[.!?]$/.test(text) ? text : `${text}.`)
}
