// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Undoes a request's Content-Encoding: all of the input or nothing, and never more output than the limit, whatever the
// input claims. Offsets in problems are those of the compressed body.

import { constants, gunzip, zstdDecompress } from 'node:zlib'

import { MAX_BODY_BYTES } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import { figure } from './figure.ts'
import { zstdFrameOf } from './zstd-frame.ts'

const OUTPUT = { maxOutputLength: MAX_BODY_BYTES, chunkSize: 256 * 1024, info: true }
const MAX_WINDOW_LOG = Math.log2(MAX_BODY_BYTES)

/** What node:zlib answers under `info`, which its types do not know. */
interface Inflated {
  readonly buffer: Buffer
  /** `bytesWritten` is what it took of the input. */
  readonly engine: { readonly bytesWritten: number }
}

/** `encoding` is the header's value in lower case, `undefined` where there is none. */
export async function decode(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  switch (encoding) {
    case undefined:
    case 'identity':
      if (body.length > MAX_BODY_BYTES) throw tooLarge()
      return body
    case 'gzip':
      return inflate(body, (done) => gunzip(body, OUTPUT, done))
    case 'zstd': {
      const { end, contentSize, windowBytes } = zstdFrameOf(body)
      if (contentSize !== undefined && contentSize > MAX_BODY_BYTES) throw tooLarge()
      if (windowBytes > MAX_BODY_BYTES) {
        throw malformed(
          `its window has ${figure(windowBytes)} bytes: compress with --long=${MAX_WINDOW_LOG} at most`,
          5,
        )
      }
      if (end !== body.length) throw trailing(end)
      const params = { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG }
      const content = await inflate(body, (done) => zstdDecompress(body, { ...OUTPUT, params }, done))
      // The library lets a frame end early if its last block is empty.
      if (content.length !== (contentSize ?? content.length)) throw malformed('it holds less than it declares')
      return content
    }
    default:
      throw new Problem('unsupported-encoding', 'the content encodings are gzip, zstd and identity: use one of them')
  }
}

async function inflate(
  body: Buffer,
  run: (done: (error: Error | null, result: unknown) => void) => void,
): Promise<Buffer> {
  const { buffer, engine } = await new Promise<Inflated>((resolve, reject) =>
    run((error, result) => (error === null ? resolve(result as Inflated) : reject(refusal(error, body)))),
  )
  // Zero bytes behind a gzip member are padding to zlib and end the input; anything else there is an error of its own.
  if (engine.bytesWritten !== body.length) throw trailing(engine.bytesWritten)
  return buffer
}

function refusal(error: NodeJS.ErrnoException, body: Buffer): Error {
  const { code = '' } = error
  if (code === 'ERR_BUFFER_TOO_LARGE') return tooLarge()
  if (code === 'Z_BUF_ERROR') return malformed('it is cut off', body.length)
  return /^Z(?:STD)?_/.test(code) ? malformed(error.message) : error
}

function trailing(offset: number): Problem {
  return malformed(`bytes follow its end at byte ${figure(offset)}: send the compressed data alone`, offset)
}

function malformed(what: string, offset?: number): Problem {
  const place = offset === undefined ? {} : { offset }
  return new Problem('malformed-compression', `the compressed body is malformed: ${what}`, place)
}

function tooLarge(): Problem {
  const detail = `the body has more than ${figure(MAX_BODY_BYTES)} bytes decoded: send its events in several bodies`
  return new Problem('body-too-large', detail, { limit: MAX_BODY_BYTES })
}
