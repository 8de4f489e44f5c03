// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What a verification of a directory showed, in sentences: exactly that, and not more. */
import type { Finding, FirstBad } from './finding.ts'
import type { HeldHead } from './kept-heads.ts'
import type { DirectoryReport } from './verify-directory.ts'

const SHOWN_FINDINGS = 20

/** The verdict and what it rests on: one paragraph an item. */
export function verdictWords(report: DirectoryReport): string[] {
  switch (report.verdict) {
    case 'unchanged':
      return unchangedWords(report)
    case 'signed':
      return signedWords(report)
    case 'self-consistent':
      return selfConsistentWords(report)
    case 'changed':
      return changedWords(report)
  }
}

function unchangedWords({ heads, coveredCount, entryCount }: DirectoryReport): string[] {
  const newer = entryCount - coveredCount
  const words = [
    `Nothing in these ${entries(coveredCount)}, nor in their events, has changed since ${heads.map(headWords).join(' and ')}.`,
  ]
  if (newer > 0) {
    const are = newer === 1 ? 'entry is' : 'entries are'
    words.push(
      `${count(newer)} more ${are} newer than that head. All of it fits together, but whoever holds the keys in this ` +
        'directory could have rewritten what is newer; a receipt, or the next head, covers it.',
    )
  }
  return words
}

function signedWords({ ledgers }: DirectoryReport): string[] {
  const pinned = ledgers.filter((ledger) => ledger.isPinned && ledger.published > 0)
  const parts = pinned.map(({ name, published }) => `the first ${entries(published)} of ${name}`)
  return [
    `Nothing in ${parts.join(' and ')} has changed since the key that you gave signed them, unless its holder did it.`,
    'Whoever holds that key could have rewritten and signed them again. Only something that they could not reach shows ' +
      'that nobody did: a head kept outside (--head FILE), a receipt in other hands, or a witness.',
  ]
}

function selfConsistentWords({ entryCount, ledgers }: DirectoryReport): string[] {
  const many = ledgers.filter((ledger) => ledger.size > 0).length
  return [
    `These ${entries(entryCount)} in ${count(many)} ledgers are self-consistent: each event fits its entry, each entry its tree, each published head its key.`,
    'That does not show that they are the ones that were recorded: whoever holds the keys in this directory could have ' +
      'rewritten all of it. Hold it against something that they could not reach: a head kept outside (--head FILE), a ' +
      'receipt (stele verify EVENT PROOF --key KEY), or a witness.',
  ]
}

/** It may be a copy from before, or what a thief of newer entries left: the directory alone cannot tell. */
function olderWords({ heads: kept, witnessed, entryCount }: DirectoryReport): string[] {
  const heads = witnessed.head === undefined ? kept : [...kept, witnessed.head]
  const ahead = heads.filter(({ missing = 0 }) => missing > 0)
  const counts = ahead.map(
    (head) => `${headWords(head)}, counts ${entries(head.missing ?? 0)} of ${head.ledger} that are not here`,
  )
  const holding = heads.filter((head) => head.holds).map(headWords)
  const fit =
    holding.length === 0
      ? `The ${entries(entryCount)} that are here are self-consistent: nothing was found wrong in them.`
      : `What is here fits together, and holds against ${holding.join(' and ')}.`
  return [
    `This is older than what was published: ${counts.join(', and ')}. ${fit}`,
    'So it is with a backup that is older than that head, and with a directory of which the newest part was taken away. ' +
      'Only the whole that a head counts can be held against it: a head that is not newer than this data (--head FILE) ' +
      'shows whether these entries are the ones that were recorded.',
  ]
}

function changedWords(report: DirectoryReport): string[] {
  const { entriesFit, firstBad, heads, findingCount } = report
  if (report.isOlder) return olderWords(report)
  if (entriesFit) {
    const holds = heads.filter((head) => head.holds).map(headWords)
    const since =
      holds.length === 0 ? 'The entries themselves fit together' : `No entry has changed since ${holds.join(' and ')}`
    return [`${since}. ${objectionWords(findingCount)} beside them:`]
  }
  const first = firstBad === undefined ? '' : ` ${firstBadWords(firstBad)}`
  return [`This is not what was recorded.${first} ${objectionWords(findingCount)}:`]
}

export function objectionWords(findingCount: number): string {
  return findingCount === 1 ? 'One thing is not as it must be' : `${count(findingCount)} things are not as they must be`
}

export function firstBadWords({ ledger, index, count: many }: FirstBad): string {
  if (many === 1) return `The first bad entry is ${ledger} ${index}.`
  return `The first bad entry is one of ${ledger} ${index} to ${index + many - 1}.`
}

function headWords({ where, ledger, size }: HeldHead): string {
  return `the head of ${ledger} at ${entries(size)}, kept in ${where}`
}

/** Names of segments, which hold two hashes, as prose can bear them. */
export function shortNames(text: string): string {
  return text.replaceAll(/([0-9]{16}-[0-9]+)-([0-9a-f]{8})[0-9a-f]{56}-([0-9a-f]{8})[0-9a-f]{56}/g, '$1-$2…-$3…')
}

/** One finding in one line, and what was expected and found in lines below it. */
function findingLines({ file, offset, ledger, index, count: many = 1, what, expected, found }: Finding): string[] {
  const bytes = offset === undefined ? '' : ` at byte ${offset}`
  const last = index === undefined || many === 1 ? '' : ` to ${index + many - 1}`
  const entry = ledger === undefined || index === undefined ? '' : `${ledger} ${index}${last}`
  const place = [...(file === undefined ? [] : [`${file}${bytes}`]), ...(entry === '' ? [] : [entry])].join(', ')
  const details = [
    ...(expected === undefined ? [] : [`    expected ${shortNames(expected)}`]),
    ...(found === undefined ? [] : [`    found    ${shortNames(found)}`]),
  ]
  return [`  ${place === '' ? '' : `${place}: `}${shortNames(what)}`, ...details]
}

/** The findings for people, as many as anybody reads. */
export function findingsText(findings: readonly Finding[], findingCount: number): string[] {
  const lines = findings.slice(0, SHOWN_FINDINGS).flatMap(findingLines)
  const more = findingCount - Math.min(findings.length, SHOWN_FINDINGS)
  return more > 0 ? [...lines, `  and ${count(more)} more`] : lines
}

function entries(figure: number): string {
  return figure === 1 ? '1 entry' : `${count(figure)} entries`
}

function count(figure: number): string {
  return figure.toLocaleString('en-US')
}
