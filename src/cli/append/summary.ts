// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What `append` says at its end.

import { bytesText, count, counted, entries } from '../display.ts'
import type { SendingFile, Stored } from './sender.ts'

const SHOWN_NAMES = 5

export interface AppendOutcome {
  readonly ledger: string
  readonly url: string
  readonly stored: Stored
  readonly files: readonly SendingFile[]
  /** Files and folders that have nothing in them. */
  readonly empty: readonly string[]
  readonly elapsedMs: number
  /** Where not all was sent: the number of events that a next run leaves out. */
  readonly goOnWith: number | undefined
  /** Whether the same command goes on by itself. */
  readonly isNoted: boolean
}

export function summaryText(outcome: AppendOutcome): string {
  const { ledger, stored, elapsedMs, goOnWith, isNoted } = outcome
  const barren = barrenText(outcome)
  const { events, duplicates, requests, bytes, first, last, size, root } = stored
  const lines: string[] = []
  if (first === undefined || last === undefined) {
    const why = barren === '' ? whySkipped(outcome) : `: ${barren}`
    lines.push(`Nothing was stored${duplicates === 0 ? why : `: ${thereAlready(duplicates)}`}.`)
  } else {
    const isGapless = last - first + 1 === events
    const where =
      events === 1
        ? `as number ${first}`
        : `as numbers ${first} to ${last}${isGapless ? '' : ', with events of others between'}`
    const seconds = (elapsedMs / 1000).toFixed(1)
    lines.push(
      `Stored ${counted(events, 'event')} in the ledger ${ledger} ${where} (${bytesText(bytes)}, ${counted(requests, 'request')}, ${seconds} s).`,
    )
    if (duplicates > 0) lines.push(`Besides, ${thereAlready(duplicates)}.`)
    if (size !== undefined && root !== undefined) {
      lines.push(`The ledger now has ${entries(size)}; its root is ${rootText(root)}.`)
    }
    if (barren !== '') lines.push(`Of what was named, ${barren}.`)
    lines.push(`Next: stele prove ${last} --ledger ${ledger}`)
  }
  if (goOnWith !== undefined && goOnWith > 0) {
    const how = isNoted ? 'the same command once more' : `the same command with --skip ${goOnWith}`
    lines.push(`To go on where this stopped: ${how}`)
  }
  return `${lines.join('\n')}\n`
}

function thereAlready(duplicates: number): string {
  return `${counted(duplicates, 'event')} ${duplicates === 1 ? 'was' : 'were'} there already`
}

/** Which of the files have no events; nothing where not all were read. */
function barrenText({ empty, files, goOnWith }: AppendOutcome): string {
  const names = [...empty, ...files.filter(({ events }) => events === 0).map(({ name }) => name)]
  if (goOnWith !== undefined || names.length === 0) return ''
  const more = names.length > SHOWN_NAMES ? ` and ${count(names.length - SHOWN_NAMES)} more` : ''
  return `there are no events in ${names.slice(0, SHOWN_NAMES).join(', ')}${more}`
}

function whySkipped({ files, isNoted }: AppendOutcome): string {
  const skipped = files.reduce((sum, file) => sum + file.skipped, 0)
  if (skipped > 0 && isNoted) return `: all of it was before, ${counted(skipped, 'event')}. --again stores it once more`
  return skipped === 0 ? '' : `: --skip leaves out all there is, ${counted(skipped, 'event')}`
}

export function summaryJson({ ledger, url, stored, files, empty, goOnWith }: AppendOutcome): object {
  const { events, duplicates, requests, bytes, first, last, size, root } = stored
  return {
    ledger,
    url,
    events,
    ...(duplicates === 0 ? {} : { duplicates }),
    ...(first === undefined ? {} : { first, last }),
    ...(size === undefined || root === undefined ? {} : { size, root: Buffer.from(root).toString('base64') }),
    requests,
    bytes,
    files: files.map((file) => ({
      name: file.name,
      events: file.events - file.skipped,
      skipped: file.skipped,
      ...(file.first === undefined ? {} : { first: file.first, last: file.last }),
    })),
    ...(empty.length === 0 ? {} : { empty }),
    ...(goOnWith === undefined ? {} : { goOnWith }),
  }
}

function rootText(root: Uint8Array): string {
  const hex = Buffer.from(root).toString('hex')
  return `${hex.slice(0, 8)}…${hex.slice(-4)}`
}
