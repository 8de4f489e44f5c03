// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS2591 ×2

import { createHash } from 'node:crypto'

export const hash = (): unknown => [createHash, process.env]
