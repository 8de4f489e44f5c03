// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(await-thenable)

export async function wait(count: number): Promise<number> {
  return await count
}
