// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the commands that verify have in common.

import { parsePolicy, parseVkey, type Policy, ProofError } from '@stele/proof'

import { givenRotations } from '@stele/proof/folder'
import { readRotations } from '@stele/proof/node-files'

import type { KnownLogs } from '../../evidence/known-logs.ts'
import { printable } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure, usageFailure } from '../failure.ts'

export const NOTHING_SHOWN = 'Nothing was verified'

/** What the caller trusts, and how to answer. */
export interface VerifyOptions {
  readonly vkey: string | undefined
  readonly policy: Policy | undefined
  /** Name of a file, or folder, of statements that lead on from the key. */
  readonly rotations: string | undefined
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

/** The statements of one log in what --rotations names. */
export function givenRotationsOf(name: string, origin: string, environment: Environment): string[] {
  try {
    const bytes = readRotations(pathOf(environment, name))
    if (bytes !== undefined) return givenRotations(bytes, origin)
  } catch (error) {
    if (error instanceof ProofError) throw rotationsFailure(name, error.message)
    if (error instanceof RangeError) throw rotationsFailure(name, error.message)
    throw fileFailure(error, name, 'read', NOTHING_SHOWN)
  }
  throw new Failure(
    3,
    `${printable(name)} could not be read: there is no such file or folder of rotations`,
    NOTHING_SHOWN,
  )
}

function rotationsFailure(name: string, what: string): Failure {
  const mend =
    "Give what 'stele key list --rotations' prints, GET /v1/ledgers/LEDGER/keys answers, or an export's folder rotations"
  return usageFailure(`--rotations ${printable(name)} cannot be used: ${printable(what)}`, mend)
}

/** A key on the command line. */
export function vkeyOf(text: string): string {
  try {
    parseVkey(text)
    return text
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw usageFailure(`--key is not a key: ${error.message}`, 'Give it as NAME+ID+BASE64, in quotes')
  }
}

export async function policyOf(name: string, environment: Environment): Promise<Policy> {
  const bytes = await readNamed(name, environment)
  try {
    return parsePolicy(bytes)
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    const line = error.place.line === undefined ? '' : `, line ${error.place.line}`
    throw usageFailure(`${printable(name)}${line}: ${printable(error.message)}`, 'Mend the policy')
  }
}
