// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Signed heads that somebody else saw, to be held against what this monitor is shown: a file or an address with one
// signed note, or with lines of JSON that each have one in `head`, as another monitor writes them (heads.ndjson).

import { LogClient } from '@stele/sdk'
import { z } from 'zod'

import type { SeenNote } from '../../evidence/monitor/contradiction.ts'
import { SourceSilent } from '../../evidence/monitor/log-source.ts'
import { HeadFault, headOf } from '../../evidence/monitor/log-trust.ts'
import { ServedFault } from '../../evidence/served-ledger.ts'
import { type Environment, pathOf } from '../environment.ts'
import { bounded } from './log-by-sdk.ts'

const lineSchema = z.looseObject({ head: z.string() })
const MAX_BYTES = 64 * 1024 * 1024

/** Reads them; throws a SourceSilent for what cannot be read. */
export async function foreignHeads(names: readonly string[], environment: Environment): Promise<SeenNote[]> {
  const notes: SeenNote[] = []
  for (const name of names) {
    for (const note of notesIn(await textOf(name, environment), name)) notes.push({ note, from: name })
  }
  return notes
}

async function textOf(name: string, environment: Environment): Promise<string> {
  if (/^https?:\/\//.test(name)) return await fetched(name, environment)
  try {
    const bytes = await environment.disk.readFile(pathOf(environment, name), 'any')
    if (bytes === undefined) throw new SourceSilent(`${name}: there is no such file`)
    if (bytes.length > MAX_BYTES) throw new SourceSilent(`${name} has more than ${MAX_BYTES} bytes`)
    return bytes.toString('utf8')
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw new SourceSilent(`${name}: ${error.message}`)
    throw error
  }
}

async function fetched(url: string, { fetch, clock, interrupted }: Environment): Promise<string> {
  const client = LogClient.at({ url, fetch, sleep: async (ms, signal) => await clock.sleep(ms, signal) })
  try {
    const bytes = await bounded({ clock, interrupted }, async (signal) => await client.document(MAX_BYTES, { signal }))
    return Buffer.from(bytes).toString('utf8')
  } catch (error) {
    if (error instanceof ServedFault || error instanceof SourceSilent)
      throw new SourceSilent(`${url}: ${error.message}`)
    throw error
  }
}

function notesIn(text: string, name: string): string[] {
  const notes = text.startsWith('{') ? text.split('\n').flatMap((line) => noteOf(line, name)) : [text]
  for (const note of notes) {
    try {
      headOf(Buffer.from(note))
    } catch (error) {
      if (error instanceof HeadFault) throw new SourceSilent(`${name} holds no signed heads: ${error.message}`)
      throw error
    }
  }
  return notes
}

/** Lines of other kinds, as a monitor prints them with --json, say nothing here. */
function noteOf(line: string, name: string): string[] {
  if (line === '') return []
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data.head] : []
  } catch {
    throw new SourceSilent(`${name} holds a line that is not JSON`)
  }
}
