// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The only HTTP client of the server. Every address that a name resolves to is checked before the connection is made
 * to it, the connection goes to that address and no other, redirects are not followed, answers are bounded.
 */
import { lookup } from 'node:dns/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import { BlockList, isIP } from 'node:net'

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly timeoutMs: number
  /** Ends it early. */
  readonly signal?: AbortSignal
  /** Longest answer that is read; 1 MiB. */
  readonly maxBytes?: number
  /** Whether loopback, private and link-local addresses are allowed: by the operator's configuration only. */
  readonly privateAllowed: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const MAX_ANSWER_BYTES = 1024 * 1024
/** Each takes one of the few threads that also write to the disk, for as long as a dead name server lets it wait. */
const MAX_LOOKUPS = 2

const PRIVATE_RANGES: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 96, 'ipv6'],
  // These carry an IPv4 address, which a gateway may take for its word.
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]

/** Whether an address is one that only the operator may name: loopback, private, link-local, multicast, reserved. */
export function isPrivateAddress(address: string): boolean {
  const blocked = new BlockList()
  for (const [network, prefix, family] of PRIVATE_RANGES) blocked.addSubnet(network, prefix, family)
  // BlockList holds IPv4-mapped IPv6 addresses against the IPv4 ranges by itself.
  return blocked.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Whether the host of a URL is such an address, as far as that can be told without looking it up. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && isPrivateAddress(host))
}

export class GuardedHttpClient {
  #lookups = 0
  readonly #waiting: (() => void)[] = []

  /** Rejects once `timeoutMs` have passed, the look-up of the name included, or when the signal fires. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(request.url)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`${url.protocol} is not HTTP`)
    const { timeoutMs, signal } = request
    const given = new AbortController()
    const give = () => given.abort(signal?.reason)
    // Listened to by hand: the caller's signal may outlive millions of requests.
    signal?.addEventListener('abort', give, { once: true })
    if (signal?.aborted === true) give()
    try {
      const ended = AbortSignal.any([AbortSignal.timeout(timeoutMs), given.signal])
      const host = url.hostname.replace(/^\[|\]$/g, '')
      const address = await within(ended, this.#checkedAddress(host, request.privateAllowed))
      return await send(url, address, request, ended)
    } finally {
      signal?.removeEventListener('abort', give)
    }
  }

  async #checkedAddress(host: string, privateAllowed: boolean): Promise<{ address: string; family: number }> {
    const addresses = isIP(host) === 0 ? await this.#lookUp(host) : [{ address: host, family: isIP(host) }]
    const refused = privateAllowed ? undefined : addresses.find(({ address }) => isPrivateAddress(address))
    if (refused !== undefined) throw new Error(`${host} is at ${refused.address}, an address that is not public`)
    const [first] = addresses
    if (first === undefined) throw new Error(`${host} has no address`)
    return first
  }

  async #lookUp(host: string): Promise<{ address: string; family: number }[]> {
    if (this.#lookups >= MAX_LOOKUPS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#lookups++
    try {
      return await lookup(host, { all: true })
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#lookups--
      else next()
    }
  }
}

/** What `work` resolves to, unless the signal fires first; `work` itself cannot be ended. */
async function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const end = () => reject(signal.reason instanceof Error ? signal.reason : new Error('the request was ended'))
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    work.then(resolve, reject)
  })
}

async function send(
  url: URL,
  pinned: { address: string; family: number },
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { method, headers, body, timeoutMs, maxBytes = MAX_ANSWER_BYTES } = request
  return await new Promise((resolve, reject) => {
    // Of what was ended the reason is told, not that it was.
    const fail = (error: Error) => reject(signal.reason instanceof Error ? signal.reason : error)
    const options: https.RequestOptions = {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) },
      timeout: timeoutMs,
      signal,
      lookup: (_host, wanted, done) => {
        if (wanted.all === true) done(null, [pinned])
        else done(null, pinned.address, pinned.family)
      },
    }
    const sent = (url.protocol === 'https:' ? https : http).request(url, options, (answer) => {
      const chunks: Buffer[] = []
      let bytes = 0
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > maxBytes) answer.destroy(new Error(`${url.host} answered more than ${maxBytes} bytes`))
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      )
      answer.on('error', fail)
    })
    sent.on('error', fail)
    sent.end(body)
  })
}
