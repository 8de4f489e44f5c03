// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Recovers every crash image of the recorded lives: each must open, hold what had been acknowledged, be
// sealed, and go on.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

import { PowerCutDisk, powerCutDirectory } from '../power-cut-disk.ts'
import { append, sealAll, SeededRandom } from '../scratch.ts'
import { type ImageLimits, imagesOf } from './crash-images.ts'
import { Oracle } from './oracle.ts'
import { firstLife, type Moment, nextLife, openOn, recorded } from './recorded-lives.ts'

export interface ImageOptions {
  readonly limits: ImageLimits
  /** One moment in so many. */
  readonly every: number
  /** Starts, on images of the first life, that are recorded themselves and cut in turn. */
  readonly starts: number
  /** A folder of the machine's, for locks. */
  readonly locks: string
  readonly seed: number
}

export interface ImageFigures {
  moments: number
  exhaustive: number
  images: number
  /** Those that no other moment with the same acknowledgements had left. */
  recovered: number
  starts: number
}

export async function checkImages(options: ImageOptions): Promise<ImageFigures> {
  const figures: ImageFigures = { moments: 0, exhaustive: 0, images: 0, recovered: 0, starts: 0 }
  const random = new SeededRandom(options.seed)
  const known = new Set<string>()
  const oracle = new Oracle()
  const memory = new PowerCutDisk()
  const first = await recorded(memory, oracle, async (disk) => await firstLife(disk, oracle, options.locks))
  const cut: Moment[] = []
  await checkMoments(first, options, figures, random, known, cut)
  for (let start = 0; start < options.starts; start++) {
    const from = cut[random.below(cut.length)]!
    const again = from.oracle.copy()
    const disk = from.disk.fork()
    const moments = await recorded(disk, again, async (watched) => await nextLife(watched, again, options.locks))
    await checkMoments(moments, options, figures, random, known, [])
    figures.starts++
  }
  return figures
}

async function checkMoments(
  moments: readonly Moment[],
  options: ImageOptions,
  figures: ImageFigures,
  random: SeededRandom,
  known: Set<string>,
  cut: Moment[],
): Promise<void> {
  for (const [position, moment] of moments.entries()) {
    if (position % options.every !== 0) continue
    figures.moments++
    const { disks, isExhaustive } = imagesOf(moment.disk, options.limits, random)
    if (isExhaustive) figures.exhaustive++
    let image = 0
    for (const disk of disks) {
      figures.images++
      const name = digest(disk, moment.oracle)
      if (known.has(name)) continue
      known.add(name)
      if (random.below(20) === 0) cut.push({ ...moment, disk: disk.fork() })
      await recovers(disk, moment, options.locks, image++)
      figures.recovered++
    }
  }
}

async function recovers(disk: PowerCutDisk, { oracle, before }: Moment, locks: string, image: number): Promise<void> {
  try {
    const stele = await openOn(disk, locks, 5)
    await oracle.check(stele)
    if ((await sealAll(stele, disk, powerCutDirectory)) > 0) await oracle.check(stele)
    await append(stele.ledgers, 'main', [Buffer.from('goes on')])
    await stele.ledgers.publish()
    assert.deepEqual(stele.failures, [])
  } catch (error) {
    throw new Error(`image ${image} of a power cut before ${before}`, { cause: error })
  }
}

function digest(disk: PowerCutDisk, oracle: Oracle): string {
  const hash = createHash('sha256').update(oracle.cursor)
  for (const path of disk.paths) hash.update(`${path}\n`).update(createHash('sha256').update(disk.bytes(path)).digest())
  return hash.digest('base64')
}
