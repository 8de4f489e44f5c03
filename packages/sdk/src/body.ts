// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Bodies in the forms that callers have them in.

import { utf8 } from '@stele/proof'

export type EventsBody = Uint8Array | string | AsyncIterable<Uint8Array>

/** The server's own limit: a body is held in one piece on both sides, since it is appended whole or not at all. */
const MAX_BODY_BYTES = 64 * 1024 * 1024

/** Throws a RangeError where a stream is longer than any body may be. */
export async function bytesOf(body: EventsBody): Promise<Uint8Array> {
  if (typeof body === 'string') return utf8(body)
  if (body instanceof Uint8Array) return body
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new RangeError(`a body has at most ${MAX_BODY_BYTES} bytes: send several`)
    chunks.push(new Uint8Array(chunk))
  }
  return await bytesOfStream(new Blob(chunks).stream())
}

export async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()
  return await bytesOfStream(stream.pipeThrough(new CompressionStream('gzip')))
}

async function bytesOfStream(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer())
}
