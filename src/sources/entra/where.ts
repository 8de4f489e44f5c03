// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Where an event came from, and when: what sign-ins, risks and requests have in common. Entra's addresses may carry a
// port, its places are looked up by address and best effort.

import type { Location, NetworkEndpoint } from '../../schema/ocsf-objects.ts'
import type { MapContext } from '../connector.ts'
import { endpointAmong, locationOf, sentence } from '../ocsf-base.ts'
import { clip, numberOf, objectOf, text, wholeOf } from '../json.ts'
import { addressOf } from '../address.ts'
import type { Json } from '../json.ts'
import { parseTime } from '../time.ts'
import type { EntraRecord } from './record.ts'

export const entraProduct = Object.freeze({ name: 'Microsoft Entra ID', vendor_name: 'Microsoft' })

/** An address may stand under `ipAddress` of the resource or `callerIpAddress` of the envelope. */
export function sourceOf(record: EntraRecord): NetworkEndpoint | undefined {
  const { resource, envelope } = record
  const location = placeOf(resource['location'] ?? resource['country'], resource['country'] ?? envelope['location'])
  const endpoint = endpointAmong(
    [text(resource['ipAddress']), record.callerIp, text(resource['ipAddressFromResourceProvider'])],
    location,
  )
  if (endpoint === undefined) return undefined
  const number = wholeOf(resource['autonomousSystemNumber'])
  return number === undefined || number <= 0 ? endpoint : { ...endpoint, autonomous_system: { number } }
}

/** What stands where an address should, and is none, as members of `unmapped`. */
export function strayAddresses(
  ipAddress: Json | undefined,
  callerIpAddress: string | undefined,
): Record<string, Json> | undefined {
  const [own, outer] = [strayOf(text(ipAddress)), strayOf(callerIpAddress)]
  if (own === undefined && outer === undefined) return undefined
  return {
    ...(own === undefined ? {} : { ipAddress: own }),
    ...(outer === undefined ? {} : { callerIpAddress: outer }),
  }
}

function strayOf(written: string | undefined): string | undefined {
  return written === undefined || addressOf(written) !== undefined ? undefined : written
}

/** Graph's `signInLocation`; a private address has one of empty names at 0°, 0°. */
function placeOf(location: Json | undefined, country: Json | undefined): Location | undefined {
  const place = objectOf(location)
  const code = countryOf(country)
  if (place === undefined) return code === undefined ? undefined : { country: code }
  const coordinates = objectOf(place['geoCoordinates'])
  const lat = numberOf(coordinates?.['latitude'])
  const long = numberOf(coordinates?.['longitude'])
  return locationOf(text(place['city']), text(place['state']), text(place['countryOrRegion']) ?? code, lat, long)
}

/** The envelope's `location` is a country of two letters in sign-ins, and the region of a data centre elsewhere. */
function countryOf(country: Json | undefined): string | undefined {
  return typeof country === 'string' && country.length === 2 ? text(country) : undefined
}

/** `Lyon, FR`, else the address: as the end of a sentence names it. */
export function placeName(source: NetworkEndpoint | undefined): string | undefined {
  const { city, country } = source?.location ?? {}
  if (city !== undefined) return clip(country === undefined ? city : `${city}, ${country}`, 60)
  return country === undefined ? source?.ip : clip(country, 60)
}

export interface EventTime {
  readonly time: number
  /** As written, where it is no time that can be read. */
  readonly original: string | undefined
}

/** The first of the resource's own times that can be read, else the envelope's, else ledger time. */
export function timeOf(record: EntraRecord, names: readonly string[], context: MapContext): EventTime {
  let original: string | undefined
  for (const name of names) {
    const written = text(record.resource[name])
    const time = written === undefined ? undefined : parseTime(written)
    if (time !== undefined) return { time, original: undefined }
    original ??= written
  }
  const time = record.time === undefined ? undefined : parseTime(record.time)
  if (time !== undefined) return { time, original }
  return { time: context.receivedMs, original: original ?? record.time }
}

/** Members that say something, under their own names; null, false, empty and `none` say nothing. */
function keep(resource: { readonly [key: string]: Json }, names: readonly string[]): Record<string, Json> {
  const kept: Record<string, Json> = {}
  for (const name of names) {
    const value = resource[name]
    if (value !== undefined && says(value)) kept[name] = value
  }
  return kept
}

/** The same of a record, and what it has for an address that is none. */
export function keepOf({ resource, callerIp }: EntraRecord, names: readonly string[]): Record<string, Json> {
  return { ...keep(resource, names), ...strayAddresses(resource['ipAddress'], callerIp) }
}

function says(value: Json): boolean {
  if (typeof value === 'string') return value !== '' && value !== 'none'
  if (typeof value !== 'object') return value !== false
  if (value === null) return false
  return (Array.isArray(value) ? value : Object.keys(value)).length > 0
}

const MAX_LINE_CHARS = 200

/** The sentence about an event. */
export function line(told: string): string {
  return sentence(clip(told, MAX_LINE_CHARS))
}
