// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { zod } from 'zod'
import { append } from '../ledger/append.ts'
import { leafHash } from '@stele/proof'
// import { nothing } from '../cli/in-a-comment.ts'
export const text = "see from '../cli/append.ts'"
