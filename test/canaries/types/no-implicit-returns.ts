// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS7030

export function verdict(valid: boolean) {
  if (valid) return 'valid'
}
