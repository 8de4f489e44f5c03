// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the three kinds of `stele verify` have in common.

import type { Policy } from '@stele/proof'

import type { KnownLogs } from '../../evidence/known-logs.ts'
import { printable } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure } from '../failure.ts'

export const NOTHING_SHOWN = 'Nothing was verified'

/** What the caller trusts, and how to answer. */
export interface VerifyOptions {
  readonly vkey: string | undefined
  readonly policy: Policy | undefined
  readonly heads: readonly string[]
  readonly ledger: string | undefined
  readonly token: string | undefined
  readonly withContent: boolean
  readonly isJson: boolean
  readonly knownLogs: KnownLogs
}

/** A file that the command line names: it must be there. */
export async function readNamed(name: string, environment: Environment): Promise<Buffer> {
  try {
    const bytes = await environment.disk.readFile(pathOf(environment, name), 'any')
    if (bytes !== undefined) return bytes
  } catch (error) {
    throw fileFailure(error, name, 'read', NOTHING_SHOWN)
  }
  throw new Failure(3, `${printable(name)} could not be read: there is no such file`, NOTHING_SHOWN)
}
