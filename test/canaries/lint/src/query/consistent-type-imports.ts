// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(consistent-type-imports)

import { Hash } from 'node:crypto'

export const digest = (hash: Hash): string => hash.digest('hex')
