// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: eslint(no-restricted-globals) ×10

export const world = [
  Date,
  EventSource,
  WebSocket,
  console,
  fetch,
  performance,
  process,
  setImmediate,
  setInterval,
  setTimeout,
]
