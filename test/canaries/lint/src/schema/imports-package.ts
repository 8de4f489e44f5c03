// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: eslint(no-restricted-imports)

export * from '@stele/proof'
