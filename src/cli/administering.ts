// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Administration on the directory of a stopped server, for whoever sits at its machine.

import { join } from 'node:path'

import { Problem } from '../schema/problem.ts'
import type { Administration } from '../state/administration.ts'
import { printable, shellWord } from './display.ts'
import { type Environment, pathOf, stateDirectory } from './environment.ts'
import { Failure } from './failure.ts'

/** What keeps a directory closed is said by name, with what is `safe` then; the rest is a fault. */
export async function administering<T>(
  environment: Environment,
  data: string,
  safe: string | (() => string),
  work: (administration: Administration) => Promise<T>,
): Promise<T> {
  const safeNow = () => (typeof safe === 'string' ? safe : safe())
  const dataDirectory = pathOf(environment, data)
  const status = await environment.files.status(join(dataDirectory, 'wal'), 'follow')
  if (status?.kind !== 'directory') {
    const what = `${printable(data)} is not a data directory of Stele`
    throw new Failure(3, what, safeNow(), "Name the one that 'stele serve' is given with --data")
  }
  try {
    return await environment.administer({ dataDirectory, stateDirectory: stateDirectory(environment) }, work)
  } catch (error) {
    if (error instanceof Problem) throw new Failure(2, printable(error.message), safeNow())
    const { OwnedError } = await import('../ledger/opening.ts')
    if (error instanceof OwnedError) {
      const mend = 'Stop that server first, or leave out --data and use a token of an administrator'
      throw new Failure(2, `${printable(dataDirectory)} is in use by a running server`, safeNow(), mend)
    }
    if (!(error instanceof Error) || !error.name.endsWith('Fault')) throw error
    const mend = `'stele verify --data ${shellWord(dataDirectory)}' says all that is wrong`
    throw new Failure(3, printable(error.message), safeNow(), mend)
  }
}
