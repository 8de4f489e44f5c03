// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The oracle: RFC 6962 section 2.1 word for word, over Node's SHA-256, sharing nothing with the package. Quadratic
// where the definition is; results are remembered by range, because leaf i is always the same.

import { createHash } from 'node:crypto'

function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(typeof part === 'string' ? Buffer.from(part, 'hex') : part)
  return hash.digest('hex')
}

/** Hashes are hexadecimal, so that no test compares views of one buffer with each other. */
export class NaiveTree {
  readonly leaves: readonly Uint8Array[]
  readonly #ranges = new Map<string, string>()

  constructor(leaves: readonly Uint8Array[]) {
    this.leaves = leaves
  }

  /** MTH(D[start:end]). */
  root(start: number, end: number): string {
    const key = `${start}-${end}`
    const known = this.#ranges.get(key)
    if (known !== undefined) return known
    const root = this.#root(start, end)
    this.#ranges.set(key, root)
    return root
  }

  /** PATH(index, D[start:end]). */
  path(index: number, start: number, end: number): string[] {
    const n = end - start
    if (n === 1) return []
    const k = largestPowerBelow(n)
    if (index < k) return [...this.path(index, start, start + k), this.root(start + k, end)]
    return [...this.path(index - k, start + k, end), this.root(start, start + k)]
  }

  /** PROOF(m, D[0:n]). */
  consistency(m: number, n: number): string[] {
    return m === 0 || m === n ? [] : this.#subproof(m, 0, n, true)
  }

  #root(start: number, end: number): string {
    const n = end - start
    if (n === 0) return sha256()
    if (n === 1) return sha256('00', this.leaves[start]!)
    const k = largestPowerBelow(n)
    return sha256('01', this.root(start, start + k), this.root(start + k, end))
  }

  #subproof(m: number, start: number, end: number, isWhole: boolean): string[] {
    const n = end - start
    if (m === n) return isWhole ? [] : [this.root(start, end)]
    const k = largestPowerBelow(n)
    if (m <= k) return [...this.#subproof(m, start, start + k, isWhole), this.root(start + k, end)]
    return [...this.#subproof(m - k, start + k, end, false), this.root(start, start + k)]
  }
}

/** The largest power of two smaller than n, n > 1. */
function largestPowerBelow(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}
