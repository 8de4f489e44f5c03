// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { mapGraphActivity } from './graph-activity-map.ts'
import { containers, diagnostic, requestIds, row } from './shapes.ts'

/** Every request made to Microsoft Graph in the tenant. Graph itself does not offer this log. */
export const entraGraphActivity: Connector = {
  type: 'entra.graph-activity',
  title: 'Microsoft Graph activity logs',
  family: 'entra',
  shapes: [...diagnostic('MicrosoftGraphActivityLogs'), row('MicrosoftGraphActivityLogs')],
  containers,
  ids: requestIds,
  map: mapGraphActivity,
}
