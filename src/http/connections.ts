// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The connections of a server that may be told to stop. From then on nothing new is taken, and what was accepted is
 * finished: a request that was received whole is answered however long the disk takes, within a bound; a sender that is
 * slow, or a reader, has a few seconds.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../platform/clock.ts'
import type { Timeouts } from './timeouts.ts'

const LOOKED_EVERY_MS = 50

/** What is under way on a connection. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export class Connections {
  readonly #server: Pick<Server, 'on' | 'closeIdleConnections' | 'closeAllConnections'>
  readonly #clock: Clock
  readonly #timeouts: Timeouts
  readonly #open = new Map<Socket, Exchange | undefined>()

  constructor(server: Server, clock: Clock, timeouts: Timeouts) {
    this.#server = server
    this.#clock = clock
    this.#timeouts = timeouts
    const isSecure = 'setSecureContext' in server
    server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#open.set(socket, undefined)
      socket.once('close', () => this.#open.delete(socket))
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      this.#open.set(socket, { request, response })
      response.once('close', () => {
        if (this.#open.get(socket)?.response === response) this.#open.set(socket, undefined)
      })
    })
  }

  /** Lets go of the connections, each as soon as it has been served. Runs until the returned function is called. */
  stop(): () => void {
    const startedMs = this.#clock.monotonicMs()
    return this.#clock.every(LOOKED_EVERY_MS, () => {
      const stoppingMs = this.#clock.monotonicMs() - startedMs
      if (stoppingMs > this.#timeouts.stopAnswersMs) return this.#server.closeAllConnections()
      // What goes idle from now on would stay as long as keep-alive lets it, what never asked until it times out.
      this.#server.closeIdleConnections()
      for (const [socket, exchange] of this.#open) {
        const isSilent = exchange === undefined && socket.bytesRead === 0
        if (isSilent || (stoppingMs > this.#timeouts.stopSlowMs && isSlow(exchange))) socket.destroy()
      }
    })
  }
}

/** Whether it is the other side that is waited for. */
function isSlow(exchange: Exchange | undefined): boolean {
  if (exchange === undefined) return true
  const { request, response } = exchange
  return !request.complete || response.headersSent
}
