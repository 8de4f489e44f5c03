// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { defineConfig } from 'oxfmt'

export default defineConfig({
  printWidth: 120,
  semi: false,
  singleQuote: true,
  sortPackageJson: false,
  ignorePatterns: [
    'test/golden/*/**',
    'test/canaries/**',
    '**/fixtures/**',
    '**/*.md',
    'package-lock.json',
    '**/page/*.html',
  ],
})
