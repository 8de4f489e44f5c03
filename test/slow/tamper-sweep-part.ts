// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A part of the sweep, in a thread of its own: every process makes the same directory.

import { parentPort, workerData } from 'node:worker_threads'

import { sweep, sweptDirectory } from '../tamper-sweep.ts'

const { first, end } = workerData as { readonly first: number; readonly end: number }
parentPort?.postMessage(await sweep(await sweptDirectory(), first, end))
