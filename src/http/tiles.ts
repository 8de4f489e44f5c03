// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The C2SP tlog-tiles reading interface of a ledger. No partial tile is stored: one is a prefix of what is there, so
 * it can be had for every size that there ever was, and also once the full tile exists. What lies beyond the durable
 * size is 404, never a shorter answer.
 */
import { formatBundle, parseTilePath, TILE_WIDTH, tileWidthAt, type TileAddress } from '@stele/proof'
import type { z } from 'zod'
import type { Ledgers } from '../ledger/ledgers.ts'
import { Problem } from '../schema/problem.ts'
import type { Answer, Call, Services } from './route.ts'
import type { checkpointQuery, ledgerParams, tileParams } from './schemas.ts'
import { demandWitnesses } from './witnesses.ts'

export const CHECKPOINT_TYPE = 'text/plain; charset=utf-8'
export const TILE_TYPE = 'application/octet-stream'

type CheckpointCall = Call<z.output<typeof ledgerParams>, z.output<typeof checkpointQuery>, undefined>
type TileCall = Call<z.output<typeof tileParams>, undefined, undefined>

export function readCheckpoint({ params, query }: CheckpointCall, services: Services): Answer {
  const headers = { 'cache-control': 'no-cache' }
  const { ledger } = params
  const body = query.witnessed ? witnessedHead(ledger, services) : services.ledgers.checkpoint(ledger)
  return { type: CHECKPOINT_TYPE, headers, body }
}

/** Witnesses see the head of `heads` alone, and vouch for all other ledgers by it. */
function witnessedHead(ledger: string, { cosigning, administration }: Services): Buffer {
  if (ledger !== 'heads') throw new Problem('invalid-field', 'witnessed: witnesses cosign the head of heads alone.')
  demandWitnesses(administration)
  const { newest } = cosigning
  if (newest !== undefined) return newest.note
  throw new Problem('not-witnessed', 'No head has been cosigned by enough witnesses yet.', { retryAfter: 5 })
}

export async function readTile({ params, request }: TileCall, services: Services): Promise<Answer> {
  const { ledgers, administration } = services
  const { ledger } = params
  const address = tileAddress(request.url ?? '', params['*'])
  const { level, index, width } = address
  const thereWidth = tileWidthAt(ledgers.log(ledger).size, level, index)
  if (width > thereWidth) {
    throw new Problem('not-found', `Of that tile there are ${thereWidth} entries yet, not ${width}.`, {
      limit: thereWidth,
    })
  }
  const isPublic = administration.state.ledgers.get(ledger)?.public === true
  const headers = { 'cache-control': `${isPublic ? 'public' : 'private'}, max-age=31536000, immutable` }
  return { type: TILE_TYPE, headers, body: await tileBytes(ledgers, ledger, address) }
}

/** One tile has one address: an escaped or otherwise unusual spelling of it is none. */
function tileAddress(url: string, below: string): TileAddress {
  const path = `tile/${below}`
  const address = url.endsWith(`/${path}`) ? parseTilePath(path) : undefined
  if (address === undefined) throw new Problem('not-found', 'That is not the path of a tile (C2SP tlog-tiles).')
  return address
}

async function tileBytes(ledgers: Ledgers, ledger: string, address: TileAddress): Promise<Buffer> {
  const { kind, level, index, width } = address
  const start = index * TILE_WIDTH
  const bytes =
    kind === 'entries'
      ? formatBundle(await ledgers.entries(ledger, start, start + width))
      : await ledgers.log(ledger).hashes(level, start, width)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
