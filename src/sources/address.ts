// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// IP addresses out of what sources call one: with a port, in brackets, with a zone, or no address at all.

/** The address alone, in the spelling of the event; undefined where there is none. */
export function addressOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length < 2 || text.length > 64) return undefined
  if (isIpv4(text, text.length)) return text
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  if (text.charCodeAt(0) === 0x5b) {
    const end = text.indexOf(']')
    const rest = text.slice(end + 1)
    return end !== -1 && (rest === '' || isPort(rest.slice(1), rest)) ? ipv6(text.slice(1, end)) : undefined
  }
  if (text.lastIndexOf(':') === colon) {
    return isIpv4(text, colon) && isPort(text.slice(colon + 1), text.slice(colon)) ? text.slice(0, colon) : undefined
  }
  return ipv6(text)
}

function isPort(digits: string, withColon: string): boolean {
  return withColon.startsWith(':') && /^[0-9]{1,5}$/.test(digits) && Number(digits) <= 65_535
}

/** Four decimal numbers, none with a leading zero, which some read as octal. */
function isIpv4(text: string, end: number): boolean {
  let dots = 0
  let value = -1
  for (let at = 0; at < end; at++) {
    const char = text.charCodeAt(at)
    if (char === 0x2e) {
      if (value === -1 || ++dots > 3) return false
      value = -1
    } else if (char >= 0x30 && char <= 0x39) {
      if (value === 0) return false
      value = (value === -1 ? 0 : value * 10) + char - 0x30
      if (value > 255) return false
    } else return false
  }
  return dots === 3 && value !== -1
}

function ipv6(text: string): string | undefined {
  const zone = text.indexOf('%')
  const address = zone === -1 ? text : text.slice(0, zone)
  const [head = '', tail, ...more] = address.split('::')
  if (more.length > 0) return undefined
  const heads = head === '' ? [] : head.split(':')
  const tails = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...heads, ...tails]
  const last = groups.at(-1) ?? ''
  const embedded = last.includes('.')
  // An IPv4 address may stand for the last two groups, and only at the end.
  if (embedded && (!isIpv4(last, last.length) || (tail !== undefined && tails.length === 0))) return undefined
  const count = groups.length + (embedded ? 1 : 0)
  if (tail === undefined ? count !== 8 : count > 7) return undefined
  const plain = embedded ? groups.slice(0, -1) : groups
  return plain.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group)) ? address : undefined
}
