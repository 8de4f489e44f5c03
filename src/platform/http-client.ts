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
  /** Whether loopback, private and link-local addresses are allowed: by the operator's configuration only. */
  readonly privateAllowed: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const MAX_ANSWER_BYTES = 1024 * 1024

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

export class GuardedHttpClient {
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(request.url)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`${url.protocol} is not HTTP`)
    const address = await this.#checkedAddress(url.hostname.replace(/^\[|\]$/g, ''), request.privateAllowed)
    return await send(url, address, request)
  }

  async #checkedAddress(host: string, privateAllowed: boolean): Promise<{ address: string; family: number }> {
    const addresses = await lookup(host, { all: true })
    const refused = privateAllowed ? undefined : addresses.find(({ address }) => isPrivateAddress(address))
    if (refused !== undefined) throw new Error(`${host} is at ${refused.address}, an address that is not public`)
    const [first] = addresses
    if (first === undefined) throw new Error(`${host} has no address`)
    return first
  }
}

async function send(url: URL, pinned: { address: string; family: number }, request: HttpRequest): Promise<HttpAnswer> {
  const { method, headers, body, timeoutMs } = request
  return await new Promise((resolve, reject) => {
    const options: https.RequestOptions = {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) },
      timeout: timeoutMs,
      signal: AbortSignal.timeout(timeoutMs),
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
        if (bytes > MAX_ANSWER_BYTES)
          answer.destroy(new Error(`${url.host} answered more than ${MAX_ANSWER_BYTES} bytes`))
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      )
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
