// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a sentence has what an event chose. Whoever names an app or a group writes into the sentences about it, so a name
// stands bare only where it cannot be read as more than a name: one word, as sign-in names and ids are. Any other
// stands in quotes that it cannot close.

import type { User } from '../schema/ocsf-objects.ts'
import { clip } from './json.ts'

const MAX_SPOKEN_CHARS = 80

/** Names of ordinary length whole, and no more than a line of any other. */
export function spoken(name: string, maxChars: number = MAX_SPOKEN_CHARS): string {
  return name.length <= maxChars && isBare(name) ? name : quoted(name, maxChars)
}

export function quoted(name: string, maxChars: number = MAX_SPOKEN_CHARS): string {
  return `“${clip(name, maxChars).replaceAll(/["“”„‟«»]|\p{Bidi_Control}/gu, "'")}”`
}

/** Letters that are not shown count as none. */
function isBare(name: string): boolean {
  return (
    /^[\w.@+#-]+$/.test(name) || (/^[\w.@+#\-\p{L}]+$/u.test(name) && !/\p{Default_Ignorable_Code_Point}/u.test(name))
  )
}

/** Whether a display name passes for a name to sign in with. Anybody may call themself like somebody else. */
export function isGuise(displayName: string | undefined): displayName is string {
  return displayName?.includes('@') === true
}

/** Who a user is, where nothing says so but their display name. */
export function calledUser(displayName: string): string {
  return `the user called ${quoted(displayName)}`
}

/** A user as `userOf` makes them: without a name they bear a display name that is in quotes already. */
export function spokenUser({ name, uid, display_name }: Pick<User, 'name' | 'uid' | 'display_name'>): string {
  if (name !== undefined) return spoken(name)
  if (display_name !== undefined) return `the user called ${display_name}`
  return uid === undefined ? 'somebody' : spoken(uid)
}

/** At the begin of a sentence; a name itself stays as it is. */
export function capital(words: string): string {
  return /^(?:the|somebody) /.test(words) ? words.charAt(0).toUpperCase() + words.slice(1) : words
}
