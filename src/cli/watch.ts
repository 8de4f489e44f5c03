// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Looks at work that the server does by itself, until it is done or somebody presses Ctrl-C.

import { clipped } from './display.ts'
import type { Environment } from './environment.ts'

const EVERY_MS = 500
const CLEAR = '\r\u001b[K'

/** The last answer, for which `isDone`; undefined where it was interrupted. `line` is shown on a terminal meanwhile. */
export async function watched<T>(
  { clock, stderr, interrupted }: Environment,
  ask: () => Promise<T>,
  isDone: (answer: T) => boolean,
  line: (answer: T) => string,
): Promise<T | undefined> {
  const show = async (text: string) => (stderr.isTerminal ? await stderr.write(`${CLEAR}${text}`) : undefined)
  try {
    while (!interrupted.aborted) {
      const answer = await ask()
      if (isDone(answer)) return answer
      await show(clipped(line(answer), stderr.columns - 1))
      await clock.sleep(EVERY_MS, interrupted)
    }
  } catch (error) {
    if (!interrupted.aborted) throw error
  } finally {
    await show('')
  }
  return undefined
}
