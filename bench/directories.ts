// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Data directories that are filled without a network between. */
import { join } from 'node:path'
import type { Ledgers } from '../src/ledger/ledgers.ts'
import { cut } from '../src/sources/cut.ts'

const WRITERS = 8

/** Of a directory that has the server's files and what is kept outside of them beside each other in `folder`. */
export function directoryConfig(folder: string) {
  return {
    dataDirectory: join(folder, 'data'),
    head: join(folder, 'head'),
    stateDirectory: join(folder, 'state'),
    name: 'stele.bench',
    version: 'bench',
    log: () => {},
  }
}

/** Appends the NDJSON bodies in turn until `main` has so many entries, or a few more. */
export async function fillTo(
  ledgers: Ledgers,
  entryCount: number,
  bodies: readonly Buffer[],
  /** Called now and then with the size. */
  onProgress: (size: number) => void = () => {},
): Promise<void> {
  const batches = bodies.map((body) => ({ ...cut(body, 'application/x-ndjson'), body, by: 'bench' }))
  let asked = ledgers.log('main').size
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let turn = writer; asked < entryCount; turn += WRITERS) {
      const batch = batches[turn % batches.length]!
      asked += batch.count
      onProgress((await ledgers.append('main', batch)).size)
    }
  })
  await Promise.all(writers)
}
