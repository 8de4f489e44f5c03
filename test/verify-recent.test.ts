// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is remembered of the last entries, ids of sources and idempotency keys, is held against the anchor and the ledger.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { directory, directoryWith, type SmallDirectory, verified } from './evidence-ground.ts'
import { audit, send } from './repeat-ground.ts'

const IDS = `${directory}/derived/main/ids`
const KEYS = `${directory}/derived/main/keys`
let remembered: Pick<SmallDirectory, 'disk' | 'head'>

before(async () => {
  remembered = await directoryWith(async (stele) => {
    for (let body = 0; body < 4; body++) {
      const events = Array.from({ length: 5 }, (_, at) => audit(`${body}-${at}`))
      await send(stele, events, { key: `body ${body}` })
    }
  })
})

test('files of ids and keys are Stele’s own, and what was not held against the events is said', async () => {
  const report = await verified(remembered)
  assert.equal(report.verdict, 'unchanged')
  assert.deepEqual(report.remarks, [
    'derived/main/ids and derived/main/keys were held against what the anchor counts and the ledger has, in length, ' +
      'order and range; what they say of events was not held against the events.',
  ])
})

test('P4: ids and keys that are gone, cut, of entries that are not there, or in another order are findings', async () => {
  const changes: readonly [string, (bytes: Buffer) => Buffer | undefined, RegExp][] = [
    [IDS, () => undefined, /is not there/],
    [KEYS, () => undefined, /is not there/],
    [IDS, (bytes) => bytes.subarray(0, -16), /is cut/],
    [KEYS, (bytes) => bytes.subarray(0, -1), /is cut/],
    [IDS, (bytes) => (bytes.writeUInt8(1, 16 * 3 + 2), bytes), /entry that was not there/],
    [KEYS, (bytes) => (bytes.writeUInt8(200, 96 + 7), bytes), /entry that was not there/],
    [IDS, (bytes) => Buffer.concat([bytes.subarray(16, 32), bytes.subarray(0, 16), bytes.subarray(32)]), /order/],
    [KEYS, (bytes) => (bytes.writeUInt8(9, 15), bytes), /begin behind/],
  ]
  for (const [path, change, what] of changes) {
    const disk = remembered.disk.copy()
    const bytes = change(Buffer.from(disk.bytesOf(path)))
    if (bytes === undefined) await disk.remove(path)
    else disk.put(path, bytes)
    const { verdict, entriesFit, findings } = await verified({ disk, head: remembered.head })
    assert.deepEqual([verdict, entriesFit, findings.length], ['changed', true, 1], what.source)
    assert.equal(findings[0]?.file, path.slice(directory.length + 1))
    assert.match(findings[0].what, what)
  }
})

test('without an anchor nothing counts ids and keys: that they were not looked at is said, and they are no strangers', async () => {
  const disk = remembered.disk.copy()
  await disk.remove(`${directory}/derived/anchor.json`)
  const { verdict, remarks } = await verified({ disk, head: remembered.head })
  assert.equal(verdict, 'unchanged')
  assert(
    remarks.some((remark) => remark.startsWith('derived/main/ids was not looked at: no anchor')),
    remarks.join(),
  )
  assert(!remarks.some((remark) => /not a file of Stele/.test(remark)), remarks.join())
})
