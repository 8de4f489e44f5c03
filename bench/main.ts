// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * `npm run bench -- NAME… [--seconds N] [--events N]`: prints tables of figures measured here and now. `growth` takes
 * `--sizes N,N,…`, and `--keep FOLDER` for a directory that the next run goes on with, as `proof` and `search` do. `search --under-load` appends
 * meanwhile, `search --postgres` asks PostgreSQL the same.
 */
import { parseArgs } from 'node:util'
import { benchAppend } from './append.ts'
import { benchFloor } from './floor.ts'
import { benchGrowth } from './growth.ts'
import { benchIndex } from './index.ts'
import { benchReceipts } from './receipts.ts'
import { benchProof } from './proof.ts'
import { benchRecovery } from './recovery.ts'
import { machine } from './report.ts'
import { benchSearch } from './search.ts'
import { benchVerify } from './verify.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '15' },
    events: { type: 'string', default: '1000000' },
    sizes: { type: 'string', default: '1000000' },
    keep: { type: 'string' },
    'under-load': { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
  },
})
const benches: Record<string, () => Promise<string>> = {
  floor: async () => await benchFloor(Number(values.seconds)),
  append: async () => await benchAppend(Number(values.seconds)),
  growth: async () => await benchGrowth(values.sizes.split(',').map(Number), values.keep),
  recovery: async () => await benchRecovery(Number(values.events)),
  receipts: async () => await benchReceipts(Number(values.seconds)),
  proof: async () => await benchProof(Number(values.events), values.keep),
  verify: async () => await benchVerify(Number(values.events)),
  index: async () => await benchIndex(Number(values.events), Number(values.seconds)),
  search: async () =>
    await benchSearch(Number(values.events), {
      folder: values.keep,
      isUnderLoad: values['under-load'],
      withPostgres: values.postgres,
    }),
}
const chosen = positionals.length > 0 ? positionals : Object.keys(benches)
const unknown = chosen.find((name) => !(name in benches))
if (unknown !== undefined) {
  process.stderr.write(`bench: there is no ${unknown}; there are ${Object.keys(benches).join(', ')}\n`)
  process.exit(2)
}
process.stdout.write(`${machine()}\n\n`)
for (const name of chosen) process.stdout.write(`${name}\n${(await benches[name]?.()) ?? ''}\n\n`)
