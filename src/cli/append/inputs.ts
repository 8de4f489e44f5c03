// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which files the words of the command line mean. All are looked at before anything is sent.

import { join } from 'node:path'

import { printable } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure, usageFailure } from '../failure.ts'

export interface Input {
  /** As the user would write it, fit to be shown. */
  readonly name: string
  /** Undefined for standard input. */
  readonly path: string | undefined
  /** Undefined where only reading it tells. */
  readonly sizeBytes: number | undefined
  /** Whether it was named itself; else it was found in a folder. */
  readonly isNamed: boolean
}

export interface Inputs {
  readonly inputs: readonly Input[]
  /** What of the folders is left out, and why. */
  readonly passedOver: readonly { readonly name: string; readonly why: string }[]
  /** Folders that were named and have no file to send. */
  readonly emptyFolders: readonly string[]
}

const NOTHING_SENT = 'Nothing was stored'

export async function inputsOf(operands: readonly string[], environment: Environment): Promise<Inputs> {
  const found: Found = { inputs: [], passedOver: [], emptyFolders: [] }
  if (operands.length === 0 && environment.stdin.isTerminal) {
    throw usageFailure('append needs a FILE or a DIR, or - for standard input', 'As in: stele append export.json')
  }
  for (const operand of operands.length === 0 ? ['-'] : operands) {
    if (operand === '-') {
      if (found.inputs.some(({ path }) => path === undefined)) throw usageFailure('- was given twice', 'Give it once')
      found.inputs.push({ name: 'standard input', path: undefined, sizeBytes: undefined, isNamed: true })
    } else {
      await addNamed(operand, environment, found)
    }
  }
  return found
}

interface Found {
  readonly inputs: Input[]
  readonly passedOver: { name: string; why: string }[]
  readonly emptyFolders: string[]
}

async function addNamed(operand: string, environment: Environment, found: Found): Promise<void> {
  const path = pathOf(environment, operand)
  const status = await reading(operand, () => environment.files.status(path, 'follow'))
  const name = printable(operand)
  if (status === undefined) throw new Failure(3, `there is no file or folder ${name}`, NOTHING_SENT)
  if (status.kind === 'directory') {
    const before = found.inputs.length
    await addFolder(operand, path, environment, found)
    if (found.inputs.length === before) found.emptyFolders.push(name)
  } else
    found.inputs.push({ name, path, sizeBytes: status.kind === 'file' ? status.sizeBytes : undefined, isNamed: true })
}

/** In the order of names. Links are not followed: they lead out of the folder, or to what is in it anyway. */
async function addFolder(shown: string, path: string, environment: Environment, found: Found): Promise<void> {
  const names = await reading(shown, () => environment.disk.list(path))
  if (names.includes('LOCK') && names.includes('wal')) {
    found.passedOver.push({ name: printable(shown), why: 'a data directory of Stele, with its keys' })
    return
  }
  for (const name of names) {
    if (name.startsWith('.')) continue
    const below = join(path, name)
    const belowShown = join(shown, name)
    const status = await reading(belowShown, () => environment.files.status(below, 'show'))
    if (status?.kind === 'directory') await addFolder(belowShown, below, environment, found)
    else if (status?.kind === 'file') {
      found.inputs.push({ name: printable(belowShown), path: below, sizeBytes: status.sizeBytes, isNamed: false })
    } else if (status !== undefined) {
      const why = status.kind === 'link' ? 'a symbolic link' : 'not a regular file'
      found.passedOver.push({ name: printable(belowShown), why })
    }
  }
}

async function reading<T>(shown: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw fileFailure(error, shown, 'read', NOTHING_SENT)
  }
}
