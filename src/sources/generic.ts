// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from './connector.ts'

/** Whatever no other connector recognises. It has no containers: nobody knows what its frames would mean. */
export const generic: Connector = {
  type: 'generic',
  title: 'Any event',
  family: 'generic',
  shapes: [],
  containers: [],
}
