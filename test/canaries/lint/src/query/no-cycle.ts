// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: import(no-cycle)

import { other } from './no-cycle-other.ts'

export const one = (): number => other() + 1
