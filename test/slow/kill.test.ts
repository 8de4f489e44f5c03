// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { scratch } from '../scratch.ts'
import { torture } from '../torture.ts'
import { TorturedServer } from '../tortured-server.ts'

const KILLS = 100

test(`P1 P2 P3: a server killed ${KILLS} times under load has every acknowledged event, byte for byte, and one history`, async (context) => {
  const server = new TorturedServer(scratch(context), 25)
  context.after(() => server.killed())
  const { appends, events, entryCount } = await torture(server, KILLS)
  assert(appends > KILLS)
  context.diagnostic(`${appends} appends of ${events} events acknowledged, 0 lost; ${entryCount} entries verified`)
})
