// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { mapProvisioning } from './provisioning-map.ts'
import { containers, diagnostic, recordIds, resource, row } from './shapes.ts'

/** What the provisioning service did in other systems: Graph `provisioningObjectSummary`. */
export const entraProvisioning: Connector = {
  type: 'entra.provisioning',
  title: 'Microsoft Entra provisioning logs',
  family: 'entra',
  shapes: [
    ...diagnostic('ProvisioningLogs'),
    ...resource('cycleId', 'jobId', 'changeId', 'provisioningAction'),
    row('AADProvisioningLogs'),
  ],
  containers,
  ids: recordIds,
  map: mapProvisioning,
}
