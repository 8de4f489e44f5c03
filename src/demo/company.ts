// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The invented company: Larkfield Instruments makes measuring instruments in Utrecht, Leeds and Toronto.
 * Names end in `.example` (RFC 2606), addresses are documentation addresses (RFC 5737, RFC 3849), and so are
 * the autonomous systems (RFC 5398): nothing here belongs to anyone.
 */
import type { Draw } from './draw.ts'

const DOMAIN = 'larkfield.example'
export const COMPANY = 'Larkfield Instruments'

export interface Place {
  readonly city: string
  readonly state: string
  readonly country: string
  readonly latitude: number
  readonly longitude: number
  readonly utcOffsetHours: number
}

export interface Network {
  readonly ip: string
  readonly asn: number
  readonly place: Place
  /** Set where the address lies in a named location of the tenant. */
  readonly namedLocation?: string
}

export interface Device {
  /** Empty where the device is unknown to the tenant. */
  readonly id: string
  readonly name: string
  readonly operatingSystem: string
  readonly browser: string
  readonly userAgent: string
  readonly trustType: string
  readonly compliant: boolean
}

export interface Account {
  readonly id: string
  readonly name: string
  readonly upn: string
}

export interface Person extends Account {
  readonly title: string
  readonly department: string
  readonly office: Network
  readonly home: Network
  readonly mobile: Network
  readonly laptop: Device
  readonly phone: Device
}

export const places = {
  utrecht: {
    city: 'Utrecht',
    state: 'Utrecht',
    country: 'NL',
    latitude: 52.0907,
    longitude: 5.1214,
    utcOffsetHours: 1,
  },
  leeds: { city: 'Leeds', state: 'Leeds', country: 'GB', latitude: 53.7997, longitude: -1.5492, utcOffsetHours: 0 },
  toronto: {
    city: 'Toronto',
    state: 'Ontario',
    country: 'CA',
    latitude: 43.7064,
    longitude: -79.3986,
    utcOffsetHours: -5,
  },
  dublin: { city: 'Dublin', state: 'Dublin', country: 'IE', latitude: 53.3331, longitude: -6.2489, utcOffsetHours: 0 },
  ashburn: {
    city: 'Ashburn',
    state: 'Virginia',
    country: 'US',
    latitude: 39.0481,
    longitude: -77.4728,
    utcOffsetHours: -5,
  },
  bucharest: {
    city: 'Bucharest',
    state: 'Bucuresti',
    country: 'RO',
    latitude: 44.4323,
    longitude: 26.1063,
    utcOffsetHours: 2,
  },
} as const satisfies Record<string, Place>

type Office = 'utrecht' | 'leeds' | 'toronto'

const offices: Readonly<Record<Office, Network>> = {
  utrecht: { ip: '192.0.2.18', asn: 64_496, place: places.utrecht, namedLocation: 'Utrecht office' },
  leeds: { ip: '192.0.2.82', asn: 64_497, place: places.leeds, namedLocation: 'Leeds office' },
  toronto: { ip: '192.0.2.146', asn: 64_498, place: places.toronto, namedLocation: 'Toronto office' },
}

/** Where the company's own jobs run. */
export const datacentre: Network = { ip: '192.0.2.210', asn: 64_499, place: places.dublin }

