// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Reads the bytes of request bodies off the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { MAX_BODY_BYTES } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'

/** What is read on, and thrown away, of a body that was refused, so that its sender gets to see the answer. */
const MAX_DISCARDED_BYTES = 2 * MAX_BODY_BYTES
const SPARE_BYTES = 1024 * 1024
const MAX_SPARE = 16
const FIRST_BYTES = 16 * 1024

/**
 * Buffers for bodies that come in several chunks, used again: fresh ones cost a page fault each 4 KiB, and their
 * garbage makes the collector go through the old heap again and again.
 */
export class SpareBuffers {
  readonly #free: ArrayBufferLike[] = []

  /** At most `SPARE_BYTES`. */
  take(bytes: number): Buffer {
    const spare = this.#free.pop() ?? Buffer.allocUnsafeSlow(SPARE_BYTES).buffer
    return Buffer.from(spare, 0, bytes)
  }

  /** Takes back what `take` gave, and nobody looks at any more; other buffers are left to the collector. */
  give(body: Buffer): void {
    const { buffer } = body
    if (buffer.byteLength === SPARE_BYTES && this.#free.length < MAX_SPARE) this.#free.push(buffer)
  }
}

/** Reads on and throws away what is left of a body that nobody wants. */
export function discard(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return
  let discardedBytes = 0
  request.on('data', (chunk: Buffer) => {
    discardedBytes += chunk.length
    if (discardedBytes > MAX_DISCARDED_BYTES) request.destroy()
  })
  request.resume()
}

/**
 * All bytes of a body. One of a usual length lands in one buffer, or is the one chunk that it came in. `hold` is told of
 * each chunk before it is kept, and may refuse it.
 */
export async function collect(
  request: IncomingMessage,
  response: ServerResponse,
  limitBytes: number,
  hold: (bytes: number) => Problem | undefined,
  spare: SpareBuffers,
): Promise<Buffer> {
  const length = request.headers['content-length']
  const declaredBytes = length === undefined ? undefined : Number(length)
  if (declaredBytes !== undefined && declaredBytes > limitBytes) throw tooLarge(limitBytes)
  if (request.headers.expect !== undefined) response.writeContinue()
  return await new Promise((resolve, reject) => {
    let body: Buffer | undefined
    let gotBytes = 0
    let isSettled = false
    // Listeners stay, and do nothing any more: taking them off costs more.
    const refuse = (problem: Problem) => {
      isSettled = true
      reject(problem)
    }
    const onData = (chunk: Buffer) => {
      if (isSettled) return
      const at = gotBytes
      gotBytes += chunk.length
      const refusal = gotBytes > limitBytes ? tooLarge(limitBytes) : hold(chunk.length)
      if (refusal !== undefined) return refuse(refusal)
      if (chunk.length === declaredBytes) body = chunk
      else if (declaredBytes === undefined) (body = roomFor(body, gotBytes, limitBytes, FIRST_BYTES)).set(chunk, at)
      else if (declaredBytes > SPARE_BYTES) (body = roomFor(body, gotBytes, declaredBytes, SPARE_BYTES)).set(chunk, at)
      else (body ??= spare.take(declaredBytes)).set(chunk, at)
    }
    const onEnd = () => {
      if (isSettled) return
      isSettled = true
      resolve(gotBytes === body?.length ? body : (body?.subarray(0, gotBytes) ?? Buffer.alloc(0)))
    }
    const onClose = () => {
      if (!isSettled) refuse(new Problem('malformed-request', 'The connection ended before the body did.'))
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

/**
 * A body of unknown length, or of a large one that is only announced, grows in one buffer: an object a chunk would cost
 * hundreds of times a chunk of one byte.
 */
function roomFor(body: Buffer | undefined, bytes: number, limitBytes: number, firstBytes: number): Buffer {
  if (body !== undefined && bytes <= body.length) return body
  const wantedBytes = body === undefined ? firstBytes : body.length * 2
  const larger = Buffer.allocUnsafeSlow(Math.min(limitBytes, Math.max(bytes, wantedBytes)))
  if (body !== undefined) larger.set(body)
  return larger
}

function tooLarge(limit: number): Problem {
  return new Problem('body-too-large', `The body has more than ${limit} bytes. Send it in parts.`, { limit })
}
