// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an event changed, a line each: all of the old value and all of the new one. What Entra adds to every change and
// what says nothing by itself is left out, but where nothing else is told; JSON has all of it.

import type { Change, TimelineHit } from '@stele/sdk'

import { counted, printable, wrapped } from '../display.ts'

const HANGING_CHARS = 4

/** Fit to be shown, in lines of at most `width` characters where words allow it. */
export function changeLines({ source, changes, moreChanges }: TimelineHit, width: number): string[] {
  const telling = source.startsWith('entra') ? changes.filter(({ name }) => !isRepetition(name)) : changes
  const lines = (telling.length === 0 ? changes : telling).flatMap((change) => changeText(change, width))
  return moreChanges === 0 ? lines : [...lines, `… and ${counted(moreChanges, 'more change')}`]
}

/** The names of what changed, once more; of what type the user is; that it changed. */
function isRepetition(name: string): boolean {
  return name === 'Included Updated Properties' || name === 'TargetId.UserType' || /(^|\.)modifiedDateTime$/.test(name)
}

function changeText({ target, name, old, new: now }: Change, width: number): string[] {
  const whose = target === undefined ? '' : `${target}: `
  const values = old === undefined ? `+ ${now ?? ''}` : now === undefined ? `- ${old}` : `${old} → ${now}`
  const [first = '', ...rest] = wrapped(printable(`${whose}${name}: ${values}`), width - HANGING_CHARS)
  return [first, ...rest.map((line) => ' '.repeat(HANGING_CHARS) + line)]
}
