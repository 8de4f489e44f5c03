// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(ban-ts-comment)

// @ts-ignore
export const count: number = 'many'
