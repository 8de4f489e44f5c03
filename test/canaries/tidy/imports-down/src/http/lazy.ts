// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must complain 2 times
export const lazily = async (name: string): Promise<unknown> => [await import('../cli/append.ts'), await import(name)]
