// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { mapOther } from './other-map.ts'
import { containers, entraResource, entraRow } from './shapes.ts'

/**
 * Records that say that they are Entra's, of a category without a type of its own. One diagnostic setting sends many
 * categories, and Microsoft adds new ones: without this a single such record would keep a whole batch from being cut.
 */
export const entraOther: Connector = {
  type: 'entra.other',
  title: 'Microsoft Entra, other categories',
  family: 'entra',
  catchAll: true,
  shapes: [
    { name: 'diagnostic', all: [entraResource, { key: 'category' }, { key: 'time' }] },
    { name: 'log-analytics', all: [entraRow, { key: 'Type' }, { key: 'TimeGenerated' }] },
  ],
  containers,
  map: mapOther,
}
