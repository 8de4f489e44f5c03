// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// IP addresses and networks, as 16 bytes that IPv4 is mapped into (::ffff:0:0/96), so that all are of one order.

const MAPPED = '00000000000000000000ffff'

/** The address as 32 hexadecimal digits, which sort as addresses do; undefined where the text is none. */
export function parseAddress(text: string): string | undefined {
  const v4 = parseV4(text)
  if (v4 !== undefined) return MAPPED + v4
  return parseV6(text)
}

/** The usual spelling: IPv4 with dots, IPv6 as RFC 5952 has it. */
export function formatAddress(hex: string): string {
  if (hex.startsWith(MAPPED)) {
    return [24, 26, 28, 30].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.')
  }
  const groups = Array.from({ length: 8 }, (_, at) => hex.slice(at * 4, at * 4 + 4).replace(/^0{1,3}/, ''))
  const { start, count } = longestZeros(groups)
  if (count < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + count).join(':')}`
}

/** The spelling that the index and the search agree on; undefined where the text is no address. */
export function canonicalAddress(text: string): string | undefined {
  // Of IPv4 there is only one spelling.
  if (parseV4(text) !== undefined) return text
  const hex = parseV6(text)
  return hex === undefined ? undefined : formatAddress(hex)
}

/** The 16 bytes of an address in any spelling. Throws RangeError where the text is none. */
export function addressBytes(text: string): Uint8Array {
  const hex = parseAddress(text)
  if (hex === undefined) throw new RangeError('not an IP address')
  return Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16))
}

export interface Network {
  readonly from: string
  readonly to: string
}

/** An address, or `address/prefix` whatever its host bits are. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const hex = parseAddress(address)
  if (hex === undefined) return undefined
  if (slash === -1) return { from: hex, to: hex }
  const digits = text.slice(slash + 1)
  const isV4 = !address.includes(':')
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > (isV4 ? 32 : 128)) return undefined
  const hostBits = BigInt((isV4 ? 32 : 128) - Number(digits))
  const host = (1n << hostBits) - 1n
  const value = BigInt(`0x${hex}`)
  return { from: toHex(value & ~host), to: toHex(value | host) }
}

export function formatNetwork({ from, to }: Network): string {
  if (from === to) return formatAddress(from)
  const hostBits = (BigInt(`0x${from}`) ^ BigInt(`0x${to}`)).toString(2).length
  // A network that holds all of IPv4 and more begins with the zeros of IPv6.
  const isV4 = from.startsWith(MAPPED) && hostBits <= 32
  return `${formatAddress(from)}/${(isV4 ? 32 : 128) - hostBits}`
}

function toHex(value: bigint): string {
  return value.toString(16).padStart(32, '0')
}

/** Four decimal numbers, none with a leading zero, which some read as octal. */
function parseV4(text: string): string | undefined {
  if (text.length < 7 || text.length > 15) return undefined
  let hex = ''
  let value = -1
  let count = 0
  for (let at = 0; at <= text.length; at++) {
    const unit = at === text.length ? 0x2e : text.charCodeAt(at)
    if (unit === 0x2e) {
      if (value === -1) return undefined
      hex += hexOfByte(value)
      count++
      value = -1
    } else if (unit >= 0x30 && unit <= 0x39) {
      if (value === 0) return undefined
      value = (value === -1 ? 0 : value * 10) + unit - 0x30
      if (value > 255) return undefined
    } else return undefined
  }
  return count === 4 ? hex : undefined
}

function hexOfByte(value: number): string {
  return value < 16 ? `0${value.toString(16)}` : value.toString(16)
}

function parseV6(text: string): string | undefined {
  if (text.length < 2 || text.length > 45) return undefined
  const [head = '', tail, ...more] = text.split('::')
  if (more.length > 0) return undefined
  const heads = groupsOf(head, tail === undefined)
  const tails = tail === undefined ? [] : groupsOf(tail, true)
  if (heads === undefined || tails === undefined) return undefined
  const count = heads.length + tails.length
  if (tail === undefined ? count !== 8 : count > 7) return undefined
  return [...heads, ...Array.from({ length: 8 - count }, () => '0000'), ...tails].join('')
}

/** Groups of four digits; the last two may be an IPv4 address where the address ends here. */
function groupsOf(text: string, isEnd: boolean): readonly string[] | undefined {
  if (text === '') return []
  const groups: string[] = []
  const written = text.split(':')
  for (const [at, group] of written.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(group)) {
      groups.push(group.toLowerCase().padStart(4, '0'))
      continue
    }
    const v4 = isEnd && at === written.length - 1 ? parseV4(group) : undefined
    if (v4 === undefined) return undefined
    groups.push(v4.slice(0, 4), v4.slice(4))
  }
  return groups
}

function longestZeros(groups: readonly string[]): { start: number; count: number } {
  let best = { start: 0, count: 0 }
  let count = 0
  for (const [at, group] of groups.entries()) {
    count = group === '0' ? count + 1 : 0
    if (count > best.count) best = { start: at - count + 1, count }
  }
  return best
}
