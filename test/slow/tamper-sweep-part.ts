// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A part of a sweep, in a thread of its own: every thread makes the same directory.

import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'

import { cutSweep, sweep, sweptDirectory } from '../tamper-sweep.ts'

const { what, first, end } = workerData as {
  readonly what: 'flip' | 'cut'
  readonly first: number
  readonly end: number
}
assert(parentPort !== null)
const answer = parentPort.postMessage.bind(parentPort)
answer(await (what === 'flip' ? sweep : cutSweep)(await sweptDirectory(), first, end))
