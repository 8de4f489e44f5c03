// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A part of a sweep, in a thread of its own: every thread makes the same directory.

import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'

import { sealedCuts, sealedFlips, segmentFlips, sweptSealedDirectory } from '../sealed-sweep.ts'
import { cutSweep, sweep, type SweepResult, sweptDirectory } from '../tamper-sweep.ts'

const { what, first, end } = workerData as {
  readonly what: 'flip' | 'cut' | 'segment-flip' | 'sealed-flip' | 'sealed-cut'
  readonly first: number
  readonly end: number
}

const sweeps: Readonly<Record<typeof what, () => Promise<SweepResult>>> = {
  flip: async () => await sweep(await sweptDirectory(), first, end),
  cut: async () => await cutSweep(await sweptDirectory(), first, end),
  'segment-flip': async () => await segmentFlips(await sweptSealedDirectory(), first, end),
  'sealed-flip': async () => await sealedFlips(await sweptSealedDirectory(), first, end),
  'sealed-cut': async () => await sealedCuts(await sweptSealedDirectory(), first, end),
}

assert(parentPort !== null)
const answer = parentPort.postMessage.bind(parentPort)
answer(await sweeps[what]())
