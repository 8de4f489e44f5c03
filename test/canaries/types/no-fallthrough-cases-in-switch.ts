// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS7029

export function words(count: number): string {
  let text = ''
  switch (count) {
    case 0:
      text = 'none'
    default:
      text += 'some'
  }
  return text
}
