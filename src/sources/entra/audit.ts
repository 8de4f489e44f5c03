// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { mapAudit } from './audit-map.ts'
import { containers, diagnostic, recordIds, resource, row } from './shapes.ts'

/** Changes in the directory: Graph `directoryAudit`. */
export const entraAudit: Connector = {
  type: 'entra.audit',
  title: 'Microsoft Entra audit logs',
  family: 'entra',
  shapes: [
    ...diagnostic('AuditLogs', 'CustomSecurityAttributeAuditLogs'),
    ...resource('activityDateTime', 'loggedByService', 'operationType', 'initiatedBy'),
    ...resource('activityDateTime', 'loggedByService', 'activityDisplayName', 'initiatedBy'),
    row('AuditLogs', 'AADCustomSecurityAttributeAuditLogs'),
    {
      name: 'log-analytics',
      all: [{ key: 'AADOperationType' }, { key: 'TimeGenerated' }, { key: 'LoggedByService' }, { key: 'InitiatedBy' }],
    },
  ],
  containers,
  ids: recordIds,
  map: mapAudit,
}
