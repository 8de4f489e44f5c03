// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: eslint(eqeqeq)

export const empty = (text: string | number): boolean => text == ''
