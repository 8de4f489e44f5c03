// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: import(no-cycle)

import { one } from './no-cycle.ts'

export const other = (): number => one() + 1