const [WINDOWS, MAC, IPHONE, ANDROID] = ['windows', 'mac', 'iphone', 'android'] as const
type Model = typeof WINDOWS | typeof MAC | typeof IPHONE | typeof ANDROID

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const models: Readonly<Record<Model, { operatingSystem: string; browser: string; userAgent: string }>> = {
  windows: {
    operatingSystem: 'Windows10',
    browser: 'Edge 138.0.0',
    userAgent: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0`,
  },
  mac: {
    operatingSystem: 'MacOs',
    browser: 'Chrome 138.0.0',
    userAgent: `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Chrome/138.0.0.0 Safari/537.36`,
  },
  iphone: {
    operatingSystem: 'Ios 18.5',
    browser: 'Mobile Safari',
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
  },
  android: {
    operatingSystem: 'Android 15',
    browser: 'Chrome Mobile 138.0.0',
    userAgent: `Mozilla/5.0 (Linux; Android 15; SM-S921B) ${WEBKIT} Chrome/138.0.0.0 Mobile Safari/537.36`,
  },
}

/** Name, title, department, office, laptop, phone. */
type Row = readonly [string, string, string, Office, Model, Model]
const staff: readonly Row[] = [
  ['Daan Verbeek', 'Applications engineer', 'IT', 'utrecht', WINDOWS, IPHONE],
  ['Ruth Adeyemi', 'Head of security', 'IT', 'leeds', MAC, IPHONE],
  ['Emma de Wit', 'Service desk lead', 'IT', 'utrecht', WINDOWS, ANDROID],
  ['Callum Hughes', 'Service desk analyst', 'IT', 'leeds', WINDOWS, ANDROID],
  ['François Tremblay', 'Systems engineer', 'IT', 'toronto', WINDOWS, IPHONE],
  ['Sanne Kuipers', 'People operations', 'HR', 'utrecht', WINDOWS, IPHONE],
  ['Zoë Bakker', 'Finance controller', 'Finance', 'utrecht', WINDOWS, IPHONE],
  ['Priya Raman', 'Accounts payable', 'Finance', 'leeds', WINDOWS, ANDROID],
  ['Aisha Khan', 'Accountant', 'Finance', 'toronto', WINDOWS, IPHONE],
  ['Jeroen Smit', 'Production planner', 'Operations', 'utrecht', WINDOWS, ANDROID],
  ['Kwame Boateng', 'Warehouse lead', 'Operations', 'leeds', WINDOWS, ANDROID],
  ['Fatima Yıldız', 'Buyer', 'Operations', 'utrecht', WINDOWS, IPHONE],
  ['Amelia Brooks', 'Quality engineer', 'Operations', 'leeds', WINDOWS, IPHONE],
  ['Łukasz Wójcik', 'Firmware engineer', 'Engineering', 'utrecht', MAC, ANDROID],
  ['Rohan Mehta', 'Software engineer', 'Engineering', 'leeds', MAC, IPHONE],
  ['Thijs van Dijk', 'Metrology engineer', 'Engineering', 'utrecht', WINDOWS, ANDROID],
  ['Isla McKenzie', 'Technical writer', 'Engineering', 'leeds', MAC, IPHONE],
  ['Noor El Amrani', 'Product marketing', 'Sales', 'utrecht', MAC, IPHONE],
  ['Bram Hendriks', 'Account manager', 'Sales', 'utrecht', WINDOWS, IPHONE],
  ['Oliver Grant', 'Account manager', 'Sales', 'leeds', WINDOWS, ANDROID],
  ['Marcus Bell', 'Sales director', 'Sales', 'toronto', WINDOWS, IPHONE],
  ['Lotte Jansen', 'Office manager', 'Operations', 'utrecht', WINDOWS, IPHONE],
  ['Siân Pritchard', 'Field service manager', 'Service', 'leeds', WINDOWS, ANDROID],
  ['Chloe Nguyen', 'Customer support', 'Service', 'toronto', WINDOWS, IPHONE],
  ['Gabriel Côté', 'Service engineer', 'Service', 'toronto', WINDOWS, ANDROID],
]

/** People who join, leave or visit during the story: accounts are made for them, they do not sign in. */
export const joiners = [
  'Hanna Lindqvist',
  'Tom Whitaker',
  'Inês Carvalho',
  'Peter van den Berg',
  'Maya Osei',
  'Jack Leblanc',
] as const
export const leavers = ['Wouter Prins', 'Gemma Shaw', 'Diego Morales'] as const
export const guests = [
  'a.keller@mettlerhof.example',
  'procurement@ostrava-tools.example',
  'j.ito@kanto-calibration.example',
  'audit@penrose-partners.example',
] as const

export function personnel(draw: Draw): Person[] {
  return staff.map(([name, title, department, office, laptop, phone], index) => {
    const network = offices[office]
    const unit = `${office.slice(0, 3).toUpperCase()}-${400 + index * 7}`
    return {
      ...account(draw, name),
      title,
      department,
      office: network,
      home: { ip: homeAddress(index), asn: 64_500 + (index % 3), place: network.place },
      mobile: { ip: `198.51.100.${200 + index}`, asn: 64_505, place: network.place },
      laptop: {
        id: draw.guid(),
        name: `LF-${unit}`,
        ...models[laptop],
        trustType: laptop === MAC ? 'Azure AD registered' : 'Azure AD joined',
        compliant: true,
      },
      phone: {
        id: draw.guid(),
        name: `${name.split(' ')[0]}’s ${phone === IPHONE ? 'iPhone' : 'Galaxy'}`,
        ...models[phone],
        trustType: 'Azure AD registered',
        compliant: index % 6 !== 0,
      },
    }
  })
}

/** An account for somebody of another organisation, known by their address. */
export function guest(draw: Draw, address: string): Account {
  return { id: draw.guid(), name: address, upn: `${address.replace('@', '_')}#EXT#@${DOMAIN}` }
}

/** Most homes have an IPv4 address, some IPv6. */
function homeAddress(index: number): string {
  return index % 8 === 3 ? `2001:db8:4${index}:17::${(0xa0 + index).toString(16)}` : `198.51.100.${20 + index * 3}`
}

export function account(draw: Draw, name: string): Account {
  return { id: draw.guid(), name, upn: `${mailName(name)}@${DOMAIN}` }
}

function mailName(name: string): string {
  const plain = name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replaceAll('ł', 'l')
    .replaceAll('Ł', 'L')
    .replaceAll('ı', 'i')
    .toLowerCase()
  const [first = '', ...rest] = plain.split(' ')
  return `${first}.${rest.join('')}`
}
