// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: eslint(no-restricted-imports) ×23

export * from 'node:child_process'
export * from 'node:cluster'
export * from 'node:dgram'
export * from 'node:dns'
export * from 'node:dns/promises'
export * from 'node:fs'
export * from 'node:fs/promises'
export * from 'node:http'
export * from 'node:http2'
export * from 'node:https'
export * from 'node:module'
export * from 'node:net'
export * from 'node:os'
export * from 'node:perf_hooks'
export * from 'node:process'
export * from 'node:readline'
export * from 'node:readline/promises'
export * from 'node:sqlite'
export * from 'node:timers'
export * from 'node:timers/promises'
export * from 'node:tls'
export * from 'node:worker_threads'
export { randomBytes } from 'node:crypto'
