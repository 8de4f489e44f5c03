// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Server-sent events (HTML Living Standard, "Server-sent events"), as far as a tail needs them.

import { untrustworthy } from './error.ts'

export interface ServerSentEvent {
  readonly id: string | undefined
  readonly type: string
  readonly data: string
}

/** Longest event that is read, in characters: an event of 16 MiB, escaped at its worst, and what comes with it. */
const MAX_EVENT_CHARS = 128 * 1024 * 1024

/** Takes a stream apart. An event that the end cuts off is dropped, as the standard has it. */
export async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let event = new Draft()
  let parts: string[] = []
  let chars = 0
  for await (const chunk of chunks) {
    const [first = '', ...others] = decode(decoder, chunk).split('\n')
    parts.push(first)
    chars += first.length
    if (chars > MAX_EVENT_CHARS) throw untrustworthy('an event of the stream does not end')
    for (const part of others) {
      const line = parts.join('').replace(/\r$/, '')
      parts = [part]
      chars += part.length
      if (line !== '') {
        event.add(line)
        continue
      }
      const finished = event.finish()
      if (finished !== undefined) yield finished
      event = new Draft()
      chars = part.length
    }
  }
}

class Draft {
  readonly #data: string[] = []
  #type = 'message'
  #id: string | undefined

  add(line: string): void {
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#type = value
    else if (field === 'id') this.#id = value
  }

  /** Undefined where there was no data, as in a comment that only keeps the connection alive. */
  finish(): ServerSentEvent | undefined {
    return this.#data.length === 0 ? undefined : { id: this.#id, type: this.#type, data: this.#data.join('\n') }
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch (error) {
    throw untrustworthy('the stream is not UTF-8', error)
  }
}
