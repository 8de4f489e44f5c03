// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What `stele-verify` says. Names and texts are of whoever is verified: what a terminal would act on is written out.

import { printable, printableJson } from '../folder/printable.ts'
import type { FolderFinding, FolderReport } from '../folder/index.ts'
import { toBase64, type Report } from '../src/index.ts'
import { counted, secondsText } from '../src/summary.ts'

/** JSON in characters that are safe to show; hashes are base64. */
export function jsonLine(value: unknown): string {
  const plain = (key: string, part: unknown) => {
    if (key === 'rootsAt') return undefined
    return part instanceof Uint8Array ? toBase64(part) : part
  }
  return `${printableJson(JSON.stringify(value, plain))}\n`
}

/** The verdict on a receipt or a checkpoint: a line a check, and then what they come to, with what was not checked. */
export function reportText({ verdict, checks, summary, origin, index, size = 0, time }: Report, hint: string): string {
  const words = { true: 'ok  ', false: 'BAD ', 'not checked': '-   ' }
  const isGood = verdict !== 'invalid'
  const listed = isGood ? checks.filter(({ ok }) => ok === true) : checks
  const lines = listed.map(({ what, ok, detail }) => `${words[`${ok}`]} ${what}: ${detail}`)
  const recorded = time === undefined ? '' : `, recorded ${time}`
  const of =
    index === undefined
      ? `${counted(size, 'entry', 'entries')} of ${origin}`
      : `number ${index} of ${origin}${recorded}`
  const hints = hint === '' ? [] : [`-    ${hint}`]
  return linesText([...lines, ...hints, ...(isGood ? summary : []), `${verdict}${isGood ? ` (${of})` : ''}`])
}

/** The verdict on a folder. */
export function folderText(report: FolderReport, verdict: Report['verdict']): string {
  const { origin, size, root, contents, signedBy, signers, firstBad, findings, findingCount, cosignatures } = report
  const behind = signers.length - 1
  const led = behind > 0 ? `the key ${counted(behind, 'rotation')} behind the one` : 'the key'
  const signatures: Record<FolderReport['signedBy'], string> = {
    'trusted key': `ok   the head: signed by ${led} that you gave${ledWords(signers)}`,
    policy: `ok   the head: signed as the policy demands, ${witnessWords(cosignatures)}`,
    'own key': '-    the head: signed by the key that lies beside it, which shows only that both fit together',
    nobody: '-    the head: its signature is not checked',
  }
  const events =
    contents === undefined
      ? '-    events: there are none with the entries'
      : `ok   events: those of the entries ${contents.first} to ${contents.end - 1} are what the entries commit to`
  const good = [
    signatures[signedBy],
    `ok   entries and tiles: ${counted(size, 'entry', 'entries')} give the root ${root}`,
    events,
  ]
  const bad = findings.map((finding) => `BAD  ${findingWords(finding)}`)
  const more = findingCount > findings.length ? [`BAD  and ${findingCount - findings.length} more`] : []
  const first = firstBad === undefined ? '' : `, first bad entry ${rangeWords(firstBad.index, firstBad.count)}`
  const last =
    verdict === 'invalid' ? `invalid${first}` : `${verdict} (${counted(size, 'entry', 'entries')} of ${origin})`
  return linesText([...(findingCount === 0 ? good : [...bad, ...more]), last])
}

/** Where each key ended that was followed on the way to the one that signed. */
function ledWords(signers: FolderReport['signers']): string {
  const ends = signers.slice(0, -1).map(({ until = 0 }) => counted(until, 'entry', 'entries'))
  return ends.length === 0 ? '' : `, followed at ${ends.join(' and at ')}; each has signed who follows it`
}

/** Which witnesses of the policy saw the head, and when by their own clocks. */
function witnessWords(cosignatures: FolderReport['cosignatures']): string {
  if (cosignatures.length === 0) return 'with no cosignature that it knows'
  const seen = cosignatures.map(({ witness, time }) => `${witness} on ${secondsText(time)}`).join(', ')
  return `with ${counted(cosignatures.length, 'cosignature')} that it knows: ${seen}`
}

function findingWords({ file, offset, index, count = 1, what, expected, found }: FolderFinding): string {
  const place = [
    `${file}${offset === undefined ? '' : ` at byte ${offset}`}`,
    ...(index === undefined ? [] : [`entry ${rangeWords(index, count)}`]),
  ].join(', ')
  const values = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ]
  return `${place}: ${what}${values.length === 0 ? '' : ` (${values.join(', ')})`}`
}

function rangeWords(index: number, count: number): string {
  return count === 1 ? String(index) : `one of ${index} to ${index + count - 1}`
}

function linesText(lines: readonly string[]): string {
  return `${lines.map(printable).join('\n')}\n`
}
