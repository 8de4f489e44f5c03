// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The address of whatever listens, and that it is not readable on its way beyond this machine unless somebody said so.

import { printable } from './display.ts'
import { type Environment, pathOf } from './environment.ts'
import { type Failure, usageFailure } from './failure.ts'

interface Listening {
  readonly listenHost: string
  readonly listenPort: number
  readonly tls?: { readonly certPath: string; readonly keyPath: string }
  readonly insecurePlaintext: boolean
}

interface ListenOptions {
  readonly listen?: string
  readonly 'tls-cert'?: string
  readonly 'tls-key'?: string
  readonly 'insecure-plaintext'?: boolean
}

/** `what` is what others could read and alter on the way. */
export const listenOptions = (fallback: string, what: string) =>
  ({
    listen: { type: 'string', value: 'HOST:PORT', help: `the address; else ${fallback}. Port 0 takes a free one` },
    'tls-cert': { type: 'string', value: 'FILE', help: 'certificate chain, PEM; with --tls-key' },
    'tls-key': { type: 'string', value: 'FILE', help: 'private key, PEM; with --tls-cert' },
    'insecure-plaintext': {
      type: 'boolean',
      help: `listens without TLS beyond this machine: whoever is on the way can read ${what}, and alter them`,
    },
  }) as const

/** Throws a Failure where the options contradict each other, or would let others listen in. */
export function listening(options: ListenOptions, fallback: string, environment: Environment): Listening {
  const { host, port } = addressOf(options.listen ?? fallback, fallback)
  const certPath = options['tls-cert']
  const keyPath = options['tls-key']
  if ((certPath === undefined) !== (keyPath === undefined)) {
    throw usageFailure('TLS needs both a certificate and its key', 'Give both --tls-cert and --tls-key')
  }
  const insecurePlaintext = options['insecure-plaintext'] === true
  if (certPath === undefined && !insecurePlaintext && !isLoopback(host)) {
    const mend = 'Give --tls-cert and --tls-key, or --insecure-plaintext, which --help explains'
    throw usageFailure(`without TLS only this machine may connect, and ${printable(host)} lets others in`, mend)
  }
  return {
    listenHost: host,
    listenPort: port,
    ...(certPath === undefined || keyPath === undefined
      ? {}
      : { tls: { certPath: pathOf(environment, certPath), keyPath: pathOf(environment, keyPath) } }),
    insecurePlaintext,
  }
}

function addressOf(text: string, fallback: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) throw noAddress(text, fallback)
  return { host, port }
}

function noAddress(text: string, fallback: string): Failure {
  return usageFailure(`--listen ${printable(text)} is not HOST:PORT`, `Write it as ${fallback} or [::1]:7835`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
