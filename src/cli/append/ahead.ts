// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Takes the next one while this one is worked on, and stops waiting for it when the signal fires.

export async function* ahead<T>(source: AsyncIterator<T, unknown>, signal: AbortSignal): AsyncGenerator<T, void> {
  const stop = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  let next = source.next()
  for (;;) {
    const result = await Promise.race([next, stop])
    if (result === undefined || result.done === true) return
    next = source.next()
    // Whoever takes it hears of its failure; nobody does when the signal comes first.
    next.catch(() => {})
    yield result.value
  }
}
