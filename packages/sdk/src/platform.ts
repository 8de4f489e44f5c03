// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the client takes from the platform where the caller brings nothing of its own.

// oxlint-disable no-restricted-globals -- the client's only defaults; everything else in this package is handed them

/** As the platform's own: sends a request and resolves once the answer begins. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** Resolves after the time, or rejects with the signal's reason. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>

export const platformFetch: Fetch = (url, init) => fetch(url, init)

export const platformSleep: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })

/** Unix milliseconds of an RFC 3339 time. */
export const timeMs = (text: string): number => Date.parse(text)
