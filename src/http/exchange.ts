// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** One request and its answer, whoever found its route: Fastify, or the memory of what Fastify found before. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Names the request where its failure is told: to its sender, and in the log. */
  readonly id: string
  readonly isAnswered: boolean
  send(status: number, headers: Readonly<Record<string, string>>, body: string | Buffer | Readable): void
}

export class RoutedExchange implements Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.request = request.raw
    this.response = reply.raw
    this.#request = request
    this.#reply = reply
  }

  get id(): string {
    return this.#request.id
  }

  get isAnswered(): boolean {
    return this.#reply.sent || this.response.destroyed
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string | Buffer | Readable): void {
    this.#reply.code(status).headers(headers).send(body)
  }
}

/** Writes what Fastify would write, byte for byte, of answers that are texts or bytes. */
export class DirectExchange implements Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly #number: number

  constructor(request: IncomingMessage, response: ServerResponse, number: number) {
    this.request = request
    this.response = response
    this.#number = number
  }

  get id(): string {
    return `direct-${this.#number.toString(36)}`
  }

  get isAnswered(): boolean {
    return this.response.headersSent || this.response.destroyed
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string | Buffer | Readable): void {
    const isText = typeof body === 'string'
    if (!isText && !Buffer.isBuffer(body)) throw new TypeError('streams are sent by Fastify')
    const type = headers['content-type'] ?? ''
    const bytes = Buffer.byteLength(body)
    this.response.writeHead(status, {
      ...headers,
      'content-type': isText && !type.includes('charset') ? `${type}; charset=utf-8` : type,
      'content-length': bytes,
    })
    // As many bytes as characters are ASCII, which needs no encoding.
    if (isText && bytes === body.length) this.response.end(body, 'latin1')
    else this.response.end(body)
  }
}
