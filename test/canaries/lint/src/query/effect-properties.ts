// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: eslint(no-restricted-properties) ×14

export const world = [
  AbortSignal.timeout(1),
  Math.random(),
  crypto.getRandomValues(new Uint8Array(1)),
  crypto.randomUUID(),
  globalThis.Date,
  globalThis.EventSource,
  globalThis.WebSocket,
  globalThis.console,
  globalThis.fetch,
  globalThis.performance,
  globalThis.process,
  globalThis.setImmediate,
  globalThis.setInterval,
  globalThis.setTimeout,
]
