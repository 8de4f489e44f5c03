// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'

import type { TorturedServer } from './tortured-server.ts'

const LONGEST_LIFE_MS = 400

export interface TortureFigures {
  readonly kills: number
  readonly appends: number
  readonly events: number
  readonly entryCount: number
}

/** Kills a server under load so many times; after each restart everything that it acknowledged is there. */
export async function torture(
  server: TorturedServer,
  kills: number,
  say: (line: string) => void = () => {},
): Promise<TortureFigures> {
  assert.equal(await server.start(), undefined)
  await server.createLedger('other')
  for (let kill = 1; kill <= kills; kill++) {
    await server.loadAndKill(LONGEST_LIFE_MS)
    const ended = await server.start()
    assert.equal(ended, undefined, ended?.said)
    await server.check()
    if (kill % 25 === 0) say(`${kill} kills, ${server.acknowledged.length} appends acknowledged, all there`)
  }
  assert.equal((await server.end('SIGTERM')).code, 0)
  const { entryCount, starts } = await server.checkStopped()
  assert.equal(starts, kills + 2)
  const events = server.acknowledged.reduce((sum, one) => sum + one.events.length, 0)
  return { kills, appends: server.acknowledged.length, events, entryCount }
}
