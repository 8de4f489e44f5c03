// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { type Cell, readRows } from '../src/index/answer-rows.ts'
import { SearchFault } from '../src/index/search-fault.ts'

const cells: readonly Cell[] = ['text', 'count', 'integer']
const of = (text: string) => Readable.from([Buffer.from(text)], { objectMode: false })
const isUnavailable = (error: unknown) => error instanceof SearchFault && error.reason === 'unavailable'

test('rows of the form that was asked for are read, and none at all is an answer too', async () => {
  assert.deepEqual(await readRows(of('["main",7,-5]\n["é",0,9007199254740991]\n'), cells), [
    ['main', 7, -5],
    ['é', 0, 9_007_199_254_740_991],
  ])
  assert.deepEqual(await readRows(of(''), cells), [])
})

test('an answer that ends in the middle is not taken for one that found less', async () => {
  for (const text of ['["main",7,-5]\n["main",8', '{"x":', '<html>', '["main",7,-5]']) {
    await assert.rejects(readRows(of(text), cells), isUnavailable, text)
  }
})

test('what is of another form than was asked for is no answer', async () => {
  const lines = ['null', '{}', '[]', '["main",7]', '[1,7,-5]', '["main","7",-5]', '["main",-1,5]', '["main",0.5,5]']
  lines.push('["main",1e300,5]', '["main",7,null]', '["main",7,5,1]', '"main"', '')
  for (const line of lines) await assert.rejects(readRows(of(`${line}\n`), cells), isUnavailable, line)
})

test('an answer without end is left, having taken no more memory than answers may', async () => {
  let sent = 0
  const endless = Readable.from(
    (async function* () {
      for (;;) {
        sent++
        yield Buffer.alloc(1024 * 1024, 0x20)
      }
    })(),
    { objectMode: false },
  )
  await assert.rejects(readRows(endless, cells), isUnavailable)
  assert(sent < 80, `${sent} MiB`)
  assert(endless.destroyed)
})
