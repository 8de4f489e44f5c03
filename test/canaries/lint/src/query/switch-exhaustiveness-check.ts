// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(switch-exhaustiveness-check)

export function exitCode(verdict: 'valid' | 'self-consistent' | 'failed'): number {
  switch (verdict) {
    case 'valid':
      return 0
    case 'failed':
      return 1
  }
  return 2
}
