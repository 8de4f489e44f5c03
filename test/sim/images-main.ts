// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `npm run crash-images -- --starts N --every N --tears 512|4096 --max N`: recovers every crash image, and counts them.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { checkImages } from './images-check.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    starts: { type: 'string', default: '4' },
    every: { type: 'string', default: '1' },
    tears: { type: 'string', default: '512' },
    max: { type: 'string', default: '12' },
  },
})
const locks = mkdtempSync(join(tmpdir(), 'stele-images-'))
try {
  const started = performance.now()
  const limits = { tearBytes: values.tears === '512' ? 512 : 4_096, maxCount: Number(values.max) } as const
  const [seed, every, starts] = [values.seed, values.every, values.starts].map(Number) as [number, number, number]
  const figures = await checkImages({ limits, every, starts, locks, seed })
  console.log(
    `${figures.moments} moments of power cuts, in a life and ${figures.starts} starts after cuts; of ${figures.exhaustive} ` +
      `every legal image, of the others a sample: ${figures.images} images, ${figures.recovered} different ones recovered ` +
      `and checked in ${Math.round((performance.now() - started) / 1000)} s; nothing was lost, torn or forked`,
  )
} finally {
  rmSync(locks, { recursive: true })
}
