// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The thread of `watchFromThread`, which lives as long as the process. It writes to the pipe itself: what goes through
 * the main thread would wait for ever.
 */
import { existsSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { endAfterParent, READY_LINE, type ThreadWork } from './children.ts'

const LOOK_EVERY_MS = 10
const STDOUT = 1

const { readyPath, parentPid } = workerData as ThreadWork
const looking = setInterval(() => {
  if (!existsSync(readyPath)) return
  clearInterval(looking)
  writeSync(STDOUT, `${READY_LINE}\n`)
}, LOOK_EVERY_MS)
endAfterParent(parentPid)
parentPort?.postMessage('watching')
