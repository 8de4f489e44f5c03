// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A figure as people read it in a problem's detail: 1,234. */
export function figure(value: number): string {
  return value.toLocaleString('en-US')
}
