// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: unicorn(filename-case)

export const name = 'notKebab'
