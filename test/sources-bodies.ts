// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the tests of the intake share: draws from a seed, cut bodies as strings, refusals, and fixture lines.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Problem } from '../src/schema/problem.ts'
import { type BodyMedia, cut } from '../src/sources/cut.ts'

export type Draw = (below: number) => number

/** Draws whole numbers below a bound (mulberry32): the same ones for the same seed. */
export function drawsFrom(seed: number): Draw {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export function pick<T>(draw: Draw, from: readonly T[]): T {
  return from[draw(from.length)]!
}

/** Events as text that shows every byte, with their source types. */
export function eventsOf(
  body: Buffer | string,
  media: BodyMedia = 'application/json',
  type?: string,
): readonly (readonly [type: string, bytes: string])[] {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const { count, starts, ends, sources, kinds } = cut(bytes, media, type === undefined ? undefined : { type })
  return Array.from({ length: count }, (_, position) => {
    const event = bytes.subarray(starts[position], ends[position])
    return [sources[kinds[position]!]!, event.toString('latin1')] as const
  })
}

/** As `eventsOf` shows text. */
export function shown(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** The refusal that `run` throws. */
export function refusalOf(run: () => unknown): Problem {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof Problem, `not a problem: ${String(error)}`)
    return error
  }
  return assert.fail('nothing was refused')
}

export const sharedFixtures = join(import.meta.dirname, '../../shared/fixtures')
export const sharedSkip = existsSync(sharedFixtures) ? false : 'the shared fixtures are not beside this folder'

/** Lines of every `.ndjson` file in a folder, without what describes them. */
export function linesIn(folder: string, file: RegExp = /(?<!\.index)\.ndjson$/): readonly string[] {
  const names = readdirSync(folder).filter((name) => file.test(name))
  return names.flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== ''),
  )
}
