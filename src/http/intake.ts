// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Takes in request bodies, bounded: each by its own limit, all that are held at the same time by one budget. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Turns } from '../platform/turns.ts'
import { MAX_BODY_BYTES } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import { decode } from '../sources/decode.ts'
import { collect, SpareBuffers } from './body.ts'
import { ByteBudget } from './budget.ts'

const HELD_BYTES = 256 * 1024 * 1024
/** Of one token: so that a flood of one leaves room for the others. */
const HELD_BYTES_OF_ONE = 192 * 1024 * 1024
const MAX_JSON_BYTES = 64 * 1024
/** The threads that decode are those that write to the disk: bombs must leave some, and use memory one by one. */
const MAX_DECODINGS = 2
const RETRY_AFTER_SECONDS = 1

export class Intake {
  readonly #budget = new ByteBudget(HELD_BYTES)
  readonly #ofOne = new Map<string, ByteBudget>()
  readonly #spare = new SpareBuffers()
  readonly #decodings = new Turns(MAX_DECODINGS)

  get heldBytes(): number {
    return this.#budget.heldBytes
  }

  /** Hands a body of events of token `by`, decoded, to `use`; its bytes count as held until that is done. */
  async events<T>(
    request: IncomingMessage,
    response: ServerResponse,
    by: string,
    use: (body: Buffer) => Promise<T>,
  ): Promise<T> {
    demandChunked(request.headers['transfer-encoding'])
    const encoding = demandEncoding(request.headers['content-encoding'])
    const ofOne = this.#ofOne.get(by) ?? new ByteBudget(HELD_BYTES_OF_ONE)
    this.#ofOne.set(by, ofOne)
    let heldBytes = 0
    const hold = (bytes: number) => {
      if (!ofOne.take(bytes)) return tooMuchOfOne()
      if (!this.#budget.take(bytes)) {
        ofOne.release(bytes)
        return overloaded()
      }
      heldBytes += bytes
      return undefined
    }
    let body: Buffer | undefined
    try {
      body = await collect(request, response, MAX_BODY_BYTES, hold, this.#spare)
      if (encoding === 'identity') return await use(body)
      const encoded = body
      const decoded = await this.#decodings.run(async () => await decode(encoded, encoding))
      const refusal = hold(decoded.length)
      if (refusal !== undefined) throw refusal
      return await use(decoded)
    } finally {
      this.#budget.release(heldBytes)
      ofOne.release(heldBytes)
      if (ofOne.heldBytes === 0) this.#ofOne.delete(by)
      if (body !== undefined) this.#spare.give(body)
    }
  }

  /** The value of a JSON body; undefined where there is no body. */
  async json(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { headers } = request
    if ((headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined) return undefined
    demandMedia(headers['content-type'], ['application/json'])
    if (headers['content-encoding'] !== undefined) {
      throw new Problem('unsupported-encoding', 'Send this body without Content-Encoding.')
    }
    const bytes = await collect(request, response, MAX_JSON_BYTES, () => undefined, this.#spare)
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
    } catch {
      throw new Problem('malformed-json', 'The body is not JSON in UTF-8.')
    }
  }
}

/** The media type of a body, which must be one of `known`. */
export function demandMedia<T extends string>(contentType: string | undefined, known: readonly T[]): T {
  const [media, charset] = mediaOf(contentType ?? '')
  const found = known.find((one) => one === media)
  if (found === undefined) {
    throw new Problem('unsupported-media-type', `Content-Type must be one of ${known.join(', ')}.`)
  }
  if (found !== 'application/octet-stream' && charset !== undefined && charset !== 'utf-8') {
    throw new Problem('unsupported-media-type', 'The charset must be utf-8.')
  }
  return found
}

function mediaOf(contentType: string): [media: string, charset: string | undefined] {
  if (!contentType.includes(';')) return [contentType.trim().toLowerCase(), undefined]
  const [media = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))
  return [media, charset?.slice('charset='.length).replaceAll('"', '')]
}

/** Node undoes the chunks and nothing else: any other coding would be stored as if it were the event. */
function demandChunked(transferEncoding: string | undefined): void {
  if (transferEncoding === undefined || transferEncoding.trim().toLowerCase() === 'chunked') return
  throw new Problem(
    'unsupported-encoding',
    'Transfer-Encoding must be chunked; compress with Content-Encoding instead.',
  )
}

function demandEncoding(contentEncoding: string | undefined): 'identity' | 'gzip' | 'zstd' {
  const encoding = contentEncoding?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === 'gzip' || encoding === 'zstd') return encoding
  throw new Problem('unsupported-encoding', 'Content-Encoding must be one of gzip, zstd, identity, and only one.')
}

function tooMuchOfOne(): Problem {
  const detail = `${HELD_BYTES_OF_ONE} bytes of this token's bodies are under way, which is as many as may be. Nothing of this one was stored; try again in a moment.`
  return new Problem('rate-limited', detail, { limit: HELD_BYTES_OF_ONE, retryAfter: RETRY_AFTER_SECONDS })
}

function overloaded(): Problem {
  const detail = 'The server holds as many bodies as it has room for. Nothing was stored; try again in a moment.'
  return new Problem('overloaded', detail, { retryAfter: RETRY_AFTER_SECONDS })
}
