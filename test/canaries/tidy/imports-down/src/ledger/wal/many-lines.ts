// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must complain 3 times
import { randomBytes } from 'node:crypto'
import {
  one,
  type Two,
} from '../../state/fold.ts'
export type { Three } from '../../query/tree.ts'

export type Four = import('../../index/rows.ts').Rows
