// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'
import { defineCommand } from '../command.ts'
import { jsonOption } from '../connect.ts'
import { jsonLine, printable } from '../display.ts'
import { Failure } from '../failure.ts'
import { keyWords } from '../key-words.ts'
import { witnessDataOption, witnessDirectory } from './serve.ts'

export const key = defineCommand({
  name: 'key',
  summary: 'Prints the public keys of the witness in a folder',
  description:
    'The Ed25519 key is a vkey: what a policy names, and a log is told. The ML-DSA-44 key, which may be told instead, is long and stands whole in --json.',
  operands: '',
  options: { ...witnessDataOption, ...jsonOption },
  examples: [
    { command: 'stele witness key', does: 'prints the keys of the witness in ./stele-witness' },
    { command: 'stele witness key --json', does: 'prints the name and both keys whole' },
  ],
  run: async ({ options }, environment) => {
    const { readWitnessKey, WITNESS_KEY_FILE } = await import('../../witness/witnessing/witness-key.ts')
    const { WitnessFault } = await import('../../witness/witnessing/fault.ts')
    const directory = witnessDirectory(options.data, environment)
    const found = await readWitnessKey(environment.disk, join(directory, WITNESS_KEY_FILE)).catch((error: unknown) => {
      throw error instanceof WitnessFault ? new Failure(3, printable(error.message)) : error
    })
    if (found === undefined) {
      const mend = "'stele witness serve' makes one at its first start; name its folder with --data"
      throw new Failure(3, `${printable(directory)} has no key of a witness`, mend)
    }
    const { name, vkeys } = found
    const text = options.json === true ? jsonLine({ name, vkeys }) : vkeys.map((vkey) => `${keyWords(vkey)}\n`).join('')
    await environment.stdout.write(text)
    return 0
  },
})
