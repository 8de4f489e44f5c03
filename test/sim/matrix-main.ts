// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `npm run fault-matrix -- --every N --from N`: every nth case of the matrix of faults.

import { parseArgs } from 'node:util'

import { Counts } from './fault-plan.ts'
import { allCases, runCase } from './matrix.ts'
import { computeOnOneThread } from './one-thread.ts'

const { values } = parseArgs({
  options: { every: { type: 'string', default: '1' }, from: { type: 'string', default: '0' } },
})
computeOnOneThread()
const started = performance.now()
const hit = new Counts()
let wholeCount = 0
let caseCount = 0
for (const [number, one] of (await allCases()).entries()) {
  if (number % Number(values.every) !== Number(values.from)) continue
  const { isHit, isWhole } = await runCase(one)
  caseCount++
  if (isHit) hit.add(`${one.operation} ${one.fault.way}`)
  if (isWhole) wholeCount++
}
const seconds = Math.round((performance.now() - started) / 1000)
console.log(
  `${caseCount} cases, ${hit.total} faults, in ${seconds} s; ${wholeCount} lives went on to their end all the same`,
)
console.log(hit.text)
