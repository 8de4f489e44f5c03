// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: unicorn(prefer-node-protocol)

import { readFileSync } from 'fs'

export const read = (path: string): string => readFileSync(path, 'utf8')
